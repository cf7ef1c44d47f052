//! One line of an index file: what policy needs of it, and where its `yanked` is.

use cordon_policy::change::Dependency;
use cordon_policy::facts::{DependencyKind, ExoticDependency, ExoticSource, Fact};
use cordon_policy::model::{Digest, DigestAlgorithm, Scheme as _, Timestamp, Version};
use smol_str::{SmolStr, format_smolstr};

use crate::registry::denial::ascii;
use crate::registry::json::{ScanError, Scanner, Span};

/// Longest foreign text kept of a dependency, in bytes: names have 64, registries an address.
const MAX_TEXT_BYTES: usize = 200;

/// What was read of a line. Everything else in it (features, keys of tomorrow) is passed on without
/// a look.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// `name`, as spelled.
    pub(super) name: SmolStr,
    /// `vers`, a SemVer version.
    pub(super) version: Version,
    /// `cksum`.
    pub(super) checksum: Digest,
    /// `yanked`.
    pub(super) yanked: Yanked,
    /// `pubtime`.
    pub(super) published_at: Fact<Timestamp>,
    /// `deps` of this registry: sorted by name, each name once. Those for development are left out,
    /// because nobody else gets them.
    pub(super) dependencies: Vec<Dependency>,
    /// `deps` of other registries.
    pub(super) exotic: Vec<ExoticDependency>,
    /// `links`: it has a build script that links a native library. Other build scripts do not show.
    pub(super) has_links: bool,
}

/// What a line says of being yanked, and what to change to make it say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Yanked {
    /// It is.
    Yes,
    /// It is not: this `false` or `null`, counted within the line, says so.
    No(Span),
    /// There is no such key; one can be inserted here, counted within the line.
    Unsaid(u32),
}

/// Why a line gives no candidate.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum LineError {
    /// Not a JSON object: the file is damaged.
    Damaged(ScanError),
    /// An object without what a candidate needs, or one that two readers could take differently.
    Unreadable(&'static str),
}

impl From<ScanError> for LineError {
    fn from(error: ScanError) -> Self {
        Self::Damaged(error)
    }
}

/// Values as found, before they are checked.
#[derive(Default)]
struct Found {
    name: Option<SmolStr>,
    version: Option<SmolStr>,
    checksum: Option<SmolStr>,
    yanked: Option<(Span, FoundYanked)>,
    published_at: Option<Fact<Timestamp>>,
    dependencies: Option<Dependencies>,
    links: Option<SmolStr>,
}

