#![doc = include_str!("allow.md")]

use std::sync::Arc;

use super::deny::Deny;
use super::list_table::{read_list, write_list};
use super::namespace::Namespace;
use super::{Rule, RuleKind};
use crate::config::canonical::PolicyText;
use crate::config::reader::TableReader;
use crate::ecosystem::scheme_for;
use crate::evaluate::Findings;
use crate::facts::{Fact, FactSet, VersionFacts};
use crate::finding::{ConfigSpan, FindingCode, RuleId};
use crate::matching::PackageList;
use crate::model::{PackageName, PackageVersion, Timestamp};
use crate::reason;
use crate::specimen::{GOOD_VERSION, Specimen, Stage, TRIED, example, version_in};
use crate::verdict::Effect;

const NOT_ALLOWED: FindingCode = FindingCode::from_static("not-allowed");
const EVERYTHING_KEY: &str = "i_understand_this_allows_everything";

/// How the rule is called, documented and read.
pub const KIND: RuleKind = RuleKind {
    id: RuleId::from_static("allow"),
    page: include_str!("allow.md"),
    codes: &[(
        "not-allowed",
        "the ecosystem has an allow list and the version is not on it",
    )],
    default_effect: Effect::Block,
    is_fixed: false,
    read,
};

/// Withholds, in ecosystems its list speaks of, whatever the list does not name.
#[derive(Debug)]
pub struct Allow {
    list: PackageList,
    may_allow_everything: bool,
}

impl Allow {
    /// A rule with that list.
    pub fn new(list: PackageList) -> Self {
        Self {
            list,
            may_allow_everything: false,
        }
    }
}

impl Allow {
    /// Entries that allow what `namespace` refuses altogether, with their places.
    pub(crate) fn homeless_entries(&self, namespace: &Namespace) -> Vec<(ConfigSpan, String)> {
        let exact = self.list.entries().iter().filter(|entry| !entry.is_pattern);
        exact
            .filter_map(|entry| {
                let name = scheme_for(&entry.ecosystem)?.package(&entry.name).ok()?;
                let by = namespace.without_home(&name)?;
                let message = format!(
                    "`{}` is allowed here and owned without a home at {by}, so it is refused",
                    entry.evidence()
                );
                Some((self.list.place(entry), message))
            })
            .collect()
    }

    /// Entries that allow what `deny` withholds altogether, with their places: `deny` wins.
    pub(crate) fn denied_entries(&self, deny: &Deny) -> Vec<(ConfigSpan, String)> {
        let exact = self.list.entries().iter().filter(|entry| !entry.is_pattern);
        exact
            .filter_map(|entry| {
                let denied = deny
                    .list()
                    .every_version_of(&entry.ecosystem, &entry.name)?;
                let by = deny.list().place(denied);
                let message = format!("`{}` is allowed here and denied at {by}", entry.evidence());
                Some((self.list.place(entry), message))
            })
            .collect()
    }
}

fn read(
    table: &mut TableReader<'_, '_>,
    overrides: &mut [TableReader<'_, '_>],
) -> Vec<Arc<dyn Rule>> {
    let is_understood = table.boolean(EVERYTHING_KEY).is_some_and(|key| key.value);
    let Some(read) = read_list(table) else {
        return Vec::new();
    };
    for place in read.everything.iter().filter(|_| !is_understood) {
        table.file().error(
            "allows-everything",
            place,
            "this allows every package of the ecosystem, so the list restricts nothing",
            format!("name what is allowed; if it is meant, add `{EVERYTHING_KEY} = true`"),
        );
    }
    if read.is_blank {
        table.file().error(
            "empty-list",
            table.bytes(),
            "`rules.allow` names nothing, so it would restrict no ecosystem",
            "list packages under `purls` or `[[rules.allow.match]]`, or remove the table",
        );
    }
    let rule: Arc<dyn Rule> = Arc::new(Allow {
        list: read.list,
        may_allow_everything: is_understood,
    });
    vec![rule; overrides.len() + 1]
}

impl Rule for Allow {
    fn needs(&self) -> FactSet {
        FactSet::EMPTY
    }

    fn check(&self, facts: &VersionFacts, _now: Timestamp, out: &mut Findings<'_>) {
        let subject = facts.subject();
        let ecosystem = subject.name.ecosystem();
        if !self.list.speaks_of(ecosystem) || self.list.holds(subject) {
            return;
        }
        // A list of names asks about the package: it is listed if any version of it may be had.
        let is_about_name = subject.version.is_unspecified() && facts.bytes == Fact::NotYet;
        if is_about_name && self.list.names(&subject.name) {
            return;
        }
        let reason = format!(
            "{} is not on the list of allowed {ecosystem} packages",
            reason::subject(subject)
        );
        out.report(NOT_ALLOWED, reason, ecosystem.as_str(), None);
    }

    fn specimen(&self, stage: &Stage<'_>) -> Specimen {
        if !self.list.speaks_of(stage.ecosystem()) {
            return Specimen::Nothing("its list does not speak of the ecosystem");
        }
        let entries = self.list.entries().iter();
        let named = entries.filter(|entry| entry.ecosystem == *stage.ecosystem());
        let good = named.take(TRIED).find_map(|entry| {
            let name = example(stage.scheme, &entry.name)?;
            let version = version_in(&entry.versions, &name)?;
            Some(PackageVersion { name, version })
        });
        let is_foreign = |name: &&PackageName| !self.list.names(name);
        let (Some(name), Some(good)) = (stage.name.as_ref().filter(is_foreign), good) else {
            return Specimen::Nothing("no name is certain to be on its list, and another not");
        };
        stage.whole(stage.plain(Some(name.clone()), GOOD_VERSION), Some(good))
    }

    fn write_parameters(&self, _out: &mut PolicyText) {}

    fn write_tables(&self, id: &RuleId, out: &mut PolicyText) {
        if self.may_allow_everything {
            out.boolean(EVERYTHING_KEY, true);
        }
        write_list(&self.list, id, out);
    }
}
