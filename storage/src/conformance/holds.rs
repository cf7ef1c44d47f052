//! The part of the evidence suite about what is held.

#![expect(
    clippy::unwrap_used,
    reason = "a suite of tests: a failure is to stop it"
)]

use cordon_policy::decision::DecisionId;
use cordon_policy::finding::RuleId;
use cordon_policy::model::{ArtifactId, ArtifactKind, Digest};
use cordon_policy::verdict::Effect;

use super::evidence::append;
use super::sample::{ECOSYSTEM, Sample, artifact, at, package, quarantine};
use crate::evidence::{Entry, Evidence, Hold, HoldFilter, Pin, QuarantineAct};

fn id(number: u64) -> DecisionId {
    DecisionId::from_random(number)
}

async fn hold(store: &dyn Evidence, artifact: &ArtifactId) -> Hold {
    store.hold(artifact).await.unwrap().unwrap()
}

async fn found(store: &dyn Evidence, filter: HoldFilter) -> Vec<String> {
    let page = store.holds(&filter).await.unwrap();
    page.iter()
        .map(|hold| hold.artifact.subject.to_string())
        .collect()
}

/// A ticket is the first decision that held; what stands is the newest; requests end with a review.
pub async fn what_was_held_once_is_listed_with_what_stands_and_what_people_did(
    store: &dyn Evidence,
) {
    let subject = artifact("a", "1.0.0");
    let mut derived = subject.clone();
    derived.kind = ArtifactKind::CoreMetadata;
    let entries = vec![
        Sample::hide(1, subject.clone()).entry(),
        Sample::quarantine(2, derived.clone()).entry(),
        Sample::quarantine(3, subject.clone()).entry(),
        Sample::quarantine(4, subject.clone()).entry(),
        Sample::hide(5, artifact("a", "2.0.0")).entry(),
    ];
    append(store, entries).await;
    assert_eq!(store.hold(&artifact("a", "2.0.0")).await.unwrap(), None);
    assert_eq!(store.hold(&derived).await.unwrap(), None);
    let held = hold(store, &subject).await;
    assert_eq!((held.index, &held.ticket, held.since), (2, &id(3), at(3)));
    let standing: Vec<_> = held.standing.iter().map(|it| it.id.clone()).collect();
    assert_eq!(standing, [id(4)]);
    assert_eq!((held.review, held.approval), (None, None));
    let done = [
        QuarantineAct::Asked,
        QuarantineAct::Approved,
        QuarantineAct::Asked,
    ];
    let done = done.map(|act| quarantine(subject.clone(), act, 10));
    append(store, done.to_vec()).await;
    let held = hold(store, &subject).await;
    assert_eq!(held.requests.len(), 2);
    assert!(held.approval.is_some());
    append(
        store,
        vec![quarantine(subject.clone(), QuarantineAct::Released, 11)],
    )
    .await;
    let held = hold(store, &subject).await;
    assert_eq!(held.requests, []);
    assert_eq!(held.approval, None);
    assert_eq!(held.review.unwrap().act, QuarantineAct::Released);
    append(store, vec![Sample::allow(6, subject.clone()).entry()]).await;
    let held = hold(store, &subject).await;
    assert_eq!(held.standing[0].id, id(6));
    assert_eq!(held.ticket, id(3));
    let history = store.quarantine_history(&subject).await.unwrap();
    let acts: Vec<&str> = history.iter().map(|it| it.act.name()).collect();
    assert_eq!(acts, ["asked", "approved", "asked", "released"]);
    assert_eq!(store.quarantine_history(&derived).await.unwrap(), []);
}

