//! Asking for what is bad and what is good, the way a client does.

use std::sync::Arc;

use cordon_policy::ecosystem::{NPM, PYPI};
use cordon_policy::finding::{Finding, Mode};
use cordon_policy::model::{Digest, PackageName, Version};
use cordon_policy::specimen::{Good, Refusal};
use cordon_policy::verdict::{Effect, Evaluation};
use cordon_storage::evidence::Client;
use http::header::ACCEPT;
use http::{HeaderMap, HeaderValue, Method};
use url::Url;

use super::plan::Case;
use super::report::{Outcome, Row};
use super::shelf::{document_path, file_name};
use super::upstream::Serving;
use crate::engine::Engine;
use crate::http::reply::{ReadyDocument, Reply};
use crate::http::target::Target;
use crate::registry::{self, Entry, Registry, UpstreamDocument, View};

/// The address the engine of the test writes into documents; nobody listens there.
pub(super) fn public_url() -> Url {
    Url::parse("http://cordon.invalid/").expect("a plain address")
}

/// Asks one engine in front of one registry.
pub(super) struct Asker {
    pub(super) engine: Arc<Engine>,
    pub(super) upstream: Serving,
}

/// What came back, as far as it matters.
enum Got {
    Document(Arc<ReadyDocument>),
    File,
    /// With what was decided.
    Refused(Box<Evaluation>),
    Failed(String),
}

impl Asker {
    /// Asks what a case is about.
    pub(super) async fn row(&self, case: &Case) -> Row {
        let (metadata, artifact) = match (case.mode, case.pair.refusal) {
            (Mode::Monitor, _) => self.monitored(case).await,
            (Mode::Enforce, Refusal::KeptHome) => self.kept_home(case).await,
            (Mode::Enforce, Refusal::Judged | Refusal::Bytes) => self.enforced(case).await,
        };
        let (metadata, artifact) = self.with_good(case, metadata, artifact).await;
        Row {
            rule: case.rule.to_string(),
            place: case.place.clone(),
            ecosystem: case.registry.scheme().ecosystem().to_string(),
            metadata,
            artifact,
        }
    }

    async fn enforced(&self, case: &Case) -> (Outcome, Outcome) {
        let version = &case.pair.bad.version;
        let document = self.document(case, &case.bad).await;
        let file = self.file(case, &case.bad, version).await;
        let (artifact, effect) = match &file {
            Got::Refused(evaluation) if names(evaluation, case, Mode::Enforce) => {
                (Outcome::Refused, evaluation.effect())
            }
            Got::Refused(evaluation) => {
                (failed(&refused_by_others(evaluation)), evaluation.effect())
            }
            Got::File | Got::Document(_) => (failed("the bad file was served"), Effect::Block),
            Got::Failed(why) => (
                failed(&format!("asking for the bad file: {why}")),
                Effect::Block,
            ),
        };
        let metadata = match &document {
            _ if case.pair.refusal == Refusal::Bytes => Outcome::BytesTell,
            Got::Document(ready) => match listed(case.registry, &case.bad, version, ready) {
                Ok(Listed::No) => Outcome::Refused,
                Ok(Listed::Demoted) if case.registry.withheld_as(effect) == Entry::Demoted => {
                    Outcome::Refused
                }
                Ok(Listed::Demoted | Listed::Yes) => failed("the document offers the bad release"),
                Err(why) => failed(&format!("the document cannot be read: {why}")),
            },
            Got::Refused(evaluation) if names(evaluation, case, Mode::Enforce) => Outcome::Refused,
            Got::Refused(evaluation) => failed(&refused_by_others(evaluation)),
            Got::File => failed("a file was served in place of the document"),
            Got::Failed(why) => failed(&format!("asking for the document: {why}")),
        };
        (metadata, artifact)
    }

    /// A name that must not be asked for abroad.
    async fn kept_home(&self, case: &Case) -> (Outcome, Outcome) {
        let path = document_path(case.registry, &case.bad);
        let document = self.document(case, &case.bad).await;
        let file = self.file(case, &case.bad, &case.pair.bad.version).await;
        let judge = |got: &Got, what: &str| match got {
            _ if self.upstream.was_asked(&path) => {
                failed("the name was asked for at a registry that is not its home")
            }
            Got::Failed(_) => Outcome::Refused,
            Got::Refused(evaluation) if names(evaluation, case, Mode::Enforce) => Outcome::Refused,
            Got::Refused(evaluation) => failed(&refused_by_others(evaluation)),
            Got::Document(_) | Got::File => failed(&format!("{what} was served from abroad")),
        };
        (judge(&document, "the document"), judge(&file, "the file"))
    }

