//! Setting a malware finding aside.

use super::*;

fn exemption(waives: &str, people: &str) -> Result<Ruleset, Vec<&'static str>> {
    let text = format!(
        "[rules.integrity]\n[rules.minimum-age]\nenabled = false\n[rules.malware]\n\
         [rules.advisory]\n\n[[exempt]]\nid = 'a'\npackage = 'pkg:npm/axios@1.14.1'\n{waives}\n\
         reason = 'looked at'\nticket = 'T-1'\n{people}\nuntil = '2026-12-24T00:00:00Z'\n"
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

#[test]
fn no_override_does_what_takes_two_people() {
    let problems = |base: &str, overrides: &str| -> Vec<&'static str> {
        let text = format!("[rules.malware]\n{base}\n{overrides}");
        let source = PolicySource {
            name: "policy.toml".to_owned(),
            text,
        };
        let rejected = load(&[source]).err().unwrap_or_default();
        let errors = rejected.iter().filter(|it| it.is_error());
        errors.map(|it| it.code).collect()
    };
    const OVERRIDE: &str = "[[rules.malware.override]]\necosystem = 'npm'\npackages = ['axios']\n";
    for milder in [
        "enabled = false",
        "mode = 'monitor'",
        "effect = 'hide'",
        "effect = 'quarantine'",
        "established_after = '1d'",
        "settled_after = '0s'",
        "without_data = 'inactive'",
    ] {
        let overrides = format!("{OVERRIDE}{milder}\n");
        assert_eq!(problems("", &overrides), ["cannot-be-weakened"], "{milder}");
        // Nor may a later override take back what an earlier one made strict.
        let base = match milder {
            "established_after = '1d'" | "settled_after = '0s'" => continue,
            _ => "mode = 'monitor'\neffect = 'hide'\nwithout_data = 'inactive'",
        };
        let strict = format!(
            "{OVERRIDE}mode = 'enforce'\neffect = 'block'\nwithout_data = 'hold'\n{overrides}"
        );
        assert_eq!(problems(base, &strict), ["cannot-be-weakened"], "{milder}");
    }
    for stricter in [
        "effect = 'block'",
        "settled_after = '30d'",
        "mode = 'enforce'",
    ] {
        let overrides = format!("{OVERRIDE}{stricter}\n");
        assert_eq!(
            problems("effect = 'hide'", &overrides),
            [""; 0],
            "{stricter}"
        );
    }
    // A rule that is off may be on for some, watching.
    let overrides = format!("{OVERRIDE}enabled = true\nmode = 'monitor'\n");
    assert_eq!(problems("enabled = false", &overrides), [""; 0]);
}
