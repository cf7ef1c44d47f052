//! Exemptions in the administrators' hands: granted, ended, listed, without touching a file.
//!
//! A granted exemption is a `[[exempt]]` table like any other, kept in evidence: it is part of the
//! policy, of its hash and of its recorded text, and it ends by itself. Emergencies use the same
//! way, with a closer end and a louder record ("break glass").

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cordon_policy::config::PolicySource;
use cordon_policy::config::diagnostic::Diagnostic;
use cordon_policy::decision::Cause;
use cordon_policy::exemption::{Exemption, Waives};
use cordon_policy::model::Timestamp;
use cordon_storage::Chain;
use cordon_storage::evidence::{Entry, ExemptionChange, LogFilter, LoggedDecision, Notice};
use serde::Serialize;

use crate::engine::{Clock as _, SystemClock};
use crate::policy_files::Granted;
use crate::reload::Reloader;

/// Longest exemption given in an emergency.
pub const BREAK_GLASS_AT_MOST: Duration = Duration::from_secs(24 * 3_600);

/// Longest text of one exemption, in bytes.
const MAX_TEXT_BYTES: usize = 8 * 1024;

/// Exemptions granted and not ended, at most.
const MAX_GRANTED: usize = 1_000;

/// Decisions about a package looked through for a use of its exemptions.
const USES_LOOKED_AT: usize = 1_000;

/// How the text is named in problems.
const NEW: &str = "the new exemption";

/// An exemption asked for.
#[derive(Clone, Debug)]
pub struct Asked {
    /// One `[[exempt]]` table.
    pub text: String,
    /// Who asks.
    pub by: String,
    /// Whether it is an emergency.
    pub is_break_glass: bool,
}

/// An exemption in force or ended, as it is listed.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    /// Its id.
    pub id: String,
    /// The package it is about.
    pub package: String,
    /// What it sets aside: rules or fingerprints.
    pub waives: Vec<String>,
    /// Why.
    pub reason: String,
    /// Who answers for it.
    pub owner: String,
    /// Where it was agreed.
    pub ticket: String,
    /// When it ends by itself, RFC 3339.
    pub until: String,
    /// Whether it holds now.
    pub is_active: bool,
    /// Where it is written: a line of a file, or who granted it.
    pub source: String,
    /// Whether it was granted in an emergency.
    pub is_break_glass: bool,
    /// When a client was last answered under it, as the newest thousand decisions about its package
    /// tell, RFC 3339. That Cordon judged again by itself is no use.
    pub last_used_at: Option<String>,
}

impl Reloader {
    /// Grants an exemption and puts it in force. Returns its id.
    ///
    /// # Errors
    /// Every reason why it cannot be granted; nothing has changed then.
    pub async fn grant(&self, asked: Asked) -> Result<String, Vec<String>> {
        let now = SystemClock.now();
        let granting = async {
            let exemption = self.check(&asked, now).await?;
            self.record_grant(&asked, &exemption, now).await?;
            Ok(exemption.id.0.to_string())
        };
        let (id, _) = self.change(granting).await?;
        Ok(id)
    }

    /// Ends an exemption that was granted.
    ///
    /// # Errors
    /// There is no such one, or it cannot be recorded.
    pub async fn end_exemption(&self, id: &str, by: &str) -> Result<(), Vec<String>> {
        let ending = async {
            let evidence = &self.engine().stores().evidence;
            let granted = evidence.exemptions().await.map_err(store_failed)?;
            if let Some(ticket) = id.strip_prefix("release-") {
                return Err(vec![format!(
                    "`{id}` is the release of something held; take it back by `cordon quarantine \
                     undo {ticket}`"
                )]);
            }
            if !granted.iter().any(|it| it.id == id) {
                return Err(vec![format!(
                    "no exemption `{id}` was granted; those of policy files are ended there"
                )]);
            }
            let change = ExemptionChange {
                at: SystemClock.now(),
                id: id.into(),
                by: by.into(),
                text: None,
                is_break_glass: false,
            };
            let entry = Entry::Exemption(change);
            evidence.append(vec![entry]).await.map_err(store_failed)?;
            Ok(())
        };
        self.change(ending).await.map(drop)
    }

