//! Effects, verdicts, evaluations, and the token that lets bytes out.

use std::fmt;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::exemption::ExemptionId;
use crate::facts::FactSet;
use crate::finding::{Finding, Mode};
use crate::model::{ArtifactId, Digest, PackageVersion, Timestamp};

/// What a finding asks for, from mildest to strictest. A verdict is the maximum over the findings
/// that count, so the order of rules cannot matter, adding a finding cannot loosen, and waiving
/// one cannot tighten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// Listed and served.
    Allow,
    /// Not listed; refused, with the date or fact that will end it. Nothing is fetched.
    Hide,
    /// Not listed; refused, because a person should look first. Nothing is fetched for that; bytes
    /// that were there to be judged are kept.
    Quarantine,
    /// Not listed; refused; never fetched.
    Block,
}

impl Effect {
    /// The kebab-case name used in policy files, logs and documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Hide => "hide",
            Self::Quarantine => "quarantine",
            Self::Block => "block",
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The outcome of judging one candidate: made by
/// [`Ruleset::evaluate`](crate::evaluate::Ruleset::evaluate) and by nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evaluation {
    pub(crate) artifact: ArtifactId,
    pub(crate) sha256: Option<Digest>,
    pub(crate) effect: Effect,
    pub(crate) findings: Vec<Finding>,
    pub(crate) waived: Vec<(Finding, ExemptionId)>,
    pub(crate) awaits: FactSet,
    pub(crate) valid_until: Option<Timestamp>,
    #[serde(skip)]
    pub(crate) origin: Origin,
}

/// Where an evaluation comes from. One read back from a record says what was concluded then; it
/// gives no right to serve now, or a stored text could be turned into a permit.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Origin {
    #[default]
    Record,
    Judged,
}

/// The origin is not part of what was concluded.
impl PartialEq for Origin {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
impl Eq for Origin {}

impl Evaluation {
    /// The file judged, with its version.
    pub fn artifact(&self) -> &ArtifactId {
        &self.artifact
    }

    /// The version judged.
    pub fn subject(&self) -> &PackageVersion {
        &self.artifact.subject
    }

    /// SHA-256 of the bytes judged, when they were known.
    pub fn sha256(&self) -> Option<&Digest> {
        self.sha256.as_ref()
    }

    /// The verdict.
    pub fn effect(&self) -> Effect {
        self.effect
    }

    /// All findings that were not waived, strictest first, monitored ones included.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Findings set aside, each with the exemption that did it.
    pub fn waived(&self) -> &[(Finding, ExemptionId)] {
        &self.waived
    }

    /// Facts some rule still waits for. Bytes are not served until this is empty.
    pub fn awaits(&self) -> FactSet {
        self.awaits
    }

    /// The earliest instant at which time alone could change the effect. Until then the effect is
    /// constant for the same facts and ruleset; this is what makes caching of documents sound.
    pub fn valid_until(&self) -> Option<Timestamp> {
        self.valid_until
    }

    /// When time alone ends a refusal: when the last enforced finding against the version does.
    /// `None` if one of them does not end by time, or there is none.
    pub fn clears_at(&self) -> Option<Timestamp> {
        let against = self
            .findings
            .iter()
            .filter(|finding| finding.mode == Mode::Enforce && finding.effect != Effect::Allow);
        let mut last = None;
        for finding in against {
            last = last.max(Some(finding.until?));
        }
        last
    }

    /// The finding that decides: the strictest enforced one, the first of equals. `None` exactly
    /// when the effect is `allow`.
    pub fn deciding(&self) -> Option<&Finding> {
        self.findings
            .iter()
            .find(|finding| finding.mode == Mode::Enforce && finding.effect == self.effect)
            .filter(|_| self.effect != Effect::Allow)
    }

    /// Whether metadata may list the candidate.
    pub fn may_list(&self) -> bool {
        self.effect == Effect::Allow
    }

    /// The right to serve these bytes: only for an `allow` that waits for nothing, that was made
    /// with the bytes' digest known, and that was judged in this process, not read from a record.
    pub fn permit(&self) -> Option<ServePermit> {
        let sha256 = self.sha256.clone()?;
        let is_judged = matches!(self.origin, Origin::Judged);
        (is_judged && self.effect == Effect::Allow && self.awaits.is_empty()).then(|| ServePermit {
            artifact: self.artifact.clone(),
            sha256,
            valid_until: self.valid_until,
        })
    }
}

/// The right to serve the bytes of one digest as one file of one version. Has no public
/// constructor: whoever holds one went through an evaluation that allowed exactly these bytes.
/// The function that streams an artifact demands it, so forgetting to decide does not compile.
///
/// ```compile_fail,E0451
/// use cordon_policy::model::{ArtifactId, Digest};
/// use cordon_policy::verdict::ServePermit;
///
/// fn forge(artifact: ArtifactId, sha256: Digest) -> ServePermit {
///     ServePermit { artifact, sha256, valid_until: None }
/// }
/// ```
///
/// Nor can one be copied or read from a record:
///
/// ```compile_fail,E0277
/// fn copies<T: Clone>() {}
/// copies::<cordon_policy::verdict::ServePermit>();
/// ```
///
/// ```compile_fail,E0277
/// let permit: cordon_policy::verdict::ServePermit = serde_json::from_str("{}").unwrap();
/// ```
#[derive(Debug)]
pub struct ServePermit {
    artifact: ArtifactId,
    sha256: Digest,
    valid_until: Option<Timestamp>,
}

impl ServePermit {
    /// The file allowed.
    pub fn artifact(&self) -> &ArtifactId {
        &self.artifact
    }

    /// The only bytes it covers.
    pub fn sha256(&self) -> &Digest {
        &self.sha256
    }

    /// When it lapses, if time alone can end it.
    pub fn valid_until(&self) -> Option<Timestamp> {
        self.valid_until
    }

    /// Whether it still holds.
    pub fn is_valid_at(&self, now: Timestamp) -> bool {
        self.valid_until.is_none_or(|until| now < until)
    }
}

/// Identity of a ruleset: SHA-256 over its canonical text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RulesetHash(pub SmolStr);

impl fmt::Display for RulesetHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
