//! What a new policy no longer enforces: allowed, but never unsaid (C-23).

use cordon_policy::evaluate::Ruleset;
use cordon_policy::finding::Mode;
use cordon_policy::rules::ConfiguredRule;

/// How far a rule's own table goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    Acts,
    Watches,
    Off,
}

fn reach(ruleset: &Ruleset, rule: &ConfiguredRule) -> Reach {
    let found = ruleset.rules().iter().find(|it| it.id == rule.id);
    match found.and_then(|it| it.variants.first()) {
        Some(base) if base.settings.is_enabled => match base.settings.mode {
            Mode::Enforce => Reach::Acts,
            Mode::Monitor => Reach::Watches,
        },
        Some(_) | None => Reach::Off,
    }
}

/// Rules that acted and no longer do, in words.
pub(super) fn weakened(old: &Ruleset, new: &Ruleset) -> Vec<String> {
    let acted = old
        .rules()
        .iter()
        .filter(|rule| reach(old, rule) == Reach::Acts);
    acted
        .filter_map(|rule| match reach(new, rule) {
            Reach::Acts => None,
            Reach::Watches => Some(format!("rule {} now only watches", rule.id)),
            Reach::Off => Some(format!("rule {} is now off", rule.id)),
        })
        .collect()
}

/// Ids of the rules that only watch.
pub(super) fn watching(ruleset: &Ruleset) -> Vec<String> {
    let rules = ruleset.rules().iter();
    rules
        .filter(|rule| reach(ruleset, rule) == Reach::Watches)
        .map(|rule| rule.id.to_string())
        .collect()
}

#[cfg(test)]
mod tests {
    use cordon_policy::config::{PolicySource, load};

    use super::*;

    fn ruleset(text: &str) -> Ruleset {
        let source = PolicySource {
            name: "policy.toml".to_owned(),
            text: text.to_owned(),
        };
        load(&[source]).expect("the policy loads").ruleset
    }

    #[test]
    fn c_23_a_rule_that_no_longer_acts_is_named() {
        let strict = ruleset("[rules.minimum-age]\n[rules.deny]\npurls = ['pkg:npm/a']\n");
        let watched = ruleset("[rules.minimum-age]\nmode = 'monitor'\n");
        let off = ruleset("[rules.minimum-age]\nenabled = false\n");
        assert_eq!(
            weakened(&strict, &watched),
            ["rule deny is now off", "rule minimum-age now only watches"]
        );
        assert_eq!(
            weakened(&strict, &off),
            ["rule deny is now off", "rule minimum-age is now off"]
        );
        for (old, new) in [(&watched, &off), (&watched, &strict), (&strict, &strict)] {
            assert_eq!(weakened(old, new), [""; 0]);
        }
        assert_eq!(watching(&watched), ["minimum-age"]);
        assert_eq!(watching(&strict), [""; 0]);
    }
}