    /// Every exemption of the policy in force.
    ///
    /// # Errors
    /// If the evidence store fails.
    pub async fn list_exemptions(&self) -> Result<Vec<Listed>, Vec<String>> {
        let now = SystemClock.now();
        let evidence = &self.engine().stores().evidence;
        let granted = evidence.exemptions().await.map_err(store_failed)?;
        let granted: BTreeMap<&str, &ExemptionChange> =
            granted.iter().map(|it| (it.id.as_str(), it)).collect();
        let snapshot = self.engine().snapshot();
        // Who was answered a moment ago counts.
        self.engine().flush_servings().await;
        let mut listed = Vec::new();
        for exemption in snapshot.ruleset.exemptions() {
            let by = granted.get(exemption.id.0.as_str());
            let source = match by {
                Some(change) => format!("granted by {} at {}", change.by, change.at),
                None => exemption.source.to_string(),
            };
            listed.push(Listed {
                last_used_at: self.last_use(exemption).await?.map(|at| at.to_string()),
                is_break_glass: by.is_some_and(|change| change.is_break_glass),
                ..list(exemption, source, now)
            });
        }
        Ok(listed)
    }

    async fn last_use(&self, exemption: &Arc<Exemption>) -> Result<Option<Timestamp>, Vec<String>> {
        let filter = LogFilter {
            package: Some(exemption.scope.package().clone()),
            limit: USES_LOOKED_AT,
            ..LogFilter::default()
        };
        let evidence = &self.engine().stores().evidence;
        let decisions = evidence.decisions(&filter).await.map_err(store_failed)?;
        let uses = decisions.iter().filter(|logged| {
            let waived = logged.decision.evaluation.waived();
            waived.iter().any(|(_, id)| *id == exemption.id)
        });
        Ok(uses.filter_map(answered_at).max())
    }

    /// What was granted in an emergency and holds now: a line for each, told until it ends.
    pub(crate) fn break_glass(&self) -> Vec<String> {
        let now = SystemClock.now();
        let ids = self.break_glass_ids();
        let snapshot = self.engine().snapshot();
        let exemptions = snapshot.ruleset.exemptions().iter();
        exemptions
            .filter(|it| ids.contains(&it.id.0) && it.is_active_at(now))
            .map(|it| {
                format!(
                    "break glass: exemption {} for {} holds until {} (owner {}: {})",
                    it.id,
                    it.scope.package().purl(),
                    it.expires,
                    it.owner,
                    it.reason
                )
            })
            .collect()
    }

    /// The exemption a text means, if it may be granted now.
    async fn check(&self, asked: &Asked, now: Timestamp) -> Result<Arc<Exemption>, Vec<String>> {
        if asked.text.len() > MAX_TEXT_BYTES {
            return Err(vec![format!(
                "an exemption has at most {MAX_TEXT_BYTES} bytes; keep the story in the ticket"
            )]);
        }
        let evidence = &self.engine().stores().evidence;
        let granted = Granted::of(&**evidence).await.map_err(store_failed)?;
        if granted.exemptions.len() >= MAX_GRANTED {
            return Err(vec![format!(
                "{MAX_GRANTED} exemptions are granted already; end some, or write a rule"
            )]);
        }
        let policy = self.read_policy().await?.with_granted(&granted);
        let new = PolicySource {
            name: NEW.to_owned(),
            text: asked.text.clone(),
        };
        let mut more = policy.granted.clone();
        more.push(new);
        let loaded = policy.together_with(&more).map_err(of_the_new)?;
        let is_new = |file: &str| file == NEW;
        let mut found = loaded
            .ruleset
            .exemptions()
            .iter()
            .filter(|it| is_new(&it.source.file));
        let has_rules = loaded.ruleset.rules().iter().any(|rule| {
            let mut variants = rule.variants.iter();
            variants.any(|variant| is_new(&variant.settings.source.file))
        });
        let (Some(exemption), None, false) = (found.next(), found.next(), has_rules) else {
            return Err(vec![
                "give one [[exempt]] table and nothing else".to_owned(),
            ]);
        };
        if !exemption.is_active_at(now) {
            return Err(vec![format!(
                "it would have ended at {}",
                exemption.expires
            )]);
        }
        if exemption.is_too_long_at(now) {
            let latest = now.saturating_add(exemption.longest());
            return Err(vec![format!(
                "it would last longer than an exemption may; let it end by {latest} and look at it \
                 again then"
            )]);
        }
        let latest = now.saturating_add(BREAK_GLASS_AT_MOST);
        if asked.is_break_glass && exemption.expires > latest {
            return Err(vec![format!(
                "what is granted in an emergency ends within 24 hours (by {latest}); write a \
                 proper exemption for longer"
            )]);
        }
        Ok(Arc::clone(exemption))
    }

