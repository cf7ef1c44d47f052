//! Files that are not what they were: a registry declares, or sends, other bytes under a name than
//! those that were first seen there. The bytes of then stay the file, others are refused (INV-6), and
//! a person is told once of each.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cordon_policy::facts::{History, VersionFacts};
use cordon_policy::model::{ArtifactId, ArtifactKind, Digest, DigestAlgorithm};
use cordon_storage::evidence::{Entry as LogEntry, Notice, Receivers};
use cordon_storage::{Chain, StorageError};
use smol_str::SmolStr;

use super::Engine;
use super::package::Package;

/// The code of the notice.
pub(super) const CODE: &str = "digest-changed";

/// Files told of one by one of those a single document declares anew; of the others the number is.
const NAMED: usize = 20;
/// Receivers named in one notice; of the others it gives the number.
const RECEIVERS: usize = 8;
/// Notices looked at for one that told of it before a restart.
const NOTICES: usize = 10_000;
/// Changes remembered at once as told of.
const TOLD: u64 = 65_536;

/// One file whose registry tells another story than before.
#[derive(Clone, Debug)]
pub(super) struct Drift {
    pub(super) artifact: ArtifactId,
    /// The bytes first seen.
    pub(super) pinned: Digest,
    /// The digests it has now, in order.
    pub(super) now: Vec<Digest>,
    /// Whether other bytes were sent, and not only declared.
    pub(super) is_sent: bool,
    /// When it was first seen and allowed.
    pub(super) history: History,
}

impl Drift {
    /// What happened, without what changes from telling to telling.
    fn what(&self) -> String {
        let digests: Vec<String> = self.now.iter().map(Digest::to_string).collect();
        let verb = match self.is_sent {
            true => "sends",
            false => "declares",
        };
        format!(
            "{}: the registry now {verb} {}, not {} as first seen",
            self.artifact,
            digests.join(", "),
            self.pinned
        )
    }

    /// Since when the bytes of then are known.
    fn since(&self) -> String {
        let first = self.history.first_seen_at;
        match first.or(self.history.first_allowed_at) {
            Some(at) => format!(" on {at}"),
            None => String::new(),
        }
    }
}

/// Which changes were told of, and how many there were since the start.
pub(super) struct Drifts {
    told: moka::sync::Cache<SmolStr, ()>,
    count: AtomicU64,
}

impl Drifts {
    pub(super) fn new() -> Self {
        Self {
            told: moka::sync::Cache::new(TOLD),
            count: AtomicU64::new(0),
        }
    }
}

impl Engine {
    /// How many files were found since the start whose registry has other bytes for them than those
    /// first seen.
    pub fn drifted_files(&self) -> u64 {
        self.drifts.count.load(Ordering::Relaxed)
    }

    /// Looks behind the answer for files in use that a new document declares other bytes for, as far
    /// as it declares them by SHA-256; for others that shows when the file is asked for.
    pub(super) async fn look_for_drift(&self, package: &Arc<Package>) {
        let remembered = package.remembered.load();
        if remembered.values().all(|it| it.pinned.is_none()) {
            return;
        }
        let drifted = |facts: &VersionFacts| {
            let id = &facts.artifact;
            let key = (id.subject.version.clone(), id.file.clone());
            let pinned = remembered.get(&key)?.pinned.as_ref()?;
            let declared = facts.declared.known()?.get(DigestAlgorithm::Sha256)?;
            (declared != pinned).then(|| Drift {
                artifact: id.clone(),
                pinned: pinned.clone(),
                now: vec![declared.clone()],
                is_sent: false,
                history: package.history(facts),
            })
        };
        let drifts: Vec<Drift> = package
            .document
            .candidates()
            .iter()
            .filter_map(drifted)
            .collect();
        if drifts.is_empty() {
            return;
        }
        let this = self.this();
        let tell = async move {
            if let Err(error) = this.tell_of_drift(drifts).await {
                this.metrics.store_failed(&error);
                tracing::error!(error = %Chain(&error), "telling of changed digests failed");
            }
        };
        self.background.run(tell).await;
    }

