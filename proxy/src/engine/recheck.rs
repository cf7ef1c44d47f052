//! Looking upstream for what was removed, although nobody asks for it: whoever has it is to be told
//! of (features.md O1), and builds that run once a month ask too late.
//!
//! Every package of which something was ever allowed is asked for once in a while, slowly, by the
//! way requests take: a document that is fresh costs nothing, one that did not change a conditional
//! request.

use std::time::Duration;

use cordon_policy::model::PackageName;
use cordon_storage::{Chain, StorageError};

use super::Engine;
use super::failure::Failure;
use crate::registry::{self, View};

/// Names read at a time.
const PAGE: usize = 256;
/// Between two packages, so that no upstream notices.
const PACE: Duration = Duration::from_millis(500);
/// After a start, so that one who is restarted every day looks as well.
const FIRST_AFTER: Duration = Duration::from_secs(60 * 60);
/// How long a store that failed is left alone.
const RETRY: Duration = Duration::from_secs(60);

impl Engine {
    /// Looks for removals every `freshness.recheck` until `ended`; not at all if that is zero.
    pub async fn recheck(&self, ended: impl Future<Output = ()>) {
        let every = self.config.freshness.recheck;
        if every.is_zero() {
            return ended.await;
        }
        let mut ended = std::pin::pin!(ended);
        let mut after = None;
        let mut pause = every.min(FIRST_AFTER);
        loop {
            tokio::select! {
                biased;
                () = &mut ended => return,
                () = tokio::time::sleep(pause) => {}
            }
            // One package is looked at to its end: what is found out must not be half told.
            pause = match self.recheck_next(&mut after).await {
                Ok(true) => PACE,
                Ok(false) => every,
                Err(error) => {
                    self.metrics.store_failed(&error);
                    tracing::warn!(error = %Chain(&error), "looking for removals failed; it is tried again");
                    RETRY
                }
            };
        }
    }

    /// Looks at the next package in use after one; `false`, to begin anew, if there is none left.
    pub(super) async fn recheck_next(
        &self,
        after: &mut Option<PackageName>,
    ) -> Result<bool, StorageError> {
        let evidence = &self.stores.evidence;
        loop {
            let names = evidence.packages(after.as_ref(), PAGE).await?;
            if names.is_empty() {
                *after = None;
                return Ok(false);
            }
            for name in names {
                let is_in_use = !evidence.remembered(&name).await?.is_empty();
                *after = Some(name.clone());
                if is_in_use {
                    self.look_at(&name).await;
                    return Ok(true);
                }
            }
        }
    }

    async fn look_at(&self, name: &PackageName) {
        let ecosystem = name.ecosystem();
        let registries = registry::all();
        let mut registries = registries.iter();
        let Some(registry) = registries.find(|it| it.scheme().ecosystem() == ecosystem) else {
            return;
        };
        let looked = async {
            let package = self
                .package(*registry, name, &View::plain("recheck"))
                .await?;
            if package.owes_alarm() {
                self.judge(&package, &self.snapshot()).await?;
            }
            Ok::<(), Failure>(())
        };
        if let Err(failure) = looked.await {
            tracing::debug!(package = %name, error = %Chain(&failure), "nothing was learned of removals");
        }
    }
}
