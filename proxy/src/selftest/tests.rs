//! The self-test of sound policies passes, and of rules broken on purpose fails.

use std::sync::Arc;

use cordon_policy::config::{PolicySource, canonical::PolicyText, load};
use cordon_policy::evaluate::{Findings, Ruleset};
use cordon_policy::facts::{Fact, FactSet, VersionFacts};
use cordon_policy::finding::FindingCode;
use cordon_policy::model::{ArtifactKind, PackageName, Scheme, Timestamp};
use cordon_policy::rules::{ConfiguredRule, PackageScope, Rule, Variant};
use cordon_policy::specimen::{Specimen, Stage};
use http::StatusCode;
use url::Url;

use super::{Report, run};
use crate::engine::{Clock as _, SystemClock};
use crate::inspection::Inspector;
use crate::registry::{
    self, ArtifactSource, Catalog, Denial, DenialBody, Document, DocumentRequest, Entry, Links,
    Listing, MetadataError, Registry, Rendered, RequestHead, Route, RouteError, UpstreamDocument,
    View,
};

fn ruleset(text: &str) -> Ruleset {
    let sources: Vec<PolicySource> = (!text.is_empty())
        .then(|| PolicySource {
            name: "policy.toml".to_owned(),
            text: text.to_owned(),
        })
        .into_iter()
        .collect();
    load(&sources)
        .unwrap_or_else(|problems| panic!("{problems:?}"))
        .ruleset
}

fn inspector() -> Arc<dyn Inspector> {
    Arc::new(crate::inspection::InProcess::default())
}

async fn test(ruleset: &Ruleset) -> Report {
    run(ruleset, &registry::all(), &inspector(), SystemClock.now())
        .await
        .unwrap()
}

/// Rule, protocol and plane of each failure.
fn failures(report: &Report) -> Vec<(&str, &str, &str)> {
    let mut found = Vec::new();
    for row in &report.rows {
        for (plane, outcome) in row.planes() {
            if outcome.is_failure() {
                found.push((row.rule.as_str(), row.ecosystem.as_str(), plane));
            }
        }
    }
    found
}

/// Every rule there is.
const EVERY_RULE: &str = include_str!("every_rule.toml");

#[tokio::test]
async fn every_rule_of_the_built_in_policy_acts_on_every_protocol() {
    let report = test(&ruleset("")).await;
    assert_eq!(report.failures(), [""; 0]);
    assert!(report.checks() > 10, "{:#?}", report.rows);
}

#[tokio::test]
async fn every_rule_acts_under_a_policy_that_enables_all() {
    let report = test(&ruleset(EVERY_RULE)).await;
    assert_eq!(report.failures(), [""; 0]);
    for kind in cordon_policy::rules::RULES {
        let id = kind.id.as_str();
        let mut rows = report.rows.iter().filter(|row| row.rule == id);
        let is_tested = rows.any(|row| row.artifact == super::Outcome::Refused);
        // What a condition is about is not known, and what scanners say only they know.
        let is_open = ["condition", "scanner"].contains(&id);
        assert!(is_tested || is_open, "`{id}` is not tested");
    }
}

#[tokio::test]
async fn monitored_rules_report() {
    let text = "[rules.minimum-age]\nmode = 'monitor'\n[rules.deny]\nmode = 'monitor'\n\
                purls = ['pkg:npm/left-pad']\n[rules.integrity]\n";
    let report = test(&ruleset(text)).await;
    assert_eq!(report.failures(), [""; 0]);
    let mut rows = report.rows.iter();
    assert!(rows.any(|row| row.rule == "deny" && row.metadata == super::Outcome::Reported));
}

#[tokio::test]
async fn overrides_are_tested_by_names_of_their_own() {
    let text = "[rules.minimum-age]\nversion_age = '3d'\n\
                [[rules.minimum-age.override]]\necosystem = 'npm'\npackages = ['@acme/*']\n\
                version_age = '30d'\n\
                [[rules.minimum-age.override]]\necosystem = 'pypi'\nenabled = false\n";
    let report = test(&ruleset(text)).await;
    assert_eq!(report.failures(), [""; 0]);
    let rows = report.rows.iter().filter(|row| row.rule == "minimum-age");
    let ecosystems: Vec<&str> = rows.map(|row| row.ecosystem.as_str()).collect();
    assert_eq!(ecosystems.len(), 3, "npm twice and cargo: {ecosystems:?}");
    assert!(!ecosystems.contains(&"pypi"));
}

#[tokio::test]
async fn exemptions_of_what_a_list_names_do_not_fail_the_test() {
    let text = "[rules.deny]\npurls = ['pkg:npm/left-pad@1.3.0']\n\
                [[exempt]]\nid = 'x'\npackage = 'pkg:npm/left-pad@1.3.0'\nrules = ['deny']\n\
                reason = 'needed'\nowner = 'us'\nticket = 'T-1'\n\
                until = '2100-01-01T00:00:00Z'\n";
    let ruleset = ruleset(text);
    assert_eq!(ruleset.exemptions().len(), 1);
    let report = test(&ruleset).await;
    assert_eq!(report.failures(), [""; 0]);
    let mut rows = report.rows.iter();
    assert!(rows.any(|row| row.rule == "deny" && row.artifact == super::Outcome::Refused));
}

/// How a rule is broken.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// It looks at nothing.
    Deaf,
    /// It does not look at bytes.
    BlindToBytes,
    /// It refuses everything.
    Furious,
}

#[derive(Debug)]
struct Broken {
    sound: Arc<dyn Rule>,
    fault: Fault,
}

impl Rule for Broken {
    fn needs(&self) -> FactSet {
        self.sound.needs()
    }