    async fn record_grant(
        &self,
        asked: &Asked,
        exemption: &Exemption,
        now: Timestamp,
    ) -> Result<(), Vec<String>> {
        let change = ExemptionChange {
            at: now,
            id: exemption.id.0.clone(),
            by: asked.by.as_str().into(),
            text: Some(asked.text.clone()),
            is_break_glass: asked.is_break_glass,
        };
        let mut entries = vec![Entry::Exemption(change)];
        if asked.is_break_glass {
            let text = format!(
                "exemption {} for {} until {}: {} (owner {}, granted by {})",
                exemption.id,
                exemption.scope.package().purl(),
                exemption.expires,
                exemption.reason,
                exemption.owner,
                asked.by
            );
            tracing::error!(exemption = %exemption.id, "break glass: {text}");
            entries.push(Entry::Notice(Notice {
                at: now,
                code: "break-glass".into(),
                text,
            }));
        }
        let evidence = &self.engine().stores().evidence;
        evidence
            .append(entries)
            .await
            .map(drop)
            .map_err(store_failed)
    }
}

/// When a client was last answered by a decision. One that Cordon took by itself, because policy or
/// data changed, counts only once somebody was answered by it.
fn answered_at(logged: &LoggedDecision) -> Option<Timestamp> {
    let decision = &logged.decision;
    let asked = (decision.cause == Cause::Request).then_some(decision.at);
    let answered = logged.servings.iter().map(|served| served.last_at);
    answered.chain(asked).max()
}

fn list(exemption: &Exemption, source: String, now: Timestamp) -> Listed {
    Listed {
        id: exemption.id.0.to_string(),
        package: exemption.scope.package().purl(),
        waives: match &exemption.waives {
            Waives::Rules(rules) => rules.iter().map(ToString::to_string).collect(),
            Waives::Fingerprints(prints) => prints.iter().map(ToString::to_string).collect(),
        },
        reason: exemption.reason.clone(),
        owner: exemption.owner.clone(),
        ticket: exemption.ticket.clone(),
        until: exemption.expires.to_string(),
        is_active: exemption.is_active_at(now),
        source,
        is_break_glass: false,
        last_used_at: None,
    }
}

fn store_failed(error: cordon_storage::StorageError) -> Vec<String> {
    vec![format!("the evidence store failed: {}", Chain(&error))]
}

/// The problems with the new text; with none of its own, all of them.
fn of_the_new(problems: Vec<Diagnostic>) -> Vec<String> {
    let errors = || problems.iter().filter(|problem| problem.is_error());
    let own: Vec<String> = errors()
        .filter(|problem| problem.span.file == NEW)
        .map(ToString::to_string)
        .collect();
    match own.is_empty() {
        true => errors().map(ToString::to_string).collect(),
        false => own,
    }
}
