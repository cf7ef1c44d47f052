//! Ranges of versions, evaluated as the OSV schema says, on keys instead of versions.

use super::bound::Bound;
use super::codec::{Reader, put_bytes, put_count};
use super::osv::RawRange;
use crate::facts::Named;
use crate::model::Scheme;

/// What happens at a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Kind {
    /// Affected from here on, the version included; with an empty key, from before every version.
    Introduced = 0,
    /// No longer affected, from this version on.
    Fixed = 1,
    /// No longer affected after this version.
    LastAffected = 2,
    /// Nothing from here on is in the range.
    Limit = 3,
}

impl Kind {
    const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Introduced),
            1 => Some(Self::Fixed),
            2 => Some(Self::LastAffected),
            3 => Some(Self::Limit),
            _ => None,
        }
    }
}

/// A range that holds every version, or every one but pre-releases of the very first.
const IS_EVERYTHING: u8 = 1;
/// An end could not be read; the range is then wider than it was meant.
const IS_UNREADABLE: u8 = 2;

/// A range with keys owned (`Vec<u8>`, when built) or borrowed (from an index).
#[derive(Clone, Debug)]
pub(super) struct Range<K> {
    flags: u8,
    /// In order of their keys; at equal keys as the record has them.
    events: Vec<(Kind, K)>,
}

/// What an event of a record says, with the version as written.
struct Event<'r> {
    kind: Kind,
    version: &'r str,
}

fn events<'r>(raw: &'r RawRange<'_>) -> impl Iterator<Item = Event<'r>> {
    raw.events.iter().flat_map(|event| {
        [
            (Kind::Introduced, &event.introduced),
            (Kind::Fixed, &event.fixed),
            (Kind::LastAffected, &event.last_affected),
            (Kind::Limit, &event.limit),
        ]
        .into_iter()
        .filter_map(|(kind, version)| {
            let version = version.as_deref()?;
            Some(Event { kind, version })
        })
    })
}

/// The versions the range calls fixed, as written.
pub(super) fn fixed<'r>(raw: &'r RawRange<'_>) -> impl Iterator<Item = &'r str> {
    events(raw)
        .filter(|event| event.kind == Kind::Fixed)
        .map(|event| event.version)
}

impl Range<Vec<u8>> {
    /// Reads a range. `SEMVER` and `ECOSYSTEM` ranges are both in the ecosystem's own order, which
    /// for npm and cargo is SemVer's; PEP 440 orders everything that is SemVer as well alike.
    ///
    /// A bound that is no version is read as far as it goes, as the version that leaves the range
    /// widest ([`Prefix`](super::bound::Prefix)); one of which nothing can be read begins the range
    /// at once or does not end it, and the range says so.
    pub(super) fn read(raw: &RawRange<'_>, scheme: &dyn Scheme) -> Self {
        let mut draft = RangeDraft::default();
        for Event { kind, version } in events(raw) {
            // The schema's one special version, before every other, and how it writes "no limit".
            match (kind, version) {
                (Kind::Introduced, "0") => draft.push(kind, Vec::new()),
                (Kind::Limit, "*") => draft.has_open_limit = true,
                _ => draft.add(kind, Bound::read(version, scheme)),
            }
        }
        let mut range = draft.finish();
        if range.flags & IS_UNREADABLE == 0 && is_everything(raw) {
            range.flags |= IS_EVERYTHING;
        }
        range
    }

    /// The range of all versions.
    pub(super) fn everything() -> Self {
        Self {
            flags: IS_EVERYTHING,
            events: vec![(Kind::Introduced, Vec::new())],
        }
    }

    /// Whether an end of it could not be read.
    pub(super) const fn is_unreadable(&self) -> bool {
        self.flags & IS_UNREADABLE != 0
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.push(self.flags);
        put_count(out, self.events.len());
        for (kind, key) in &self.events {
            out.push(*kind as u8);
            put_bytes(out, key);
        }
    }
}

/// A range being read, with its events in the order of the record.
#[derive(Debug, Default)]
struct RangeDraft {
    events: Vec<DraftEvent>,
    has_open_limit: bool,
    is_unreadable: bool,
}

#[derive(Debug)]
struct DraftEvent {
    kind: Kind,
    key: Vec<u8>,
    /// Whether its place is not what is written, but the farthest it can be.
    is_farthest: bool,
}

impl DraftEvent {
    const fn is_end(&self) -> bool {
        matches!(self.kind, Kind::Fixed | Kind::LastAffected)
    }
}

impl RangeDraft {
    fn push(&mut self, kind: Kind, key: Vec<u8>) {
        self.events.push(DraftEvent {
            kind,
            key,
            is_farthest: false,
        });
    }

    fn add(&mut self, kind: Kind, bound: Bound) {
        let prefix = match bound {
            Bound::Exact(key) => return self.push(kind, key),
            Bound::Partial(prefix) => Some(prefix),
            Bound::Unreadable => None,
        };
        match (kind, prefix) {
            (Kind::Introduced, Some(prefix)) => self.introduce(prefix.start),
            (Kind::Fixed, Some(prefix)) => match prefix.release {
                Some(release) => self.end(Kind::Fixed, release),
                None => self.end(Kind::LastAffected, prefix.end),
            },
            (Kind::LastAffected, Some(prefix)) => self.end(kind, prefix.end),
            (Kind::Introduced, None) => {
                self.introduce(Vec::new());
                self.is_unreadable = true;
            }
            // An end that cannot be read ends nothing.
            (Kind::Fixed | Kind::LastAffected, None) => self.is_unreadable = true,
            // A limit is rare; no part of one is made use of.
            (Kind::Limit, _) => {
                self.has_open_limit = true;
                self.is_unreadable = true;
            }
        }
    }

