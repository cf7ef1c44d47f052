//! What a manifest tells policy.

use std::sync::Arc;

use cordon_policy::facts::{ExoticDependency, Fact, History, PackageFacts, Trust, VersionFacts};
use cordon_policy::model::{ArtifactId, Digest, DigestAlgorithm, Digests, Timestamp};
use smol_str::SmolStr;

use super::manifest::{Dist, Given, Manifest};

/// Longest free text kept as a fact, in bytes; the document keeps the whole.
const MAX_TEXT_BYTES: usize = 1024;

/// Most integrity tokens of one version; real documents have one, rarely two.
const MAX_TOKENS: usize = 16;

/// The facts of one version. When it was published is filled in once the document's `time` is
/// known, since that may stand behind the versions.
pub(super) fn of(
    artifact: ArtifactId,
    manifest: &Manifest<'_>,
    document: &[u8],
    package: &Arc<PackageFacts>,
    exotic_dependencies: Fact<Arc<[ExoticDependency]>>,
) -> VersionFacts {
    VersionFacts {
        artifact,
        published_at: Fact::Absent,
        archive_sha256: None,
        declared: declared(&manifest.dist),
        // `unpackedSize` is not the size of the file, and nothing else is declared.
        size_bytes: Fact::Absent,
        bytes: Fact::NotYet,
        archive: Fact::NotYet,
        agreement: Fact::NotYet,
        content: Fact::NotYet,
        content_change: Fact::NotYet,
        indicators: Fact::NotYet,
        scanners: Fact::NotYet,
        bundled: Fact::NotYet,
        signature: match manifest.dist.is_signed {
            true => Fact::NotYet,
            false => Fact::Absent,
        },
        is_yanked: Fact::Absent,
        deprecated: deprecated(&manifest.deprecated, document),
        license: text(&manifest.license, document),
        install_hooks: install_hooks(manifest),
        has_provenance: Fact::Known(manifest.dist.has_attestations),
        publisher: text(&manifest.publisher, document),
        history: History::default(),
        package: Arc::clone(package),
        change: Fact::NotYet,
        exotic_dependencies,
        burst: Fact::NotYet,
        siblings: Fact::NotYet,
        advisories: Fact::NotYet,
        fixes: Arc::default(),
        audience: cordon_policy::facts::Audience::default(),
    }
}

/// How far the publication of a version can be trusted. A workflow the registry trusts is verified
/// by the registry itself, with or without a statement of provenance.
pub(super) fn trust(manifest: &Manifest<'_>) -> Trust {
    if manifest.has_trusted_publisher {
        Trust::TrustedPublisher
    } else if manifest.dist.has_attestations {
        Trust::Provenance
    } else {
        Trust::Account
    }
}

/// Every digest declared. One that cannot be understood makes all of them unavailable: whoever
/// spoiled it may have wanted the weaker one to decide (M-11, M-12).
pub(super) fn declared(dist: &Dist<'_>) -> Fact<Digests> {
    let mut all = Digests::none();
    match &dist.integrity {
        Given::Missing => {}
        Given::Other(_) => return unavailable("`dist.integrity` is not a string"),
        Given::Text(integrity) => {
            let tokens = || integrity.split_ascii_whitespace();
            if tokens().count() > MAX_TOKENS {
                return unavailable("`dist.integrity` has more than 16 digests");
            }
            for token in tokens() {
                match sri(token) {
                    Ok(Some(digest)) => all.insert(digest),
                    Ok(None) => {}
                    Err(why) => return unavailable(why),
                }
            }
            if all.is_empty() {
                return unavailable("`dist.integrity` holds no digest of a known algorithm");
            }
        }
    }
    match &dist.shasum {
        Given::Missing => {}
        Given::Other(_) => return unavailable("`dist.shasum` is not a string"),
        Given::Text(hex) => match Digest::from_hex(DigestAlgorithm::Sha1, hex) {
            Ok(digest) => all.insert(digest),
            Err(_) => return unavailable("`dist.shasum` is not a SHA-1 in hexadecimal"),
        },
    }
    if all.is_empty() {
        Fact::Absent
    } else {
        Fact::Known(all)
    }
}

/// One token of Subresource Integrity: `sha512-<base64>`, options after `?` ignored. An algorithm
/// nobody can compute is no digest, as for the clients.
fn sri(token: &str) -> Result<Option<Digest>, &'static str> {
    let token = token.split('?').next().unwrap_or_default();
    let Some((algorithm, base64)) = token.split_once('-') else {
        return Err("`dist.integrity` is malformed");
    };
    let algorithm = match algorithm {
        "sha512" => DigestAlgorithm::Sha512,
        "sha384" => DigestAlgorithm::Sha384,
        "sha256" => DigestAlgorithm::Sha256,
        "sha1" => DigestAlgorithm::Sha1,
        "md5" => DigestAlgorithm::Md5,
        _ => return Ok(None),
    };
    Digest::from_base64(algorithm, base64)
        .map(Some)
        .map_err(|_| "`dist.integrity` is malformed")
}

/// A deprecation is a message; `false` and an empty string in the wild mean that there is none,
/// `true` that there is one without a message.
fn deprecated(given: &Given<'_>, document: &[u8]) -> Fact<SmolStr> {
    match given {
        Given::Missing => Fact::Absent,
        Given::Text(message) if message.is_empty() => Fact::Absent,
        Given::Text(message) => Fact::Known(cut(message, MAX_TEXT_BYTES)),
        Given::Other(span) if span.of(document) == b"false" => Fact::Absent,
        Given::Other(_) => Fact::Known(SmolStr::default()),
    }
}

/// A text as the registry words it; what is none is kept as the JSON it is.
fn text(given: &Given<'_>, document: &[u8]) -> Fact<SmolStr> {
    match given {
        Given::Missing => Fact::Absent,
        Given::Text(text) => Fact::Known(cut(text, MAX_TEXT_BYTES)),
        Given::Other(span) => Fact::Known(cut(
            &String::from_utf8_lossy(span.of(document)),
            MAX_TEXT_BYTES,
        )),
    }
}

fn install_hooks(manifest: &Manifest<'_>) -> Fact<Vec<SmolStr>> {
    if !manifest.has_install_script() {
        return Fact::Absent;
    }
    let scripts = manifest.scripts;
    let hooks = [
        ("preinstall", scripts.preinstall),
        ("install", scripts.install),
        ("postinstall", scripts.postinstall),
        ("gypfile", manifest.is_native),
        ("hasInstallScript", manifest.claims_install_script),
    ];
    Fact::Known(
        hooks
            .into_iter()
            .filter(|(_, is_there)| *is_there)
            .map(|(name, _)| SmolStr::new_static(name))
            .collect(),
    )
}

/// A publication time.
pub(super) fn time(given: &Given<'_>) -> Fact<Timestamp> {
    match given {
        Given::Missing => Fact::Absent,
        Given::Other(_) => unavailable("the publication time is not a string"),
        Given::Text(text) => Timestamp::parse(text).map_or_else(
            |_| unavailable("the publication time is not a time"),
            Fact::Known,
        ),
    }
}

fn unavailable<T>(why: &'static str) -> Fact<T> {
    Fact::Unavailable(SmolStr::new_static(why))
}

/// At most so many bytes, cut between characters.
pub(super) fn cut(text: &str, most: usize) -> SmolStr {
    if text.len() <= most {
        return SmolStr::new(text);
    }
    let end = text
        .char_indices()
        .map(|(at, character)| at + character.len_utf8())
        .take_while(|end| *end <= most)
        .last()
        .unwrap_or(0);
    SmolStr::new(text.get(..end).unwrap_or_default())
}
