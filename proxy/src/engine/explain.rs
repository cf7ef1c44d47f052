//! What would be decided, without deciding: nothing is recorded, no bytes are fetched.

use std::cmp::Ordering;
use std::sync::Arc;

use cordon_policy::facts::VersionFacts;
use cordon_policy::model::{PackageName, Timestamp, Version};
use cordon_policy::verdict::Evaluation;
use smol_str::SmolStr;

use super::failure::Failure;
use super::{Asker, Engine};
use crate::registry::{Registry, View};

/// One candidate explained.
#[derive(Clone, Debug)]
pub struct Explained {
    /// What is known.
    pub facts: VersionFacts,
    /// What follows from it.
    pub evaluation: Evaluation,
}

/// A package, or one version of it, explained.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The instant it was judged for.
    pub at: Timestamp,
    /// The upstream that answered.
    pub upstream: SmolStr,
    /// Whether upstream's document is an old one standing in.
    pub is_stale: bool,
    /// The candidates asked about, in document order.
    pub candidates: Vec<Explained>,
    /// The highest allowed version that is no pre-release; else the highest allowed one.
    pub best_allowed: Option<SmolStr>,
}

impl Engine {
    /// Judges what metadata tells of a package for the instant `at`, or for now.
    ///
    /// # Errors
    /// If the package or version does not exist or cannot be learned about.
    pub async fn explain(
        &self,
        registry: &'static dyn Registry,
        name: &PackageName,
        version: Option<&Version>,
        at: Option<Timestamp>,
        asker: &Asker,
    ) -> Result<Explanation, Failure> {
        let package = self
            .package(registry, name, &View::plain("explain"))
            .await?;
        let snapshot = self.live.get_for(asker);
        let at = at.unwrap_or_else(|| self.clock.now());
        let context = self.context(&package, &snapshot, at).await?;
        let scheme = registry.scheme();
        let mut candidates = Vec::new();
        let mut best: Option<Version> = None;
        for index in package.offered() {
            let Some(facts) = package.facts(index, &context) else {
                break;
            };
            let evaluation = snapshot.ruleset.evaluate(&facts, at);
            let found = &facts.artifact.subject.version;
            if evaluation.may_list() && package.place_of(index).is_some() {
                let rank = |v: &Version| !scheme.is_prerelease(v);
                let is_better = best.as_ref().is_none_or(|best| {
                    rank(found)
                        .cmp(&rank(best))
                        .then_with(|| scheme.compare(found, best))
                        == Ordering::Greater
                });
                if is_better {
                    best = Some(found.clone());
                }
            }
            let is_asked = version.is_none_or(|wanted| {
                wanted == found || scheme.compare(wanted, found) == Ordering::Equal
            });
            if is_asked {
                candidates.push(Explained { facts, evaluation });
            }
        }
        if candidates.is_empty() {
            let what = version.map_or_else(
                || format!("{name} has no versions upstream"),
                |version| format!("{name} has no version {version} upstream"),
            );
            return Err(Failure::NotFound(what));
        }
        Ok(Explanation {
            at,
            upstream: Arc::clone(&package.upstream).id().into(),
            is_stale: package.freshness.is_stale(),
            candidates,
            best_allowed: best.map(|version| version.as_str().into()),
        })
    }
}
