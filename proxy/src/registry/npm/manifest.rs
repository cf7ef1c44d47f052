//! One version of a packument: walked once, its places and the few values policy needs kept.

use std::borrow::Cow;

use cordon_policy::facts::DependencyKind;

use super::relations::Relations;
use crate::registry::json::{ScanError, Scanner, Span};

/// Why a document is refused as a whole.
#[derive(Debug)]
pub(super) enum Fault {
    /// It is not strict JSON, or not of the expected shape.
    Scan(ScanError),
    /// A key stands twice; readers differ in which one counts (M-17).
    Duplicate {
        /// The key.
        key: String,
        /// In what.
        within: &'static str,
    },
}

impl From<ScanError> for Fault {
    fn from(error: ScanError) -> Self {
        Self::Scan(error)
    }
}

/// A field as given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Given<'a> {
    /// Not there, or `null`.
    #[default]
    Missing,
    /// A string.
    Text(Cow<'a, str>),
    /// Any other value.
    Other(Span),
}

impl<'a> Given<'a> {
    pub(super) fn read(scanner: &mut Scanner<'a>) -> Result<Self, ScanError> {
        match scanner.peek_value() {
            Some(b'"') => scanner.string().map(Self::Text),
            Some(b'n') => scanner.skip().map(|_| Self::Missing),
            _ => scanner.skip().map(Self::Other),
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Missing | Self::Other(_) => None,
        }
    }
}

/// A version's manifest, as far as Cordon looks.
#[derive(Debug, Default)]
pub(super) struct Manifest<'a> {
    pub(super) name: Given<'a>,
    pub(super) version: Given<'a>,
    pub(super) deprecated: Given<'a>,
    pub(super) license: Given<'a>,
    pub(super) publisher: Given<'a>,
    /// Whether the registry names a workflow it trusts as the publisher.
    pub(super) has_trusted_publisher: bool,
    pub(super) dist: Dist<'a>,
    pub(super) scripts: Scripts,
    pub(super) is_native: bool,
    /// Whether upstream itself says that something runs at install.
    pub(super) claims_install_script: bool,
}

/// The `dist` object.
#[derive(Debug, Default)]
pub(super) struct Dist<'a> {
    pub(super) tarball: Given<'a>,
    /// Where the tarball's address stands, quotes included.
    pub(super) tarball_at: Span,
    pub(super) integrity: Given<'a>,
    pub(super) shasum: Given<'a>,
    /// Size of what the tarball holds, in bytes, if it is a number.
    pub(super) unpacked_size: Option<u64>,
    pub(super) has_attestations: bool,
    /// Whether the registry signed it.
    pub(super) is_signed: bool,
    /// Where the attestations' address stands, quotes included.
    pub(super) attestations_at: Option<Span>,
}

/// The life-cycle scripts that run when a dependency is installed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Scripts {
    pub(super) preinstall: bool,
    pub(super) install: bool,
    pub(super) postinstall: bool,
}

impl Manifest<'_> {
    /// Whether installing runs code (protocols.md §2.4): a life-cycle script, or a native addon
    /// that is built. What upstream itself claims counts as well: the stricter of two stories.
    pub(super) fn has_install_script(&self) -> bool {
        let Scripts {
            preinstall,
            install,
            postinstall,
        } = self.scripts;
        preinstall || install || postinstall || self.is_native || self.claims_install_script
    }
}

/// Fields of the abbreviated form (protocols.md §2.4), besides the computed `hasInstallScript`.
/// `libc` is not in the public registry's; installers choose by it.
const ABBREVIATED: [&str; 20] = [
    "name",
    "version",
    "deprecated",
    "dependencies",
    "acceptDependencies",
    "optionalDependencies",
    "devDependencies",
    "bundleDependencies",
    "bundledDependencies",
    "peerDependencies",
    "peerDependenciesMeta",
    "bin",
    "directories",
    "dist",
    "engines",
    "_hasShrinkwrap",
    "funding",
    "cpu",
    "os",
    "libc",
];

/// Further fields that are read here, and so must not stand twice.
const READ: [&str; 7] = [
    "maintainers",
    "scripts",
    "license",
    "licenses",
    "_npmUser",
    "gypfile",
    "hasInstallScript",
];