    /// A rule that only watches: what is bad must be reported.
    async fn monitored(&self, case: &Case) -> (Outcome, Outcome) {
        let outcome = match self
            .explained(case, &case.bad, &case.pair.bad.version)
            .await
        {
            Ok(true) => Outcome::Reported,
            Ok(false) => failed("what is bad is not reported"),
            Err(why) => failed(&format!("asking for the document: {why}")),
        };
        let artifact = "a monitored rule stops no file";
        (outcome, Outcome::Nothing(artifact.to_owned()))
    }

    /// Whether the rule reports a version in the mode it has.
    async fn explained(
        &self,
        case: &Case,
        name: &PackageName,
        version: &str,
    ) -> Result<bool, String> {
        let version = Version::verbatim(version);
        let explained = self
            .engine
            .explain(case.registry, name, Some(&version), None, &case.asker);
        let explained = explained.await.map_err(|failure| failure.to_string())?;
        let mut candidates = explained.candidates.iter();
        Ok(candidates.any(|it| names(&it.evaluation, case, case.mode)))
    }

    /// Also looks at what must stay installable as far as the rule goes.
    async fn with_good(
        &self,
        case: &Case,
        metadata: Outcome,
        artifact: Outcome,
    ) -> (Outcome, Outcome) {
        let (name, version) = match &case.pair.good {
            Good::Version(version) => (&case.bad, version),
            Good::Package(good) => (&case.good, &good.version),
            Good::Impossible(_) => return (metadata, artifact),
        };
        if case.mode == Mode::Monitor {
            let metadata = match self.explained(case, name, version).await {
                Ok(false) => metadata,
                Ok(true) => failed("what is good is reported as well"),
                Err(why) => failed(&format!("asking for what is good: {why}")),
            };
            return (metadata, artifact);
        }
        let of_file = match self.file(case, name, version).await {
            Got::File | Got::Document(_) => None,
            Got::Refused(evaluation) if names(&evaluation, case, Mode::Enforce) => {
                Some("what is good is refused as well".to_owned())
            }
            // Another rule of the policy; that is its own affair.
            Got::Refused(_) => return (metadata, artifact),
            Got::Failed(why) => Some(format!("asking for the good file: {why}")),
        };
        let of_document = match self.document(case, name).await {
            Got::Document(ready) => match listed(case.registry, name, version, &ready) {
                Ok(Listed::Yes) => None,
                Ok(Listed::No | Listed::Demoted) if of_file.is_some() => None,
                Ok(Listed::No | Listed::Demoted) => {
                    Some("the document does not offer the good release".to_owned())
                }
                Err(why) => Some(format!("the document cannot be read: {why}")),
            },
            Got::Refused(_) if of_file.is_some() => None,
            Got::Refused(_) => Some("the document with the good release is refused".to_owned()),
            Got::File => Some("a file was served in place of the document".to_owned()),
            Got::Failed(why) => Some(format!("asking for the good document: {why}")),
        };
        let worse = |outcome: Outcome, problem: Option<String>| match problem {
            Some(problem) if !outcome.is_failure() => Outcome::Failed(problem),
            Some(_) | None => outcome,
        };
        (worse(metadata, of_document), worse(artifact, of_file))
    }

    async fn document(&self, case: &Case, name: &PackageName) -> Got {
        let path = document_path(case.registry, name);
        self.get(case, &path).await
    }

    async fn file(&self, case: &Case, name: &PackageName, version: &str) -> Got {
        let ecosystem = case.registry.scheme().ecosystem();
        let file = file_name(case.registry, name, version);
        let published = name.as_published();
        let path = if *ecosystem == NPM {
            format!("npm/{published}/-/{file}")
        } else if *ecosystem == PYPI {
            format!("pypi/files/{}/{file}", name.normalized())
        } else {
            format!("{ecosystem}/api/v1/crates/{published}/{version}/download")
        };
        self.get(case, &path).await
    }

