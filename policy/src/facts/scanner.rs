//! What scanners other than Cordon say about an archive.

use serde::{Deserialize, Deserializer, Serialize};
use smol_str::SmolStr;

/// What every configured scanner said of one archive. An archive counts as clean only when every
/// required scanner was there and called it so: that one found nothing says nothing about what
/// another, which failed, would have found (Y-04).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ScannerVerdicts {
    /// In the order of the configuration.
    pub scanners: Vec<Scanned>,
}

/// What came of one scanner.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Scanned {
    /// Its id in the configuration.
    pub id: SmolStr,
    /// Whether the archive is held when it gives no answer.
    pub is_required: bool,
    /// What it said.
    pub outcome: ScanOutcome,
}

/// Whether a scanner answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScanOutcome {
    /// It did.
    Answered(ScanReport),
    /// It did not, or with something that is no answer; why, in words.
    Failed(SmolStr),
}

/// A scanner's answer, as it writes it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ScanReport {
    /// What it makes of the archive.
    pub verdict: ScanVerdict,
    /// Why.
    #[serde(default)]
    pub findings: Vec<ScanFinding>,
}

/// What a scanner makes of an archive, the least bad first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScanVerdict {
    /// Nothing to be said against it.
    Clean,
    /// A person should look.
    Suspicious,
    /// It does harm.
    Malicious,
}

impl ScanVerdict {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Suspicious => "suspicious",
            Self::Malicious => "malicious",
        }
    }
}

/// One thing a scanner found.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ScanFinding {
    /// What the scanner calls it.
    pub rule: SmolStr,
    /// How bad it is.
    #[serde(default)]
    pub severity: ScanSeverity,
    /// Where in the archive; empty for all of it.
    #[serde(default)]
    pub place: SmolStr,
    /// What was found, in words.
    #[serde(default)]
    pub detail: SmolStr,
}

/// How bad a finding is. A word that is none of these means [`High`](Self::High): what is not
/// understood is not taken lightly (Y-05).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScanSeverity {
    /// Worth knowing.
    Low,
    /// Worth a look.
    Medium,
    /// Bad, or not said.
    #[default]
    High,
    /// As bad as can be.
    Critical,
}

impl ScanSeverity {
    /// From the word a scanner uses.
    pub fn of(word: &str) -> Self {
        match word {
            "low" => Self::Low,
            "medium" => Self::Medium,
            "critical" => Self::Critical,
            _ => Self::High,
        }
    }
}

impl<'de> Deserialize<'de> for ScanSeverity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        Ok(Self::of(&word.to_ascii_lowercase()))
    }
}

impl ScanReport {
    /// Findings kept.
    pub const FINDINGS: usize = 64;

    /// What it amounts to: a scanner that calls clean what it finds something bad in contradicts
    /// itself, and a person should look.
    pub fn verdict(&self) -> ScanVerdict {
        let is_bad = |it: &ScanFinding| it.severity >= ScanSeverity::High;
        match self.findings.iter().any(is_bad) {
            true => self.verdict.max(ScanVerdict::Suspicious),
            false => self.verdict,
        }
    }
}

impl ScannerVerdicts {
    /// Why they cannot be relied on: the required scanners that gave no answer.
    pub fn lacking(&self) -> Option<String> {
        let missing = self.scanners.iter().filter_map(|it| match &it.outcome {
            ScanOutcome::Failed(why) if it.is_required => {
                Some(format!("scanner `{}`: {why}", it.id))
            }
            ScanOutcome::Failed(_) | ScanOutcome::Answered(_) => None,
        });
        let missing: Vec<_> = missing.collect();
        (!missing.is_empty()).then(|| missing.join("; "))
    }

    /// The worst any scanner said, required or not; `None` when none said anything.
    pub fn worst(&self) -> Option<ScanVerdict> {
        let said = self.scanners.iter().filter_map(|it| match &it.outcome {
            ScanOutcome::Answered(report) => Some(report.verdict()),
            ScanOutcome::Failed(_) => None,
        });
        said.max()
    }

    /// Whether every required scanner answered and none, required or not, has anything against it.
    pub fn is_clean(&self) -> bool {
        let is_harmless = |worst| worst == ScanVerdict::Clean;
        self.lacking().is_none() && self.worst().is_none_or(is_harmless)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(text: &str) -> ScanReport {
        serde_json::from_str(text).unwrap()
    }

    fn scanned(is_required: bool, outcome: ScanOutcome) -> Scanned {
        Scanned {
            id: "av".into(),
            is_required,
            outcome,
        }
    }

    #[test]
    fn y_05_a_severity_nobody_knows_is_high_and_a_clean_verdict_beside_it_is_not_believed() {
        for severity in [
            r#""UNKNOWN""#,
            r#""negligible!""#,
            r#""""#,
            r#""High""#,
            r#""CRITICAL""#,
        ] {
            let text = format!(
                r#"{{"verdict":"clean","findings":[{{"rule":"r","severity":{severity}}}]}}"#
            );
            assert_eq!(report(&text).verdict(), ScanVerdict::Suspicious, "{text}");
        }
        let silent = report(r#"{"verdict":"clean","findings":[{"rule":"r"}]}"#);
        assert_eq!(silent.verdict(), ScanVerdict::Suspicious);
        let low = report(r#"{"verdict":"clean","findings":[{"rule":"r","severity":"Low"}]}"#);
        assert_eq!(low.verdict(), ScanVerdict::Clean);
        serde_json::from_str::<ScanReport>(r#"{"verdict":"fine"}"#).unwrap_err();
        serde_json::from_str::<ScanReport>(r#"{"findings":[]}"#).unwrap_err();
        let twice = r#"{"verdict":"malicious","verdict":"clean"}"#;
        serde_json::from_str::<ScanReport>(twice).unwrap_err();
    }

    #[test]
    fn y_04_clean_means_that_every_required_scanner_was_there_and_said_so() {
        let said = |verdict| {
            ScanOutcome::Answered(ScanReport {
                verdict,
                findings: Vec::new(),
            })
        };
        let failed = || ScanOutcome::Failed("no answer".into());
        let (clean, bad) = (ScanVerdict::Clean, ScanVerdict::Malicious);
        for (scanners, is_clean, worst) in [
            (vec![], true, None),
            (vec![scanned(true, said(clean))], true, Some(clean)),
            (
                vec![scanned(true, failed()), scanned(true, said(clean))],
                false,
                Some(clean),
            ),
            (
                vec![scanned(false, failed()), scanned(true, said(clean))],
                true,
                Some(clean),
            ),
            (
                vec![scanned(false, said(bad)), scanned(true, said(clean))],
                false,
                Some(bad),
            ),
            (vec![scanned(true, failed())], false, None),
        ] {
            let verdicts = ScannerVerdicts { scanners };
            assert_eq!(verdicts.is_clean(), is_clean, "{verdicts:?}");
            assert_eq!(verdicts.worst(), worst, "{verdicts:?}");
        }
    }
}
