//! Ranges of versions, evaluated as the OSV schema says, on keys instead of versions.

use super::codec::{Reader, put_bytes, put_count};
use super::osv::RawRange;
use crate::facts::Named;
use crate::model::{Scheme, Version};

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
    pub(super) fn read(raw: &RawRange<'_>, scheme: &dyn Scheme) -> Self {
        let mut range = Self {
            flags: 0,
            events: Vec::with_capacity(raw.events.len()),
        };
        let mut has_open_limit = false;
        for Event { kind, version } in events(raw) {
            let mut key = Vec::new();
            // The schema's one special version: before every other.
            let is_zero = kind == Kind::Introduced && version == "0";
            if is_zero || scheme.order_key(&Version::verbatim(version), &mut key) {
                range.events.push((kind, key));
                continue;
            }
            match kind {
                Kind::Introduced => range.events.push((kind, Vec::new())),
                // An end that cannot be read ends nothing.
                Kind::Fixed | Kind::LastAffected => {}
                Kind::Limit => has_open_limit = true,
            }
            // `*` is how the schema writes "no limit".
            if !(kind == Kind::Limit && version == "*") {
                range.flags |= IS_UNREADABLE;
            }
        }
        if has_open_limit {
            range.events.retain(|(kind, _)| *kind != Kind::Limit);
        }
        range.events.sort_by(|(_, a), (_, b)| a.cmp(b));
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
