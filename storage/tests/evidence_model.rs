//! The same entries into the in-memory store and into SQLite: every question gets the same answer,
//! also after opening the database again.

#![expect(clippy::unwrap_used, reason = "a failure is to stop the test")]

use cordon_policy::decision::DecisionId;
use cordon_policy::facts::RemovalScope;
use cordon_policy::finding::RuleId;
use cordon_policy::model::{ArtifactId, ArtifactKind, Digest};
use cordon_policy::verdict::Effect;
use cordon_storage::conformance::sample::{
    Sample, artifact, at, notice, package, quarantine, removal, served,
};
use cordon_storage::evidence::{
    Entry, Evidence, HoldFilter, LogFilter, MemoryEvidence, Outcome, Pin, QuarantineAct,
    ServingFilter, Sighted, Sighting, SqliteEvidence, SqliteOptions, sighted_to_text,
};
use proptest::prelude::*;

const NAMES: [&str; 3] = ["a", "b", "c"];
const VERSIONS: [&str; 3] = ["1.0.0", "1.1.0", "2.0.0-rc.1"];
const CLIENTS: [&str; 2] = ["192.0.2.1", "2001:db8::1"];

fn artifacts() -> impl Strategy<Value = ArtifactId> {
    (0..3usize, 0..3usize, 0..8u8).prop_map(|(name, version, kind)| {
        let mut artifact = artifact(NAMES[name], VERSIONS[version]);
        match kind {
            0 => artifact.kind = ArtifactKind::CoreMetadata,
            1 => artifact.kind = ArtifactKind::Provenance,
            // The same file listed under another version.
            2 => artifact.file = cordon_policy::model::FileName::new("a-1.0.0.tgz").unwrap(),
            _ => {}
        }
        artifact
    })
}

fn effects() -> impl Strategy<Value = Effect> {
    prop_oneof![
        Just(Effect::Allow),
        Just(Effect::Hide),
        Just(Effect::Quarantine),
        Just(Effect::Block),
    ]
}

/// An entry; ids are from a small range, so that some are used twice.
fn entries() -> impl Strategy<Value = Entry> {
    let decision = (
        artifacts(),
        effects(),
        0..20u64,
        0..50i64,
        0..3usize,
        any::<bool>(),
    )
        .prop_map(|(artifact, effect, id, time, rules, is_known)| {
            let mut sample = Sample::hide(id, artifact);
            sample.at = at(time);
            sample.effect = effect;
            sample.sha256 = is_known.then(|| Digest::of(&[1]));
            sample.rules = &["minimum-age", "typosquat", "minimum-age"][..rules];
            sample.entry()
        });
    let serving =
        (0..20u64, 0..2usize, any::<bool>(), 0..50i64).prop_map(|(id, client, out, n)| {
            let outcome = if out {
                Outcome::Served
            } else {
                Outcome::Refused
            };
            Entry::Served(served(id, CLIENTS[client], outcome, n))
        });
    let pin = (artifacts(), 0..3u8, 0..50i64).prop_map(|(artifact, bytes, n)| {
        Entry::Pin(Pin {
            artifact,
            sha256: Digest::of(&[bytes]),
            at: at(n),
        })
    });
    let sighting = (0..3usize, 0..lists().len(), 0..50i64).prop_map(|(name, list, n)| {
        Entry::Sighting(Sighting {
            package: package(NAMES[name]),
            at: at(n),
            candidates: Digest::of(&sighted_to_text(&lists()[list])),
            count: 1,
        })
    });
    let scopes = prop_oneof![
        Just(None),
        Just(Some(RemovalScope::Version)),
        Just(Some(RemovalScope::Project)),
    ];
    let removed = (artifacts(), scopes, 0..50i64)
        .prop_map(|(artifact, scope, n)| removal(artifact, scope, n));
    let acts = prop_oneof![
        Just(QuarantineAct::Asked),
        Just(QuarantineAct::Approved),
        Just(QuarantineAct::Released),
        Just(QuarantineAct::Rejected),
        Just(QuarantineAct::Undone),
    ];
    let change =
        (artifacts(), acts, 0..50i64).prop_map(|(artifact, act, n)| quarantine(artifact, act, n));
    prop_oneof![
        2 => change,
        4 => decision,
        2 => serving,
        2 => pin,
        1 => sighting,
        1 => removed,
        1 => (0..9u64).prop_map(notice),
    ]
}

/// The candidate lists sightings name.
fn lists() -> Vec<Vec<Sighted>> {
    let sighted = |version: &str, published: Option<i64>| {
        let artifact = artifact("a", version);
        Sighted {
            version: artifact.subject.version,
            file: artifact.file,
            published_at: published.map(at),
        }
    };
    vec![
        Vec::new(),
        vec![sighted("1.0.0", Some(1))],
        vec![sighted("1.0.0", None), sighted("1.1.0", Some(-5))],
    ]
}

