//! Package URLs (purl specification, ECMA-427): the printed identity of everything.

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
pub fn parse_purl(text: &str, schemes: &[&dyn Scheme]) -> Result<PurlTarget, PurlError> {
    let purl: packageurl::PackageUrl<'_> = text
        .parse()
        .map_err(|error: packageurl::Error| PurlError::Syntax(error.to_string()))?;
    let scheme = schemes
        .iter()
        .find(|scheme| scheme.ecosystem().as_str() == purl.ty())
        .ok_or_else(|| PurlError::UnknownEcosystem(purl.ty().to_owned()))?;
    let raw = match purl.namespace() {
        Some(namespace) => format!("{namespace}/{}", purl.name()),
        None => purl.name().to_owned(),
    };
    Ok(PurlTarget {
        name: scheme.package(&raw)?,
        version: purl
            .version()
            .map(|version| scheme.version(version))
            .transpose()?,
    })
}

/// A text that is not the purl of anything Cordon serves.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PurlError {
    /// Not a purl at all.
    #[error("not a package URL (expected e.g. `pkg:npm/left-pad@1.3.0`): {0}")]
    Syntax(String),
    /// A type none of the registries has.
    #[error("no registry serves purl type `{0}`")]
    UnknownEcosystem(String),
    /// The name breaks the ecosystem's grammar.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The version breaks the ecosystem's grammar.
    #[error(transparent)]
    Version(#[from] VersionError),
}
