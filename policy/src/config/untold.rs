//! Rules that cannot work where they are enabled.
//!
//! A control that is written down but can never act is worse than none. Where a registry's metadata
//! never tells a fact a rule needs, the rule must not be enabled for that ecosystem.

use super::source::SourceFile;
use crate::ecosystem::{scheme_for, schemes};
use crate::facts::{FactKind, FactSet};
use crate::model::{Scheme, Timestamp};
use crate::rules::{RuleKind, Variant};
use crate::specimen::{Specimen, Stage};

/// Reports every table that enables a rule for an ecosystem where it cannot work, and whether there
/// is one.
pub(super) fn refuse_untold(file: &SourceFile<'_>, kind: &RuleKind, variants: &[Variant]) -> bool {
    let mut is_refused = false;
    for (at, variant) in variants.iter().enumerate() {
        if !variant.settings.is_enabled {
            continue;
        }
        let needs = variant.rule.needs();
        let later = variants.get(at + 1..).unwrap_or_default();
        let mut deaf: Vec<&str> = Vec::new();
        let mut missing = FactSet::EMPTY;
        for scheme in schemes() {
            let untold = needs.intersection(scheme.untold());
            if !untold.is_empty() && applies(variant, later, scheme) {
                deaf.push(scheme.ecosystem().as_str());
                missing = missing.union(untold);
            }
        }
        if deaf.is_empty() {
            continue;
        }
        is_refused = true;
        let facts: Vec<&str> = missing.iter().map(FactKind::name).collect();
        let able: Vec<String> = schemes()
            .into_iter()
            .filter(|scheme| needs.intersection(scheme.untold()).is_empty())
            .map(|scheme| format!("`ecosystem = \"{}\"`", scheme.ecosystem()))
            .collect();
        let help = match able.is_empty() {
            true => "remove the table".to_owned(),
            false => format!("say where it applies: {}", able.join(" or ")),
        };
        file.error(
            "rule-cannot-work",
            &file.bytes_from(&variant.settings.source),
            format!(
                "`{}` needs {}, which the metadata of {} never tells",
                kind.id,
                facts.join(" and "),
                deaf.join(" and ")
            ),
            help,
        );
    }
    is_refused
}

/// Reports a rule written for one ecosystem where by its own word it cannot work. One for all of
/// them stands if it works for some, and its overrides may say that it does not look elsewhere; the
/// self-test tells where it does not act.
pub(super) fn refuse_deaf(file: &SourceFile<'_>, kind: &RuleKind, variants: &[Variant]) {
    // Any instant will do: nothing is published.
    let now = Timestamp::from_millis(0);
    let base = variants.first().filter(|it| it.settings.is_enabled);
    if let Some(variant) = base {
        let scope = &variant.scope;
        let Some(scheme) = scope.ecosystem.as_ref().and_then(scheme_for) else {
            return;
        };
        let stage = Stage {
            scheme,
            now,
            scope,
            name: scheme.package("any").ok(),
        };
        if let Specimen::CannotWork(why) = variant.rule.specimen(&stage) {
            file.error(
                "rule-cannot-work",
                &file.bytes_from(&variant.settings.source),
                format!("`{}` never acts for {}: {why}", kind.id, scheme.ecosystem()),
                "remove the table, or write `enabled = false`",
            );
        }
    }
}

/// Whether the table is what applies to some package of the ecosystem.
fn applies(variant: &Variant, later: &[Variant], scheme: &dyn Scheme) -> bool {
    let ecosystem = scheme.ecosystem();
    let is_for = |of: &Variant| {
        let scope = &of.scope;
        scope
            .ecosystem
            .as_ref()
            .is_none_or(|only| only == ecosystem)
    };
    let takes_all =
        |of: &Variant| is_for(of) && of.scope.packages.is_none() && of.scope.is_for_everybody();
    is_for(variant) && !later.iter().any(takes_all)
}
