//! Scanners other than Cordon: programs of this machine, and services.
//!
//! Each is handed the archive and what it is, and answers with one JSON object, see
//! [`ScanReport`]. No answer, a late one, one too long and one that cannot be read are all the same:
//! the scanner failed, and if it is required the archive is held (Y-03, Y-04, Y-07). That nothing
//! was found is believed only when it is said.

mod program;
mod service;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use cordon_policy::config::text::shown;
use cordon_policy::facts::{ScanFinding, ScanOutcome, ScanReport, Scanned, ScannerVerdicts};
use cordon_policy::model::{ArtifactId, Digest};
use futures_util::future::join_all;
use serde::Serialize;
use smol_str::SmolStr;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use super::Source;
use crate::config::{ScannerConfig, ScannerTarget};
use crate::telemetry::Metrics;

/// Longest answer. One that is longer is none (Y-07).
const ANSWER_BYTES: usize = 1 << 20;

/// Archives a scanner is handed at once; further ones wait, and the wait counts.
const AT_ONCE: usize = 4;

/// Every configured scanner.
pub struct Scanners {
    all: Vec<Scanner>,
    metrics: Arc<Metrics>,
}

struct Scanner {
    config: ScannerConfig,
    kind: Kind,
    places: Semaphore,
}

enum Kind {
    Program(Vec<String>),
    Service(service::Service),
}

/// A scanner's client cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("setting up scanner `{id}`: {what}")]
pub struct ScannerError {
    id: SmolStr,
    what: String,
}

/// What a scanner is told of an archive, as JSON.
#[derive(Debug, Serialize)]
struct Told<'a> {
    /// The package URL of its version.
    purl: String,
    ecosystem: &'a str,
    name: &'a str,
    version: &'a str,
    file: &'a str,
    sha256: String,
    size_bytes: u64,
}

impl Scanners {
    /// The scanners as configured.
    ///
    /// # Errors
    /// When the client of a service cannot be made.
    pub fn new(configs: &[ScannerConfig], metrics: Arc<Metrics>) -> Result<Self, ScannerError> {
        let made = configs.iter().map(|config| {
            let kind = match &config.target {
                ScannerTarget::Command(words) => Kind::Program(words.clone()),
                ScannerTarget::Url { url, secret } => {
                    let service = service::Service::new(url.clone(), secret.clone());
                    Kind::Service(service.map_err(|error| ScannerError {
                        id: config.id.clone(),
                        what: error.to_string(),
                    })?)
                }
            };
            Ok(Scanner {
                config: config.clone(),
                kind,
                places: Semaphore::new(AT_ONCE),
            })
        });
        Ok(Self {
            all: made.collect::<Result<_, _>>()?,
            metrics,
        })
    }

    /// No scanners.
    pub fn none() -> Self {
        Self {
            all: Vec::new(),
            metrics: Arc::new(crate::app::metrics()),
        }
    }

    /// Whether there is any.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Asks every scanner about an archive whose bytes have `sha256`. Takes as long as the one with
    /// the longest time-out, at most.
    pub async fn scan(
        &self,
        artifact: &ArtifactId,
        sha256: &Digest,
        source: Source,
    ) -> ScannerVerdicts {
        if self.all.is_empty() {
            return ScannerVerdicts::default();
        }
        let opened = tokio::task::spawn_blocking(|| source.into_file()).await;
        let opened = match opened {
            Ok(Ok((file, size_bytes))) => Ok((file, size_bytes)),
            Ok(Err(failure)) => Err(failure.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let asked = self.all.iter().map(|scanner| {
            let opened = &opened;
            async move {
                let started = Instant::now();
                let outcome = match opened {
                    Err(why) => ScanOutcome::Failed(why.into()),
                    Ok((file, size_bytes)) => {
                        let told = told(artifact, sha256, *size_bytes);
                        scanner.ask(told, file).await
                    }
                };
                self.note(scanner, &outcome, started.elapsed());
                Scanned {
                    id: scanner.config.id.clone(),
                    is_required: scanner.config.is_required,
                    outcome,
                }
            }
        });
        ScannerVerdicts {
            scanners: join_all(asked).await,
        }
    }

    fn note(&self, scanner: &Scanner, outcome: &ScanOutcome, took: Duration) {
        let name = match outcome {
            ScanOutcome::Answered(report) => report.verdict().name(),
            ScanOutcome::Failed(why) => {
                let scanner = scanner.config.id.as_str();
                tracing::warn!(scanner, %why, "a scanner gave no answer");
                "failed"
            }
        };
        self.metrics.scanned(&scanner.config.id, name, took);
    }
}

impl Scanner {
    async fn ask(&self, told: String, file: &File) -> ScanOutcome {
        let limit = self.config.timeout;
        let deadline = Instant::now() + limit;
        let answer = async {
            let _place = self.places.acquire().await.map_err(|it| it.to_string())?;
            let left = deadline.saturating_duration_since(Instant::now());
            match &self.kind {
                Kind::Program(words) => program::run(words, told, file, left).await,
                Kind::Service(service) => service.ask(told, file).await,
            }
        };
        let answer = match timeout_at(deadline, answer).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("no answer within {} s", limit.as_secs())),
        };
        match answer.and_then(|answer| read(&answer)) {
            Ok(report) => ScanOutcome::Answered(report),
            Err(why) => ScanOutcome::Failed(shown(&why).into()),
        }
    }
}

fn told(artifact: &ArtifactId, sha256: &Digest, size_bytes: u64) -> String {
    let subject = &artifact.subject;
    let told = Told {
        purl: subject.to_string(),
        ecosystem: subject.name.ecosystem().as_str(),
        name: subject.name.as_published(),
        version: subject.version.as_str(),
        file: artifact.file.as_str(),
        sha256: sha256.hex(),
        size_bytes,
    };
    serde_json::to_string(&told).expect("text and numbers are JSON")
}

/// Reads an answer, strictly: what is not understood is no verdict.
fn read(answer: &[u8]) -> Result<ScanReport, String> {
    if answer.len() > ANSWER_BYTES {
        return Err(format!("an answer of more than {ANSWER_BYTES} bytes"));
    }
    if answer.trim_ascii().is_empty() {
        return Err("an empty answer".to_owned());
    }
    let report: ScanReport = serde_json::from_slice(answer)
        .map_err(|error| format!("an answer that cannot be read: {error}"))?;
    // Of many findings the worst are kept, for what they say of the whole.
    let mut findings = report.findings;
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings.truncate(ScanReport::FINDINGS);
    Ok(ScanReport {
        verdict: report.verdict,
        findings: findings.into_iter().map(plain).collect(),
    })
}

/// Its texts cut and made harmless.
fn plain(finding: ScanFinding) -> ScanFinding {
    ScanFinding {
        rule: shown(&finding.rule).into(),
        severity: finding.severity,
        place: shown(&finding.place).into(),
        detail: shown(&finding.detail).into(),
    }
}
