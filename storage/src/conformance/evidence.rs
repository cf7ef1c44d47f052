//! What every evidence store does. [`evidence_conformance!`](crate::evidence_conformance) makes
//! one test of each function here; each gets an empty store.

#![expect(
    clippy::unwrap_used,
    reason = "a suite of tests: a failure is to stop it"
)]

use std::collections::HashSet;

use bytes::Bytes;
use cordon_policy::decision::DecisionId;
use cordon_policy::facts::Audience;
use cordon_policy::finding::RuleId;
use cordon_policy::model::{ArtifactKind, Digest, FileName, Version};
use cordon_policy::verdict::Effect;
use tlog_tiles::Checkpoint;

pub use super::exposed::*;
pub use super::holds::*;
pub use super::known::*;
use super::sample::{Sample, artifact, at, notice, package, served};
use crate::evidence::{
    Entry, Evidence, LogFilter, Outcome, Pin, Seen, ServingFilter, Sighted, Sighting,
    sighted_to_text,
};

/// Makes the tests of one backend: `evidence_conformance!(memory, MemoryEvidence::new())`. The
/// expression may await; it gives a reference to an empty store.
#[macro_export]
macro_rules! evidence_conformance {
    ($backend:ident, $make:expr) => {
        mod $backend {
            use super::*;
            $crate::evidence_conformance!(@tests $make;
                appended_entries_come_back_in_order
                append_of_nothing_changes_nothing
                decisions_are_found_by_id_and_the_first_of_an_id_counts
                every_filter_narrows_and_all_hold_together
                notices_are_listed_newest_last
                pages_hold_the_newest_and_following_skips_nothing
                latest_is_the_newest_about_exactly_this_artifact
                standing_is_the_newest_about_each_archive_of_a_package
                what_stands_for_one_audience_says_nothing_of_others
                pins_are_written_once
                first_allowed_is_the_first_allow_of_known_bytes
                one_file_name_under_two_versions_is_two_artifacts
                first_sight_is_never_overwritten
                sighting_without_its_text_is_refused_and_nothing_is_kept
                servings_tell_who_received_a_version
                receivers_are_counted_over_every_decision_about_an_artifact
                a_missed_name_is_remembered_since_the_first_time
                exemptions_are_those_granted_and_not_ended
                removals_are_the_newest_word_about_each_archive
                what_was_held_once_is_listed_with_what_stands_and_what_people_did
                every_filter_of_holds_narrows
                reviews_in_force_are_the_newest_and_not_taken_back
                held_bytes_are_those_pinned_of_what_is_held
                exposures_are_listed_newest_last
                packages_are_paged_in_order_of_their_names
                texts_come_back_and_are_kept_once
                entry_too_long_for_the_log_comes_back_whole
                checkpoint_covers_every_entry
                concurrent_appends_each_get_their_own_run_of_indexes
            );
        }
    };
    (@tests $make:expr; $($test:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let store = $make;
                $crate::conformance::evidence::$test(store).await;
            }
        )*
    };
}

pub(super) async fn append(store: &dyn Evidence, entries: Vec<Entry>) -> u64 {
    store
        .append(entries)
        .await
        .expect("the store takes entries")
}

async fn found(store: &dyn Evidence, filter: LogFilter) -> Vec<u64> {
    let page = store.decisions(&filter).await.expect("the store answers");
    page.iter().map(|logged| logged.index).collect()
}

/// Order, indexes, paging.
pub async fn appended_entries_come_back_in_order(store: &dyn Evidence) {
    assert_eq!(store.entries(0, 10).await.unwrap(), []);
    let all: Vec<Entry> = (0..600).map(notice).collect();
    assert_eq!(append(store, all[..1].to_vec()).await, 0);
    assert_eq!(append(store, all[1..300].to_vec()).await, 1);
    assert_eq!(append(store, all[300..].to_vec()).await, 300);
    let page = store.entries(298, 5).await.unwrap();
    let expected: Vec<_> = (298..303).zip(all[298..303].iter().cloned()).collect();
    assert_eq!(page, expected);
    assert_eq!(store.entries(0, 1_000).await.unwrap().len(), 600);
    assert_eq!(store.entries(600, 10).await.unwrap(), []);
    assert_eq!(store.entries(u64::MAX, 10).await.unwrap(), []);
}

