//! Reports that call every version of a package malware, and the versions in use they are not
//! believed about: those stay, so a person has to look (features.md O5).

use std::collections::BTreeSet;
use std::sync::Arc;

use cordon_policy::model::{PackageName, Timestamp};
use cordon_policy::rules::malware;
use cordon_policy::verdict::{Effect, Evaluation};
use cordon_storage::evidence::Notice;
use smol_str::SmolStr;

use super::Engine;

/// Most reports named in one notice; more than a few about one package are the same mistake.
const NAMED: usize = 8;

/// What is still allowed of a package although a report sweeps over it.
#[derive(Debug, Default)]
pub(super) struct Suspected {
    reports: BTreeSet<SmolStr>,
    files: u64,
}

impl Suspected {
    /// Takes in what a file that was served is thought of now.
    pub(super) fn add(&mut self, evaluation: &Evaluation) {
        if evaluation.effect() != Effect::Allow {
            return;
        }
        let mut noted = evaluation
            .findings()
            .iter()
            .filter(|finding| {
                finding.rule == malware::KIND.id && finding.code == malware::SUSPECT_RANGE_IN_USE
            })
            .map(|finding| finding.evidence.clone())
            .peekable();
        self.files += u64::from(noted.peek().is_some());
        self.reports.extend(noted);
    }
}

impl Engine {
    /// What is to be told of a package: once for each report, and again when it comes back after it
    /// was withdrawn.
    pub(super) fn suspicion(
        &self,
        package: &PackageName,
        suspected: &Suspected,
        now: Timestamp,
    ) -> Option<Notice> {
        let Suspected { reports, files } = suspected;
        let told = self.told_reports.get(package).unwrap_or_default();
        let untold = reports.difference(&told).take(NAMED);
        let named = untold.map(SmolStr::as_str).collect::<Vec<_>>().join(", ");
        if named.is_empty() {
            return None;
        }
        tracing::warn!(%package, reports = named, files, "a report calls every version of a package malware; those in use stay, look at it");
        Some(Notice {
            at: now,
            code: "suspect-report".into(),
            text: format!(
                "{named}: every version of {} is called malware, which is seldom so; {files} files \
                 served here stay, and what is new is held: deny what is bad, or exempt what is not",
                package.purl()
            ),
        })
    }

    /// Keeps in mind what was told.
    pub(super) fn has_told(&self, package: &PackageName, suspected: Suspected) {
        match suspected.reports.is_empty() {
            true => self.told_reports.invalidate(package),
            false => {
                let reports = Arc::new(suspected.reports);
                self.told_reports.insert(package.clone(), reports);
            }
        }
    }
}
