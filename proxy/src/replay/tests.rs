use cordon_policy::config::{PolicySource, load};
use cordon_storage::conformance::sample::{Sample, artifact, at, notice, served};
use cordon_storage::evidence::{MemoryEvidence, Outcome};

use super::*;

fn policy(text: &str) -> Ruleset {
    let source = PolicySource {
        name: "policy.toml".to_owned(),
        text: text.to_owned(),
    };
    load(&[source]).expect("the policy loads").ruleset
}

fn denying(purls: &str) -> Ruleset {
    policy(&format!("[rules.deny]\npurls = [{purls}]\n"))
}

async fn filled(entries: Vec<Entry>) -> MemoryEvidence {
    let evidence = MemoryEvidence::new();
    evidence.append(entries).await.expect("appends");
    evidence
}

fn decided(id: u64, name: &str, version: &str) -> Entry {
    Sample::allow(id, artifact(name, version)).entry()
}

#[tokio::test]
async fn what_is_newly_refused_and_allowed_is_told_by_package_and_client() {
    let evidence = filled(vec![
        notice(0),
        decided(1, "a", "1.0.0"),
        decided(2, "b", "1.0.0"),
        decided(3, "c", "1.0.0"),
        Entry::Served(served(1, "192.0.2.1", Outcome::Served, 4)),
        Entry::Served(served(3, "192.0.2.2", Outcome::Served, 4)),
        decided(4, "a", "2.0.0"),
    ])
    .await;
    let (old, new) = (denying("'pkg:npm/b'"), denying("'pkg:npm/a'"));
    let found = replay(&evidence, &old, &new, None).await.expect("reads");
    assert_eq!((found.decisions, found.servings, found.unjoined), (4, 2, 0));
    let [blocked] = found.groups(Direction::NewlyBlocked)[..] else {
        panic!("one package is newly refused");
    };
    assert_eq!(blocked.package.purl(), "pkg:npm/a");
    assert_eq!(blocked.decisions, 2);
    assert_eq!(blocked.versions.names(), ["1.0.0", "2.0.0"]);
    assert_eq!(blocked.verdicts.names(), ["allow to block"]);
    assert_eq!(blocked.rules.names(), ["deny/denied"]);
    assert_eq!((blocked.servings, blocked.clients.names().len()), (1, 1));
    let [allowed] = found.groups(Direction::NewlyAllowed)[..] else {
        panic!("one package is newly allowed");
    };
    assert_eq!(allowed.package.purl(), "pkg:npm/b");
    assert!(found.groups(Direction::Changed).is_empty());
}

#[tokio::test]
async fn a_refusal_of_another_kind_is_neither() {
    let evidence = filled(vec![decided(1, "a", "1.0.0")]).await;
    let hiding = policy("[rules.deny]\neffect = 'hide'\npurls = ['pkg:npm/a']\n");
    let found = replay(&evidence, &hiding, &denying("'pkg:npm/a'"), None)
        .await
        .expect("reads");
    let counts = Direction::ALL.map(|direction| found.count_of(direction));
    assert_eq!(counts, [0, 0, 1]);
}

#[tokio::test]
async fn what_was_decided_before_the_span_and_served_within_it_counts_once() {
    let evidence = filled(vec![
        decided(1, "old", "1.0.0"),
        decided(2, "forgotten", "1.0.0"),
        Entry::Served(served(2, "192.0.2.9", Outcome::Served, 90)),
        Entry::Served(served(1, "192.0.2.1", Outcome::Served, 110)),
        Entry::Served(served(1, "192.0.2.1", Outcome::Served, 120)),
        decided(130, "new", "1.0.0"),
    ])
    .await;
    let new = denying("'pkg:npm/old', 'pkg:npm/new', 'pkg:npm/forgotten'");
    let found = replay(&evidence, &denying("'pkg:npm/x'"), &new, Some(at(100)))
        .await
        .expect("reads");
    let mut packages: Vec<String> = found
        .groups(Direction::NewlyBlocked)
        .iter()
        .map(|group| group.package.purl())
        .collect();
    packages.sort();
    assert_eq!(packages, ["pkg:npm/new", "pkg:npm/old"]);
    assert_eq!((found.decisions, found.servings), (2, 2));
    assert_eq!(found.span, Some((at(110), at(130))));
}

#[tokio::test]
async fn the_same_policy_differs_nowhere_and_an_empty_record_says_nothing() {
    let evidence = filled(vec![decided(1, "a", "1.0.0")]).await;
    let policy = denying("'pkg:npm/a'");
    let found = replay(&evidence, &policy, &policy, None)
        .await
        .expect("reads");
    assert!(Direction::ALL.iter().all(|it| found.count_of(*it) == 0));
    let empty = MemoryEvidence::new();
    let found = replay(&empty, &policy, &policy, Some(at(0)))
        .await
        .expect("reads");
    assert_eq!((found.decisions, found.span), (0, None));
}
