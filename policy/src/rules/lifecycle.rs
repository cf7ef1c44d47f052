#![doc = include_str!("lifecycle.md")]

use std::sync::Arc;

use super::end_of_life::{EndOfLife, read_ends, write_ends};
use super::parts::{read_each, read_effect, subject, write_effect};
use super::{Rule, RuleKind};
use crate::config::canonical::PolicyText;
use crate::config::reader::TableReader;
use crate::ecosystem::{NPM, PYPI, scheme_for};
use crate::evaluate::Findings;
use crate::facts::{Fact, FactKind, FactSet, RemovalScope, VersionFacts};
use crate::finding::{FindingCode, RuleId};
use crate::model::Timestamp;
use crate::reason;
use crate::specimen::{BAD_VERSION, Specimen, Stage};
use crate::verdict::Effect;

const DEPRECATED: FindingCode = FindingCode::from_static("deprecated");
const YANKED: FindingCode = FindingCode::from_static("yanked");
const PRERELEASE: FindingCode = FindingCode::from_static("pre-release");
const ARCHIVED: FindingCode = FindingCode::from_static("project-archived");
const QUARANTINED: FindingCode = FindingCode::from_static("project-quarantined");
const REMOVED: FindingCode = FindingCode::from_static("removed-upstream");
const PROJECT_REMOVED: FindingCode = FindingCode::from_static("project-removed");
const END_OF_LIFE: FindingCode = FindingCode::from_static("end-of-life");
const UNKNOWN: FindingCode = FindingCode::from_static("lifecycle-unknown");

/// How the rule is called, documented and read.
pub const KIND: RuleKind = RuleKind {
    id: RuleId::from_static("lifecycle"),
    page: include_str!("lifecycle.md"),
    codes: &[
        ("deprecated", "its owners advise against the version"),
        ("yanked", "its owners took the version back"),
        ("pre-release", "the version is a pre-release"),
        ("project-archived", "the project is archived"),
        (
            "project-quarantined",
            "the registry has put the whole project into quarantine",
        ),
        (
            "removed-upstream",
            "the registry lists the version no longer, although it was had from there",
        ),
        (
            "project-removed",
            "the registry has the whole project no longer",
        ),
        (
            "end-of-life",
            "the policy says the version's life has ended",
        ),
        (
            "lifecycle-unknown",
            "it could not be learned whether the version is deprecated, yanked or quarantined",
        ),
    ],
    default_effect: Effect::Hide,
    is_fixed: false,
    read,
};

/// Withholds what has come to the end of its life, or not to its beginning. Each stage has its own
/// effect.
#[derive(Clone, Debug)]
pub struct Lifecycle {
    /// What a deprecated version asks for.
    pub deprecated: Effect,
    /// What a yanked one does.
    pub yanked: Effect,
    /// What a pre-release does.
    pub prerelease: Effect,
    /// What a version of an archived project does.
    pub archived: Effect,
    /// What a version of a quarantined project does.
    pub quarantined: Effect,
    /// What a version does that upstream removed while its project goes on.
    pub removed: Effect,
    /// What a version in use does whose whole project is gone upstream.
    pub project_removed: Effect,
    /// Versions whose life ends, or has ended. They ask for the rule's effect.
    pub ends: Arc<[EndOfLife]>,
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self {
            deprecated: Effect::Allow,
            yanked: Effect::Allow,
            prerelease: Effect::Allow,
            archived: Effect::Allow,
            quarantined: Effect::Quarantine,
            removed: Effect::Block,
            project_removed: Effect::Allow,
            ends: Arc::default(),
        }
    }
}

