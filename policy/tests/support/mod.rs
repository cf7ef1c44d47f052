//! Candidates and policies for tests.

#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "each test binary uses its part, and none has readers outside"
)]

use std::sync::Arc;

use cordon_policy::config::{PolicySource, load};
use cordon_policy::ecosystem::{NPM, schemes};
use cordon_policy::evaluate::Ruleset;
use cordon_policy::facts::{ByteFacts, Fact, PackageFacts, VersionFacts};
use cordon_policy::model::{
    ArtifactId, ArtifactKind, Digest, DigestAlgorithm, Digests, FileName, PackageVersion,
    PurlTarget, Timestamp, Version, parse_purl,
};

/// 2026-11-21T10:00:00Z: the present of every test.
pub const NOW: Timestamp = Timestamp::from_millis(1_795_255_200_000);
pub const SECOND: i64 = 1_000;
pub const HOUR: i64 = 3_600 * SECOND;
pub const DAY: i64 = 24 * HOUR;

/// The instant so much later than [`NOW`]; earlier when negative.
pub fn at(milliseconds: i64) -> Timestamp {
    Timestamp::from_millis(NOW.as_millis().saturating_add(milliseconds))
}

/// A policy from its text.
pub fn policy(text: &str) -> Ruleset {
    let source = PolicySource {
        name: "policy.toml".to_owned(),
        text: text.to_owned(),
    };
    match load(&[source]) {
        Ok(loaded) => loaded.ruleset,
        Err(problems) => panic!("{problems:#?}"),
    }
}

/// The built-in policy.
pub fn built_in() -> Ruleset {
    load(&[]).expect("the built-in policy loads").ruleset
}

/// The bytes of every honest file here.
pub fn honest_bytes() -> ByteFacts {
    ByteFacts {
        sha256: Digest::of(b"honest"),
        size_bytes: 6,
        mismatches: Vec::new(),
        declared_size_bytes: None,
    }
}

/// A version nothing is wrong with: years old, declared, not fetched so far.
pub fn candidate(purl: &str) -> VersionFacts {
    let PurlTarget { name, version } = parse_purl(purl, &schemes()).expect("a valid purl");
    let version = version.unwrap_or_else(|| Version::verbatim("1.0.0"));
    let extension = match name.ecosystem() == &NPM {
        true => "tgz",
        false => "tar.gz",
    };
    let file = format!(
        "{}-{version}.{extension}",
        name.normalized().replace('/', "-")
    );
    let package = PackageFacts {
        name: name.clone(),
        first_published_at: Fact::Known(at(-2_000 * DAY)),
        status: Fact::Absent,
        upstream: "public".into(),
        similarity: Fact::Absent,
        popularity: None,
        asked_in_vain: None,
    };
    let artifact = ArtifactId {
        subject: PackageVersion { name, version },
        file: FileName::new(file).expect("a valid file name"),
        kind: ArtifactKind::Archive,
    };
    let digest = Digest::from_bytes(DigestAlgorithm::Sha512, &[7; 64]).expect("64 bytes");
    let mut facts = VersionFacts::unknown(artifact, Arc::new(package));
    facts.published_at = Fact::Known(at(-1_000 * DAY));
    facts.declared = Fact::Known(Digests::from_iter([digest]));
    facts.is_yanked = Fact::Absent;
    facts.deprecated = Fact::Absent;
    facts.license = Fact::Known("MIT".into());
    facts.install_hooks = Fact::Absent;
    facts.has_provenance = Fact::Known(false);
    facts.publisher = Fact::Known("somebody".into());
    facts.change = Fact::Absent;
    facts.exotic_dependencies = Fact::Absent;
    facts.burst = Fact::Absent;
    facts.siblings = Fact::Absent;
    facts.advisories = Fact::Absent;
    facts
}

/// [`candidate`] with its bytes fetched, looked into and found honest.
pub fn fetched(purl: &str) -> VersionFacts {
    let mut facts = candidate(purl);
    facts.bytes = Fact::Known(honest_bytes());
    facts.archive = Fact::Known(Arc::default());
    facts.agreement = Fact::Absent;
    facts.content = Fact::Absent;
    facts.content_change = Fact::Absent;
    facts.scanners = Fact::Absent;
    facts.indicators = Fact::Absent;
    facts.bundled = Fact::Absent;
    facts
}
