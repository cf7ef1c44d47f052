//! Setting a malware finding aside.

use super::*;

fn exemption(waives: &str, people: &str) -> Result<Ruleset, Vec<&'static str>> {
    let text = format!(
        "[rules.integrity]\n[rules.minimum-age]\nenabled = false\n[rules.malware]\n\
         [rules.advisory]\n\n[[exempt]]\nid = 'a'\npackage = 'pkg:npm/axios@1.14.1'\n{waives}\n\
         reason = 'looked at'\n{people}\nuntil = '2026-12-24T00:00:00Z'\n"
    );
    let source = PolicySource {
        name: "policy.toml".to_owned(),
        text,
    };
    match load(&[source]) {
        Ok(loaded) => Ok(loaded.ruleset),
        Err(rejected) => Err(rejected.iter().map(|it| it.code).collect()),
    }
}

#[test]
fn a_malware_finding_is_set_aside_by_two_people_and_not_by_one() {
    const RULE: &str = "rules = ['malware']";
    const PRINT: &str = "fingerprints = ['malware/known-malware/MAL-2026-1']";
    let facts = warned("pkg:npm/axios@1.14.1", &[malware(Named::Listed)]);
    for waives in [RULE, PRINT, "rules = ['advisory', 'malware']"] {
        for people in [
            "owner = 'dana'",
            "owner = 'dana'\napproved_by = 'dana'",
            "owner = 'dana'\napproved_by = ' Dana '",
        ] {
            let refused = exemption(waives, people).expect_err("one person");
            assert_eq!(refused, ["needs-two-people"], "{waives} {people}");
        }
        let rules = exemption(waives, "owner = 'dana'\napproved_by = 'robin'");
        let rules = rules.expect("two people");
        assert_eq!(rules.evaluate(&facts, NOW).effect(), Effect::Allow);
        let described = rules.describe();
        assert!(described.contains("approved_by = \"robin\""), "{described}");
    }
    assert!(exemption("rules = ['advisory']", "owner = 'dana'").is_ok());
}
