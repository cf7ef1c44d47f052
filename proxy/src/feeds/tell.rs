//! What an operator is told of advisory data: in the log, on record, in `/healthz` and metrics.

use std::collections::BTreeSet;

use cordon_policy::model::PackageName;
use cordon_storage::Chain;
use cordon_storage::evidence::{Entry, Notice};

use super::installed::Installed;
use super::manifest::Content;
use super::notes::Notes;
use super::refused::Refused;
use super::watch::{Watch, lock};
use crate::telemetry::metrics::feeds::FeedState;

/// Packages named in one notice.
const NAMED: usize = 20;
/// Remembers which generations were told of, beside the generations.
const TOLD: &str = "told.json";

impl Watch {
    /// Something could not be had, or was refused: counted each time, on record the first time.
    pub(super) async fn refused(&self, id: &str, refused: &Refused, failures: u32) {
        let ecosystem = self.ecosystem.as_str();
        self.metrics.feed_refused(ecosystem, refused.cause());
        let error = Chain(refused).to_string();
        if !refused.is_alarming() {
            tracing::warn!(
                ecosystem,
                feed = id,
                failures,
                error,
                "a feed could not be had"
            );
            return;
        }
        tracing::error!(
            ecosystem,
            feed = id,
            cause = refused.cause(),
            error,
            "a feed was refused; the data before it stays in force"
        );
        if failures <= 1 {
            let text = format!(
                "{ecosystem} feed `{id}` was refused ({}), the data before it stays: {error}",
                refused.cause()
            );
            self.notice("feed-refused", text).await;
        }
    }

    /// Puts on record what a new generation is, and what is remarkable about it: once each.
    pub(super) async fn tell(
        &self,
        installed: &Installed,
        changed: Option<&BTreeSet<PackageName>>,
        awaiting: &BTreeSet<PackageName>,
    ) {
        let number = installed.generation.number;
        let told = self.generations.note(TOLD).ok().flatten();
        let told: Option<u64> = told.and_then(|text| serde_json::from_slice(&text).ok());
        if let Some(damage) = &installed.damage {
            let text = format!(
                "{} advisory data is damaged ({damage}); generation {number} before it is in force",
                self.ecosystem
            );
            self.notice("feed-damaged", text).await;
        }
        if told.is_some_and(|told| told >= number) {
            return;
        }
        let manifest = &installed.manifest;
        let changed = changed.map_or_else(String::new, |changed| {
            format!(", {} packages changed", changed.len())
        });
        let text = format!(
            "{} advisory data: generation {number} ({}), {} records, {} taken back{changed}",
            self.ecosystem, installed.generation.digest, manifest.records, manifest.withdrawn
        );
        self.notice("feed-changed", text).await;
        for feed in &manifest.feeds {
            if let Some(forced) = feed
                .forced
                .as_ref()
                .filter(|_| feed.changed_at == manifest.imported_at)
            {
                tracing::warn!(ecosystem = %self.ecosystem, feed = %feed.id, forced, "a refused dump was imported by force");
                let text = format!(
                    "{} feed `{}` was imported by force although it was refused: {forced}",
                    self.ecosystem, feed.id
                );
                self.notice("feed-forced", text).await;
            }
        }
        if !awaiting.is_empty() {
            let named: Vec<String> = awaiting
                .iter()
                .take(NAMED)
                .map(ToString::to_string)
                .collect();
            let text = format!(
                "new {} advisory data refuses {} packages that were served lately, more than \
                 feeds.confirm_above: who has them keeps getting them until `cordon feeds confirm \
                 --ecosystem {}` or the time is up ({}{})",
                self.ecosystem,
                awaiting.len(),
                self.ecosystem,
                named.join(", "),
                if awaiting.len() > NAMED { ", …" } else { "" }
            );
            tracing::error!(ecosystem = %self.ecosystem, packages = awaiting.len(), "new advisory data refuses many packages in use; confirm it");
            self.notice("feed-blast-radius", text).await;
        }
        let number = serde_json::to_vec(&number).expect("a number has a JSON form");
        if let Err(error) = self.generations.put_note(TOLD, &number) {
            tracing::warn!(error = %Chain(&error), "that a generation was told of is not noted");
        }
    }

