//! What missing data means.

use super::*;

#[test]
fn d_01_without_data_what_was_never_allowed_is_held_and_what_was_stays() {
    for (rule, effect) in [("malware", Effect::Block), ("advisory", Effect::Hide)] {
        let rules = only(&format!("[rules.{rule}]\n"));
        for cause in [NO_DATA, "advisory data is too old"] {
            let mut facts = fetched("pkg:npm/lodash@4.17.20");
            facts.advisories = Fact::Unavailable(cause.into());
            let evaluation = rules.evaluate(&facts, NOW);
            assert_eq!(evaluation.effect(), effect, "{rule}: {cause}");
            assert!(evaluation.findings()[0].reason.contains(cause));
            facts.history.first_allowed_at = Some(at(-DAY));
            assert_eq!(
                rules.evaluate(&facts, NOW).effect(),
                effect,
                "without a pin"
            );
            facts.history.pinned = Some(Digest::of(b"honest"));
            let evaluation = rules.evaluate(&facts, NOW);
            assert_eq!(evaluation.effect(), Effect::Allow);
            assert_eq!(
                evaluation.findings()[0].mode,
                Mode::Monitor,
                "it is recorded"
            );
        }
    }
}

#[test]
fn inactive_means_silent_while_no_data_was_ever_loaded_and_only_then() {
    for rule in ["malware", "advisory"] {
        let rules = only(&format!("[rules.{rule}]\nwithout_data = 'inactive'\n"));
        let mut facts = fetched("pkg:npm/lodash@4.17.20");
        facts.advisories = Fact::Unavailable(NO_DATA.into());
        assert!(rules.evaluate(&facts, NOW).findings().is_empty());
        facts.advisories = Fact::Unavailable("advisory data is too old".into());
        assert!(rules.evaluate(&facts, NOW).effect() > Effect::Allow);
    }
}

#[test]
fn what_is_not_asked_so_far_is_waited_for() {
    for rule in ["malware", "advisory"] {
        let mut facts = fetched("pkg:npm/lodash@4.17.20");
        facts.advisories = Fact::NotYet;
        let evaluation = only(&format!("[rules.{rule}]\n")).evaluate(&facts, NOW);
        assert!(evaluation.awaits().contains(FactKind::Advisories));
        assert!(evaluation.permit().is_none());
    }
}