/// The index returned is that of the next entry.
pub async fn append_of_nothing_changes_nothing(store: &dyn Evidence) {
    assert_eq!(append(store, Vec::new()).await, 0);
    append(store, vec![notice(0)]).await;
    assert_eq!(append(store, Vec::new()).await, 1);
    assert_eq!(store.entries(0, 10).await.unwrap().len(), 1);
}

/// Look-up by id.
pub async fn decisions_are_found_by_id_and_the_first_of_an_id_counts(store: &dyn Evidence) {
    let first = Sample::allow(7, artifact("left-pad", "1.0.0"));
    let second = Sample::hide(7, artifact("left-pad", "2.0.0"));
    append(store, vec![notice(0), first.entry(), second.entry()]).await;
    let logged = store
        .decision(&DecisionId::from_random(7))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(logged.index, 1);
    assert_eq!(logged.decision, first.decision());
    assert_eq!(logged.servings, []);
    assert_eq!(
        store.decision(&DecisionId::from_random(8)).await.unwrap(),
        None
    );
}

/// Filters of the log.
pub async fn every_filter_narrows_and_all_hold_together(store: &dyn Evidence) {
    let mut typo = Sample::hide(2, artifact("b", "1.0.0"));
    typo.rules = &["typosquat", "minimum-age"];
    let entries = vec![
        Sample::allow(0, artifact("a", "1.0.0")).entry(),
        Sample::hide(1, artifact("a", "2.0.0")).entry(),
        typo.entry(),
        Sample::allow(3, artifact("b", "2.0.0")).entry(),
        Entry::Served(served(0, "192.0.2.1", Outcome::Served, 0)),
        Entry::Served(served(2, "192.0.2.1", Outcome::Refused, 0)),
        Entry::Served(served(3, "192.0.2.2", Outcome::Served, 0)),
    ];
    append(store, entries).await;
    let none = LogFilter::default();
    assert_eq!(found(store, none.clone()).await, [0, 1, 2, 3]);
    let of_a = LogFilter {
        package: Some(package("a")),
        ..none.clone()
    };
    assert_eq!(found(store, of_a.clone()).await, [0, 1]);
    assert_eq!(
        found(
            store,
            LogFilter {
                package: Some(package("c")),
                ..none.clone()
            }
        )
        .await,
        [0u64; 0]
    );
    let hidden = LogFilter {
        effect: Some(Effect::Hide),
        ..none.clone()
    };
    assert_eq!(found(store, hidden).await, [1, 2]);
    let by_rule = |rule| LogFilter {
        rule: Some(RuleId::from_static(rule)),
        ..none.clone()
    };
    assert_eq!(found(store, by_rule("minimum-age")).await, [1, 2]);
    assert_eq!(found(store, by_rule("typosquat")).await, [2]);
    assert_eq!(found(store, by_rule("license")).await, [0u64; 0]);
    let client = LogFilter {
        client: Some("192.0.2.1".into()),
        ..none.clone()
    };
    assert_eq!(found(store, client.clone()).await, [0, 2]);
    let time = LogFilter {
        since: Some(at(1)),
        until: Some(at(3)),
        ..none.clone()
    };
    assert_eq!(found(store, time.clone()).await, [1, 2]);
    let all = LogFilter {
        effect: Some(Effect::Hide),
        client: client.client,
        ..time
    };
    assert_eq!(found(store, all).await, [2]);
    let both = LogFilter {
        effect: Some(Effect::Allow),
        ..of_a
    };
    assert_eq!(found(store, both).await, [0]);
}

/// Notices come back in order, the newest ones when there are more than asked for.
pub async fn notices_are_listed_newest_last(store: &dyn Evidence) {
    assert_eq!(store.notices(10).await.expect("a list"), []);
    let entries = vec![
        notice(0),
        Sample::allow(1, artifact("a", "1.0.0")).entry(),
        notice(2),
        notice(3),
    ];
    append(store, entries).await;
    for (limit, expected) in [(usize::MAX, &[0, 2, 3][..]), (2, &[2, 3]), (0, &[])] {
        let found = store.notices(limit).await.expect("a list");
        let indexes: Vec<_> = found.iter().map(|logged| logged.index).collect();
        assert_eq!(indexes, expected, "at most {limit}");
        for logged in found {
            assert_eq!(Entry::Notice(logged.notice), notice(logged.index));
        }
    }
}

