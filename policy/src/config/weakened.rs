//! Overrides of rules that take two people to set aside.
//!
//! An exemption from such a rule names two people and an end. An override needs neither, so it must
//! not do what an exemption does: it may be stricter than the rule elsewhere, never milder.

use super::source::SourceFile;
use crate::finding::Mode;
use crate::rules::{self, RuleKind, Variant};

/// Reports every override that is milder than the rule's own table, or than an override before it
/// that covers the same packages.
pub(super) fn refuse_weakened(file: &SourceFile<'_>, kind: &RuleKind, variants: &[Variant]) {
    if !rules::needs_two_people(&kind.id) {
        return;
    }
    for (at, variant) in variants.iter().enumerate().skip(1) {
        let before = variants.iter().take(at).enumerate();
        let mut replaced = before.filter(|(index, earlier)| {
            may_share(earlier, variant) && (*index == 0 || earlier.scope.covers(&variant.scope))
        });
        let Some((key, of)) = replaced.find_map(|(_, earlier)| {
            let key = milder_key(earlier, variant)?;
            Some((key, earlier))
        }) else {
            continue;
        };
        file.error(
            "cannot-be-weakened",
            &file.bytes_from(&variant.settings.source),
            format!(
                "this override makes `{}` milder than line {} does: `{key}`",
                kind.id, of.settings.source.line
            ),
            format!(
                "remove the override; to let a version through write an `[[exempt]]` for `{}`, \
                 with two people and an end",
                kind.id
            ),
        );
    }
}

/// Whether some package may be in the scope of both.
fn may_share(one: &Variant, other: &Variant) -> bool {
    let of = |variant: &Variant| variant.scope.ecosystem.clone();
    match (of(one), of(other)) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    }
}

/// A key by which `to` finds less, or does less about it, than `from`.
fn milder_key(from: &Variant, to: &Variant) -> Option<&'static str> {
    let (strict, now) = (&from.settings, &to.settings);
    if !strict.is_enabled {
        return None;
    }
    if !now.is_enabled {
        return Some("enabled");
    }
    if strict.mode == Mode::Enforce && now.mode != Mode::Enforce {
        return Some("mode");
    }
    if strict.mode == Mode::Enforce && now.effect < strict.effect {
        return Some("effect");
    }
    if strict.mode == Mode::Enforce && now.on_unavailable < strict.on_unavailable {
        return Some("on_unavailable");
    }
    to.rule.milder_key(from.rule.as_ref())
}
