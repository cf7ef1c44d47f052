//! Which version is compared with which, against a naive reading of the rules.

mod support;

use std::collections::BTreeMap;

use cordon_policy::change::{Dependency, SETTLED, Sheet, compare};
use cordon_policy::ecosystem::Npm;
use cordon_policy::facts::{DependencyKind, Fact, Trust, VersionFacts};
use cordon_policy::model::{Scheme, Timestamp};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use support::*;

/// A version of a made-up package.
#[derive(Clone, Debug)]
struct Told {
    version: String,
    published: Option<i64>,
    needs: Vec<&'static str>,
    publisher: &'static str,
    trust: Trust,
}

fn told() -> impl Strategy<Value = Vec<Told>> {
    let one = (
        (0_u64..3, 0_u64..2, 0_u64..4, any::<bool>()),
        prop_oneof![9 => (0_i64..80).prop_map(Some), 1 => Just(None)],
        vec(select(vec!["a", "b", "c"]), 0..3),
        select(vec!["ada", "eve"]),
        select(vec![Trust::Account, Trust::Provenance]),
    );
    let one = one.prop_map(
        |((major, minor, patch, is_preview), days, mut needs, publisher, trust)| {
            let preview = if is_preview { "-rc.1" } else { "" };
            needs.sort_unstable();
            needs.dedup();
            Told {
                version: format!("{major}.{minor}.{patch}{preview}"),
                published: days.map(|days| days * DAY),
                needs,
                publisher,
                trust,
            }
        },
    );
    vec(one, 1..12).prop_map(|list| {
        let by_version: BTreeMap<String, Told> = list
            .into_iter()
            .map(|told| (told.version.clone(), told))
            .collect();
        by_version.into_values().collect()
    })
}

fn compared(list: &[Told]) -> Vec<VersionFacts> {
    let mut facts: Vec<VersionFacts> = list
        .iter()
        .map(|told| {
            let mut facts = candidate(&format!("pkg:npm/subject@{}", told.version));
            let at = told.published.map(Timestamp::from_millis);
            facts.published_at = at.map_or(Fact::Absent, Fact::Known);
            facts.publisher = Fact::Known(told.publisher.into());
            facts
        })
        .collect();
    let sheets: Vec<Sheet> = list
        .iter()
        .map(|told| {
            let kind = DependencyKind::Normal;
            let names = told.needs.iter().map(|name| (*name).into());
            Sheet {
                dependencies: names.map(|name| Dependency { name, kind }).collect(),
                trust: told.trust,
                ..Sheet::default()
            }
        })
        .collect();
    compare(&Npm, &mut facts, &sheets);
    facts
}

/// The indices in the order versions are compared in, and whether that is by date.
fn order(list: &[Told], facts: &[VersionFacts]) -> (Vec<usize>, bool) {
    let version = |index: usize| &facts[index].subject().version;
    let is_dated = list.iter().all(|told| told.published.is_some());
    let mut order: Vec<usize> = (0..list.len()).collect();
    order.sort_by(|a, b| {
        let dates = match is_dated {
            true => list[*a].published.cmp(&list[*b].published),
            false => std::cmp::Ordering::Equal,
        };
        dates.then_with(|| Npm.compare(version(*a), version(*b)))
    });
    (order, is_dated)
}

/// What each version is compared with, looking at every earlier one anew.
fn naive(list: &[Told], facts: &[VersionFacts]) -> Vec<Option<String>> {
    let (order, is_dated) = order(list, facts);
    let settled = i64::try_from(SETTLED.as_millis()).expect("a month");
    let mut remarkable = vec![false; list.len()];
    let mut since = vec![None; list.len()];
    for (turn, index) in order.iter().copied().enumerate() {
        let (version, line) = {
            let version = &facts[index].subject().version;
            (version, Npm.line(version))
        };
        let has_settled = |earlier: usize| {
            let dates = list[earlier].published.zip(list[index].published);
            is_dated && dates.is_some_and(|(then, now)| now - then >= settled)
        };
        let fit: Vec<usize> = order[..turn]
            .iter()
            .copied()
            .filter(|earlier| !remarkable[*earlier] || has_settled(*earlier))
            .collect();
        let stable = |index: &usize| !Npm.is_prerelease(&facts[*index].subject().version);
        let among = |fit: &[usize]| {
            let line_of = |index: usize| Npm.line(&facts[index].subject().version);
            let lines = fit.iter().map(|index| line_of(*index));
            let lower = lines.clone().filter(|other| *other <= line).max();
            let chosen = lower.or_else(|| lines.min())?;
            fit.iter().copied().rfind(|index| line_of(*index) == chosen)
        };
        let stable_fit: Vec<usize> = fit.iter().copied().filter(stable).collect();
        let found = match Npm.is_prerelease(version) {
            true => among(&fit),
            false => among(&stable_fit).or_else(|| among(&fit)),
        };
        let Some(before) = found else {
            continue;
        };
        since[index] = Some(list[before].version.clone());
        let founder = list[order[0]].publisher;
        let first = order
            .iter()
            .find(|other| list[**other].publisher == list[index].publisher);
        let is_new =
            list[index].publisher != founder && !first.is_some_and(|first| has_settled(*first));
        let adds = |name: &&str| !list[before].needs.contains(name);
        remarkable[index] =
            list[index].needs.iter().any(adds) || list[index].trust < list[before].trust || is_new;
    }
    since
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn versions_are_compared_as_the_rules_say(list in told()) {
        let facts = compared(&list);
        let since: Vec<Option<String>> = facts
            .iter()
            .map(|facts| facts.change.known().map(|change| change.since.to_string()))
            .collect();
        prop_assert_eq!(since, naive(&list, &facts));
    }

    #[test]
    fn the_order_of_the_document_does_not_matter(
        list in told(), turn in 0_usize..12, is_reversed in any::<bool>(),
    ) {
        let mut other = list.clone();
        other.rotate_left(turn % list.len());
        if is_reversed {
            other.reverse();
        }
        let of = |facts: Vec<VersionFacts>| -> BTreeMap<String, _> {
            let changes = facts.into_iter().map(|facts| {
                (facts.subject().version.to_string(), (facts.change, facts.burst))
            });
            changes.collect()
        };
        prop_assert_eq!(of(compared(&list)), of(compared(&other)));
    }

    /// Whoever may publish once may publish twice: until it has settled, what was added to the last
    /// version that added nothing shows in every later one that has it.
    #[test]
    fn what_was_added_shows_in_later_versions_until_it_has_settled(
        list in told(), hours in 1_i64..700,
    ) {
        let last = list.iter().filter_map(|told| told.published).max().unwrap_or(0);
        let mut list: Vec<Told> = list;
        for told in &mut list {
            told.published = Some(told.published.unwrap_or(0));
            told.needs.retain(|name| *name != "c");
        }
        for (patch, at) in [(8, last + 1), (9, last + hours * HOUR)] {
            list.push(Told {
                version: format!("2.1.{patch}"),
                published: Some(at),
                needs: vec!["c"],
                publisher: "eve",
                trust: Trust::Account,
            });
        }
        let facts = compared(&list);
        for facts in &facts[facts.len() - 2..] {
            let change = facts.change.known().expect("it is not the first");
            let added = change.added_dependencies.iter();
            let names: Vec<&str> = added.map(|added| added.package.normalized()).collect();
            prop_assert!(names.contains(&"c"), "{:?}", change);
        }
    }
}