/// Limits and following.
pub async fn pages_hold_the_newest_and_following_skips_nothing(store: &dyn Evidence) {
    let entries = (0..250).map(|n| Sample::allow(n, artifact("a", &format!("{n}.0.0"))).entry());
    append(store, entries.collect()).await;
    let none = LogFilter::default();
    assert_eq!(
        found(store, none.clone()).await,
        (150..250).collect::<Vec<_>>()
    );
    let three = LogFilter {
        limit: 3,
        ..none.clone()
    };
    assert_eq!(found(store, three.clone()).await, [247, 248, 249]);
    assert_eq!(
        found(
            store,
            LogFilter {
                limit: 1_000,
                ..none
            }
        )
        .await
        .len(),
        250
    );
    let mut seen = Vec::new();
    let mut after = Some(9);
    loop {
        let page = found(
            store,
            LogFilter {
                after,
                limit: 100,
                ..three.clone()
            },
        )
        .await;
        let Some(last) = page.last() else { break };
        after = Some(*last);
        seen.extend(page);
    }
    assert_eq!(seen, (10..250).collect::<Vec<_>>());
}

/// The newest decision of an artifact, not of its neighbours.
pub async fn latest_is_the_newest_about_exactly_this_artifact(store: &dyn Evidence) {
    let archive = artifact("a", "1.0.0");
    let mut sidecar = archive.clone();
    sidecar.kind = ArtifactKind::CoreMetadata;
    let entries = vec![
        Sample::allow(0, archive.clone()).entry(),
        Sample::hide(1, archive.clone()).entry(),
        Sample::allow(2, sidecar.clone()).entry(),
        Sample::allow(3, artifact("a", "2.0.0")).entry(),
        Entry::Served(served(1, "192.0.2.1", Outcome::Refused, 5)),
    ];
    append(store, entries).await;
    let anybody = Audience::default();
    let latest = store
        .latest(&archive, Some(&anybody))
        .await
        .unwrap()
        .unwrap();
    assert_eq!((latest.index, latest.servings.len()), (1, 1));
    assert_eq!(
        store
            .latest(&sidecar, Some(&anybody))
            .await
            .unwrap()
            .unwrap()
            .index,
        2
    );
    assert_eq!(
        store
            .latest(&artifact("a", "3.0.0"), Some(&anybody))
            .await
            .unwrap(),
        None
    );
    assert_eq!(
        store
            .latest(&artifact("b", "1.0.0"), Some(&anybody))
            .await
            .unwrap(),
        None
    );
}

/// Decisions for a route or an identity are found for it, and only for it.
pub async fn what_stands_for_one_audience_says_nothing_of_others(store: &dyn Evidence) {
    let file = artifact("a", "1.0.0");
    let audience = |route: Option<&str>, identity: Option<&str>| Audience {
        route: route.map(Into::into),
        identity: identity.map(Into::into),
    };
    let of = |sample: Sample<'_>, audience: &Audience| {
        let mut decision = sample.decision();
        decision.facts.audience = audience.clone();
        Entry::Decision(Box::new(decision))
    };
    let anybody = Audience::default();
    let (route, both) = (
        audience(Some("r"), None),
        audience(Some("r"), Some("robot")),
    );
    let entries = vec![
        Sample::allow(0, file.clone()).entry(),
        of(Sample::allow(1, file.clone()), &route),
        of(Sample::hide(2, file.clone()), &route),
        of(Sample::allow(3, file.clone()), &both),
        Entry::Served(served(0, "192.0.2.1", Outcome::Served, 10)),
        Entry::Served(served(1, "192.0.2.2", Outcome::Served, 20)),
    ];
    append(store, entries).await;
    for (audience, index) in [(&anybody, Some(0)), (&route, Some(2)), (&both, Some(3))] {
        let latest = store.latest(&file, Some(audience)).await.unwrap();
        assert_eq!(latest.map(|found| found.index), index, "{audience:?}");
    }
    let newest = store.latest(&file, None).await.unwrap();
    assert_eq!(newest.map(|found| found.index), Some(3));
    let robot = audience(None, Some("robot"));
    assert_eq!(store.latest(&file, Some(&robot)).await.unwrap(), None);
    let mut standing: Vec<_> = store
        .standing(&package("a"))
        .await
        .unwrap()
        .into_iter()
        .map(|decision| (decision.facts.audience.key(), decision.evaluation.effect()))
        .collect();
    standing.sort();
    let expected = [
        ("", Effect::Allow),
        ("r/", Effect::Hide),
        ("r/robot", Effect::Allow),
    ];
    assert_eq!(
        standing,
        expected.map(|(key, effect)| (key.to_owned(), effect))
    );
    for (audience, total) in [
        (None, 2),
        (Some(&anybody), 1),
        (Some(&route), 1),
        (Some(&both), 0),
    ] {
        let found = store.receivers(&file, audience, 10).await.unwrap();
        assert_eq!(found.total, total, "{audience:?}");
    }
}

