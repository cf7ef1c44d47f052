//! `cordon inspect-worker`: what Cordon starts to look into archives. Not for people.

use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::fail;
use crate::inspection::{self, Confinement};

#[derive(Debug, Args)]
pub(super) struct InspectWorker {
    /// Bytes of memory it may have
    #[arg(long, value_name = "BYTES", default_value_t = 512 << 20)]
    memory: u64,
    /// Whether it works when it cannot be confined
    #[arg(long)]
    sandbox: Sandbox,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Sandbox {
    Required,
    BestEffort,
}

impl InspectWorker {
    pub(super) fn run(&self) -> Result<ExitCode, ExitCode> {
        let confinement = Confinement {
            memory_bytes: self.memory,
            is_required: matches!(self.sandbox, Sandbox::Required),
        };
        inspection::work(&confinement).map_err(|error| fail(&error))?;
        Ok(ExitCode::SUCCESS)
    }
}