    fn check(&self, facts: &VersionFacts, now: Timestamp, out: &mut Findings<'_>) {
        match self.fault {
            Fault::Deaf => {}
            Fault::BlindToBytes if matches!(facts.bytes, Fact::Known(_)) => {}
            Fault::BlindToBytes => self.sound.check(facts, now, out),
            Fault::Furious => {
                let code = FindingCode::from_static("furious");
                out.report(code, "everything is bad".to_owned(), "all", None);
            }
        }
    }

    fn specimen(&self, stage: &Stage<'_>) -> Specimen {
        self.sound.specimen(stage)
    }

    fn write_parameters(&self, out: &mut PolicyText) {
        self.sound.write_parameters(out);
    }
}

/// The policy with one rule broken.
fn with_broken(ruleset: &Ruleset, id: &str, fault: Fault) -> Ruleset {
    let broken = |rule: &Arc<dyn Rule>, is_meant: bool| -> Arc<dyn Rule> {
        match is_meant {
            true => Arc::new(Broken {
                sound: Arc::clone(rule),
                fault,
            }),
            false => Arc::clone(rule),
        }
    };
    let rules = ruleset.rules().iter().map(|configured| ConfiguredRule {
        id: configured.id.clone(),
        variants: configured
            .variants
            .iter()
            .map(|variant| Variant {
                scope: PackageScope::ALL,
                settings: variant.settings.clone(),
                rule: broken(&variant.rule, configured.id.as_str() == id),
            })
            .collect(),
    });
    Ruleset::new(ruleset.hash().clone(), rules.collect(), Vec::new())
}

#[tokio::test]
async fn a_rule_that_looks_at_nothing_fails_on_both_planes_of_every_protocol() {
    for id in ["minimum-age", "watched-name"] {
        let broken = with_broken(&ruleset(""), id, Fault::Deaf);
        let report = test(&broken).await;
        let expected = ["cargo", "npm", "pypi"]
            .into_iter()
            .flat_map(|protocol| [(id, protocol, "metadata"), (id, protocol, "artifact")]);
        assert_eq!(failures(&report), expected.collect::<Vec<_>>());
        assert!(
            report
                .failures()
                .iter()
                .all(|it| it.contains(&format!("`{id}`")))
        );
    }
}

#[tokio::test]
async fn a_rule_that_does_not_look_at_bytes_fails_on_files() {
    let broken = with_broken(&ruleset(""), "integrity", Fault::BlindToBytes);
    let report = test(&broken).await;
    let expected = ["cargo", "npm", "pypi"].map(|protocol| ("integrity", protocol, "artifact"));
    assert_eq!(failures(&report), expected);
}

#[tokio::test]
async fn a_rule_that_refuses_everything_fails() {
    let broken = with_broken(&ruleset(""), "minimum-age", Fault::Furious);
    let report = test(&broken).await;
    let failures = report.failures();
    assert_eq!(failures.len(), 3, "{failures:?}");
    assert!(
        failures
            .iter()
            .all(|it| it.contains("what is good is refused as well"))
    );
}

/// npm, as it would be if documents listed everything.
struct ListsEverything;

struct Unfiltered(Box<dyn Document>);

impl Registry for ListsEverything {
    fn scheme(&self) -> &'static dyn Scheme {
        registry::npm::Npm.scheme()
    }

    fn classify(&self, request: &RequestHead<'_>, links: &Links) -> Result<Route, RouteError> {
        registry::npm::Npm.classify(request, links)
    }

    fn documents(&self, package: &PackageName, view: &View) -> Vec<DocumentRequest> {
        registry::npm::Npm.documents(package, view)
    }

    fn read(
        &self,
        package: &PackageName,
        documents: &[Option<UpstreamDocument>],
    ) -> Result<Box<dyn Document>, MetadataError> {
        let document = registry::npm::Npm.read(package, documents)?;
        Ok(Box::new(Unfiltered(document)))
    }

    fn read_catalog(&self, document: &UpstreamDocument) -> Result<Box<dyn Catalog>, MetadataError> {
        registry::npm::Npm.read_catalog(document)
    }

    fn deny(&self, denial: &Denial<'_>, request: &RequestHead<'_>) -> DenialBody {
        registry::npm::Npm.deny(denial, request)
    }

    fn error(&self, status: StatusCode, message: &str) -> DenialBody {
        registry::npm::Npm.error(status, message)
    }

    fn client_setup(&self, base: &Url) -> String {
        registry::npm::Npm.client_setup(base)
    }
}

impl Document for Unfiltered {
    fn candidates(&self) -> &[VersionFacts] {
        self.0.candidates()
    }

    fn render(
        &self,
        listing: &Listing<'_>,
        view: &View,
        links: &Links,
    ) -> Result<Rendered, MetadataError> {
        let entries = vec![Entry::Listed; listing.entries.len()];
        self.0.render(&Listing { entries: &entries }, view, links)
    }

    fn locate(&self, index: usize) -> Result<ArtifactSource, MetadataError> {
        self.0.locate(index)
    }

    fn locate_derived(
        &self,
        index: usize,
        kind: ArtifactKind,
    ) -> Option<Result<ArtifactSource, MetadataError>> {
        self.0.locate_derived(index, kind)
    }

    fn weight_bytes(&self) -> usize {
        self.0.weight_bytes()
    }
}

#[tokio::test]
async fn a_document_that_lists_everything_fails_on_its_plane_alone() {
    let ruleset = ruleset("[rules.minimum-age]\n");
    let report = run(
        &ruleset,
        &[&ListsEverything],
        &inspector(),
        SystemClock.now(),
    )
    .await;
    let report = report.unwrap();
    assert_eq!(failures(&report), [("minimum-age", "npm", "metadata")]);
}
