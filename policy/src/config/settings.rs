//! The keys every rule has, in its own table and in its overrides.

use smol_str::SmolStr;

use super::limits::MAX_PATTERNS;
use super::names::{read_ecosystem, read_name, report_name};
use super::reader::{Spanned, TableReader};
use super::text::shown;
use crate::ecosystem::schemes;
use crate::finding::Mode;
use crate::matching::{NamePattern, PackageScope, PackageSet, PatternError, parse_name_or_pattern};
use crate::model::{Ecosystem, Scheme};
use crate::rules::{RuleKind, RuleSettings};
use crate::verdict::Effect;

/// Reads `ecosystem`, `packages`, `routes` and `identities`.
pub(super) fn read_scope(table: &mut TableReader<'_, '_>) -> PackageScope {
    let scheme = read_ecosystem(table);
    let packages = table
        .strings("packages")
        .and_then(|written| read_packages(table, scheme, &written));
    PackageScope {
        ecosystem: scheme.map(|scheme| scheme.ecosystem().clone()),
        packages,
        routes: read_askers(table, "routes"),
        identities: read_askers(table, "identities"),
    }
}

/// Reads names of routes or identities as the configuration of the server has them.
fn read_askers(table: &mut TableReader<'_, '_>, key: &str) -> Option<Vec<SmolStr>> {
    let written = table.strings(key)?;
    if written.is_empty() {
        table.file().error(
            "nobody-in-scope",
            table.bytes(),
            format!(
                "`{}.{key}` names nobody, so nothing is in scope",
                table.path()
            ),
            "name at least one, or leave the key out: then it is for everybody",
        );
    }
    let mut names = Vec::with_capacity(written.len());
    for name in written {
        if !is_asker_name(&name.value) {
            table.file().error(
                "invalid-value",
                &name.bytes,
                format!(
                    "`{}` cannot be the name of a route or identity",
                    shown(&name.value)
                ),
                "write it as in the configuration: lower-case letters, digits and `-`",
            );
        }
        names.push(SmolStr::from(name.value));
    }
    names.sort();
    names.dedup();
    Some(names)
}

/// Longest name of a route or identity, in bytes.
pub const MAX_ASKER_NAME: usize = 64;