/// The members of `deps`.
#[derive(Default)]
struct Dependencies {
    here: Vec<Dependency>,
    elsewhere: Vec<ExoticDependency>,
    is_twofold: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum FoundYanked {
    Yes,
    No,
    Other,
}

/// Reads a line without its line feed.
pub(super) fn read(bytes: &[u8]) -> Result<Line, LineError> {
    let mut scanner = Scanner::new(bytes)?;
    let mut members = scanner.object()?;
    let start = scanner.position();
    let mut found = Found::default();
    let mut is_twofold = false;
    while let Some(key) = scanner.key(&mut members)? {
        // A key given twice is read differently by different readers.
        is_twofold |= match key.as_ref() {
            "name" => put(&mut found.name, text(&mut scanner)?),
            "vers" => put(&mut found.version, text(&mut scanner)?),
            "cksum" => put(&mut found.checksum, text(&mut scanner)?),
            "yanked" => {
                let span = scanner.skip()?;
                let value = match span.of(bytes) {
                    b"true" => FoundYanked::Yes,
                    b"false" | b"null" => FoundYanked::No,
                    _ => FoundYanked::Other,
                };
                found.yanked.replace((span, value)).is_some()
            }
            "pubtime" => {
                let instant = publish_time(&mut scanner)?;
                found.published_at.replace(instant).is_some()
            }
            "deps" => {
                let read = dependencies(&mut scanner)?;
                let is_twofold = read.is_twofold;
                found.dependencies.replace(read).is_some() || is_twofold
            }
            "links" => put(&mut found.links, text(&mut scanner)?),
            _ => {
                scanner.skip()?;
                false
            }
        };
        scanner.end(&mut members)?;
    }
    scanner.finish()?;
    if is_twofold {
        return Err(LineError::Unreadable("a key is there twice"));
    }
    found.check(start)
}

impl Found {
    fn check(self, start: u32) -> Result<Line, LineError> {
        use LineError::Unreadable;
        let read = |value: Option<SmolStr>, why| {
            let readable = value.filter(|text| !text.is_empty());
            readable.ok_or(Unreadable(why))
        };
        let name = read(self.name, "it has no `name`")?;
        let version = read(self.version, "it has no `vers`")?;
        let version = cordon_policy::ecosystem::Cargo
            .version(&version)
            .map_err(|_| Unreadable("its `vers` is not a SemVer version"))?;
        let checksum = read(self.checksum, "it has no `cksum`")?;
        let checksum = Digest::from_hex(DigestAlgorithm::Sha256, &checksum)
            .map_err(|_| Unreadable("its `cksum` is not a SHA-256"))?;
        let yanked = match self.yanked {
            None => Yanked::Unsaid(start),
            Some((_, FoundYanked::Yes)) => Yanked::Yes,
            Some((span, FoundYanked::No)) => Yanked::No(span),
            Some((_, FoundYanked::Other)) => {
                return Err(Unreadable("its `yanked` is neither true nor false"));
            }
        };
        let Dependencies {
            here, elsewhere, ..
        } = self.dependencies.unwrap_or_default();
        Ok(Line {
            dependencies: here,
            exotic: elsewhere,
            has_links: self.links.is_some_and(|links| !links.is_empty()),
            name,
            version,
            checksum,
            yanked,
            published_at: self.published_at.unwrap_or(Fact::Absent),
        })
    }
}

/// Keeps a value; whether the key had been there before, readable or not.
fn put(slot: &mut Option<SmolStr>, value: Option<SmolStr>) -> bool {
    let is_again = slot.is_some();
    // An unreadable value counts as an empty one, which is as good as none.
    *slot = Some(value.unwrap_or_default());
    is_again
}

/// Reads `deps`. What is not as the format has it is no dependency cargo could resolve.
fn dependencies(scanner: &mut Scanner<'_>) -> Result<Dependencies, ScanError> {
    let mut found = Dependencies::default();
    if scanner.peek_value() != Some(b'[') {
        scanner.skip()?;
        return Ok(found);
    }
    let mut items = scanner.array()?;
    while scanner.item(&mut items)? {
        dependency(scanner, &mut found)?;
        scanner.end(&mut items)?;
    }
    found.here.sort();
    found.here.dedup_by(|later, first| later.name == first.name);
    found.elsewhere.sort();
    Ok(found)
}

fn dependency(scanner: &mut Scanner<'_>, into: &mut Dependencies) -> Result<(), ScanError> {
    if scanner.peek_value() != Some(b'{') {
        scanner.skip()?;
        return Ok(());
    }
    let (mut name, mut package, mut registry, mut kind) = (None, None, None, None);
    let mut is_optional = false;
    let mut members = scanner.object()?;
    while let Some(key) = scanner.key(&mut members)? {
        let slot = match key.as_ref() {
            "name" => &mut name,
            // The package's name, where the line gives it another one.
            "package" => &mut package,
            "registry" => &mut registry,
            "kind" => &mut kind,
            "optional" => {
                is_optional = scanner.peek_value() == Some(b't');
                scanner.skip()?;
                scanner.end(&mut members)?;
                continue;
            }
            _ => {
                scanner.skip()?;
                scanner.end(&mut members)?;
                continue;
            }
        };
        into.is_twofold |= put(slot, text(scanner)?);
        scanner.end(&mut members)?;
    }
    let given = |value: Option<SmolStr>| value.filter(|text| !text.is_empty());
    let Some(name) = given(package).or(given(name)) else {
        return Ok(());
    };
    let kind = match kind.as_deref() {
        Some("dev") => return Ok(()),
        Some("build") => DependencyKind::Build,
        _ if is_optional => DependencyKind::Optional,
        _ => DependencyKind::Normal,
    };
    match given(registry) {
        None => into.here.push(Dependency { name, kind }),
        Some(registry) => into.elsewhere.push(ExoticDependency {
            name: ascii(&name, MAX_TEXT_BYTES).into(),
            source: ExoticSource::Registry,
            written: ascii(&registry, MAX_TEXT_BYTES).into(),
        }),
    }
    Ok(())
}

fn text(scanner: &mut Scanner<'_>) -> Result<Option<SmolStr>, ScanError> {
    Ok(scanner.string_or_skip()?.map(SmolStr::from))
}

/// A time that is there but cannot be read is not the same as none: it must not let a version pass
/// for one whose registry gives no times.
fn publish_time(scanner: &mut Scanner<'_>) -> Result<Fact<Timestamp>, ScanError> {
    Ok(match scanner.peek_value() {
        Some(b'"') => {
            let text = scanner.string()?;
            Timestamp::parse(&text).map_or_else(
                |_| {
                    let shown = ascii(&text, 40);
                    Fact::Unavailable(format_smolstr!("the index gives the time as `{shown}`"))
                },
                Fact::Known,
            )
        }
        Some(b'n') => {
            scanner.skip()?;
            Fact::Absent
        }
        _ => {
            scanner.skip()?;
            Fact::Unavailable(SmolStr::new_static("the index gives no readable time"))
        }
    })
}
