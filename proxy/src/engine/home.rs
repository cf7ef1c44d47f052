//! Names kept at home: which upstreams may be asked at all (INV-34).

use std::sync::Arc;

use cordon_policy::model::{Ecosystem, PackageName};
use cordon_storage::Chain;
use cordon_storage::evidence::{Entry as LogEntry, Notice};

use super::Engine;
use super::failure::Failure;
use crate::registry::DocumentRequest;
use crate::upstream::Upstream;

impl Engine {
    /// The upstreams that may be asked for a package, in order: of an owned name only its home.
    /// Every request about a package goes through here, whatever it is for.
    ///
    /// # Errors
    /// If the name is owned and has no home here.
    pub(super) fn sources_of(&self, name: &PackageName) -> Result<Vec<Arc<Upstream>>, Failure> {
        let mut upstreams = self.upstreams.for_package(name);
        let snapshot = self.live.get();
        let Some(home) = snapshot.ruleset.home_of(name) else {
            return Ok(upstreams);
        };
        upstreams.retain(|upstream| home.iter().any(|id| id == upstream.id()));
        if upstreams.is_empty() {
            return Err(Failure::Owned(format!(
                "{} is a name owned here (rule namespace), and none of its upstreams is \
                 configured; ask whoever keeps Cordon's policy where it is to be had",
                name.purl()
            )));
        }
        Ok(upstreams)
    }

    /// Whether a search may be sent to the registries of an ecosystem.
    ///
    /// # Errors
    /// If its text speaks of an owned name, which must not leave the house.
    pub(super) fn may_search(
        &self,
        ecosystem: &Ecosystem,
        request: &DocumentRequest,
    ) -> Result<(), Failure> {
        let path = percent_encoding::percent_decode_str(&request.path).decode_utf8_lossy();
        match self.live.get().ruleset.mentions_owned(ecosystem, &path) {
            false => Ok(()),
            true => Err(Failure::Owned(
                "the search speaks of a name owned here (rule namespace) and is not sent to the \
                 registry"
                    .to_owned(),
            )),
        }
    }

    /// Somebody has taken an owned name elsewhere: told once for each name.
    pub(super) async fn tell_of_taken(&self, name: PackageName, upstream: &str) {
        if self.told.contains_key(&name) {
            return;
        }
        self.told.insert(name.clone(), ());
        tracing::error!(package = %name, upstream, "a name owned here is listed by a foreign upstream");
        let notice = Notice {
            at: self.clock.now(),
            code: "owned-name-elsewhere".into(),
            text: format!(
                "{}: a name owned here is listed by upstream `{upstream}`, which is not its home",
                name.purl()
            ),
        };
        let evidence = Arc::clone(&self.stores.evidence);
        let metrics = Arc::clone(&self.metrics);
        let write = async move {
            if let Err(error) = evidence.append(vec![LogEntry::Notice(notice)]).await {
                metrics.store_failed(&error);
                tracing::warn!(error = %Chain(&error), "recording a notice failed");
            }
        };
        self.background.run(write).await;
    }
}
