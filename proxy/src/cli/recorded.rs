//! Explaining from the record: the facts of the newest decision about each file, judged again.
//! Nothing is fetched and nothing asked of a registry.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use cordon_policy::decision::Decision;
use cordon_policy::ecosystem::scheme_for;
use cordon_policy::evaluate::Ruleset;
use cordon_policy::model::{ArtifactId, PurlTarget, Scheme, Timestamp, Version};
use cordon_storage::StorageError;
use cordon_storage::evidence::Evidence;

use crate::engine::{Asker, Explained, Explanation};

/// Judges what is recorded about a package, or one version of it.
///
/// # Errors
/// If the record cannot be read.
pub(super) async fn explain(
    evidence: &dyn Evidence,
    target: &PurlTarget,
    ruleset: &Ruleset,
    asker: &Asker,
    at: Timestamp,
) -> Result<Explanation, StorageError> {
    let standing = evidence.standing(&target.name).await?;
    let asked = |version: &Version| target.version.as_ref().is_none_or(|it| it == version);
    // What is known does not depend on who asked: of several audiences the newest record counts.
    let mut newest: BTreeMap<ArtifactId, Decision> = BTreeMap::new();
    for decision in standing {
        let artifact = decision.evaluation.artifact().clone();
        let known = newest.get(&artifact);
        if asked(&artifact.subject.version) && known.is_none_or(|known| known.at <= decision.at) {
            newest.insert(artifact, decision);
        }
    }
    let audience = ruleset.audience(asker.route.as_deref(), asker.identity.as_deref());
    let mut decisions: Vec<Decision> = newest.into_values().collect();
    for decision in &mut decisions {
        decision.facts.audience = audience.clone();
    }
    let scheme = scheme_for(target.name.ecosystem());
    decisions.sort_by(|a, b| {
        let (a, b) = (a.evaluation.artifact(), b.evaluation.artifact());
        let versions = (&a.subject.version, &b.subject.version);
        order(scheme, versions.0, versions.1).then_with(|| a.file.cmp(&b.file))
    });
    let upstream = decisions
        .first()
        .map(|it| it.facts.package.upstream.clone());
    let candidates: Vec<Explained> = decisions
        .into_iter()
        .map(|Decision { facts, .. }| Explained {
            evaluation: ruleset.evaluate(&facts, at),
            facts,
        })
        .collect();
    let allowed = candidates.iter().filter(|one| one.evaluation.may_list());
    let best = allowed
        .map(|one| &one.facts.subject().version)
        .max_by(|a, b| {
            let is_stable = |version| scheme.is_some_and(|it| !it.is_prerelease(version));
            is_stable(a)
                .cmp(&is_stable(b))
                .then_with(|| order(scheme, a, b))
        });
    Ok(Explanation {
        at,
        upstream: upstream.unwrap_or_default(),
        is_stale: false,
        best_allowed: best.map(|version| version.as_str().into()),
        candidates,
    })
}

fn order(scheme: Option<&dyn Scheme>, a: &Version, b: &Version) -> Ordering {
    scheme.map_or(Ordering::Equal, |scheme| scheme.compare(a, b))
}

#[cfg(test)]
mod tests {
    use cordon_policy::ecosystem::schemes;
    use cordon_policy::model::parse_purl;
    use cordon_storage::conformance::sample::{Sample, artifact, at};
    use cordon_storage::evidence::MemoryEvidence;

    use super::*;

    #[tokio::test]
    async fn the_newest_facts_of_each_version_are_judged_anew() {
        let evidence = MemoryEvidence::new();
        let entries = [(1, "2.0.0-rc.1"), (2, "1.10.0"), (3, "1.9.0"), (4, "1.9.0")]
            .map(|(id, version)| Sample::hide(id, artifact("a", version)).entry());
        evidence.append(entries.into()).await.expect("appends");
        let ruleset = crate::policy_files::load(&[]).expect("built in").ruleset;
        let ask = async |purl: &str| {
            let target = parse_purl(purl, &schemes()).expect("a purl");
            explain(&evidence, &target, &ruleset, &Asker::default(), at(500_000))
                .await
                .expect("reads")
        };
        let whole = ask("pkg:npm/a").await;
        let versions: Vec<&str> = whole
            .candidates
            .iter()
            .map(|one| one.facts.subject().version.as_str())
            .collect();
        assert_eq!(versions, ["1.9.0", "1.10.0", "2.0.0-rc.1"]);
        assert_eq!(whole.best_allowed.as_deref(), Some("1.10.0"));
        let one = ask("pkg:npm/a@1.9.0").await;
        assert_eq!(one.candidates.len(), 1);
        assert!(ask("pkg:npm/b").await.candidates.is_empty());
    }
}
