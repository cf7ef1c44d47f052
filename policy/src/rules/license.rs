#![doc = include_str!("license.md")]

use std::sync::Arc;
use std::time::Duration;

use super::parts::{
    DAY, Look, Seen, read_each, read_effect, read_settled_after, since, subject, write_effect,
};
use super::{Rule, RuleKind};
use crate::config::canonical::PolicyText;
use crate::config::limits::MAX_PATTERNS;
use crate::config::reader::TableReader;
use crate::config::text::help_for;
use crate::ecosystem::NPM;
use crate::evaluate::Findings;
use crate::facts::{Fact, FactKind, FactSet, LicenseChange, VersionFacts};
use crate::finding::{FindingCode, RuleId};
use crate::license::{License, LicensePattern, Term, Terms, is_plain_id};
use crate::model::Timestamp;
use crate::reason;
use crate::specimen::{BAD_VERSION, GOOD_VERSION, Good, Release, Specimen, Stage};
use crate::verdict::Effect;

const DENIED: FindingCode = FindingCode::from_static("license-denied");
const NOT_ALLOWED: FindingCode = FindingCode::from_static("license-not-allowed");
const UNKNOWN: FindingCode = FindingCode::from_static("license-unknown");
const CHANGED: FindingCode = FindingCode::from_static("license-changed");
const UNAVAILABLE: FindingCode = FindingCode::from_static("license-unavailable");

/// How the rule is called, documented and read.
pub const KIND: RuleKind = RuleKind {
    id: RuleId::from_static("license"),
    page: include_str!("license.md"),
    codes: &[
        (
            "license-denied",
            "the version cannot be used without a licence the policy denies",
        ),
        (
            "license-not-allowed",
            "the version cannot be used under licences the policy allows",
        ),
        (
            "license-unknown",
            "the version declares no licence, or none that can be read",
        ),
        (
            "license-changed",
            "the version before was under other terms",
        ),
        (
            "license-unavailable",
            "the licence, or whether it changed, could not be learned",
        ),
    ],
    default_effect: Effect::Block,
    is_fixed: false,
    read,
};

/// Withholds versions by their licence.
#[derive(Clone, Debug)]
pub struct LicenseRule {
    /// Licences that may be used; empty means all that are not denied.
    pub allow: Arc<[LicensePattern]>,
    /// Licences that may not.
    pub deny: Arc<[LicensePattern]>,
    /// What a licence that is not declared or cannot be read asks for.
    pub unknown: Effect,
    /// What a change of licence asks for.
    pub change: Effect,
    /// How long after its publication a version's change counts.
    pub settled_after: Duration,
}

impl Default for LicenseRule {
    fn default() -> Self {
        Self {
            allow: Arc::default(),
            deny: Arc::default(),
            unknown: Effect::Quarantine,
            change: Effect::Allow,
            settled_after: 90 * DAY,
        }
    }
}

fn read(
    table: &mut TableReader<'_, '_>,
    overrides: &mut [TableReader<'_, '_>],
) -> Vec<Arc<dyn Rule>> {
    let read_one = |inherited: &LicenseRule, table: &mut TableReader<'_, '_>| LicenseRule {
        allow: read_list(table, "allow", &inherited.allow),
        deny: read_list(table, "deny", &inherited.deny),
        unknown: read_effect(table, "unknown", inherited.unknown),
        change: read_effect(table, "change", inherited.change),
        settled_after: read_settled_after(table, inherited.settled_after),
    };
    read_each(table, overrides, read_one)
}

fn read_list(
    table: &mut TableReader<'_, '_>,
    key: &str,
    inherited: &Arc<[LicensePattern]>,
) -> Arc<[LicensePattern]> {
    let Some(written) = table.strings(key) else {
        return Arc::clone(inherited);
    };
    let mut list = Vec::with_capacity(written.len().min(MAX_PATTERNS));
    for text in &written {
        match LicensePattern::parse(&text.value) {
            Ok(pattern) => list.push(pattern),
            Err(error) => table.file().error(
                "unknown-license",
                &text.bytes,
                format!("`{}.{key}`: {error}", table.path()),
                help_for(&text.value, crate::license::ids()),
            ),
        }
    }
    if list.len() > MAX_PATTERNS {
        table.file().error(
            "too-many-patterns",
            table.bytes(),
            format!(
                "`{}.{key}` names more than {MAX_PATTERNS} licences",
                table.path()
            ),
            "the SPDX list has about 700; name families by their beginning (`GPL-*`)",
        );
    }
    list.sort();
    list.dedup();
    list.into()
}

