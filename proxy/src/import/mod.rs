//! Importers: what other tools are told, as a policy of Cordon.
//!
//! Each importer reads one format and says, line by line, what it found (`draft::Item`) and what
//! has no counterpart. Nothing is dropped silently: what cannot be expressed is a remark, and so is
//! what the policy reader would refuse. The result is a policy whose every part names the line it
//! comes from. Text in, text out; no file is opened and no clock read here.

mod artifactory;
mod cargo_deny;
mod draft;
mod nexus;
mod osv_scanner;
mod paths;
mod pnpm;
mod selector;
#[cfg(test)]
mod tests;
mod toml;
mod verdaccio;
mod yaml;

use cordon_policy::model::Timestamp;

use draft::Draft;

/// Longest file that is imported, in bytes.
pub const MAX_BYTES: usize = 4 * 1024 * 1024;

/// What can be imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The `packages:` block of a Verdaccio configuration.
    Verdaccio,
    /// Include and exclude patterns of an Artifactory remote repository.
    Artifactory,
    /// Nexus content selectors, age rules among them.
    Nexus,
    /// pnpm's `minimumReleaseAge` settings, in `pnpm-workspace.yaml` or `.npmrc`.
    Pnpm,
    /// `osv-scanner.toml`.
    OsvScanner,
    /// cargo-deny's `deny.toml`.
    CargoDeny,
}

/// What an import cannot know from the file.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Who answers for exemptions.
    pub owner: String,
    /// Where exemptions were agreed.
    pub ticket: String,
    /// When exemptions end that have no end in the file.
    pub until: Timestamp,
}

/// A policy made from another tool's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The policy; `None` when nothing of the file can be expressed.
    pub policy: Option<String>,
    /// What is not in it, in the order of the file.
    pub remarks: Vec<Remark>,
}

/// Something that could not be taken over.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Remark {
    /// Line of the file, from 1.
    pub line: usize,
    /// What, and why.
    pub text: String,
    /// Whether it protected where it comes from, and does not here.
    pub is_loss: bool,
}

impl Imported {
    /// How much that protects was left out.
    pub fn losses(&self) -> usize {
        self.remarks.iter().filter(|remark| remark.is_loss).count()
    }
}

/// A file that is not what it is said to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// Too long.
    #[error("the file has {0} bytes, at most {MAX_BYTES} are read")]
    TooLarge(usize),
    /// Not the syntax.
    #[error("line {line}: {why}")]
    Syntax {
        /// Line of the file, from 1.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// Readable, and without anything to import.
    #[error("there is nothing to import: {0}")]
    Nothing(&'static str),
}

impl ImportError {
    fn syntax(line: usize, why: impl Into<String>) -> Self {
        Self::Syntax {
            line,
            why: why.into(),
        }
    }
}

/// Makes a policy of a file.
///
/// # Errors
/// If the file is not in that format, or says nothing that could be imported.
pub fn import(format: Format, text: &str, terms: &Terms) -> Result<Imported, ImportError> {
    if text.len() > MAX_BYTES {
        return Err(ImportError::TooLarge(text.len()));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut draft = Draft::new(terms.clone());
    match format {
        Format::Verdaccio => verdaccio::read(text, &mut draft)?,
        Format::Artifactory => artifactory::read(text, &mut draft)?,
        Format::Nexus => nexus::read(text, &mut draft)?,
        Format::Pnpm => pnpm::read(text, &mut draft)?,
        Format::OsvScanner => osv_scanner::read(text, &mut draft)?,
        Format::CargoDeny => cargo_deny::read(text, &mut draft)?,
    }
    Ok(draft.finish())
}
