//! Dist-tags after filtering (protocols.md §2.6).

use std::cmp::Ordering;

use cordon_policy::ecosystem::Npm as NpmScheme;
use cordon_policy::facts::VersionFacts;
use cordon_policy::model::{Scheme, Version};

/// What becomes of a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repair {
    /// It points to this candidate, as upstream has it.
    Keep(usize),
    /// It points to this candidate instead.
    Move(usize),
    /// It points nowhere any more.
    Drop,
}

/// Repairs one tag. Only `latest` is ever moved: what `next` or `beta` promise, no other version
/// keeps.
pub(super) fn repair(
    tag: &str,
    target: Option<&Version>,
    target_index: Option<usize>,
    candidates: &[VersionFacts],
    is_listed: &dyn Fn(usize) -> bool,
) -> Repair {
    if let Some(index) = target_index.filter(|index| is_listed(*index)) {
        return Repair::Keep(index);
    }
    if tag != "latest" {
        return Repair::Drop;
    }
    let version = |index: &usize| candidates.get(*index).map(|c| &c.subject().version);
    let listed = || (0..candidates.len()).filter(|index| is_listed(*index));
    let is_stable = |index: &usize| version(index).is_some_and(|v| !NpmScheme.is_prerelease(v));
    let is_not_above = |index: &usize| match (version(index), target) {
        (Some(version), Some(target)) => NpmScheme.compare(version, target).is_le(),
        _ => true,
    };
    let by_precedence = |a: &usize, b: &usize| match (version(a), version(b)) {
        (Some(a), Some(b)) => NpmScheme.compare(a, b),
        _ => Ordering::Equal,
    };
    listed()
        .filter(is_stable)
        .filter(is_not_above)
        .max_by(by_precedence)
        .or_else(|| listed().filter(is_stable).max_by(by_precedence))
        .or_else(|| listed().max_by(by_precedence))
        .map_or(Repair::Drop, Repair::Move)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cordon_policy::facts::{Fact, PackageFacts};
    use cordon_policy::model::{ArtifactId, ArtifactKind, FileName, PackageVersion};

    use super::*;

    fn candidates(versions: &[&str]) -> Vec<VersionFacts> {
        let name = NpmScheme.package("foo").unwrap();
        let package = Arc::new(PackageFacts {
            name: name.clone(),
            first_published_at: Fact::Absent,
            status: Fact::Absent,
            upstream: "test".into(),
            similarity: Fact::NotYet,
            popularity: None,
            asked_in_vain: None,
        });
        versions
            .iter()
            .map(|version| {
                let subject = PackageVersion {
                    name: name.clone(),
                    version: Version::verbatim(*version),
                };
                let artifact = ArtifactId {
                    subject,
                    file: FileName::new(format!("foo-{version}.tgz")).unwrap(),
                    kind: ArtifactKind::Archive,
                };
                VersionFacts::unknown(artifact, Arc::clone(&package))
            })
            .collect()
    }

    /// Where a tag at `target` ends up when only `listed` remain.
    fn moved(tag: &str, target: &str, versions: &[&str], listed: &[&str]) -> Option<String> {
        let candidates = candidates(versions);
        let index = versions.iter().position(|version| *version == target);
        let target = Version::verbatim(target);
        let is_listed = |index: usize| listed.contains(&versions[index]);
        match repair(tag, Some(&target), index, &candidates, &is_listed) {
            Repair::Keep(index) | Repair::Move(index) => Some(versions[index].to_owned()),
            Repair::Drop => None,
        }
    }

    #[test]
    fn conformance_015_latest_moves_to_the_highest_allowed_stable_not_above() {
        let all = ["1.0.0", "1.2.0", "1.10.0", "2.0.0", "3.0.0", "2.0.0-rc.1"];
        let latest = |listed: &[&str]| moved("latest", "2.0.0", &all, listed);
        assert_eq!(latest(&all).unwrap(), "2.0.0");
        assert_eq!(
            latest(&["1.0.0", "1.2.0", "1.10.0", "3.0.0"]).unwrap(),
            "1.10.0"
        );
        assert_eq!(latest(&["3.0.0", "2.0.0-rc.1"]).unwrap(), "3.0.0");
        assert_eq!(latest(&[]), None);
    }

    #[test]
    fn conformance_016_a_prerelease_is_latest_only_when_nothing_stable_is_left() {
        let all = ["1.0.0-a", "1.0.0", "2.0.0-rc.1", "2.0.0"];
        let latest = |listed: &[&str]| moved("latest", "2.0.0", &all, listed);
        assert_eq!(latest(&["2.0.0-rc.1", "1.0.0"]).unwrap(), "1.0.0");
        assert_eq!(latest(&["2.0.0-rc.1", "1.0.0-a"]).unwrap(), "2.0.0-rc.1");
    }

    #[test]
    fn conformance_014_other_tags_to_hidden_versions_are_dropped() {
        let all = ["1.0.0", "2.0.0-beta"];
        assert_eq!(moved("next", "2.0.0-beta", &all, &["1.0.0"]), None);
        assert_eq!(
            moved("next", "2.0.0-beta", &all, &all).unwrap(),
            "2.0.0-beta"
        );
        assert_eq!(moved("next", "9.9.9", &all, &all), None);
        assert_eq!(moved("latest", "9.9.9", &all, &all).unwrap(), "1.0.0");
    }
}