impl Rule for LicenseRule {
    fn needs(&self) -> FactSet {
        let needs = FactSet::of(FactKind::License);
        match self.change {
            Effect::Allow => needs,
            _ => needs
                .union(FactSet::of(FactKind::Change))
                .union(FactSet::of(FactKind::PublishedAt)),
        }
    }

    fn check(&self, facts: &VersionFacts, now: Timestamp, out: &mut Findings<'_>) {
        self.check_license(facts, out);
        if self.change != Effect::Allow {
            self.check_change(facts, now, out);
        }
    }

    fn specimen(&self, stage: &Stage<'_>) -> Specimen {
        if *stage.ecosystem() != NPM {
            return Specimen::CannotWork("only the metadata of npm tells the licence");
        }
        let known = crate::license::ids();
        let accepted = known.clone().find(|id| self.judges(id) == Some(true));
        let refused = known.clone().find(|id| self.judges(id) == Some(false));
        let refused = match refused {
            Some(id) => Some(id.to_owned()),
            None if self.unknown != Effect::Allow => None,
            None => return Specimen::Nothing("it accepts every licence, and none at all"),
        };
        let mut bad = Release::at(BAD_VERSION, stage.long_ago());
        let mut good = Release::at(GOOD_VERSION, stage.long_ago());
        bad.license = refused;
        good.license = accepted.map(str::to_owned);
        let mut specimen = stage.pair(vec![good, bad], BAD_VERSION.to_owned());
        if let Specimen::Pair(pair) = &mut specimen
            && accepted.is_none()
        {
            pair.good = Good::Impossible("it accepts no licence of the SPDX list");
        }
        specimen
    }

    fn write_parameters(&self, out: &mut PolicyText) {
        for (key, list) in [("allow", &self.allow), ("deny", &self.deny)] {
            let words: Vec<String> = list.iter().map(ToString::to_string).collect();
            out.texts(key, words.iter().map(String::as_str));
        }
        write_effect(out, "unknown", self.unknown);
        write_effect(out, "change", self.change);
        out.duration("settled_after", self.settled_after);
    }
}

impl LicenseRule {
    fn check_license(&self, facts: &VersionFacts, out: &mut Findings<'_>) {
        let text = match &facts.license {
            Fact::Known(text) => text.as_str(),
            Fact::Absent => "",
            Fact::NotYet => return out.await_fact(FactKind::License),
            Fact::Unavailable(cause) => {
                let reason = format!(
                    "the licence of {} could not be learned ({})",
                    subject(facts.subject()),
                    reason::ascii(cause, 60)
                );
                let strictest = out.settings().effect.max(self.unknown);
                return out.report_unavailable_as(
                    strictest,
                    UNAVAILABLE,
                    FactKind::License,
                    reason,
                );
            }
        };
        // Nearly all versions are under one licence, named as the list has it.
        if self.accepts_plainly(text) {
            return;
        }
        match License::read(text) {
            Some(License::Expression(terms)) => self.check_terms(facts, &terms, out),
            Some(License::Unlicensed) => self.check_unlicensed(facts, out),
            Some(License::Custom | License::Unreadable) => {
                let text = reason::ascii(text, 60);
                let reason = format!(
                    "{} declares the licence \"{text}\", which names none",
                    subject(facts.subject())
                );
                out.report_as(self.unknown, UNKNOWN, reason, &text, None);
            }
            None => {
                let reason = format!("{} declares no licence", subject(facts.subject()));
                out.report_as(self.unknown, UNKNOWN, reason, "none", None);
            }
        }
    }