/// Whether a text may name a route or an identity: lower-case letters, digits and `-`, not at the
/// ends.
pub fn is_asker_name(text: &str) -> bool {
    let is_inside = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty()
        && text.len() <= MAX_ASKER_NAME
        && text.bytes().all(is_inside)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn read_packages(
    table: &TableReader<'_, '_>,
    scheme: Option<&'static dyn Scheme>,
    written: &[Spanned<String>],
) -> Option<PackageSet> {
    let file = table.file();
    let mut names: Vec<(Ecosystem, NamePattern)> = Vec::new();
    let mut canonical: Vec<SmolStr> = Vec::new();
    let mut is_complete = true;
    for text in written {
        let (found, name) = match scheme {
            Some(scheme) => match read_name(file, scheme, text) {
                Some(name) => {
                    let canonical = name.canonical().into();
                    (vec![(scheme.ecosystem().clone(), name)], canonical)
                }
                None => (Vec::new(), SmolStr::default()),
            },
            None => (read_in_any(table, text), text.value.as_str().into()),
        };
        is_complete &= !found.is_empty();
        names.extend(found);
        canonical.push(name);
    }
    if !is_complete {
        return None;
    }
    let patterns = names
        .iter()
        .filter(|(_, name)| matches!(name, NamePattern::Glob { .. }))
        .count();
    let problem = match names.len() {
        0 => Some("it names no package, so nothing is in scope".to_owned()),
        _ if patterns > MAX_PATTERNS => Some(format!("more than {MAX_PATTERNS} patterns")),
        _ => None,
    };
    let built = match problem {
        Some(problem) => Err(problem),
        None => PackageSet::new(names, canonical).map_err(|error| error.to_string()),
    };
    match built {
        Ok(set) => Some(set),
        Err(problem) => {
            file.error(
                "invalid-packages",
                table.bytes(),
                format!("`{}.packages`: {problem}", table.path()),
                "list the packages meant, or leave the key out to mean all",
            );
            None
        }
    }
}

/// Reads a name where no ecosystem is given: it is meant in every ecosystem that can have it. Empty
/// when none can, which is reported.
fn read_in_any(
    table: &TableReader<'_, '_>,
    written: &Spanned<String>,
) -> Vec<(Ecosystem, NamePattern)> {
    let mut found = Vec::new();
    let mut refusal: Option<PatternError> = None;
    for scheme in schemes() {
        match parse_name_or_pattern(scheme, &written.value) {
            Ok(name) => found.push((scheme.ecosystem().clone(), name)),
            Err(error) => refusal = refusal.or(Some(error)),
        }
    }
    if let Some(error) = refusal
        && found.is_empty()
    {
        report_name(table.file(), written, &error);
    }
    found
}

/// Reads `enabled`, `mode`, `effect` and `on_unavailable`. What an override leaves out it inherits.
pub(super) fn read_settings(
    table: &mut TableReader<'_, '_>,
    kind: &RuleKind,
    inherited: Option<&RuleSettings>,
) -> RuleSettings {
    let enabled = table.boolean("enabled");
    let mode = table.choice(
        "mode",
        &[("enforce", Mode::Enforce), ("monitor", Mode::Monitor)],
    );
    let effects =
        [Effect::Hide, Effect::Quarantine, Effect::Block].map(|effect| (effect.name(), effect));
    let effect = table.choice("effect", &effects);
    let on_unavailable = table.choice("on_unavailable", &effects);
    if kind.is_fixed {
        refuse(table, kind, "enabled", enabled.as_ref(), |on| *on);
        refuse(table, kind, "mode", mode.as_ref(), |mode| {
            *mode == Mode::Enforce
        });
        let is_strict = |effect: &Effect| *effect == kind.default_effect;
        refuse(table, kind, "effect", effect.as_ref(), is_strict);
        refuse(
            table,
            kind,
            "on_unavailable",
            on_unavailable.as_ref(),
            is_strict,
        );
    }
    let value_of = |read: &Option<Spanned<Effect>>| read.as_ref().map(|read| read.value);
    let effect_value = value_of(&effect)
        .or(inherited.map(|settings| settings.effect))
        .unwrap_or(kind.default_effect);
    if let Some(written) = &on_unavailable
        && written.value < effect_value
    {
        table.file().error(
            "too-mild",
            &written.bytes,
            format!(
                "`{}.on_unavailable` is `{}`, milder than the effect `{effect_value}`",
                table.path(),
                written.value
            ),
            format!(
                "use `{effect_value}` or stricter: an attacker must gain nothing by hiding a fact"
            ),
        );
    }
    RuleSettings {
        is_enabled: enabled
            .map(|read| read.value)
            .or(inherited.map(|settings| settings.is_enabled))
            .unwrap_or(true),
        mode: mode
            .map(|read| read.value)
            .or(inherited.map(|settings| settings.mode))
            .unwrap_or_default(),
        effect: effect_value,
        on_unavailable: value_of(&on_unavailable)
            .or(inherited.map(|settings| settings.on_unavailable))
            .unwrap_or(effect_value)
            .max(effect_value),
        source: table.file().span(table.bytes()),
    }
}

fn refuse<T>(
    table: &TableReader<'_, '_>,
    kind: &RuleKind,
    key: &str,
    written: Option<&Spanned<T>>,
    is_strict: impl Fn(&T) -> bool,
) {
    let Some(written) = written.filter(|written| !is_strict(&written.value)) else {
        return;
    };
    table.file().error(
        "cannot-be-weakened",
        &written.bytes,
        format!(
            "`{}` cannot be changed: the rule always acts",
            shown(&format!("{}.{key}", table.path()))
        ),
        format!(
            "remove the key; for one file with known bytes write an `[[exempt]]` for `{}`",
            kind.id
        ),
    );
}
