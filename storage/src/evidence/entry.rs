//! What an entry of the log can say.

use bytes::Bytes;
use cordon_policy::decision::{Cause, Decision, DecisionId};
use cordon_policy::facts::RemovalScope;
use cordon_policy::finding::Fingerprint;
use cordon_policy::model::{ArtifactId, Digest, FileName, PackageName, Timestamp, Version};
use cordon_policy::verdict::Effect;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// Position of an entry in the log, from 0.
pub type EntryIndex = u64;

/// One fact of the log. Serialised once, as canonical JSON; those bytes are what is hashed, kept
/// and published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "kebab-case")]
pub enum Entry {
    /// A verdict was reached.
    Decision(Box<Decision>),
    /// Bytes or refusals went out, counted per client and decision over one batch.
    Served(Served),
    /// The bytes of an artifact were seen for the first time. A later pin for the same artifact
    /// is ignored: pins are written once.
    Pin(Pin),
    /// Versions of a package were seen for the first time, or changed their publication time.
    Sighting(Sighting),
    /// A policy came into force.
    Policy(PolicyChange),
    /// A document was rendered with versions withheld, or with none after some.
    Listing(Listing),
    /// Anything an operator should find later: damage found, start, stop, repair, collection.
    Notice(Notice),
    /// Bytes that went out before are refused now.
    Exposure(Box<Exposure>),
    /// A name was asked for that no upstream knows.
    Missed(Missed),
    /// An administrator granted or ended an exemption.
    Exemption(ExemptionChange),
    /// Upstream lists a file no longer that was had from there, or lists it again.
    Removal(Removal),
    /// Somebody did something about what is held.
    Quarantine(Box<QuarantineChange>),
}

/// One line of "who received what".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Served {
    /// The decision that allowed or refused it.
    pub decision: DecisionId,
    /// Who asked.
    pub client: Client,
    /// Whether bytes went out or a refusal.
    pub outcome: Outcome,
    /// How many times in this batch.
    pub count: u32,
    /// First time in this batch.
    pub first_at: Timestamp,
    /// Last time in this batch.
    pub last_at: Timestamp,
}

/// Who asked, as far as the connection tells.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Client {
    /// Peer address without port.
    pub address: SmolStr,
    /// First product of the `User-Agent`, e.g. `npm/11.19.1`, escaped and cut.
    pub agent: SmolStr,
}

/// What the client got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The bytes.
    Served,
    /// A refusal.
    Refused,
}

/// First-seen bytes of an artifact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// The artifact.
    pub artifact: ArtifactId,
    /// Its bytes.
    pub sha256: Digest,
    /// When.
    pub at: Timestamp,
}

/// What a package's document showed that was new.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    /// The package.
    pub package: PackageName,
    /// When.
    pub at: Timestamp,
    /// The candidates, as a blob of the evidence store named by digest, because a package can have
    /// more of them than an entry may hold.
    pub candidates: Digest,
    /// How many.
    pub count: u32,
}

/// One candidate at first sight.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Sighted {
    /// The version.
    pub version: Version,
    /// The file.
    pub file: FileName,
    /// The publication time given.
    pub published_at: Option<Timestamp>,
}

/// A policy came into force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyChange {
    /// When.
    pub at: Timestamp,
    /// Identity of the ruleset.
    pub ruleset: SmolStr,
    /// SHA-256 of the policy text, which the evidence store keeps.
    pub text: Digest,
    /// `start` or `reload`.
    pub cause: SmolStr,
}

/// What a rendered document withheld.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// When.
    pub at: Timestamp,
    /// The package.
    pub package: PackageName,
    /// The upstream document it was made from.
    pub document: Digest,
    /// Under which rules.
    pub ruleset: SmolStr,
    /// Candidates listed.
    pub listed: u32,
    /// Candidates withheld.
    pub withheld: u32,
}

/// Something an operator should find later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// When.
    pub at: Timestamp,
    /// Stable kebab-case code: `blob-corrupt`, `log-gap`.
    pub code: SmolStr,
    /// What happened, one line.
    pub text: String,
}

