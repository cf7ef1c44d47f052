//! `cordon log verify`: the proof that nothing was changed, from the published files alone; and for
//! a local store, that its database still says what was published.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use cordon_storage::evidence::SqliteEvidence;
use cordon_storage::evidence::log::PUBLIC_KEY;
use cordon_storage::evidence::log::verify::{Report, verify};
use cordon_storage::{Chain, StorageErrorKind};

use super::{Common, output, unusable};
use crate::data;

#[derive(Debug, Args)]
pub(super) struct Verify {
    /// The folder with the published log, and nothing but it; without it, the one of the data
    /// folder, and the database beside it
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// File with the log's public key; without it, the one beside the log
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// A checkpoint kept from earlier or later: the log must be consistent with it
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
}

impl Verify {
    pub(super) fn run(&self, common: &Common) -> Result<ExitCode, ExitCode> {
        let (log, data) = match &self.folder {
            Some(folder) => (folder.clone(), None),
            None => {
                let data = common.load(&common.overrides())?.data;
                (data::log_folder(&data), Some(data))
            }
        };
        let key_file = self.key.clone().unwrap_or_else(|| log.join(PUBLIC_KEY));
        let read = |path: &PathBuf| {
            std::fs::read_to_string(path).map_err(|error| {
                output::complain(format_args!("reading {}: {error}", path.display()));
                unusable()
            })
        };
        let key = read(&key_file)?;
        let key = key.trim();
        // Who rewrites a log can sign it with another key and put that key beside it.
        let origin = match self.key {
            Some(_) => "",
            None => " (taken from the log itself; compare it with the one you kept)",
        };
        let against = self.against.as_ref().map(read).transpose()?;
        match verify(&log, key, against.as_deref()) {
            Ok(report) => {
                let mut lines = output::Lines::default();
                lines.add(format_args!("key {key}{origin}"));
                lines.add(format_args!(
                    "good: {} entries, {} bytes, root {}",
                    report.entries, report.entry_bytes, report.root
                ));
                if let Some(size) = report.extends {
                    lines.add(format_args!(
                        "consistent with the other checkpoint, over {size} entries"
                    ));
                }
                if let Some(data) = data {
                    let entries = audit(&data, &report)?;
                    lines.add(format_args!(
                        "the database says the same, over {entries} entries"
                    ));
                }
                output::print(lines)?;
                Ok(ExitCode::SUCCESS)
            }
            Err(error) if !error.accuses() => {
                let why = Chain(&error);
                output::complain(format_args!("the log cannot be verified: {why}"));
                Err(unusable())
            }
            Err(error) => {
                output::complain(format_args!("key {key}{origin}"));
                let why = Chain(&error);
                output::complain(format_args!("the log is not what was signed: {why}"));
                if let Some(index) = error.first_bad {
                    output::complain(format_args!("first bad entry: {index}"));
                }
                Err(ExitCode::FAILURE)
            }
        }
    }
}

/// Holds the database to its own entries and to the published ones. Answers how many it has: more
/// than are published while a Cordon is at work.
fn audit(data: &Path, published: &Report) -> Result<u64, ExitCode> {
    let evidence = SqliteEvidence::open_to_read(data).map_err(|error| super::fail(&error))?;
    super::block_on(async {
        let audited = evidence.audit_against(published).await;
        audited.map_err(|error| match error.kind {
            StorageErrorKind::Corrupt => {
                let error = Chain(&error);
                output::complain(format_args!("the database is not what was logged: {error}"));
                ExitCode::FAILURE
            }
            _ => super::fail(&error),
        })
    })
}
