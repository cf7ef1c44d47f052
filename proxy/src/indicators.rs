//! The indicators in force: read from their files, all of them or none.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cordon_policy::config::diagnostic::Diagnostic;
use cordon_policy::inspect::indicators::limits::SOURCE_BYTES;
use cordon_policy::inspect::indicators::{IndicatorFile, IndicatorSet, IndicatorSource};

use crate::config::IndicatorsConfig;

/// Problems told of one attempt.
const TOLD: usize = 32;

/// Indicators that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IndicatorsError {
    /// A file cannot be read.
    #[error("reading the indicators in {}: {error}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// What they say is wrong.
    #[error("the indicators cannot be used:\n  {}", lines(.0).join("\n  "))]
    Rejected(Vec<Diagnostic>),
}

impl IndicatorsError {
    /// One line for each problem.
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::Read { .. } => vec![self.to_string()],
            Self::Rejected(problems) => lines(problems),
        }
    }
}

fn lines(problems: &[Diagnostic]) -> Vec<String> {
    problems
        .iter()
        .take(TOLD)
        .map(ToString::to_string)
        .collect()
}

/// Reads what the configuration names. Blocks.
///
/// # Errors
/// The file that cannot be read, or every problem of all of them.
pub fn read(config: &IndicatorsConfig) -> Result<Arc<IndicatorSet>, IndicatorsError> {
    let source = source(config)?;
    if source == IndicatorSource::default() {
        return Ok(IndicatorSet::built_in());
    }
    let set = IndicatorSet::build(source).map_err(IndicatorsError::Rejected)?;
    Ok(Arc::new(set))
}

/// The texts of the files the configuration names.
fn source(config: &IndicatorsConfig) -> Result<IndicatorSource, IndicatorsError> {
    Ok(IndicatorSource {
        has_starter: config.has_starter,
        packs: files(&config.packs)?,
        hashes: files(&config.hashes)?,
        domains: files(&config.domains)?,
        strings: files(&config.strings)?,
        yara: files(&config.yara)?,
    })
}

fn files(paths: &[PathBuf]) -> Result<Vec<IndicatorFile>, IndicatorsError> {
    paths.iter().map(|path| file(path)).collect()
}

/// Reads one file. Blocks.
///
/// # Errors
/// If it cannot be read, or is no text.
pub fn file(path: &Path) -> Result<IndicatorFile, IndicatorsError> {
    let read = || -> io::Result<String> {
        let mut text = String::new();
        // One byte more than may be, so that too much is told apart from just enough.
        let most = SOURCE_BYTES as u64 + 1;
        File::open(path)?.take(most).read_to_string(&mut text)?;
        Ok(text)
    };
    let text = read().map_err(|error| IndicatorsError::Read {
        file: path.to_owned(),
        error,
    })?;
    Ok(IndicatorFile {
        name: path.display().to_string(),
        text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_together_and_what_is_wrong_is_told_with_its_line() {
        let folder = tempfile::TempDir::new().unwrap();
        let list = folder.path().join("hosts.txt");
        let config = IndicatorsConfig {
            domains: vec![list.clone()],
            ..IndicatorsConfig::default()
        };
        let missing = read(&config).unwrap_err().to_string();
        assert!(missing.contains("hosts.txt"), "{missing}");
        std::fs::write(&list, "# ours\nevil.example\n").unwrap();
        let set = read(&config).unwrap();
        assert!(set.has_domains());
        assert_ne!(set.id(), IndicatorSet::built_in().id());
        std::fs::write(&list, "evil.example\nno host\n").unwrap();
        let wrong = read(&config).unwrap_err().lines();
        assert!(wrong[0].contains("hosts.txt:2"), "{wrong:?}");
        let plain = read(&IndicatorsConfig::default()).unwrap();
        assert!(Arc::ptr_eq(&plain, &IndicatorSet::built_in()));
    }
}