/// What was served here is refused by now: who has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exposure {
    /// When this was found out.
    pub at: Timestamp,
    /// What was served.
    pub artifact: ArtifactId,
    /// The decision that refuses it now.
    pub decision: DecisionId,
    /// Its verdict.
    pub effect: Effect,
    /// What changed.
    pub cause: Cause,
    /// The advisories that name it, aliases left out; none when a rule of another kind refuses it.
    pub advisories: Vec<SmolStr>,
    /// Who received it, latest first: at most [`RECEIVERS_PER_EXPOSURE`].
    pub received_by: Vec<Receiver>,
    /// How many clients received it, those not listed among them.
    pub clients: u64,
    /// How many times it went out.
    pub total: u64,
}

/// A name that was asked for and did not exist. Written once for a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missed {
    /// When.
    pub at: Timestamp,
    /// The name.
    pub package: PackageName,
}

/// What an administrator did about an exemption.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExemptionChange {
    /// When.
    pub at: Timestamp,
    /// The exemption's id.
    pub id: SmolStr,
    /// Who did it, as far as is known.
    pub by: SmolStr,
    /// The exemption as a policy file would have it; `None` when it was ended.
    pub text: Option<String>,
    /// Whether it was granted in an emergency: it is told of for as long as it holds.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_break_glass: bool,
}

/// What upstream did with a file that was had from there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removal {
    /// When the document was had that shows it.
    pub at: Timestamp,
    /// The file.
    pub artifact: ArtifactId,
    /// How much is gone; `None`: it is listed again.
    pub scope: Option<RemovalScope>,
}

/// What somebody did about a held artifact. That it is held is no entry: it is held as long as the
/// newest decision about it says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantineChange {
    /// When.
    pub at: Timestamp,
    /// The ticket: the decision by which it was held first.
    pub ticket: DecisionId,
    /// What is held.
    pub artifact: ArtifactId,
    /// Its bytes, when they were known.
    pub sha256: Option<Digest>,
    /// What was done.
    pub act: QuarantineAct,
    /// Where it stood before.
    pub from: HoldState,
    /// Who did it, as far as is known.
    pub by: SmolStr,
    /// Why, in their words.
    pub reason: String,
    /// The decision they had looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<DecisionId>,
    /// The findings that decision shows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fingerprints: Vec<Fingerprint>,
    /// Who agreed before, where two people are asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<SmolStr>,
    /// When it ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// The table of the policy that puts it in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Of a request for release: who sent it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<Client>,
    /// Of a request for release: how to reach them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<SmolStr>,
}

/// What can be done about a held artifact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QuarantineAct {
    /// A developer asked for its release.
    Asked,
    /// The first of two people agreed to a release.
    Approved,
    /// It was released.
    Released,
    /// It was refused for good.
    Rejected,
    /// A release or a rejection was taken back.
    Undone,
}

impl QuarantineAct {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Approved => "approved",
            Self::Released => "released",
            Self::Rejected => "rejected",
            Self::Undone => "undone",
        }
    }

    /// Whether it settles where the artifact stands, as far as people do; a request and the first
    /// of two voices settle nothing.
    pub const fn is_review(self) -> bool {
        matches!(self, Self::Released | Self::Rejected | Self::Undone)
    }
}

/// Where an artifact stands that was held once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HoldState {
    /// Refused until a person looks.
    Held,
    /// A person released it, bound to what they saw.
    Released,
    /// A person refused it for good.
    Rejected,
    /// What stood against it went away by itself.
    Cleared,
}

impl HoldState {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Released => "released",
            Self::Rejected => "rejected",
            Self::Cleared => "cleared",
        }
    }
}

/// The most receivers one exposure lists; who the others are is in the servings.
pub const RECEIVERS_PER_EXPOSURE: usize = 100;

/// A client that received an artifact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receiver {
    /// Who.
    pub client: Client,
    /// First time.
    pub first_at: Timestamp,
    /// Last time.
    pub last_at: Timestamp,
    /// How many times.
    pub count: u64,
}

/// Writes candidates as the text a [`Sighting`] names: one JSON array. Every writer of sightings
/// uses it, because the store reads the text back when the sighting is appended.
pub fn sighted_to_text(candidates: &[Sighted]) -> Bytes {
    let text = serde_json::to_vec(candidates)
        .expect("versions, file names and times always have a JSON form");
    Bytes::from(text)
}

/// Reads what [`sighted_to_text`] wrote.
///
/// # Errors
/// When the bytes are anything else.
pub fn sighted_from_text(text: &[u8]) -> Result<Vec<Sighted>, serde_json::Error> {
    serde_json::from_slice(text)
}