/// One answer for each archive that was decided about, and nothing of other packages.
pub async fn standing_is_the_newest_about_each_archive_of_a_package(store: &dyn Evidence) {
    let (first, second) = (artifact("a", "1.0.0"), artifact("a", "2.0.0"));
    let mut sidecar = second.clone();
    sidecar.kind = ArtifactKind::CoreMetadata;
    let pin = Entry::Pin(Pin {
        artifact: artifact("a", "3.0.0"),
        sha256: Digest::of(b"undecided"),
        at: at(0),
    });
    let entries = vec![
        Sample::hide(0, first.clone()).entry(),
        Sample::allow(1, first.clone()).entry(),
        Sample::allow(2, second.clone()).entry(),
        Sample::hide(3, second.clone()).entry(),
        Sample::allow(4, sidecar).entry(),
        Sample::hide(5, artifact("b", "1.0.0")).entry(),
        pin,
    ];
    append(store, entries).await;
    let standing = store.standing(&package("a")).await.unwrap();
    let mut found: Vec<_> = standing
        .into_iter()
        .map(|decision| {
            let version = decision.evaluation.subject().version.clone();
            (version.as_str().to_owned(), decision.evaluation.effect())
        })
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(
        found,
        [
            ("1.0.0".to_owned(), Effect::Allow),
            ("2.0.0".to_owned(), Effect::Hide),
        ]
    );
    assert!(store.standing(&package("c")).await.unwrap().is_empty());
}

/// INV-6: a later, different digest changes nothing.
pub async fn pins_are_written_once(store: &dyn Evidence) {
    let archive = artifact("a", "1.0.0");
    let pin = |bytes: &[u8], n| {
        Entry::Pin(Pin {
            artifact: archive.clone(),
            sha256: Digest::of(bytes),
            at: at(n),
        })
    };
    assert_eq!(store.pin(&archive).await.unwrap(), None);
    append(store, vec![pin(b"first", 1)]).await;
    append(store, vec![pin(b"second", 2), pin(b"third", 3)]).await;
    assert_eq!(
        store.pin(&archive).await.unwrap(),
        Some(Digest::of(b"first"))
    );
    let remembered = store.remembered(&package("a")).await.unwrap();
    let key = (archive.subject.version.clone(), archive.file.clone());
    assert_eq!(remembered[&key].pinned, Some(Digest::of(b"first")));
    assert_eq!(store.pin(&artifact("a", "2.0.0")).await.unwrap(), None);
}

/// Neither a hide nor an allow before the bytes were known allows them.
pub async fn first_allowed_is_the_first_allow_of_known_bytes(store: &dyn Evidence) {
    let archive = artifact("a", "1.0.0");
    let mut unknown = Sample::allow(1, archive.clone());
    unknown.sha256 = None;
    let entries = vec![
        Sample::hide(0, archive.clone()).entry(),
        unknown.entry(),
        Sample::allow(2, archive.clone()).entry(),
        Sample::allow(3, archive.clone()).entry(),
    ];
    append(store, entries).await;
    append(store, vec![Sample::hide(4, artifact("a", "2.0.0")).entry()]).await;
    let remembered = store.remembered(&package("a")).await.unwrap();
    let key = (archive.subject.version.clone(), archive.file.clone());
    assert_eq!(remembered[&key].first_allowed_at, Some(at(2)));
    assert_eq!(
        remembered.len(),
        1,
        "a file that was only hidden has nothing to remember"
    );
    assert_eq!(store.remembered(&package("b")).await.unwrap().len(), 0);
}

