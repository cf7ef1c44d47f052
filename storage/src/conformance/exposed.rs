//! The part of the evidence suite about what went out and is refused by now.

#![expect(
    clippy::unwrap_used,
    reason = "a suite of tests: a failure is to stop it"
)]

use super::evidence::append;
use super::sample::{Sample, artifact, at, exposure, notice, package, served};
use crate::evidence::{
    Entry, Evidence, ExposureFilter, Outcome, Receiver, Sighting, sighted_to_text,
};

/// Sums per client, over decisions; refusals and other artifacts do not count.
pub async fn receivers_are_counted_over_every_decision_about_an_artifact(store: &dyn Evidence) {
    let (wanted, other) = (artifact("a", "1.0.0"), artifact("a", "2.0.0"));
    let none = store.receivers(&wanted, None, 10).await.unwrap();
    assert_eq!((none.clients, none.total, none.newest), (0, 0, None));
    let entries = vec![
        Sample::allow(0, wanted.clone()).entry(),
        Sample::allow(1, other.clone()).entry(),
        Sample::allow(2, wanted.clone()).entry(),
        Entry::Served(served(0, "192.0.2.1", Outcome::Served, 10)),
        Entry::Served(served(0, "192.0.2.2", Outcome::Served, 20)),
        Entry::Served(served(1, "192.0.2.3", Outcome::Served, 30)),
        Entry::Served(served(0, "192.0.2.4", Outcome::Refused, 40)),
        Entry::Served(served(2, "192.0.2.1", Outcome::Served, 50)),
    ];
    append(store, entries).await;
    let found = store.receivers(&wanted, None, 10).await.unwrap();
    let line = |receiver: &Receiver| {
        (
            receiver.client.address.to_string(),
            receiver.first_at,
            receiver.last_at,
            receiver.count,
        )
    };
    let lines: Vec<_> = found.list.iter().map(line).collect();
    let expected = [
        ("192.0.2.1".to_owned(), at(10), at(50), 2),
        ("192.0.2.2".to_owned(), at(20), at(20), 1),
    ];
    assert_eq!(lines, expected);
    assert_eq!((found.clients, found.total, found.newest), (2, 3, Some(7)));
    let first = store.receivers(&wanted, None, 1).await.unwrap();
    assert_eq!(first.list, found.list[..1]);
    assert_eq!((first.clients, first.total), (2, 3));
    assert_eq!(store.receivers(&other, None, 0).await.unwrap().total, 1);
}

/// Filters and pages of exposures.
pub async fn exposures_are_listed_newest_last(store: &dyn Evidence) {
    let (a, b) = (artifact("a", "1.0.0"), artifact("b", "1.0.0"));
    let entries = vec![
        exposure(0, a.clone(), 0),
        notice(0),
        exposure(1, b.clone(), 10),
        exposure(2, artifact("a", "2.0.0"), 20),
    ];
    append(store, entries).await;
    let indexes = async |filter: ExposureFilter| -> Vec<u64> {
        let found = store.exposures(&filter).await.unwrap();
        found.iter().map(|logged| logged.index).collect()
    };
    let all = ExposureFilter::default();
    assert_eq!(indexes(all.clone()).await, [0, 2, 3]);
    let of_a = ExposureFilter {
        package: Some(package("a")),
        ..all.clone()
    };
    assert_eq!(indexes(of_a).await, [0, 3]);
    let of_artifact = ExposureFilter {
        artifact: Some(a),
        ..all.clone()
    };
    assert_eq!(indexes(of_artifact).await, [0]);
    let of_nobody = ExposureFilter {
        package: Some(package("c")),
        ..all.clone()
    };
    assert_eq!(indexes(of_nobody).await, [0; 0]);
    let late = ExposureFilter {
        since: Some(at(10)),
        limit: 1,
        ..all
    };
    assert_eq!(indexes(late).await, [3]);
    let found = store.exposures(&ExposureFilter::default()).await.unwrap();
    let again = Entry::Exposure(Box::new(found[1].exposure.clone()));
    assert_eq!(again, exposure(1, b, 10));
}

/// What a pass over everything recorded goes by.
pub async fn packages_are_paged_in_order_of_their_names(store: &dyn Evidence) {
    assert_eq!(store.packages(None, 10).await.unwrap(), []);
    let names = ["c", "a", "b", "a"];
    let decide = |(id, name): (usize, &&str)| {
        Sample::hide(id as u64, artifact(name, &format!("{id}.0.0"))).entry()
    };
    append(store, names.iter().enumerate().map(decide).collect()).await;
    let list = store.put_text(sighted_to_text(&[])).await.unwrap();
    let seen = Sighting {
        package: package("seen-only"),
        at: at(0),
        candidates: list,
        count: 0,
    };
    append(store, vec![Entry::Sighting(seen)]).await;
    let all = ["a", "b", "c"].map(package);
    assert_eq!(store.packages(None, 10).await.unwrap(), all);
    assert_eq!(store.packages(None, 2).await.unwrap(), all[..2]);
    let rest = store.packages(Some(&package("a")), 10).await.unwrap();
    assert_eq!(rest, all[1..]);
    let past = store.packages(Some(&package("c")), 10).await.unwrap();
    assert_eq!(past, []);
}
