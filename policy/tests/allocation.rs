//! Judging a candidate nobody objects to allocates nothing: documents of thousands of versions are
//! judged on the request path.

mod support;

use allocation_counter::measure;
use cordon_policy::verdict::Effect;
use support::*;

#[test]
fn the_allow_path_allocates_nothing() {
    let ruleset = policy(
        "[rules.minimum-age]\n\
         [rules.deny]\npurls = ['pkg:npm/event-stream', 'pkg:npm/left-pad@9.9.9']\n\
         [[rules.deny.match]]\necosystem = 'npm'\nnames = ['left-pad']\nversions = '>=2 <3 || ^7'\n\
         [[rules.allow.match]]\necosystem = 'npm'\nnames = ['left-*']\n\
         [[rules.minimum-age.override]]\npackages = ['@acme/*']\nversion_age = '1h'\n",
    );
    for facts in [
        candidate("pkg:npm/left-pad@1.3.0"),
        fetched("pkg:npm/left-pad@1.3.0"),
    ] {
        // Automata make their scratch space at their first use.
        assert_eq!(ruleset.evaluate(&facts, NOW).effect(), Effect::Allow);
        let counted = measure(|| {
            std::hint::black_box(ruleset.evaluate(std::hint::black_box(&facts), NOW));
        });
        assert_eq!(counted.count_total, 0, "{counted:?}");
    }
}
