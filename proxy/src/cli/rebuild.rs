//! `cordon rebuild` and `cordon gc`.

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use cordon_policy::config::quantity::{QuantityError, parse_size};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Common, output};
use crate::engine::{Clock as _, SystemClock};
use crate::{data, maintenance};

#[derive(Debug, Args)]
pub(super) struct Gc {
    /// Free down to this size, `50 GiB` or in bytes, instead of limits.store_size
    #[arg(long, value_name = "SIZE", value_parser = size)]
    to: Option<u64>,
    /// Only say what would be removed
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn rebuild(common: &Common) -> Result<ExitCode, ExitCode> {
    let config = common.load(&common.overrides())?;
    super::block_on(async {
        let open =
            data::open_existing(&config.data, SystemClock.now()).map_err(|e| super::fail(&e))?;
        let bar = spinner("entries read");
        let done = maintenance::rebuild(&open.stores, |entries| bar.set_position(entries))
            .await
            .map_err(|error| super::fail(&error))?;
        bar.finish_and_clear();
        open.evidence.close().await;
        output::print(format_args!(
            "{} log entries read, {} artifact records made again, {} without bytes",
            done.entries, done.artifacts, done.missing
        ))?;
        Ok(ExitCode::SUCCESS)
    })
}

impl Gc {
    pub(super) fn run(&self, common: &Common) -> Result<ExitCode, ExitCode> {
        let config = common.load(&common.overrides())?;
        let budget = self.to.unwrap_or(config.limits.store_bytes);
        super::block_on(async {
            let open = data::open_existing(&config.data, SystemClock.now())
                .map_err(|e| super::fail(&e))?;
            let bar = spinner("blobs removed");
            let progress = |removed| bar.set_position(removed);
            let held = &config.quarantine;
            let plan =
                maintenance::collect(&open.stores, budget, held, self.dry_run, progress).await;
            let plan = plan.map_err(|error| super::fail(&error))?;
            bar.finish_and_clear();
            open.evidence.close().await;
            let verb = if self.dry_run {
                "would be removed"
            } else {
                "removed"
            };
            output::print(format_args!(
                "{} bytes held, {} blobs {verb}, {} bytes freed",
                plan.before_bytes,
                plan.deletions.len(),
                plan.before_bytes.saturating_sub(plan.after_bytes)
            ))?;
            Ok(ExitCode::SUCCESS)
        })
    }
}

/// A size with its unit, or a number of bytes.
fn size(text: &str) -> Result<u64, QuantityError> {
    text.parse().or_else(|_| parse_size(text))
}

/// Shown on a terminal only.
pub(super) fn spinner(what: &'static str) -> ProgressBar {
    let target = match std::io::stderr().is_terminal() {
        true => ProgressDrawTarget::stderr(),
        false => ProgressDrawTarget::hidden(),
    };
    let bar = ProgressBar::with_draw_target(None, target);
    let style = ProgressStyle::with_template("{spinner} {human_pos} {msg} ({elapsed})");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar.set_message(what);
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}