    /// Whether the text is an id that the lists name, or leave, as it is. May say no where reading
    /// it says yes.
    fn accepts_plainly(&self, text: &str) -> bool {
        let is_allowed = match self.allow.is_empty() {
            true => is_plain_id(text),
            false => self.allow.iter().any(|pattern| pattern.is_id(text)),
        };
        is_allowed && !self.deny.iter().any(|pattern| pattern.may_hold(text))
    }

    /// Whether a licence of the SPDX list is accepted; `None` if it is none.
    fn judges(&self, id: &str) -> Option<bool> {
        let Some(License::Expression(terms)) = License::read(id) else {
            return None;
        };
        let holds = |list: &[LicensePattern], term: &Term<'_>| {
            list.iter().any(|pattern| pattern.holds(term))
        };
        Some(terms.can_be_met(|term| {
            !holds(&self.deny, term) && (self.allow.is_empty() || holds(&self.allow, term))
        }))
    }

    fn check_terms(&self, facts: &VersionFacts, terms: &Terms, out: &mut Findings<'_>) {
        let named = |term: &Term<'_>| {
            let mut narrow = self.allow.iter().filter(|pattern| pattern.has_exception());
            narrow.any(|pattern| pattern.holds(term))
        };
        let is_denied =
            |term: &Term<'_>| !named(term) && self.deny.iter().any(|pattern| pattern.holds(term));
        let is_allowed = |term: &Term<'_>| {
            self.allow.is_empty() || self.allow.iter().any(|pattern| pattern.holds(term))
        };
        let printed = || terms.to_string();
        if !terms.can_be_met(|term| !is_denied(term)) {
            let reason = format!(
                "{} is licensed under {}, which policy denies",
                subject(facts.subject()),
                reason::ascii(&printed(), 80)
            );
            out.report(DENIED, reason, &reason::ascii(&printed(), 200), None);
        } else if !terms.can_be_met(|term| !is_denied(term) && is_allowed(term)) {
            let reason = format!(
                "{} is licensed under {}, which policy does not allow",
                subject(facts.subject()),
                reason::ascii(&printed(), 80)
            );
            out.report(NOT_ALLOWED, reason, &reason::ascii(&printed(), 200), None);
        }
    }

    fn check_unlicensed(&self, facts: &VersionFacts, out: &mut Findings<'_>) {
        let names = |list: &[LicensePattern]| {
            list.iter()
                .any(|pattern| pattern.is_id(LicensePattern::UNLICENSED))
        };
        let reason = format!(
            "{} declares that nobody may use it",
            subject(facts.subject())
        );
        let word = LicensePattern::UNLICENSED;
        if names(&self.deny) {
            out.report(DENIED, reason, word, None);
        } else if names(&self.allow) {
        } else if self.allow.is_empty() {
            out.report_as(self.unknown, UNKNOWN, reason, word, None);
        } else {
            out.report(NOT_ALLOWED, reason, word, None);
        }
    }

    fn check_change(&self, facts: &VersionFacts, now: Timestamp, out: &mut Findings<'_>) {
        let look = Look {
            facts,
            now,
            after: self.settled_after,
            unknown: UNAVAILABLE,
            strictest: self.change,
        };
        let Seen::Change(change, until) = look.see(out) else {
            return;
        };
        let Some(LicenseChange { from, to }) = &change.license else {
            return;
        };
        let is_same = match (License::read(from), License::read(to)) {
            (Some(from), Some(to)) => from.is_same(&to),
            (None, None) => true,
            _ => false,
        };
        if is_same {
            return;
        }
        let words = |text: &str| match text {
            "" => "none".to_owned(),
            text => reason::ascii(text, 32),
        };
        let reason = format!(
            "{} is licensed under {}; {} was under {}",
            subject(facts.subject()),
            words(to),
            since(change),
            words(from)
        );
        let evidence = reason::ascii(&format!("{from}>{to}"), 200);
        out.report_as(self.change, CHANGED, reason, &evidence, until);
    }
}