/// Remembers which of the known keys were seen.
#[derive(Default)]
struct SeenKeys(u32);

impl SeenKeys {
    fn insert(&mut self, index: usize, key: &str, within: &'static str) -> Result<(), Fault> {
        let bit = 1 << index;
        if self.0 & bit != 0 {
            return Err(Fault::Duplicate {
                key: key.to_owned(),
                within,
            });
        }
        self.0 |= bit;
        Ok(())
    }
}

fn position(key: &str, of: &[&str]) -> Option<usize> {
    of.iter().position(|known| *known == key)
}

/// Walks one manifest. The members of the abbreviated form are appended to `short`; who and what it
/// is related to goes to `relations`.
pub(super) fn read<'a>(
    scanner: &mut Scanner<'a>,
    short: &mut Vec<Span>,
    relations: &mut Relations<'a>,
) -> Result<Manifest<'a>, Fault> {
    let mut manifest = Manifest::default();
    if scanner.peek_value() != Some(b'{') {
        scanner.skip()?;
        return Ok(manifest);
    }
    let mut members = scanner.object()?;
    let mut seen = SeenKeys::default();
    while let Some(key) = scanner.key(&mut members)? {
        let abbreviated = position(&key, &ABBREVIATED);
        let known =
            abbreviated.or_else(|| position(&key, &READ).map(|index| index + ABBREVIATED.len()));
        if let Some(index) = known {
            seen.insert(index, &key, "a version")?;
        }
        read_field(scanner, &mut manifest, relations, &key)?;
        if abbreviated.is_some() {
            short.push(scanner.member(&members));
        }
        scanner.end(&mut members)?;
    }
    Ok(manifest)
}

fn read_field<'a>(
    scanner: &mut Scanner<'a>,
    manifest: &mut Manifest<'a>,
    relations: &mut Relations<'a>,
    key: &str,
) -> Result<(), Fault> {
    match key {
        "name" => manifest.name = Given::read(scanner)?,
        "version" => manifest.version = Given::read(scanner)?,
        "deprecated" => manifest.deprecated = Given::read(scanner)?,
        "license" => manifest.license = read_license(scanner)?,
        "licenses" if manifest.license == Given::Missing => {
            manifest.license = Given::read(scanner)?;
        }
        "_npmUser" => read_publisher(scanner, manifest)?,
        "dependencies" => relations.read(scanner, DependencyKind::Normal)?,
        "optionalDependencies" => relations.read(scanner, DependencyKind::Optional)?,
        "peerDependencies" => relations.read(scanner, DependencyKind::Peer)?,
        "maintainers" => relations.read_maintainers(scanner)?,
        "gypfile" => manifest.is_native = read_claim(scanner)?,
        "hasInstallScript" => manifest.claims_install_script = read_claim(scanner)?,
        "dist" => manifest.dist = read_dist(scanner)?,
        "scripts" => manifest.scripts = read_scripts(scanner)?,
        _ => {
            scanner.skip()?;
        }
    }
    Ok(())
}

fn read_dist<'a>(scanner: &mut Scanner<'a>) -> Result<Dist<'a>, Fault> {
    const KNOWN: [&str; 6] = [
        "tarball",
        "integrity",
        "shasum",
        "attestations",
        "unpackedSize",
        "signatures",
    ];
    let mut dist = Dist::default();
    if scanner.peek_value() != Some(b'{') {
        scanner.skip()?;
        return Ok(dist);
    }
    let mut members = scanner.object()?;
    let mut seen = SeenKeys::default();
    while let Some(key) = scanner.key(&mut members)? {
        if let Some(index) = position(&key, &KNOWN) {
            seen.insert(index, &key, "`dist`")?;
        }
        match &*key {
            "tarball" => {
                let start = scanner.position();
                dist.tarball = Given::read(scanner)?;
                dist.tarball_at = scanner.span_since(start);
            }
            "integrity" => dist.integrity = Given::read(scanner)?,
            "shasum" => dist.shasum = Given::read(scanner)?,
            "signatures" => {
                let is_list = scanner.peek_value() == Some(b'[');
                let value = scanner.skip()?;
                // Two brackets are an empty list.
                dist.is_signed = is_list && value.end - value.start > 2;
            }
            "unpackedSize" => dist.unpacked_size = scanner.whole_number()?,
            "attestations" => {
                dist.has_attestations = scanner.peek_value() == Some(b'{');
                dist.attestations_at = read_attestations(scanner)?;
            }
            _ => {
                scanner.skip()?;
            }
        }
        scanner.end(&mut members)?;
    }
    Ok(dist)
}

