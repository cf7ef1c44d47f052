//! The rules `advisory` and `malware`: what counts, how much a report is believed, and what missing
//! data means.

mod data;
mod malware;
mod properties;
#[path = "../support/mod.rs"]
mod support;
mod two_people;
mod vulnerabilities;

use std::sync::Arc;

use cordon_policy::advisory::NO_DATA;
use cordon_policy::config::{PolicySource, load};
use cordon_policy::evaluate::Ruleset;
use cordon_policy::facts::{
    AdvisoryKind, AdvisoryMatch, Fact, FactKind, FactSet, Named, PackageFacts, Popularity,
    VersionFacts,
};
use cordon_policy::finding::Mode;
use cordon_policy::model::{Digest, Timestamp};
use cordon_policy::verdict::{Effect, Evaluation};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use support::*;

/// The rule of that id alone, beside the one that cannot be left out.
fn only(rule: &str) -> Ruleset {
    policy(&format!(
        "[rules.integrity]\n[rules.minimum-age]\nenabled = false\n{rule}"
    ))
}

fn report(id: &str, kind: AdvisoryKind, named: Named) -> AdvisoryMatch {
    AdvisoryMatch {
        id: id.into(),
        aliases: Vec::new(),
        kind,
        named,
        cvss_tenths: None,
        fixed: Vec::new(),
        is_reviewed: false,
        published_at: Some(at(-10 * DAY)),
        modified_at: None,
        summary: "text".into(),
        is_exploited: false,
        epss_thousandths: None,
    }
}

fn malware(named: Named) -> AdvisoryMatch {
    report("MAL-2026-1", AdvisoryKind::Malware, named)
}

fn flaw(cvss_tenths: Option<u8>) -> AdvisoryMatch {
    AdvisoryMatch {
        cvss_tenths,
        ..report("GHSA-1", AdvisoryKind::Vulnerability, Named::Range)
    }
}

/// A fetched version with these advisories.
fn warned(purl: &str, advisories: &[AdvisoryMatch]) -> VersionFacts {
    let mut facts = fetched(purl);
    facts.advisories = match advisories {
        [] => Fact::Absent,
        some => Fact::Known(Arc::from(some)),
    };
    facts
}

fn with_package(facts: &mut VersionFacts, change: impl FnOnce(&mut PackageFacts)) {
    change(Arc::make_mut(&mut facts.package));
}

fn code(evaluation: &Evaluation) -> Option<&str> {
    evaluation
        .findings()
        .first()
        .map(|finding| finding.code.as_str())
}