fn read(
    table: &mut TableReader<'_, '_>,
    overrides: &mut [TableReader<'_, '_>],
) -> Vec<Arc<dyn Rule>> {
    let ends: Arc<[EndOfLife]> = read_ends(table).into();
    let read_one = |inherited: &Lifecycle, table: &mut TableReader<'_, '_>| Lifecycle {
        deprecated: read_effect(table, "deprecated", inherited.deprecated),
        yanked: read_effect(table, "yanked", inherited.yanked),
        prerelease: read_effect(table, "prerelease", inherited.prerelease),
        archived: read_effect(table, "archived", inherited.archived),
        quarantined: read_effect(table, "quarantined", inherited.quarantined),
        removed: read_effect(table, "removed", inherited.removed),
        project_removed: read_effect(table, "project_removed", inherited.project_removed),
        ends: Arc::clone(&ends),
    };
    read_each(table, overrides, read_one)
}

impl Rule for Lifecycle {
    fn needs(&self) -> FactSet {
        let of = |effect: Effect, kind| match effect {
            Effect::Allow => FactSet::EMPTY,
            _ => FactSet::of(kind),
        };
        of(self.deprecated, FactKind::Deprecated)
            .union(of(self.yanked, FactKind::Yanked))
            .union(of(self.archived.max(self.quarantined), FactKind::Status))
    }

    fn check(&self, facts: &VersionFacts, now: Timestamp, out: &mut Findings<'_>) {
        self.check_status(facts, out);
        self.check_deprecated(facts, out);
        self.check_yanked(facts, out);
        self.check_prerelease(facts, out);
        self.check_removal(facts, out);
        for end in self.ends.iter().filter(|end| end.holds(facts)) {
            if end.date > now {
                out.changes_at(end.date);
                continue;
            }
            let why = match &end.reason {
                Some(why) => format!(" ({})", reason::ascii(why, 60)),
                None => String::new(),
            };
            let reason = format!(
                "the life of {} ended on {}{why}",
                subject(facts.subject()),
                reason::instant(end.date)
            );
            out.report(END_OF_LIFE, reason, &end.evidence(), None);
        }
    }

    fn specimen(&self, stage: &Stage<'_>) -> Specimen {
        let is_on = |effect: Effect| effect != Effect::Allow;
        let old = stage.long_ago();
        let (is_npm, is_pypi) = (*stage.ecosystem() == NPM, *stage.ecosystem() == PYPI);
        if is_on(self.prerelease) {
            let version = format!("{BAD_VERSION}{}", if is_pypi { "rc1" } else { "-rc.1" });
            stage.spoiled_at(old, |it| it.version = version)
        } else if is_on(self.yanked) && !is_npm {
            stage.spoiled_at(old, |it| it.is_yanked = true)
        } else if is_on(self.deprecated) && is_npm {
            stage.spoiled_at(old, |it| it.is_deprecated = true)
        } else {
            Specimen::Nothing("no stage of life that a release there can begin in is refused")
        }
    }

    fn write_parameters(&self, out: &mut PolicyText) {
        write_effect(out, "deprecated", self.deprecated);
        write_effect(out, "yanked", self.yanked);
        write_effect(out, "prerelease", self.prerelease);
        write_effect(out, "archived", self.archived);
        write_effect(out, "quarantined", self.quarantined);
        write_effect(out, "removed", self.removed);
        write_effect(out, "project_removed", self.project_removed);
    }

    fn write_tables(&self, id: &RuleId, out: &mut PolicyText) {
        write_ends(&self.ends, id, out);
    }
}

impl Lifecycle {
    fn check_status(&self, facts: &VersionFacts, out: &mut Findings<'_>) {
        let strictest = self.archived.max(self.quarantined);
        if strictest == Effect::Allow {
            return;
        }
        let name = || reason::ascii(facts.subject().name.as_published(), 64);
        match &facts.package.status {
            Fact::Absent => {}
            Fact::NotYet => out.await_fact(FactKind::Status),
            Fact::Known(status) if status == "archived" => {
                let reason = format!("the project {} is archived: nothing will be fixed", name());
                out.report_as(self.archived, ARCHIVED, reason, status, None);
            }
            Fact::Known(status) if status == "quarantined" => {
                let reason = format!("the registry has put {} into quarantine", name());
                out.report_as(self.quarantined, QUARANTINED, reason, status, None);
            }
            Fact::Known(_) => {}
            Fact::Unavailable(cause) => unknown(
                (strictest, FactKind::Status),
                &format!("the status of {}", name()),
                cause,
                out,
            ),
        }
    }

