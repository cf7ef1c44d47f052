//! What is held, and what people do about it.

use std::collections::BTreeMap;

use cordon_policy::model::Ecosystem;
use cordon_storage::evidence::QuarantineAct;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::{EcosystemLabel, Metrics};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ActLabel {
    act: &'static str,
}

#[derive(Debug, Default)]
pub(super) struct Quarantine {
    held: Family<EcosystemLabel, Gauge>,
    changes: Family<ActLabel, Counter>,
}

impl Quarantine {
    pub(super) fn register_into(&self, registry: &mut Registry) {
        registry.register(
            "quarantine_held",
            "Files refused until a person looks at them",
            self.held.clone(),
        );
        registry.register(
            "quarantine_changes",
            "What people did about held files: asked, approved, released, rejected, undone",
            self.changes.clone(),
        );
    }
}

impl Metrics {
    /// So much is held. An ecosystem that is not named holds nothing.
    pub fn quarantine_held(&self, held: &BTreeMap<Ecosystem, u64>) {
        for ecosystem in cordon_policy::ecosystem::schemes().map(|it| it.ecosystem().clone()) {
            let count = held.get(&ecosystem).copied().unwrap_or(0);
            let label = EcosystemLabel {
                ecosystem: ecosystem.to_string(),
            };
            self.quarantine
                .held
                .get_or_create(&label)
                .set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    /// Somebody did something about a held file.
    pub fn quarantine_changed(&self, act: QuarantineAct) {
        let label = ActLabel { act: act.name() };
        self.quarantine.changes.get_or_create(&label).inc();
    }
}
