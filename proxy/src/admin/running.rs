//! The admin listener's view of a running Cordon.

use cordon_policy::finding::Mode;
use cordon_policy::model::Digest;
use cordon_policy::rules::ConfiguredRule;
use cordon_storage::cache::DocumentKey;
use cordon_storage::{Chain, StorageError};

use super::status::{
    AdminState, Check, Readiness, RuleStatus, Status, StoreStatus, UpstreamStatus,
};
use crate::exemptions::{Asked, Listed};
use crate::quarantine::{Bulk, Order, Page, Plan, Query, Refused, Reviewed, Ticket};
use crate::reload::Reloader;

impl AdminState for Reloader {
    /// Without evidence nothing new can be decided, and without blobs nothing served; the cache
    /// index only saves time.
    async fn readiness(&self) -> Readiness {
        let stores = stores(self).await;
        let checks = stores
            .into_iter()
            .filter(|store| store.name != "cache")
            .map(|store| Check {
                name: store.name,
                is_ok: store.problem.is_none(),
                detail: store.problem.unwrap_or_else(|| "answers".to_owned()),
            })
            .collect();
        Readiness { checks }
    }

    async fn status(&self) -> Status {
        let snapshot = self.engine().snapshot();
        let upstreams = self.engine().upstreams().all();
        Status {
            generation: snapshot.generation,
            ruleset: snapshot.ruleset.hash().to_string(),
            policy_problems: self.last_problems(),
            needs_restart: self.needs_restart(),
            rules: snapshot.ruleset.rules().iter().map(rule).collect(),
            upstreams: upstreams
                .iter()
                .map(|upstream| UpstreamStatus {
                    ecosystem: upstream.config().ecosystem.to_string(),
                    id: upstream.id().to_owned(),
                    url: without_credentials(&upstream.config().url),
                    is_resting: upstream.is_resting(),
                })
                .collect(),
            stores: stores(self).await,
            self_test: self
                .self_tested()
                .and_then(|tested| tested.report.as_ref().ok().cloned()),
        }
    }

    fn self_test(&self) -> Vec<String> {
        let Some(tested) = self.self_tested() else {
            return vec!["not made so far".to_owned()];
        };
        std::iter::once(tested.summary())
            .chain(tested.problems())
            .collect()
    }

    fn notices(&self) -> Vec<String> {
        let mut notices = self.break_glass();
        let inactive = self.engine().snapshot().inactive_rules();
        if inactive > 0 {
            notices.push(format!(
                "advisory rules: {inactive} inactive; known vulnerabilities and malware are not \
                 looked for everywhere"
            ));
        }
        notices.extend(self.feed_remarks());
        if !self.last_problems().is_empty() {
            notices.push(
                "configuration or policy files have problems; what was read before them is in force"
                    .to_owned(),
            );
        }
        if self.self_tested().is_some_and(|tested| !tested.is_ok()) {
            notices.push("the self-test failed: rules do not act as the policy says".to_owned());
        }
        let watching = self.watching_rules();
        if !watching.is_empty() {
            notices.push(format!(
                "rules that only watch and stop nothing: {}",
                watching.join(", ")
            ));
        }
        let keys = self.needs_restart();
        if !keys.is_empty() {
            notices.push(format!(
                "changed in the configuration, in force after a restart only: {}",
                keys.join(", ")
            ));
        }
        let drifted = self.engine().drifted_files();
        if drifted > 0 {
            notices.push(format!(
                "registries have other bytes for {drifted} files than those first seen; \
                 `cordon log notices` tells which and who has them"
            ));
        }
        for upstream in self.engine().upstreams().all() {
            if upstream.is_resting() {
                let (ecosystem, id) = (&upstream.config().ecosystem, upstream.id());
                notices.push(format!("the {ecosystem} upstream `{id}` does not answer"));
            }
        }
        notices
    }

    async fn reload(&self) -> Result<String, String> {
        match self.reload().await {
            Ok(reloaded) => Ok(reloaded.to_string()),
            Err(problems) => Err(problems.join("\n")),
        }
    }

    async fn exemptions(&self) -> Result<Vec<Listed>, String> {
        let listed = self.list_exemptions().await;
        listed.map_err(|problems| problems.join("\n"))
    }

    async fn grant(&self, asked: Asked) -> Result<String, String> {
        let granted = Self::grant(self, asked).await;
        granted.map_err(|problems| problems.join("\n"))
    }

    async fn end_exemption(&self, id: &str, by: &str) -> Result<(), String> {
        let ended = Self::end_exemption(self, id, by).await;
        ended.map_err(|problems| problems.join("\n"))
    }

    async fn tickets(&self, query: Query) -> Result<Page, Refused> {
        Self::tickets(self, &query).await
    }

    async fn ticket(&self, id: &str) -> Result<Ticket, Refused> {
        Self::ticket(self, id).await
    }

    async fn review(&self, order: Order) -> Result<Reviewed, Refused> {
        Self::review(self, &order).await
    }

    async fn review_many(&self, bulk: Bulk) -> Result<Plan, Refused> {
        Self::review_many(self, &bulk).await
    }

    async fn fetch_held(&self, id: &str) -> Result<Ticket, Refused> {
        Self::fetch_held(self, id).await
    }
}

fn rule(configured: &ConfiguredRule) -> RuleStatus {
    let base = configured.variants.first().map(|variant| &variant.settings);
    let mode = match base {
        Some(settings) if settings.is_enabled => match settings.mode {
            Mode::Enforce => "enforce",
            Mode::Monitor => "monitor",
        },
        _ => "off",
    };
    RuleStatus {
        id: configured.id.to_string(),
        mode,
        effect: base.map_or("", |settings| settings.effect.name()),
        overrides: configured.variants.len().saturating_sub(1),
    }
}

/// Asks each store a question whose answer does not matter. Evidence is asked to append nothing:
/// that passes through its writer, which may have stopped while reading still works.
async fn stores(reloader: &Reloader) -> Vec<StoreStatus> {
    let stores = reloader.engine().stores();
    let nothing = Digest::sha256([0; 32]);
    let key = DocumentKey {
        ecosystem: "none".into(),
        upstream: "none".into(),
        kind: "none".into(),
        name: "none".into(),
    };
    let (blob, cache, evidence) = tokio::join!(
        stores.blobs.stat(&nothing),
        stores.cache.document(&key),
        stores.evidence.append(Vec::new()),
    );
    vec![
        answered("blob", blob),
        answered("cache", cache),
        answered("evidence", evidence),
    ]
}

fn answered<T>(name: &'static str, outcome: Result<T, StorageError>) -> StoreStatus {
    StoreStatus {
        name,
        problem: outcome.err().map(|error| Chain(&error).to_string()),
    }
}

fn without_credentials(url: &url::Url) -> String {
    let mut url = url.clone();
    // Fails only for addresses that can hold none.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.to_string()
}
