//! Indicators: files of what is known to belong to attacks.

use std::path::PathBuf;

use cordon_policy::config::reader::{Spanned, TableReader};

use super::upstream::Context;

/// Most files of one kind.
const MAX_FILES: usize = 256;

/// Where what is looked for in archives is read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndicatorsConfig {
    /// Whether the rules Cordon comes with are looked for.
    pub has_starter: bool,
    /// Packs of rules.
    pub packs: Vec<PathBuf>,
    /// Lists of digests.
    pub hashes: Vec<PathBuf>,
    /// Lists of hosts.
    pub domains: Vec<PathBuf>,
    /// Lists of texts.
    pub strings: Vec<PathBuf>,
    /// Files of YARA rules.
    pub yara: Vec<PathBuf>,
}

impl Default for IndicatorsConfig {
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

impl IndicatorsConfig {
    /// Every file it names.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        let kinds = [
            &self.packs,
            &self.hashes,
            &self.domains,
            &self.strings,
            &self.yara,
        ];
        kinds.into_iter().flatten()
    }
}

/// `[indicators]` as written.
#[derive(Debug, Default)]
pub(super) struct RawIndicators {
    starter: Option<bool>,
    packs: Vec<Spanned<String>>,
    hashes: Vec<Spanned<String>>,
    domains: Vec<Spanned<String>>,
    strings: Vec<Spanned<String>>,
    yara: Vec<Spanned<String>>,
}

/// Reads `[indicators]`.
pub(super) fn read(mut table: TableReader<'_, '_>) -> RawIndicators {
    let raw = RawIndicators {
        starter: table.boolean("starter").map(|it| it.value),
        packs: table.strings("packs").unwrap_or_default(),
        hashes: table.strings("hashes").unwrap_or_default(),
        domains: table.strings("domains").unwrap_or_default(),
        strings: table.strings("strings").unwrap_or_default(),
        yara: table.strings("yara").unwrap_or_default(),
    };
    table.finish();
    raw
}

/// What was written, with every file found.
pub(super) fn validate(raw: &RawIndicators, context: Context<'_>) -> IndicatorsConfig {
    if let (Some(first), false) = (raw.yara.first(), cfg!(feature = "yara")) {
        context.file.error(
            "yara-missing",
            &first.bytes,
            "this program was built without YARA",
            "use the distributed program or image, or build with `--features yara`",
        );
    }
    IndicatorsConfig {
        has_starter: raw.starter.unwrap_or(true),
        packs: files(&raw.packs, context),
        hashes: files(&raw.hashes, context),
        domains: files(&raw.domains, context),
        strings: files(&raw.strings, context),
        yara: files(&raw.yara, context),
    }
}

fn files(given: &[Spanned<String>], context: Context<'_>) -> Vec<PathBuf> {
    if let Some(one_more) = given.get(MAX_FILES) {
        let message = format!("there are more than {MAX_FILES} files of a kind");
        context.file.error(
            "indicators-many",
            &one_more.bytes,
            message,
            "put several together",
        );
    }
    given.iter().map(|it| context.named_file(it)).collect()
}