/// Where `url` stands in an `attestations` object.
fn read_attestations(scanner: &mut Scanner<'_>) -> Result<Option<Span>, Fault> {
    if scanner.peek_value() != Some(b'{') {
        scanner.skip()?;
        return Ok(None);
    }
    let mut members = scanner.object()?;
    let mut at = None;
    while let Some(key) = scanner.key(&mut members)? {
        let is_address = key == "url" && scanner.peek_value() == Some(b'"');
        let value = scanner.skip()?;
        if is_address && at.replace(value).is_some() {
            return Err(Fault::Duplicate {
                key: key.into_owned(),
                within: "`attestations`",
            });
        }
        scanner.end(&mut members)?;
    }
    Ok(at)
}

fn read_scripts(scanner: &mut Scanner<'_>) -> Result<Scripts, Fault> {
    let mut scripts = Scripts::default();
    if scanner.peek_value() != Some(b'{') {
        scanner.skip()?;
        return Ok(scripts);
    }
    let mut members = scanner.object()?;
    while let Some(key) = scanner.key(&mut members)? {
        // An empty string runs nothing; anything else that is there may run.
        let is_there = match Given::read(scanner)? {
            Given::Missing => false,
            Given::Text(command) => !command.trim().is_empty(),
            Given::Other(_) => true,
        };
        match &*key {
            "preinstall" => scripts.preinstall |= is_there,
            "install" => scripts.install |= is_there,
            "postinstall" => scripts.postinstall |= is_there,
            _ => {}
        }
        scanner.end(&mut members)?;
    }
    Ok(scripts)
}

/// Who published the version, and whether that was a workflow the registry trusts.
fn read_publisher<'a>(scanner: &mut Scanner<'a>, manifest: &mut Manifest<'a>) -> Result<(), Fault> {
    if scanner.peek_value() != Some(b'{') {
        manifest.publisher = Given::read(scanner)?;
        return Ok(());
    }
    let mut members = scanner.object()?;
    let mut seen = SeenKeys::default();
    while let Some(key) = scanner.key(&mut members)? {
        if let Some(index) = position(&key, &["name", "trustedPublisher"]) {
            seen.insert(index, &key, "`_npmUser`")?;
        }
        match &*key {
            "name" => manifest.publisher = Given::read(scanner)?,
            "trustedPublisher" => {
                manifest.has_trusted_publisher = scanner.peek_value() == Some(b'{');
                scanner.skip()?;
            }
            _ => {
                scanner.skip()?;
            }
        }
        scanner.end(&mut members)?;
    }
    Ok(())
}

/// Whether something is claimed: by any value but `false` and `null`. Installers differ in what
/// they take `"true"` for, so the stricter reading counts.
fn read_claim(scanner: &mut Scanner<'_>) -> Result<bool, Fault> {
    let is_claimed = !matches!(scanner.peek_value(), Some(b'f' | b'n'));
    scanner.skip()?;
    Ok(is_claimed)
}

/// A licence is a string, or in old manifests an object with a `type`.
fn read_license<'a>(scanner: &mut Scanner<'a>) -> Result<Given<'a>, Fault> {
    if scanner.peek_value() != Some(b'{') {
        return Ok(Given::read(scanner)?);
    }
    read_member(scanner, "type")
}

/// One string member of an object; the string itself when it is one instead.
pub(super) fn read_member<'a>(scanner: &mut Scanner<'a>, wanted: &str) -> Result<Given<'a>, Fault> {
    if scanner.peek_value() != Some(b'{') {
        return Ok(Given::read(scanner)?);
    }
    let mut found = Given::Missing;
    let mut members = scanner.object()?;
    while let Some(key) = scanner.key(&mut members)? {
        if key == wanted {
            found = Given::read(scanner)?;
        } else {
            scanner.skip()?;
        }
        scanner.end(&mut members)?;
    }
    Ok(found)
}
