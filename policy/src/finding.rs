//! Findings: what a rule saw, in words a developer can act on and codes a machine can keep.

use std::fmt;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::model::Timestamp;
use crate::verdict::Effect;

/// Stable id of a rule, kebab-case: `minimum-age`. Never reused for another meaning.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RuleId(SmolStr);

impl RuleId {
    /// Names a rule.
    pub const fn from_static(id: &'static str) -> Self {
        Self(SmolStr::new_static(id))
    }

    /// Reads an id as a person typed it. Whether there is such a rule is not checked here.
    pub fn parse(text: &str) -> Self {
        Self(text.trim().to_ascii_lowercase().into())
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Stable code of one kind of finding, kebab-case: `too-young`. Unique over all rules.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FindingCode(SmolStr);

impl FindingCode {
    /// Names a kind of finding.
    pub const fn from_static(code: &'static str) -> Self {
        Self(SmolStr::new_static(code))
    }

    /// The code.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FindingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a rule acts or only watches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Findings count towards the verdict.
    #[default]
    Enforce,
    /// Findings are recorded and shown, without effect.
    Monitor,
}

/// Where a setting was written: file, 1-based line and column.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ConfigSpan {
    /// The file as named on the command line or in the configuration; `built-in` for defaults.
    pub file: SmolStr,
    /// 1-based line.
    pub line: u32,
    /// 1-based column, in characters.
    pub column: u32,
}

impl fmt::Display for ConfigSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// One thing a rule found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Which rule.
    pub rule: RuleId,
    /// Which of its findings.
    pub code: FindingCode,
    /// What it asks for.
    pub effect: Effect,
    /// One sentence for the developer: printable, no full stop, names the thing.
    pub reason: String,
    /// What sets this finding apart from another with the same code: an advisory id, a digest
    /// pair, the matched pattern. Enters the fingerprint; the wording of `reason` does not.
    pub evidence: SmolStr,
    /// When time alone ends it.
    pub until: Option<Timestamp>,
    /// Whether it counts.
    pub mode: Mode,
    /// The line of the policy that said so.
    pub source: ConfigSpan,
}

impl Finding {
    /// Its identity across re-evaluations.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint(SmolStr::from(format!(
            "{}/{}/{}",
            self.rule, self.code, self.evidence
        )))
    }
}

/// Identity of a finding: rule, code and evidence, never the wording. An exemption bound to a
/// fingerprint does not cover tomorrow's different finding.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(pub(crate) SmolStr);

impl Fingerprint {
    /// Reads a fingerprint as printed (`rule/code/evidence`).
    pub fn parse(text: &str) -> Self {
        Self(text.into())
    }

    /// The printed form.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The rule whose finding it is.
    pub fn rule(&self) -> &str {
        self.0.split('/').next().unwrap_or_default()
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
