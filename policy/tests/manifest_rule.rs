//! Archives that are not what the registry shows.

mod support;

use cordon_policy::facts::{Fact, FactKind, VersionFacts};
use cordon_policy::inspect::manifest::{Disagreement, Field};
use cordon_policy::model::ArtifactKind;
use cordon_policy::verdict::{Effect, Evaluation};
use support::*;

fn differing(fields: &[Field]) -> VersionFacts {
    let mut facts = fetched("pkg:npm/left-pad@1.3.0");
    let all = fields.iter().map(|field| Disagreement {
        field: *field,
        declared: "none".to_owned(),
        found: "evil 1".to_owned(),
    });
    facts.agreement = Fact::Known(all.collect());
    facts
}

fn judge(policy_text: &str, facts: &VersionFacts) -> Evaluation {
    policy(&format!("[rules.manifest]\n{policy_text}")).evaluate(facts, NOW)
}

fn fingerprints(evaluation: &Evaluation) -> Vec<String> {
    let findings = evaluation.findings().iter();
    findings
        .map(|finding| finding.fingerprint().to_string())
        .collect()
}

#[test]
fn every_field_is_a_finding_that_names_it() {
    for (field, code) in [
        (Field::Identity, "manifest-identity"),
        (Field::Scripts, "manifest-scripts"),
        (Field::Dependencies, "manifest-dependencies"),
        (Field::Bundled, "manifest-bundled"),
        (Field::Bin, "manifest-other"),
        (Field::Metadata, "manifest-metadata"),
        (Field::RequiresPython, "manifest-metadata"),
        (Field::Features, "manifest-other"),
        (Field::Links, "manifest-other"),
    ] {
        let evaluation = judge("", &differing(&[field]));
        assert_eq!(evaluation.effect(), Effect::Quarantine);
        let finding = evaluation.deciding().unwrap();
        assert_eq!(finding.code.as_str(), code);
        assert!(
            finding.evidence.starts_with(&format!("{field}:")),
            "{finding:?}"
        );
        assert_eq!(finding.until, None);
        let ignored = judge(&format!("ignore = ['{field}']\n"), &differing(&[field]));
        assert_eq!(ignored.effect(), Effect::Allow, "{field}");
    }
    assert_eq!(Field::ALL.len(), 9, "a field is missing here");
}

#[test]
fn m_01_the_reason_names_what_the_registry_does_not_show() {
    let mut facts = differing(&[Field::Dependencies]);
    facts.agreement = Fact::Known(
        [("a ^2", "a ^1"), ("gone 1", "none"), ("none", "evil 1")]
            .map(|(declared, found)| Disagreement {
                field: Field::Dependencies,
                declared: declared.to_owned(),
                found: found.to_owned(),
            })
            .into(),
    );
    assert_eq!(
        judge("", &facts).deciding().unwrap().reason,
        "the archive of left-pad 1.3.0 requires a ^1, the registry shows a ^2 and 2 more"
    );
}

#[test]
fn another_difference_is_another_finding() {
    let first = fingerprints(&judge("", &differing(&[Field::Scripts])));
    let mut facts = differing(&[Field::Scripts]);
    assert_eq!(fingerprints(&judge("", &facts)), first);
    facts.agreement = Fact::Known(
        [Disagreement {
            field: Field::Scripts,
            declared: "none".to_owned(),
            found: "install: evil".to_owned(),
        }]
        .into(),
    );
    let other = fingerprints(&judge("", &facts));
    assert_eq!((first.len(), other.len()), (1, 1));
    assert_ne!(first, other);
}

#[test]
fn what_is_not_known_is_awaited_and_what_cannot_be_known_is_held() {
    let mut facts = differing(&[]);
    facts.agreement = Fact::NotYet;
    let evaluation = judge("", &facts);
    assert_eq!(evaluation.effect(), Effect::Allow);
    assert!(evaluation.awaits().contains(FactKind::Agreement));
    assert!(evaluation.permit().is_none());
    facts.agreement = Fact::Unavailable("it could not be inspected".into());
    let evaluation = judge("", &facts);
    let code = evaluation.deciding().unwrap().code.as_str();
    assert_eq!(
        (code, evaluation.permit().is_none()),
        ("manifest-unknown", true)
    );
    facts.agreement = Fact::Absent;
    assert!(judge("", &facts).permit().is_some());
}

#[test]
fn what_derives_from_an_archive_has_no_manifest_of_its_own() {
    for kind in [ArtifactKind::CoreMetadata, ArtifactKind::Provenance] {
        let mut facts = differing(&[]);
        facts.artifact.kind = kind;
        facts.agreement = Fact::NotYet;
        assert!(judge("", &facts).permit().is_some(), "{kind:?}");
    }
}

#[test]
fn a_field_there_is_none_of_is_an_error() {
    let source = cordon_policy::config::PolicySource {
        name: "policy.toml".to_owned(),
        text: "[rules.manifest]\nignore = ['dependancies']\n".to_owned(),
    };
    let problems = cordon_policy::config::load(&[source]).unwrap_err();
    let told = format!("{problems:?}");
    assert!(
        told.contains("dependancies") && told.contains("dependencies"),
        "{told}"
    );
}