    /// D-06: an alarm when nothing new comes for too long.
    pub(super) async fn watch_age(&mut self) {
        let Some(installed) = &self.installed else {
            self.set_remarks(vec![format!(
                "{} advisory data was never loaded; nothing is known of vulnerabilities and malware",
                self.ecosystem
            )]);
            return;
        };
        let now = self.now();
        let mut remarks = Vec::new();
        let mut stale = Vec::new();
        let notes = Notes::read(&self.generations);
        for feed in self.config().of(&self.ecosystem) {
            let Some(kept) = installed.manifest.feed(&feed.id) else {
                remarks.push(format!(
                    "{} feed `{}` was never loaded",
                    self.ecosystem, feed.id
                ));
                continue;
            };
            let newest = kept
                .newest_modified
                .map_or(kept.changed_at, |newest| newest.min(kept.changed_at));
            let is_quiet_by_nature = kept.content != Content::Osv;
            if !is_quiet_by_nature && now.since(newest) > feed.stale_alarm {
                stale.push(format!("`{}` has nothing newer than {newest}", feed.id));
            }
            let failure = notes.feeds.get(&feed.id).and_then(|it| it.failure.as_ref());
            if let Some(failure) = failure {
                remarks.push(format!(
                    "{} feed `{}` fails since {} ({}): {}",
                    self.ecosystem, feed.id, failure.since, failure.cause, failure.text
                ));
            }
        }
        if installed.belief.until() <= now {
            remarks.push(format!(
                "{} advisory data is too old to be believed: versions never allowed here are held",
                self.ecosystem
            ));
        }
        if let Some(held_back) = &installed.held_back {
            remarks.push(format!(
                "{} {} packages in use wait for `cordon feeds confirm` until {}",
                held_back.packages.len(),
                self.ecosystem,
                held_back.until
            ));
        }
        let is_stale = !stale.is_empty();
        for text in &stale {
            remarks.push(format!("{} feed {text}", self.ecosystem));
        }
        self.set_remarks(remarks);
        if is_stale && !self.is_stale {
            let text = format!("{} feed {}", self.ecosystem, stale.join("; "));
            tracing::warn!(ecosystem = %self.ecosystem, text, "advisory data gets old");
            self.notice("feed-stale", text).await;
        }
        self.is_stale = is_stale;
    }

    pub(super) fn set_remarks(&self, texts: Vec<String>) {
        lock(&self.feeds.shared.remarks).insert(self.ecosystem.clone(), texts);
    }

    pub(super) fn show(&self) {
        let now = self.now();
        let state = self
            .installed
            .as_ref()
            .map_or_else(FeedState::default, |it| {
                let newest = it.manifest.newest_modified;
                FeedState {
                    generation: it.generation.number,
                    records: it.manifest.records,
                    confirmed_seconds: now.since(it.belief.confirmed_at()).as_secs(),
                    newest_seconds: now
                        .since(newest.unwrap_or(it.manifest.imported_at))
                        .as_secs(),
                    is_believed: it.belief.until() > now && it.gap.is_none(),
                    awaiting: it.held_back.as_ref().map_or(0, |it| it.packages.len()),
                }
            });
        self.metrics.feed(self.ecosystem.as_str(), &state);
    }

    pub(super) async fn notice(&self, code: &'static str, text: String) {
        let notice = Notice {
            at: self.now(),
            code: code.into(),
            text,
        };
        let evidence = &self.engine.stores().evidence;
        if let Err(error) = evidence.append(vec![Entry::Notice(notice)]).await {
            tracing::warn!(code, error = %Chain(&error), "a notice about feeds was not recorded");
        }
    }
}
