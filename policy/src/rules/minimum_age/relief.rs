//! Security fixes that may be had early, and how that is kept from being abused (features.md O4).
//!
//! Whoever has taken over a package can call anything a fix. So the word that counts is that of a
//! reviewed advisory source, for exactly this version, and the version must otherwise be as dull
//! as a fix should be.

use std::time::Duration;

use crate::facts::{Change, Fact, Standing, VersionFacts};
use crate::model::Timestamp;

/// How long a package that a fix newly depends on must have been there.
const ESTABLISHED: Duration = Duration::from_secs(90 * 24 * 3_600);

/// Whether a version may come of age early.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Relief<'a> {
    /// No reviewed advisory calls it a fix, or something about it is not dull.
    None,
    /// It fixes this advisory.
    Fixes(&'a str),
    /// It fixes this advisory; what it changes was not asked for yet.
    Awaits(&'a str),
}

/// Looks whether the version is a fix, and nothing else.
pub(super) fn of(facts: &VersionFacts, now: Timestamp) -> Relief<'_> {
    let Some(advisory) = facts.fixes.first() else {
        return Relief::None;
    };
    let change = match &facts.change {
        Fact::Known(change) => change,
        Fact::NotYet => return Relief::Awaits(advisory),
        // A first version fixes nothing; an unknown change may be any.
        Fact::Absent | Fact::Unavailable(_) => return Relief::None,
    };
    let burst = match &facts.burst {
        Fact::Absent => true,
        Fact::NotYet => return Relief::Awaits(advisory),
        Fact::Known(_) | Fact::Unavailable(_) => false,
    };
    match burst && is_dull(change) {
        false => Relief::None,
        true => dependencies(change, advisory, now),
    }
}

fn is_dull(change: &Change) -> bool {
    change.added_hooks.is_empty()
        && change.added_exotic.is_empty()
        && change.new_publisher.is_none()
        && change.new_maintainers.is_empty()
        && change.trust_lost.is_none()
}

fn dependencies<'a>(change: &Change, advisory: &'a str, now: Timestamp) -> Relief<'a> {
    let mut relief = Relief::Fixes(advisory);
    for added in &change.added_dependencies {
        match &added.standing {
            Fact::Known(standing) if is_established(standing, now) => {}
            Fact::NotYet => relief = Relief::Awaits(advisory),
            Fact::Known(_) | Fact::Absent | Fact::Unavailable(_) => return Relief::None,
        }
    }
    relief
}

fn is_established(standing: &Standing, now: Timestamp) -> bool {
    standing.rank.is_some()
        || standing
            .first_published_at
            .known()
            .is_some_and(|first| first.saturating_add(ESTABLISHED) <= now)
}