    fn check_deprecated(&self, facts: &VersionFacts, out: &mut Findings<'_>) {
        if self.deprecated == Effect::Allow {
            return;
        }
        match &facts.deprecated {
            Fact::Absent => {}
            Fact::NotYet => out.await_fact(FactKind::Deprecated),
            Fact::Known(message) => {
                let message = match message.trim() {
                    "" => String::new(),
                    message => format!(": {}", reason::ascii(message, 90)),
                };
                let reason = format!("{} is deprecated{message}", subject(facts.subject()));
                out.report_as(self.deprecated, DEPRECATED, reason, "deprecated", None);
            }
            Fact::Unavailable(cause) => unknown(
                (self.deprecated, FactKind::Deprecated),
                &format!("whether {} is deprecated", subject(facts.subject())),
                cause,
                out,
            ),
        }
    }

    fn check_yanked(&self, facts: &VersionFacts, out: &mut Findings<'_>) {
        if self.yanked == Effect::Allow {
            return;
        }
        match &facts.is_yanked {
            Fact::Absent | Fact::Known(None) => {}
            Fact::NotYet => out.await_fact(FactKind::Yanked),
            Fact::Known(Some(why)) => {
                let why = match why.trim() {
                    "" => String::new(),
                    why => format!(": {}", reason::ascii(why, 90)),
                };
                let reason = format!("{} was yanked{why}", subject(facts.subject()));
                out.report_as(self.yanked, YANKED, reason, "yanked", None);
            }
            Fact::Unavailable(cause) => unknown(
                (self.yanked, FactKind::Yanked),
                &format!("whether {} was yanked", subject(facts.subject())),
                cause,
                out,
            ),
        }
    }

    /// That a whole project is gone says nothing about what is in use of it: registries take down
    /// projects of which one version was bad, and put them back. What was never allowed here is
    /// not in use.
    fn check_removal(&self, facts: &VersionFacts, out: &mut Findings<'_>) {
        let Some(removal) = facts.history.removal else {
            return;
        };
        let is_in_use = facts.history.first_allowed_at.is_some();
        let (effect, code) = match removal.scope {
            RemovalScope::Version => (self.removed, REMOVED),
            RemovalScope::Project if is_in_use => (self.project_removed, PROJECT_REMOVED),
            RemovalScope::Project => (self.project_removed.max(self.removed), PROJECT_REMOVED),
        };
        if effect == Effect::Allow {
            return;
        }
        let found = reason::instant(removal.at);
        let reason = match removal.scope {
            RemovalScope::Version => format!(
                "the registry removed {} (found out {found})",
                subject(facts.subject())
            ),
            RemovalScope::Project => format!(
                "the registry removed the whole project of {} (found out {found})",
                subject(facts.subject())
            ),
        };
        out.report_as(effect, code, reason, removal.scope.name(), None);
    }

    fn check_prerelease(&self, facts: &VersionFacts, out: &mut Findings<'_>) {
        if self.prerelease == Effect::Allow {
            return;
        }
        let version = facts.subject();
        let is_prerelease = scheme_for(version.name.ecosystem())
            .is_none_or(|scheme| scheme.is_prerelease(&version.version));
        if is_prerelease {
            let reason = format!("{} is a pre-release", subject(version));
            out.report_as(self.prerelease, PRERELEASE, reason, "pre-release", None);
        }
    }
}

fn unknown((effect, kind): (Effect, FactKind), what: &str, cause: &str, out: &mut Findings<'_>) {
    let reason = format!("{what} could not be learned ({})", reason::ascii(cause, 60));
    out.report_unavailable_as(effect, UNKNOWN, kind, reason);
}
