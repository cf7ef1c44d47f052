//! `cordon scrub`.

use std::process::ExitCode;

use super::rebuild::spinner;
use super::{Common, fail, output};
use crate::engine::{Clock as _, SystemClock};
use crate::{data, maintenance};

pub(super) fn scrub(common: &Common) -> Result<ExitCode, ExitCode> {
    let config = common.load(&common.overrides())?;
    super::block_on(async {
        let open =
            data::open_existing(&config.data, SystemClock.now()).map_err(|error| fail(&error))?;
        let bar = spinner("blobs read");
        let done = maintenance::scrub(&open.stores, |blobs| bar.set_position(blobs))
            .await
            .map_err(|error| fail(&error))?;
        bar.finish_and_clear();
        open.evidence.close().await;
        output::print(format_args!(
            "{} blobs read, {} bytes, {} damaged and set aside",
            done.blobs, done.bytes, done.damaged
        ))?;
        if done.damaged == 0 {
            Ok(ExitCode::SUCCESS)
        } else {
            Err(ExitCode::FAILURE)
        }
    })
}