    /// A beginning somewhere among the versions whose keys begin so: from the first of them on. An
    /// end that is written before it and lies among them must not end it, because the beginning
    /// may be behind that end.
    fn introduce(&mut self, start: Vec<u8>) {
        let ends = self.events.iter().filter(|event| event.is_end());
        let keys = ends
            .map(|end| &end.key)
            .filter(|key| key.starts_with(&start));
        let again: Vec<Vec<u8>> = keys.cloned().collect();
        for key in std::iter::once(start).chain(again) {
            self.push(Kind::Introduced, key);
        }
    }

    fn end(&mut self, kind: Kind, key: Vec<u8>) {
        self.events.push(DraftEvent {
            kind,
            key,
            is_farthest: true,
        });
    }

    /// The range, in the order of versions.
    fn finish(mut self) -> Range<Vec<u8>> {
        if self.has_open_limit {
            self.events.retain(|event| event.kind != Kind::Limit);
        }
        self.events.sort_by(|a, b| a.key.cmp(&b.key));
        // Some records give one last version after the other (`2.5.0-NA`, `2.7.1-NA`) without a
        // beginning between them. By the schema the first ends the range, but of ends that are not
        // exactly what is written none takes away what a later one says is affected.
        let mut is_ended_later = false;
        let mut events = Vec::with_capacity(self.events.len());
        for event in self.events.into_iter().rev() {
            let is_end = event.is_end();
            let is_idle = event.is_farthest && is_ended_later;
            is_ended_later = match event.kind {
                Kind::Introduced => false,
                _ => is_ended_later || is_end,
            };
            if !is_idle {
                events.push((event.kind, event.key));
            }
        }
        events.reverse();
        Range {
            flags: if self.is_unreadable { IS_UNREADABLE } else { 0 },
            events,
        }
    }
}

/// Whether the range begins before (or at) the first version there can be and never ends. The
/// spellings are those databases use: RustSec writes the lowest SemVer version.
fn is_everything(raw: &RawRange<'_>) -> bool {
    let mut any = false;
    let all = events(raw).all(|event| {
        any = true;
        match event.kind {
            Kind::Introduced => matches!(event.version, "0" | "0.0.0" | "0.0.0-0"),
            Kind::Limit => event.version == "*",
            Kind::Fixed | Kind::LastAffected => false,
        }
    });
    any && all
}

impl<'a> Range<&'a [u8]> {
    pub(super) fn decode(from: &mut Reader<'a>) -> Option<Self> {
        let flags = from.byte()?;
        let count = from.count()?;
        let mut events = Vec::with_capacity(count);
        for _ in 0..count {
            let kind = Kind::from_byte(from.byte()?)?;
            events.push((kind, from.bytes()?));
        }
        Some(Self { flags, events })
    }
}

impl<K: AsRef<[u8]>> Range<K> {
    /// Whether and how the range names a version, given by its key; `None` stands for a version
    /// that cannot be read.
    pub(super) fn names(&self, key: Option<&[u8]>) -> Option<Named> {
        let Some(key) = key else {
            return match self.is_everything() {
                true => Some(Named::Everything),
                // Without an introduction no version is in it.
                false => self.has(Kind::Introduced).then_some(Named::Unreadable),
            };
        };
        if !self.is_before_limits(key) {
            return None;
        }
        let mut is_affected = false;
        for (kind, at) in &self.events {
            let order = key.cmp(at.as_ref());
            match kind {
                Kind::Introduced if order.is_ge() => is_affected = true,
                Kind::Fixed if order.is_ge() => is_affected = false,
                Kind::LastAffected if order.is_gt() => is_affected = false,
                _ => {}
            }
        }
        is_affected.then_some(match () {
            () if self.flags & IS_UNREADABLE != 0 => Named::Unreadable,
            () if self.is_everything() => Named::Everything,
            () => Named::Range,
        })
    }

    /// Whether it is about every version.
    pub(super) const fn is_everything(&self) -> bool {
        self.flags & IS_EVERYTHING != 0
    }

    /// Whether it calls exactly this version fixed.
    pub(super) fn is_fixed_at(&self, key: &[u8]) -> bool {
        let mut events = self.events.iter();
        events.any(|(kind, at)| *kind == Kind::Fixed && at.as_ref() == key)
    }

    /// Below one of the limits, or without any.
    fn is_before_limits(&self, key: &[u8]) -> bool {
        let mut limits = self.events.iter().filter(|(kind, _)| *kind == Kind::Limit);
        !self.has(Kind::Limit) || limits.any(|(_, limit)| key < limit.as_ref())
    }

    fn has(&self, wanted: Kind) -> bool {
        self.events.iter().any(|(kind, _)| *kind == wanted)
    }
}
