//! What is to be tested: each table of each rule, for each protocol.

use std::sync::Arc;

use cordon_policy::evaluate::Ruleset;
use cordon_policy::facts::{Audience, PackageFacts, VersionFacts};
use cordon_policy::finding::{Mode, RuleId};
use cordon_policy::model::{
    ArtifactId, ArtifactKind, FileName, PackageName, PackageVersion, Scheme, Timestamp, Version,
};
use cordon_policy::rules::{ConfiguredRule, Variant};
use cordon_policy::specimen::{Good, Pair, Specimen, Stage, TRIED, example};

use smol_str::SmolStr;

use super::report::{Outcome, Row};
use crate::engine::Asker;
use crate::registry::Registry;

/// Most pairs published for one test: a policy may have thousands of overrides.
const MAX_CASES: usize = 600;

/// A pair to publish and ask for.
pub(super) struct Case {
    pub(super) registry: &'static dyn Registry,
    pub(super) rule: RuleId,
    pub(super) place: String,
    pub(super) mode: Mode,
    pub(super) pair: Pair,
    pub(super) bad: PackageName,
    /// By which way and as whom it is asked for.
    pub(super) asker: Asker,
    /// Of [`Good::Package`].
    pub(super) good: PackageName,
}

/// The cases, and the rows about what there is nothing to ask for.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) cases: Vec<Case>,
    pub(super) rows: Vec<Row>,
}

impl Plan {
    pub(super) fn of(
        ruleset: &Ruleset,
        registries: &[&'static dyn Registry],
        now: Timestamp,
    ) -> Self {
        let mut plan = Self::default();
        for configured in ruleset.rules() {
            for (at, variant) in configured.variants.iter().enumerate() {
                if !variant.settings.is_enabled {
                    continue;
                }
                for registry in registries {
                    let table = Table {
                        configured,
                        variant,
                        is_base: at == 0,
                        registry: *registry,
                    };
                    plan.add(&table, now);
                }
            }
        }
        plan
    }

    fn add(&mut self, table: &Table<'_>, now: Timestamp) {
        let scheme = table.registry.scheme();
        let scope = &table.variant.scope;
        let only = scope.ecosystem.as_ref();
        if only.is_some_and(|only| only != scheme.ecosystem()) {
            return;
        }
        let number = self.cases.len();
        let stage = Stage {
            scheme,
            now,
            scope,
            name: table.name(number),
        };
        if stage.name.is_none() {
            // Another table is for every name; of the rule's own that is worth a line.
            if table.is_base && scope.packages.is_some() {
                self.say(
                    table,
                    Outcome::Nothing("no name there is in its scope".into()),
                );
            }
            return;
        }
        let pair = match table.variant.rule.specimen(&stage) {
            Specimen::Pair(pair) => pair,
            Specimen::CannotWork(why) => return self.say(table, Outcome::CannotWork(why.into())),
            Specimen::Nothing(why) => return self.say(table, Outcome::Nothing(why.into())),
        };
        let bad = pair.bad.name.clone().or_else(|| stage.name.clone());
        let Some(bad) = bad.filter(|bad| table.applies_to(bad)) else {
            let why = "other tables of the rule are for every name that could be tried";
            return self.say(table, Outcome::Nothing(why.into()));
        };
        if number >= MAX_CASES {
            let why = format!("only the first {MAX_CASES} tables of a policy are tested");
            return self.say(table, Outcome::Nothing(why));
        }
        let named = match &pair.good {
            Good::Package(good) => good.name.clone(),
            Good::Version(_) | Good::Impossible(_) => None,
        };
        let Some(good) = named.or_else(|| name(scheme, number, "good")) else {
            return;
        };
        self.cases.push(Case {
            registry: table.registry,
            rule: table.configured.id.clone(),
            place: table.variant.settings.source.to_string(),
            mode: table.variant.settings.mode,
            pair: *pair,
            bad,
            asker: table.asker(),
            good,
        });
    }

    fn say(&mut self, table: &Table<'_>, outcome: Outcome) {
        self.rows.push(Row {
            rule: table.configured.id.to_string(),
            place: table.variant.settings.source.to_string(),
            ecosystem: table.registry.scheme().ecosystem().to_string(),
            metadata: outcome.clone(),
            artifact: outcome,
        });
    }
}

/// A table of a rule, for one protocol.
struct Table<'a> {
    configured: &'a ConfiguredRule,
    variant: &'a Variant,
    is_base: bool,
    registry: &'static dyn Registry,
}

impl Table<'_> {
    /// A name nothing else is called, to which this table and no other of the rule applies.
    fn name(&self, number: usize) -> Option<PackageName> {
        let scheme = self.registry.scheme();
        let packages = self.variant.scope.packages.iter();
        let written = packages.flat_map(|packages| packages.written()).take(TRIED);
        let examples = written.filter_map(|written| example(scheme, written));
        let own = name(scheme, number, "bad").into_iter();
        own.chain(examples).find(|name| self.applies_to(name))
    }

    /// Somebody the table is for.
    fn asker(&self) -> Asker {
        let first = |names: &Option<Vec<SmolStr>>| names.iter().flatten().next().cloned();
        Asker {
            route: first(&self.variant.scope.routes),
            identity: first(&self.variant.scope.identities),
        }
    }

    fn applies_to(&self, name: &PackageName) -> bool {
        let Ok(file) = FileName::new("self-test") else {
            return false;
        };
        let artifact = ArtifactId {
            subject: PackageVersion {
                name: name.clone(),
                version: Version::verbatim("1.0.0"),
            },
            file,
            kind: ArtifactKind::Archive,
        };
        let package = PackageFacts::unknown(name.clone(), "self-test".into());
        let mut facts = VersionFacts::unknown(artifact, Arc::new(package));
        let Asker { route, identity } = self.asker();
        facts.audience = Audience { route, identity };
        self.configured
            .variant_for(&facts)
            .is_some_and(|variant| std::ptr::eq(variant, self.variant))
    }
}

fn name(scheme: &dyn Scheme, number: usize, what: &str) -> Option<PackageName> {
    scheme
        .package(&format!("cordon-self-test-{number}-{what}"))
        .ok()
}