fn filters() -> impl Strategy<Value = LogFilter> {
    let rules = [
        RuleId::from_static("minimum-age"),
        RuleId::from_static("typosquat"),
    ];
    (
        proptest::option::of((0..3usize).prop_map(|n| package(NAMES[n]))),
        proptest::option::of(effects()),
        proptest::option::of((0..2usize).prop_map(move |n| rules[n].clone())),
        proptest::option::of((0..2usize).prop_map(|n| CLIENTS[n].into())),
        proptest::option::of((0..50i64).prop_map(at)),
        proptest::option::of((0..50i64).prop_map(at)),
        proptest::option::of(0..30u64),
        0..8usize,
    )
        .prop_map(
            |(package, effect, rule, client, since, until, after, limit)| LogFilter {
                package,
                effect,
                rule,
                client,
                since,
                until,
                after,
                limit,
            },
        )
}

/// Every answer of a store, as text.
async fn answers(store: &dyn Evidence, filters: &[LogFilter]) -> Vec<String> {
    let mut all = vec![format!("{:?}", store.entries(0, 1_000).await.unwrap())];
    for filter in filters {
        all.push(format!(
            "{filter:?}: {:?}",
            store.decisions(filter).await.unwrap()
        ));
    }
    for id in (0..20).map(DecisionId::from_random) {
        all.push(format!("{id}: {:?}", store.decision(&id).await.unwrap()));
    }
    all.push(format!("reviews: {:?}", store.reviews().await.unwrap()));
    all.push(format!("held: {:?}", store.held_bytes(5).await.unwrap()));
    all.push(format!("counts: {:?}", store.hold_counts().await.unwrap()));
    for (only_open, filter) in [false, true].into_iter().zip(filters) {
        let filter = HoldFilter {
            package: filter.package.clone(),
            rule: filter.rule.clone(),
            since: filter.since,
            before: filter.after,
            only_open,
            limit: filter.limit,
            ecosystem: None,
        };
        for filter in [
            filter,
            HoldFilter {
                only_open,
                ..HoldFilter::default()
            },
        ] {
            let page = store.holds(&filter).await.unwrap();
            all.push(format!("{filter:?}: {page:?}"));
        }
    }
    for name in NAMES {
        let package = package(name);
        let mut sorted: Vec<_> = store
            .remembered(&package)
            .await
            .unwrap()
            .into_iter()
            .collect();
        sorted.sort_by(|a, b| a.0.cmp(&b.0));
        all.push(format!("{package} remembered: {sorted:?}"));
        let mut sorted: Vec<_> = store
            .sightings(&package)
            .await
            .unwrap()
            .into_iter()
            .collect();
        sorted.sort_by(|a, b| a.0.cmp(&b.0));
        all.push(format!("{package} sightings: {sorted:?}"));
        for version in VERSIONS {
            let artifact = artifact(name, version);
            let latest = store.latest(&artifact, None).await.unwrap();
            let pin = store.pin(&artifact).await.unwrap();
            all.push(format!("{artifact}: {latest:?} {pin:?}"));
            let history = store.quarantine_history(&artifact).await.unwrap();
            let hold = store.hold(&artifact).await.unwrap();
            all.push(format!("{artifact}: {hold:?} {history:?}"));
            for outcome in [None, Some(Outcome::Served), Some(Outcome::Refused)] {
                let filter = ServingFilter {
                    package: package.clone(),
                    version: outcome.map(|_| artifact.subject.version.clone()),
                    file: None,
                    outcome,
                    limit: 5,
                };
                all.push(format!(
                    "{filter:?}: {:?}",
                    store.servings(&filter).await.unwrap()
                ));
            }
        }
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn sqlite_answers_like_the_model(
        batches in proptest::collection::vec(proptest::collection::vec(entries(), 0..8), 1..8),
        filters in proptest::collection::vec(filters(), 6),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let model = MemoryEvidence::new();
            let sqlite = SqliteEvidence::open(folder.path(), &SqliteOptions::default()).unwrap();
            for list in lists() {
                model.put_text(sighted_to_text(&list)).await.unwrap();
                sqlite.put_text(sighted_to_text(&list)).await.unwrap();
            }
            for batch in batches {
                let index = model.append(batch.clone()).await.unwrap();
                prop_assert_eq!(sqlite.append(batch).await.unwrap(), index);
            }
            let expected = answers(&model, &filters).await;
            prop_assert_eq!(&answers(&sqlite, &filters).await, &expected);
            let (ours, theirs) = (model.checkpoint().await.unwrap(), sqlite.checkpoint().await.unwrap());
            let root = |text: &str| text.lines().nth(2).map(str::to_owned);
            prop_assert_eq!(root(&ours), root(&theirs));
            sqlite.close().await;
            drop(sqlite);
            let sqlite = SqliteEvidence::open(folder.path(), &SqliteOptions::default()).unwrap();
            prop_assert_eq!(&answers(&sqlite, &filters).await, &expected);
            sqlite.close().await;
            Ok(())
        })?;
    }
}
