//! The rule about archives that cannot be trusted with an installer.

mod support;

use std::sync::Arc;

use cordon_policy::facts::{ArchiveFacts, Fact, FactKind, VersionFacts};
use cordon_policy::inspect::{Fault, FaultCode, Faults};
use cordon_policy::verdict::Effect;
use support::*;

fn with(faults: &[(FaultCode, &str)]) -> VersionFacts {
    let mut facts = fetched("pkg:npm/left-pad@1.3.0");
    let mut all = Faults::default();
    for (code, place) in faults {
        all.push(Fault::new(*code, place, "two readers differ"));
    }
    facts.archive = Fact::Known(Arc::new(ArchiveFacts {
        faults: all,
        ..ArchiveFacts::default()
    }));
    facts
}

fn codes(text: &str, facts: &VersionFacts) -> Vec<String> {
    let evaluation = policy(text).evaluate(facts, NOW);
    let findings = evaluation.findings().iter();
    findings
        .map(|it| format!("{}/{}", it.rule, it.code))
        .collect()
}

#[test]
fn every_fault_is_a_finding_of_its_own_code_and_holds() {
    for (code, _) in FaultCode::ALL {
        let facts = with(&[(*code, "package/index.js")]);
        let evaluation = policy("[rules.archive]\n").evaluate(&facts, NOW);
        assert_eq!(evaluation.effect(), Effect::Quarantine);
        assert!(evaluation.permit().is_none());
        let finding = evaluation.deciding().expect("a finding");
        assert_eq!(finding.code.as_str(), code.name());
        assert_eq!(finding.evidence, "package/index.js");
    }
}

#[test]
fn of_each_code_the_first_place_is_told_and_what_is_accepted_is_not() {
    let facts = with(&[
        (FaultCode::Dup, "package/a.js"),
        (FaultCode::Dup, "package/b.js"),
        (FaultCode::Link, "package/c.js"),
    ]);
    assert_eq!(
        codes("[rules.archive]\n", &facts),
        ["archive/dup", "archive/link"]
    );
    let accepting = "[rules.archive]\n[[rules.archive.override]]\npackages = [\"left-*\"]\n\
         ecosystem = \"npm\"\naccept = [\"dup\", \"link\"]\n";
    assert!(codes(accepting, &facts).is_empty());
    let evaluation = policy(accepting).evaluate(&facts, NOW);
    assert!(evaluation.permit().is_some());
}

#[test]
fn what_was_not_looked_into_waits_and_what_could_not_be_is_held() {
    let ruleset = policy("[rules.archive]\n");
    let mut facts = fetched("pkg:npm/left-pad@1.3.0");
    assert!(ruleset.evaluate(&facts, NOW).permit().is_some());
    facts.archive = Fact::NotYet;
    let evaluation = ruleset.evaluate(&facts, NOW);
    assert!(evaluation.awaits().contains(FactKind::Archive));
    assert!(evaluation.may_list() && evaluation.permit().is_none());
    facts.archive = Fact::Unavailable("the worker died".into());
    assert_eq!(codes("[rules.archive]\n", &facts), ["archive/scan-failed"]);
    assert!(ruleset.evaluate(&facts, NOW).permit().is_none());
}