    /// Tells of what was not told of before: in the evidence, in the log and in the metrics.
    pub(super) async fn tell_of_drift(&self, drifts: Vec<Drift>) -> Result<(), StorageError> {
        let fresh: Vec<(SmolStr, Drift)> = drifts
            .into_iter()
            .map(|drift| (SmolStr::new(drift.what()), drift))
            .filter(|(what, _)| {
                let entry = self.drifts.told.entry_by_ref(what);
                entry.or_insert(()).is_fresh()
            })
            .collect();
        if fresh.is_empty() {
            return Ok(());
        }
        let keys: Vec<SmolStr> = fresh.iter().map(|(what, _)| what.clone()).collect();
        let told = self.tell_of_fresh_drift(fresh).await;
        if told.is_err() {
            keys.iter()
                .for_each(|what| self.drifts.told.invalidate(what));
        }
        told
    }

    async fn tell_of_fresh_drift(&self, fresh: Vec<(SmolStr, Drift)>) -> Result<(), StorageError> {
        let evidence = &self.stores.evidence;
        let count = fresh.len() as u64;
        let earlier = evidence.notices(NOTICES).await?;
        let was_told = |what: &str| {
            let mut of_kind = earlier.iter().filter(|it| it.notice.code == CODE);
            of_kind.any(|it| it.notice.text.starts_with(what))
        };
        let news: Vec<(SmolStr, Drift)> = fresh
            .into_iter()
            .filter(|(what, _)| !was_told(what))
            .collect();
        // Who got something a moment ago is to be among the receivers.
        self.flush_servings().await;
        let mut log = Vec::new();
        for (what, drift) in news.iter().take(NAMED) {
            let receivers = evidence.receivers(&drift.artifact, None, RECEIVERS).await?;
            let text = format!(
                "{what}{}; the bytes first seen stay the file, others are refused; {}",
                drift.since(),
                received(&receivers)
            );
            tracing::error!(
                artifact = %drift.artifact,
                pinned = %drift.pinned,
                code = CODE,
                clients = receivers.clients,
                "{text}"
            );
            log.push(self.drift_notice(text));
        }
        if let Some(more) = news.len().checked_sub(NAMED).filter(|more| *more > 0)
            && let Some((_, drift)) = news.first()
        {
            let package = drift.artifact.subject.name.purl();
            let text = format!("{package}: {more} more files have other digests than first seen");
            tracing::error!(package, code = CODE, "{text}");
            log.push(self.drift_notice(text));
        }
        if !log.is_empty() {
            evidence.append(log).await?;
        }
        for (_, drift) in &news {
            let ecosystem = drift.artifact.subject.name.ecosystem().as_str();
            self.metrics.digest_changed(ecosystem);
        }
        self.drifts.count.fetch_add(count, Ordering::Relaxed);
        Ok(())
    }

    fn drift_notice(&self, text: String) -> LogEntry {
        LogEntry::Notice(Notice {
            at: self.clock.now(),
            code: CODE.into(),
            text,
        })
    }
}

/// Who has the bytes of then.
fn received(receivers: &Receivers) -> String {
    if receivers.total == 0 {
        return "nobody received them here".to_owned();
    }
    let named: Vec<String> = receivers
        .list
        .iter()
        .map(|it| format!("{} {}", it.client.address, it.client.agent))
        .collect();
    let more = receivers.clients.saturating_sub(named.len() as u64);
    let more = match more {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "received {} times, by {}{more}",
        receivers.total,
        named.join(", ")
    )
}

/// Whether a difference may be a lasting one: what derives from an archive and is signed may be
/// signed anew.
pub(super) fn is_meant_to_stay(artifact: &ArtifactId) -> bool {
    artifact.kind != ArtifactKind::Provenance
}