/// What was allowed as one version was not allowed as another.
pub async fn one_file_name_under_two_versions_is_two_artifacts(store: &dyn Evidence) {
    let one = artifact("a", "1.0.0");
    let mut two = one.clone();
    two.subject.version = Version::verbatim("2.0.0");
    let pin = Pin {
        artifact: two.clone(),
        sha256: Digest::of(b"x"),
        at: at(0),
    };
    append(
        store,
        vec![Sample::allow(0, one.clone()).entry(), Entry::Pin(pin)],
    )
    .await;
    let remembered = store.remembered(&package("a")).await.unwrap();
    let of = |version: &str| &remembered[&(Version::verbatim(version), one.file.clone())];
    assert!(of("1.0.0").pinned.is_none() && of("1.0.0").first_allowed_at.is_some());
    assert!(of("2.0.0").pinned.is_some() && of("2.0.0").first_allowed_at.is_none());
}

/// A registry that changes its story later does not change ours.
pub async fn first_sight_is_never_overwritten(store: &dyn Evidence) {
    let sighted = |version: &str, published: Option<i64>| Sighted {
        version: Version::verbatim(version),
        file: FileName::new(format!("a-{version}.tgz")).unwrap(),
        published_at: published.map(at),
    };
    let lists = [
        vec![sighted("1.0.0", Some(-10)), sighted("2.0.0", None)],
        vec![sighted("1.0.0", Some(-99)), sighted("3.0.0", Some(5))],
    ];
    for (n, list) in lists.iter().enumerate() {
        let candidates = store.put_text(sighted_to_text(list)).await.unwrap();
        let count = u32::try_from(list.len()).unwrap();
        let at = at(i64::try_from(n).unwrap());
        let package = package("a");
        append(
            store,
            vec![Entry::Sighting(Sighting {
                package,
                at,
                candidates,
                count,
            })],
        )
        .await;
    }
    let seen = store.sightings(&package("a")).await.unwrap();
    assert_eq!(seen.len(), 3);
    let of = |version: &str| {
        let candidate = sighted(version, None);
        seen[&(candidate.version, candidate.file)].clone()
    };
    assert_eq!(
        of("1.0.0"),
        Seen {
            first_seen_at: at(0),
            published_at: Some(at(-10))
        }
    );
    assert_eq!(
        of("2.0.0"),
        Seen {
            first_seen_at: at(0),
            published_at: None
        }
    );
    assert_eq!(
        of("3.0.0"),
        Seen {
            first_seen_at: at(1),
            published_at: Some(at(5))
        }
    );
    assert_eq!(store.sightings(&package("b")).await.unwrap().len(), 0);
}

/// An append is all or nothing, and a refusal does not harm the store.
pub async fn sighting_without_its_text_is_refused_and_nothing_is_kept(store: &dyn Evidence) {
    let sighting = |candidates| {
        Entry::Sighting(Sighting {
            package: package("a"),
            at: at(0),
            candidates,
            count: 1,
        })
    };
    let missing = sighting(Digest::of(b"never stored"));
    assert!(store.append(vec![notice(0), missing]).await.is_err());
    let malformed = store
        .put_text(Bytes::from_static(b"not a list"))
        .await
        .unwrap();
    assert!(
        store
            .append(vec![notice(0), sighting(malformed)])
            .await
            .is_err()
    );
    assert_eq!(store.entries(0, 10).await.unwrap(), []);
    assert_eq!(append(store, vec![notice(1)]).await, 0);
}

