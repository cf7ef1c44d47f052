//! What a set is made from: files as they were read.

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use smol_str::SmolStr;

/// The version of the search. A set made from the same files by another search is another set.
const SEARCH: &str = "cordon-indicators-1";

/// The rules Cordon comes with.
pub(super) const STARTER: &str = include_str!("starter.toml");

/// How they are named in messages.
pub(super) const STARTER_NAME: &str = "starter pack";

/// A text that means nothing and is found by every set, so that it can be tested that the search
/// works, as one does with antivirus programs.
pub const TEST_MARKER: &str = concat!("CORDON-INDICATOR-TEST", "-b7f0c2d6-THIS-IS-HARMLESS");

/// A file of indicators.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndicatorFile {
    /// How it is named in messages.
    pub name: String,
    /// What it says.
    pub text: String,
}

/// The files a set is made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndicatorSource {
    /// Whether the rules Cordon comes with are among them.
    pub has_starter: bool,
    /// Packs of rules.
    pub packs: Vec<IndicatorFile>,
    /// Lists of SHA-256 digests of files and of whole archives.
    pub hashes: Vec<IndicatorFile>,
    /// Lists of hosts; those below them are meant as well.
    pub domains: Vec<IndicatorFile>,
    /// Lists of texts.
    pub strings: Vec<IndicatorFile>,
    /// YARA rules.
    pub yara: Vec<IndicatorFile>,
}

impl Default for IndicatorSource {
    fn default() -> Self {
        Self {
            has_starter: true,
            packs: Vec::new(),
            hashes: Vec::new(),
            domains: Vec::new(),
            strings: Vec::new(),
            yara: Vec::new(),
        }
    }
}

impl IndicatorSource {
    /// No indicators but the test marker.
    pub fn none() -> Self {
        Self {
            has_starter: false,
            ..Self::default()
        }
    }

    /// Bytes of all files together.
    pub fn size_bytes(&self) -> usize {
        let lists = [
            &self.packs,
            &self.hashes,
            &self.domains,
            &self.strings,
            &self.yara,
        ];
        lists.into_iter().flatten().map(|it| it.text.len()).sum()
    }

    /// What tells it from any other: the same files give the same set wherever they are read.
    pub fn id(&self) -> SmolStr {
        let mut digest = Sha256::new();
        let mut part = |text: &str| {
            digest.update(text.len().to_be_bytes());
            digest.update(text);
        };
        part(SEARCH);
        part(match self.has_starter {
            true => STARTER,
            false => "",
        });
        let kinds = [
            ("packs", &self.packs),
            ("hashes", &self.hashes),
            ("domains", &self.domains),
            ("strings", &self.strings),
            ("yara", &self.yara),
        ];
        for (kind, files) in kinds {
            part(kind);
            part(&files.len().to_string());
            for file in files {
                part(&file.name);
                part(&file.text);
            }
        }
        let whole = HEXLOWER.encode(&digest.finalize());
        whole.get(..16).unwrap_or(&whole).into()
    }
}
