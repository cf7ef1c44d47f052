//! `cordon policy import`: what other tools are told, as a policy.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use cordon_policy::model::Timestamp;

use super::{output, unusable};
use crate::engine::{Clock as _, SystemClock};
use crate::import::{Format, Imported, MAX_BYTES, Terms, import};

/// How long exemptions last that have no end in the file: long enough to look at each.
const EXEMPT_FOR: Duration = Duration::from_secs(90 * 24 * 60 * 60);

#[derive(Debug, Args)]
pub(in crate::cli) struct Import {
    /// What the file is
    format: Kind,
    /// The file; `-` for standard input
    file: PathBuf,
    /// Write the policy into this file, which must not be there, instead of printing it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Who answers for exemptions
    #[arg(long, default_value = "imported")]
    owner: String,
    /// Where exemptions were agreed
    #[arg(long, default_value = "imported")]
    ticket: String,
    /// When exemptions end that have no end in the file (RFC 3339); in 90 days without it
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// The `packages:` block of Verdaccio's config.yaml
    Verdaccio,
    /// Include and exclude patterns of Artifactory remote repositories: JSON, or `key=value` lines
    Artifactory,
    /// Nexus content selectors, age rules among them: one expression a line, or JSON
    Nexus,
    /// `minimumReleaseAge` settings in pnpm-workspace.yaml or .npmrc
    Pnpm,
    /// osv-scanner.toml
    OsvScanner,
    /// cargo-deny's deny.toml
    CargoDeny,
}

impl Import {
    pub(super) fn run(&self) -> Result<ExitCode, ExitCode> {
        let refuse = |message: String| {
            output::complain(message);
            unusable()
        };
        let until = match &self.until {
            None => SystemClock.now().saturating_add(EXEMPT_FOR),
            Some(text) => Timestamp::parse(text).map_err(|error| refuse(error.to_string()))?,
        };
        let terms = Terms {
            owner: self.owner.clone(),
            ticket: self.ticket.clone(),
            until,
        };
        let name = self.file.display();
        let text = read(&self.file).map_err(|error| refuse(format!("reading {name}: {error}")))?;
        let imported = import(self.format.into(), &text, &terms)
            .map_err(|error| refuse(format!("{name}: {error}")))?;
        self.answer(&imported)
    }

    fn answer(&self, imported: &Imported) -> Result<ExitCode, ExitCode> {
        let name = self.file.display();
        for remark in &imported.remarks {
            let kind = if remark.is_loss { "error" } else { "warning" };
            output::complain(format_args!(
                "{name}:{}: {kind}: {}",
                remark.line, remark.text
            ));
        }
        let Some(policy) = &imported.policy else {
            output::complain(format_args!("nothing of {name} can be said in a policy"));
            return Err(ExitCode::FAILURE);
        };
        let policy =
            format!("# Made from {name}. Look through it before it is in force.\n\n{policy}");
        match &self.out {
            None => output::print(policy.trim_end())?,
            Some(out) => write(out, &policy).map_err(|error| {
                output::complain(format_args!("writing {}: {error}", out.display()));
                ExitCode::FAILURE
            })?,
        }
        match imported.losses() {
            0 => Ok(ExitCode::SUCCESS),
            losses => {
                output::complain(format_args!(
                    "{losses} parts of {name} that protect are not in the policy; add them by hand"
                ));
                Err(ExitCode::FAILURE)
            }
        }
    }
}

fn read(file: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    let limit = MAX_BYTES as u64 + 1;
    match file.to_str() {
        Some("-") => std::io::stdin().take(limit).read_to_string(&mut text)?,
        _ => fs::File::open(file)?
            .take(limit)
            .read_to_string(&mut text)?,
    };
    Ok(text)
}

fn write(out: &Path, policy: &str) -> std::io::Result<()> {
    let mut file = fs::File::create_new(out)?;
    file.write_all(policy.as_bytes())?;
    file.sync_all()
}

impl From<Kind> for Format {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Verdaccio => Self::Verdaccio,
            Kind::Artifactory => Self::Artifactory,
            Kind::Nexus => Self::Nexus,
            Kind::Pnpm => Self::Pnpm,
            Kind::OsvScanner => Self::OsvScanner,
            Kind::CargoDeny => Self::CargoDeny,
        }
    }
}
