//! Where upstream keeps its crates: the `dl` of its `config.json` (protocols.md §4.1).

use cordon_policy::model::{Digest, PackageVersion};
use serde::Deserialize;
use smol_str::SmolStr;
use url::Url;

use super::route::prefix;
use crate::registry::denial::ascii;
use crate::registry::{MetadataError, UpstreamDocument};

const MARKERS: [&str; 5] = [
    "{crate}",
    "{version}",
    "{prefix}",
    "{lowerprefix}",
    "{sha256-checksum}",
];

/// Longest `dl` accepted, in bytes. Real ones have fifty.
const MAX_TEMPLATE_BYTES: usize = 2048;

/// The address of downloads, with markers. `api` and `auth-required` of upstream are not read:
/// clients get our own.
#[derive(Clone, Debug)]
pub(super) struct DownloadTemplate(SmolStr);

#[derive(Deserialize)]
struct Config {
    dl: SmolStr,
}

impl DownloadTemplate {
    /// Reads `config.json`.
    pub(super) fn read(document: &UpstreamDocument) -> Result<Self, MetadataError> {
        let malformed = |why: String| MetadataError::Malformed {
            document: "config.json",
            subject: format!("the upstream `{}`", document.upstream),
            why,
        };
        let config: Config = serde_json::from_slice(&document.bytes)
            .map_err(|error| malformed(error.to_string()))?;
        if config.dl.len() > MAX_TEMPLATE_BYTES {
            return Err(malformed(format!(
                "`dl` has more than {MAX_TEMPLATE_BYTES} bytes"
            )));
        }
        Ok(Self(config.dl))
    }

    /// The address of one download. Values come from checked names, versions and digests only, so
    /// none can hold a `/` or be `..`.
    pub(super) fn expand(
        &self,
        subject: &PackageVersion,
        checksum: &Digest,
    ) -> Result<Url, MetadataError> {
        let name = subject.name.as_published();
        let version = subject.version.as_str();
        let expanded = if MARKERS.iter().any(|marker| self.0.contains(marker)) {
            self.0
                .replace("{crate}", name)
                .replace("{version}", version)
                .replace("{prefix}", &prefix(name))
                .replace("{lowerprefix}", &prefix(&name.to_ascii_lowercase()))
                .replace("{sha256-checksum}", &checksum.hex())
        } else {
            format!("{}/{name}/{version}/download", self.0)
        };
        let unusable = |why: String| MetadataError::Address {
            subject: subject.to_string(),
            url: ascii(&expanded, 200),
            why,
        };
        let url = Url::parse(&expanded).map_err(|error| unusable(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(unusable("only http and https are fetched".to_owned()));
        }
        Ok(url)
    }
}
