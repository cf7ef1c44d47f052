//! The part of the evidence suite about names that did not exist and exemptions.

#![expect(
    clippy::unwrap_used,
    reason = "a suite of tests: a failure is to stop it"
)]

use super::evidence::append;
use super::sample::{at, exemption, missed, package};
use crate::evidence::{Entry, Evidence, Missed};

/// The first time a name was asked for counts.
pub async fn a_missed_name_is_remembered_since_the_first_time(store: &dyn Evidence) {
    assert_eq!(store.missed(&package("a")).await.unwrap(), None);
    let entries = vec![missed("a", 10), missed("b", 20), missed("a", 30)];
    append(store, entries).await;
    append(store, vec![missed("b", 5)]).await;
    assert_eq!(store.missed(&package("a")).await.unwrap(), Some(at(10)));
    assert_eq!(store.missed(&package("b")).await.unwrap(), Some(at(20)));
    assert_eq!(store.missed(&package("c")).await.unwrap(), None);
    assert_eq!(store.missed_count().await.unwrap(), 2);
    let names = |limit| async move {
        let found: Vec<Missed> = store.missed_names(limit).await.unwrap();
        let names = found.iter().map(|it| it.package.normalized().to_owned());
        names.collect::<Vec<_>>()
    };
    assert_eq!(names(10).await, ["a", "b"]);
    assert_eq!(names(1).await, ["b"]);
}

/// The last word about an exemption counts.
pub async fn exemptions_are_those_granted_and_not_ended(store: &dyn Evidence) {
    assert!(store.exemptions().await.unwrap().is_empty());
    let entries = vec![
        exemption("b", Some("[[exempt]] # b"), 1),
        exemption("a", Some("[[exempt]] # a"), 2),
        exemption("c", Some("[[exempt]] # c"), 3),
        exemption("c", None, 4),
        exemption("a", Some("[[exempt]] # a, longer"), 5),
    ];
    append(store, entries.clone()).await;
    let found = store.exemptions().await.unwrap();
    let found: Vec<Entry> = found.into_iter().map(Entry::Exemption).collect();
    assert_eq!(found, [entries[4].clone(), entries[0].clone()]);
}