    async fn get(&self, case: &Case, path: &str) -> Got {
        let target = match Target::from_parts(&format!("/{path}"), None) {
            Ok(target) => target,
            Err(error) => return Got::Failed(error.to_string()),
        };
        let mut headers = HeaderMap::new();
        if *case.registry.scheme().ecosystem() == PYPI {
            let json = "application/vnd.pypi.simple.v1+json";
            headers.insert(ACCEPT, HeaderValue::from_static(json));
        }
        let client = Client {
            address: "self-test".into(),
            agent: "self-test".into(),
        };
        let head = target.head(&Method::GET, &headers);
        let answered = self
            .engine
            .registry_request(case.registry, &head, &client, &case.asker);
        match answered.await {
            Reply::Document(ready) => Got::Document(ready),
            Reply::Artifact(_) => Got::File,
            Reply::Denied { decision, .. } => {
                match self.engine.stores().evidence.decision(&decision).await {
                    Ok(Some(logged)) => Got::Refused(Box::new(logged.decision.evaluation)),
                    Ok(None) => Got::Failed("it was refused without a record".to_owned()),
                    Err(error) => Got::Failed(error.to_string()),
                }
            }
            Reply::Failed { body, .. } => {
                let text = String::from_utf8_lossy(&body.body);
                let text = cordon_policy::reason::ascii(text.trim(), 160);
                Got::Failed(format!("{} {text}", body.status))
            }
            Reply::Static(_) | Reply::Forwarded { .. } | Reply::Page { .. } => {
                Got::Failed("it was answered with something else".to_owned())
            }
            Reply::Redirect(to) => Got::Failed(format!("it was sent on to {to}")),
        }
    }
}

fn failed(why: &str) -> Outcome {
    Outcome::Failed(why.to_owned())
}

/// Whether a finding of the case's own rule is among those that count.
fn names(evaluation: &Evaluation, case: &Case, mode: Mode) -> bool {
    let is_own = |finding: &Finding| finding.rule == case.rule && finding.mode == mode;
    evaluation.findings().iter().any(is_own)
}

fn refused_by_others(evaluation: &Evaluation) -> String {
    let others: Vec<String> = evaluation
        .findings()
        .iter()
        .map(|finding| format!("{}/{}", finding.rule, finding.code))
        .collect();
    match others.is_empty() {
        true => "it is held for a fact that never came".to_owned(),
        false => format!("it is refused, but not by this rule: {}", others.join(", ")),
    }
}

/// How a document has a release.
enum Listed {
    Yes,
    Demoted,
    No,
}

/// Reads what a client got, as upstream's documents are read.
fn listed(
    registry: &'static dyn Registry,
    name: &PackageName,
    version: &str,
    ready: &ReadyDocument,
) -> Result<Listed, String> {
    let bytes = match (&ready.identity, &ready.gzip) {
        (Some(identity), _) => identity.clone(),
        (None, _) => return Err("it is kept compressed only".to_owned()),
    };
    let content_type = ready.content_type.split(';').next().unwrap_or_default();
    let url = public_url().join(&document_path(registry, name));
    let url = url.map_err(|error| error.to_string())?;
    let document = |bytes: bytes::Bytes, content_type: &str| {
        Some(UpstreamDocument {
            digest: Digest::of(&bytes),
            bytes,
            content_type: content_type.trim().into(),
            url: url.clone(),
            files: Arc::new([]),
            last_modified: None,
            upstream: "self-test".into(),
        })
    };
    let mut documents = vec![document(bytes, content_type)];
    // cargo's description of the registry: where files are does not matter here.
    let more = registry.documents(name, &View::plain("self-test")).len();
    let downloads = br#"{"dl":"http://cordon.invalid/crates"}"#;
    documents.resize_with(more.max(1), || {
        document(bytes::Bytes::from_static(downloads), "application/json")
    });
    // Not through what is tested: its reading of its own answers proves nothing.
    let ecosystem = registry.scheme().ecosystem();
    let mut readers = registry::all().into_iter();
    let reader = readers.find(|reader| reader.scheme().ecosystem() == ecosystem);
    let reader = reader.ok_or("no such protocol")?;
    let read = reader
        .read(name, &documents)
        .map_err(|error| error.to_string())?;
    let scheme = reader.scheme();
    let wanted = Version::verbatim(version);
    let mut candidates = read.candidates().iter();
    let found = candidates.find(|it| scheme.compare(&it.subject().version, &wanted).is_eq());
    Ok(match found {
        None => Listed::No,
        Some(facts) if matches!(facts.is_yanked.known(), Some(Some(_))) => Listed::Demoted,
        Some(_) => Listed::Yes,
    })
}
