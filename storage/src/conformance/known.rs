//! The part of the evidence suite about names that did not exist, files that exist no longer, and
//! exemptions.

#![expect(
    clippy::unwrap_used,
    reason = "a suite of tests: a failure is to stop it"
)]

use cordon_policy::facts::{Removal, RemovalScope};
use cordon_policy::model::ArtifactKind;

use super::evidence::append;
use super::sample::{Sample, artifact, at, exemption, missed, package, removal};
use crate::evidence::{Entry, Evidence, Missed, Remembered};

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
        exemption("b", Some("[[exempt]] # b, break glass"), 1),
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

/// What is removed stays so until it is listed again, whatever is remembered besides.
pub async fn removals_are_the_newest_word_about_each_archive(store: &dyn Evidence) {
    let version = |version: &str| artifact("a", version);
    let mut derived = version("1.0.0");
    derived.kind = ArtifactKind::CoreMetadata;
    let (file, project) = (RemovalScope::Version, RemovalScope::Project);
    let entries = vec![
        Sample::allow(0, version("1.0.0")).entry(),
        removal(version("1.0.0"), Some(file), 10),
        removal(version("1.1.0"), Some(project), 10),
        removal(version("2.0.0"), Some(project), 10),
        removal(derived, None, 20),
        removal(artifact("b", "1.0.0"), None, 20),
    ];
    append(store, entries).await;
    let later = vec![
        removal(version("1.1.0"), Some(file), 30),
        removal(version("2.0.0"), None, 30),
    ];
    append(store, later).await;
    let remembered = store.remembered(&package("a")).await.unwrap();
    let of = |wanted: &str| {
        let id = version(wanted);
        remembered[&(id.subject.version, id.file)].clone()
    };
    let at_of = |n, scope| Some(Removal { at: at(n), scope });
    assert_eq!(of("1.0.0").removal, at_of(10, file));
    assert!(of("1.0.0").first_allowed_at.is_some());
    assert_eq!(of("1.1.0").removal, at_of(30, file));
    assert_eq!(of("1.1.0").first_allowed_at, None);
    assert_eq!(of("2.0.0"), Remembered::default());
    assert_eq!(store.remembered(&package("c")).await.unwrap().len(), 0);
}