/// "Who received this version?"
pub async fn servings_tell_who_received_a_version(store: &dyn Evidence) {
    let one = artifact("a", "1.0.0");
    let entries = vec![
        Sample::allow(0, one.clone()).entry(),
        Sample::hide(1, artifact("a", "2.0.0")).entry(),
        Sample::allow(2, artifact("b", "1.0.0")).entry(),
        Entry::Served(served(0, "192.0.2.1", Outcome::Served, 10)),
        Entry::Served(served(1, "192.0.2.1", Outcome::Refused, 11)),
        Entry::Served(served(2, "192.0.2.1", Outcome::Served, 12)),
        Entry::Served(served(0, "192.0.2.2", Outcome::Served, 13)),
        Entry::Served(served(99, "192.0.2.3", Outcome::Served, 14)),
    ];
    append(store, entries).await;
    let all = ServingFilter {
        package: package("a"),
        version: None,
        file: None,
        outcome: None,
        limit: 0,
    };
    let found = async |filter: &ServingFilter| {
        let page = store.servings(filter).await.unwrap();
        page.iter().map(|serving| serving.index).collect::<Vec<_>>()
    };
    assert_eq!(found(&all).await, [6, 4, 3]);
    let version = ServingFilter {
        version: Some(one.subject.version.clone()),
        ..all.clone()
    };
    assert_eq!(found(&version).await, [6, 3]);
    assert_eq!(
        found(&ServingFilter {
            limit: 1,
            ..version.clone()
        })
        .await,
        [6]
    );
    let file = ServingFilter {
        file: Some(one.file.clone()),
        ..all.clone()
    };
    assert_eq!(found(&file).await, [6, 3]);
    let refused = ServingFilter {
        outcome: Some(Outcome::Refused),
        ..all.clone()
    };
    assert_eq!(found(&refused).await, [4]);
    assert_eq!(
        found(&ServingFilter {
            package: package("c"),
            ..all
        })
        .await,
        [0u64; 0]
    );
    let page = store.servings(&version).await.unwrap();
    assert_eq!(page[0].artifact, one);
    assert_eq!(page[0].served, served(0, "192.0.2.2", Outcome::Served, 13));
    let logged = store
        .decision(&DecisionId::from_random(0))
        .await
        .unwrap()
        .unwrap();
    let clients: Vec<_> = logged
        .servings
        .iter()
        .map(|one| one.client.address.as_str())
        .collect();
    assert_eq!(clients, ["192.0.2.2", "192.0.2.1"]);
}

/// Texts by digest.
pub async fn texts_come_back_and_are_kept_once(store: &dyn Evidence) {
    let text = Bytes::from_static(b"[rule]\nmode = \"enforce\"\n");
    let digest = store.put_text(text.clone()).await.unwrap();
    assert_eq!(digest, Digest::of(&text));
    assert_eq!(store.put_text(text.clone()).await.unwrap(), digest);
    assert_eq!(store.text(&digest).await.unwrap(), Some(text));
    assert_eq!(store.text(&Digest::of(b"other")).await.unwrap(), None);
    let empty = store.put_text(Bytes::new()).await.unwrap();
    assert_eq!(store.text(&empty).await.unwrap(), Some(Bytes::new()));
}

/// Nothing is cut, however long the reason.
pub async fn entry_too_long_for_the_log_comes_back_whole(store: &dyn Evidence) {
    let mut long = Sample::hide(1, artifact("a", "1.0.0"));
    long.reason = "é\u{1}\"\\".repeat(60_000);
    append(store, vec![notice(0), long.entry(), notice(2)]).await;
    let logged = store
        .decision(&DecisionId::from_random(1))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(logged.decision, long.decision());
    assert_eq!(store.entries(1, 1).await.unwrap(), [(1, long.entry())]);
    let by_rule = LogFilter {
        effect: Some(Effect::Hide),
        ..LogFilter::default()
    };
    assert_eq!(found(store, by_rule).await, [1]);
}

/// The checkpoint's size is that of the log, and its root changes with every entry.
pub async fn checkpoint_covers_every_entry(store: &dyn Evidence) {
    let mut roots = HashSet::new();
    for size in 0..4 {
        let text = store.checkpoint().await.unwrap();
        let (body, _) = text
            .split_once("\n\n")
            .expect("text, blank line, signatures");
        let checkpoint = Checkpoint::from_bytes(format!("{body}\n").as_bytes()).unwrap();
        assert_eq!(checkpoint.size(), size);
        roots.insert(checkpoint.hash().0);
        append(store, vec![notice(size)]).await;
    }
    assert_eq!(roots.len(), 4);
}

/// Appends of many callers do not mix and leave no hole.
pub async fn concurrent_appends_each_get_their_own_run_of_indexes(store: &dyn Evidence) {
    let appends = (0..64u64).map(|caller| async move {
        let mine: Vec<Entry> = (0..caller % 5 + 1)
            .map(|n| notice(caller * 10 + n))
            .collect();
        (append(store, mine.clone()).await, mine)
    });
    let all = futures_util::future::join_all(appends).await;
    let total: usize = all.iter().map(|(_, mine)| mine.len()).sum();
    let kept = store.entries(0, 1_000).await.unwrap();
    assert_eq!(kept.len(), total);
    for (first, mine) in all {
        let start = usize::try_from(first).unwrap();
        let run = kept[start..start + mine.len()]
            .iter()
            .map(|(_, entry)| entry);
        assert!(
            run.eq(mine.iter()),
            "the entries of one append stand together"
        );
    }
}
