//! Package URLs (purl specification, ECMA-427): the printed identity of everything.

use data_encoding::HEXLOWER_PERMISSIVE;

use super::{NameError, PackageName, Scheme, Version, VersionError};

/// Prints a purl. Scopes keep their `@` percent-encoded, as the specification asks.
pub(super) fn format(name: &PackageName, version: Option<&Version>) -> String {
    let mut purl = format!("pkg:{}/", name.ecosystem());
    encode(&mut purl, name.printed(), "/");
    if let Some(version) = version {
        purl.push('@');
        encode(&mut purl, version.as_str(), "");
    }
    purl
}

fn encode(into: &mut String, text: &str, keep: &str) {
    for byte in text.bytes() {
        let is_plain = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if is_plain || keep.as_bytes().contains(&byte) || byte == b':' {
            into.push(char::from(byte));
        } else {
            into.push_str(&format!("%{byte:02X}"));
        }
    }
}

/// What a purl names: a package, or one version of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PurlTarget {
    /// The package.
    pub name: PackageName,
    /// The version, when the purl has one.
    pub version: Option<Version>,
}

/// Parses a purl with the grammar of one of `schemes`, so that nothing unnormalised exists.
///
/// Written out here because the usual libraries follow the specification's table of types, which
/// lower-cases npm names: a rule about `JSONStream` would then be one about `jsonstream`, another
/// package. Names are normalised by their scheme and by nothing else.
///
/// # Errors
/// What is wrong with the text; qualifiers and subpaths are refused.
pub fn parse_purl(text: &str, schemes: &[&dyn Scheme]) -> Result<PurlTarget, PurlError> {
    let rest = text
        .strip_prefix("pkg:")
        .ok_or(PurlError::Syntax("it does not start with `pkg:`"))?;
    if rest.contains(['?', '#']) {
        return Err(PurlError::Narrowed);
    }
    let (ecosystem, path) = rest
        .trim_start_matches('/')
        .split_once('/')
        .ok_or(PurlError::Syntax("it has no name"))?;
    let scheme = schemes
        .iter()
        .find(|scheme| ecosystem.eq_ignore_ascii_case(scheme.ecosystem().as_str()))
        .ok_or_else(|| PurlError::UnknownEcosystem(ecosystem.chars().take(32).collect()))?;
    let (namespace, last) = match path.rsplit_once('/') {
        Some((namespace, last)) => (Some(namespace), last),
        None => (None, path),
    };
    // Only in the last segment does `@` end the name; in front of a scope it belongs to it.
    let (name, version) = match last.split_once('@') {
        Some((name, version)) => (name, Some(version)),
        None => (last, None),
    };
    let mut raw = String::with_capacity(path.len());
    for segment in namespace.iter().flat_map(|all| all.split('/')) {
        raw.push_str(&decode_segment(segment)?);
        raw.push('/');
    }
    raw.push_str(&decode_segment(name)?);
    let version = match version {
        Some(version) => Some(scheme.version(&decode(version)?)?),
        None => None,
    };
    Ok(PurlTarget {
        name: scheme.package(&raw)?,
        version,
    })
}

fn decode_segment(segment: &str) -> Result<String, PurlError> {
    let decoded = decode(segment)?;
    if decoded.is_empty() || decoded.contains('/') {
        return Err(PurlError::Syntax("a segment is empty or holds a slash"));
    }
    Ok(decoded)
}

/// Undoes percent-encoding, once and strictly.
fn decode(text: &str) -> Result<String, PurlError> {
    const BAD: PurlError = PurlError::Syntax("it has a `%` that encodes nothing");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next().ok_or(BAD)?, rest.next().ok_or(BAD)?];
        let value = HEXLOWER_PERMISSIVE.decode(&digits).map_err(|_| BAD)?;
        bytes.extend(value);
    }
    String::from_utf8(bytes).map_err(|_| BAD)
}

/// A text that is not the purl of anything Cordon serves.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PurlError {
    /// Not a purl at all.
    #[error("not a package URL such as `pkg:npm/left-pad@1.3.0`: {0}")]
    Syntax(&'static str),
    /// A type none of the registries has.
    #[error("no registry serves purl type `{0}`")]
    UnknownEcosystem(String),
    /// Qualifiers or a subpath: ignoring them would widen what the author meant.
    #[error("a package URL here names a package or a version, without `?` and `#`")]
    Narrowed,
    /// The name breaks the ecosystem's grammar.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The version breaks the ecosystem's grammar.
    #[error(transparent)]
    Version(#[from] VersionError),
}