/// Filters of the list, and its pages.
pub async fn every_filter_of_holds_narrows(store: &dyn Evidence) {
    let mut blocked = Sample::quarantine(3, artifact("c", "1.0.0"));
    blocked.effect = Effect::Block;
    blocked.rules = &["malware"];
    let entries = vec![
        Sample::quarantine(1, artifact("a", "1.0.0")).entry(),
        Sample::quarantine(2, artifact("b", "1.0.0")).entry(),
        Sample::quarantine(3, artifact("c", "1.0.0")).entry(),
        blocked.entry(),
        Sample::quarantine(4, artifact("d", "1.0.0")).entry(),
        Sample::allow(5, artifact("d", "1.0.0")).entry(),
        Sample::quarantine(6, artifact("e", "1.0.0")).entry(),
        quarantine(artifact("e", "1.0.0"), QuarantineAct::Rejected, 6),
        Sample::quarantine(7, artifact("f", "1.0.0")).entry(),
        quarantine(artifact("f", "1.0.0"), QuarantineAct::Released, 7),
        Sample::allow(8, artifact("f", "1.0.0")).entry(),
    ];
    append(store, entries).await;
    let all = HoldFilter::default();
    let name = |letter: char| format!("pkg:npm/{letter}@1.0.0");
    let names = |letters: &str| -> Vec<String> { letters.chars().map(name).collect() };
    assert_eq!(found(store, all.clone()).await, names("fedcba"));
    let open = HoldFilter {
        only_open: true,
        ..all.clone()
    };
    assert_eq!(found(store, open).await, names("fcba"));
    let ecosystem = |name: &'static str| HoldFilter {
        ecosystem: Some(cordon_policy::model::Ecosystem::from_static(name)),
        ..all.clone()
    };
    assert_eq!(found(store, ecosystem("npm")).await.len(), 6);
    assert_eq!(found(store, ecosystem("pypi")).await, [""; 0]);
    for (wanted, letters) in [("b", "b"), ("nobody", "")] {
        let one = HoldFilter {
            package: Some(package(wanted)),
            ..all.clone()
        };
        assert_eq!(found(store, one).await, names(letters));
    }
    for (rule, letters) in [("malware", "c"), ("typosquat", "eba")] {
        let by_rule = HoldFilter {
            rule: Some(RuleId::from_static(rule)),
            ..all.clone()
        };
        assert_eq!(found(store, by_rule).await, names(letters), "{rule}");
    }
    let since = HoldFilter {
        since: Some(at(4)),
        ..all.clone()
    };
    assert_eq!(found(store, since).await, names("fed"));
    let mut page = HoldFilter { limit: 2, ..all };
    assert_eq!(found(store, page.clone()).await, names("fe"));
    page.before = Some(6);
    assert_eq!(found(store, page).await, names("dc"));
    let counts = store.hold_counts().await.unwrap();
    assert_eq!(counts.get(&ECOSYSTEM), Some(&3));
}

/// A review counts until the next one; one taken back is none.
pub async fn reviews_in_force_are_the_newest_and_not_taken_back(store: &dyn Evidence) {
    let entries = vec![
        quarantine(artifact("a", "1.0.0"), QuarantineAct::Released, 1),
        quarantine(artifact("b", "1.0.0"), QuarantineAct::Rejected, 2),
        quarantine(artifact("c", "1.0.0"), QuarantineAct::Released, 3),
        quarantine(artifact("c", "1.0.0"), QuarantineAct::Undone, 4),
        quarantine(artifact("a", "1.0.0"), QuarantineAct::Asked, 5),
        quarantine(artifact("b", "1.0.0"), QuarantineAct::Undone, 6),
        quarantine(artifact("b", "1.0.0"), QuarantineAct::Released, 7),
    ];
    append(store, entries.clone()).await;
    let found = store.reviews().await.unwrap();
    let found: Vec<Entry> = found
        .into_iter()
        .map(|change| Entry::Quarantine(Box::new(change)))
        .collect();
    assert_eq!(found, [entries[0].clone(), entries[6].clone()]);
}

/// What a decision refuses for good, or lets through, is not kept for review.
pub async fn held_bytes_are_those_pinned_of_what_is_held(store: &dyn Evidence) {
    let pin = |name: &str| {
        Entry::Pin(Pin {
            artifact: artifact(name, "1.0.0"),
            sha256: Digest::of(name.as_bytes()),
            at: at(0),
        })
    };
    let held = |number, name| Sample::quarantine(number, artifact(name, "1.0.0")).entry();
    let entries = vec![
        held(1, "a"),
        pin("a"),
        held(2, "b"),
        pin("c"),
        held(3, "c"),
        Sample::allow(4, artifact("c", "1.0.0")).entry(),
        pin("d"),
        held(5, "d"),
    ];
    append(store, entries).await;
    let kept = |limit| async move {
        let found = store.held_bytes(limit).await.unwrap();
        let found = found.into_iter().map(|it| (it.sha256, it.since));
        found.collect::<Vec<_>>()
    };
    let expected = [(Digest::of(b"d"), at(5)), (Digest::of(b"a"), at(1))];
    assert_eq!(kept(10).await, expected);
    assert_eq!(kept(1).await, expected[..1]);
}
