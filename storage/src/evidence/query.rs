//! What can be asked of the store, and what it answers.

use cordon_policy::decision::Decision;
use cordon_policy::facts::Removal;
use cordon_policy::finding::RuleId;
use cordon_policy::model::{ArtifactId, Digest, FileName, PackageName, Timestamp, Version};
use cordon_policy::verdict::Effect;
use smol_str::SmolStr;

use super::entry::{EntryIndex, Exposure, Notice, Outcome, Receiver, Served};

/// Answers on one page when the question names no limit.
pub const DEFAULT_PAGE: usize = 100;

/// The most answers one page may hold, whatever the question asks for.
pub const MAX_PAGE: usize = 10_000;

/// The most servings given along with one decision.
pub const SERVINGS_PER_DECISION: usize = 100;

/// Which decisions to page through. All given conditions must hold.
#[derive(Clone, Debug, Default)]
pub struct LogFilter {
    /// Only this package.
    pub package: Option<PackageName>,
    /// Only this verdict.
    pub effect: Option<Effect>,
    /// Only decisions in which this rule found something, waived or not.
    pub rule: Option<RuleId>,
    /// Only what this client address asked for.
    pub client: Option<SmolStr>,
    /// Not before.
    pub since: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
    /// After this entry, for following: the page then holds the first that match after it, so
    /// that nothing is skipped however much was written in between.
    pub after: Option<EntryIndex>,
    /// How many at most: the newest ones (see `after`), oldest first; 0 means [`DEFAULT_PAGE`],
    /// more than [`MAX_PAGE`] means that.
    pub limit: usize,
}

/// A decision with its place in the log and who was affected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedDecision {
    /// Its place.
    pub index: EntryIndex,
    /// The decision.
    pub decision: Decision,
    /// Who received or was refused, latest first, at most [`SERVINGS_PER_DECISION`].
    pub servings: Vec<Served>,
}

/// A notice with its place in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedNotice {
    /// Its place.
    pub index: EntryIndex,
    /// The notice.
    pub notice: Notice,
}

/// Who received what: of one package, one of its versions, or one file.
#[derive(Clone, Debug)]
pub struct ServingFilter {
    /// The package.
    pub package: PackageName,
    /// Only this version.
    pub version: Option<Version>,
    /// Only this file.
    pub file: Option<FileName>,
    /// Only bytes served, or only refusals.
    pub outcome: Option<Outcome>,
    /// How many at most; 0 means [`DEFAULT_PAGE`], more than [`MAX_PAGE`] means that.
    pub limit: usize,
}

/// A serving with its place in the log and what it was about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedServing {
    /// Its place.
    pub index: EntryIndex,
    /// The artifact its decision was about.
    pub artifact: ArtifactId,
    /// Who, what, when, how often.
    pub served: Served,
}

/// Which exposures to list. All given conditions must hold.
#[derive(Clone, Debug, Default)]
pub struct ExposureFilter {
    /// Only of this package.
    pub package: Option<PackageName>,
    /// Only of this artifact.
    pub artifact: Option<ArtifactId>,
    /// Not before.
    pub since: Option<Timestamp>,
    /// How many at most: the newest ones; 0 means [`DEFAULT_PAGE`], more than [`MAX_PAGE`] means
    /// that.
    pub limit: usize,
}

/// An exposure with its place in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedExposure {
    /// Its place.
    pub index: EntryIndex,
    /// The exposure.
    pub exposure: Exposure,
}

/// Who received an artifact, over the whole log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receivers {
    /// Each client, latest first, as many as were asked for.
    pub list: Vec<Receiver>,
    /// How many clients there are.
    pub clients: u64,
    /// How many times it went out.
    pub total: u64,
    /// The entry of the newest serving; `None` when it never went out.
    pub newest: Option<EntryIndex>,
}

/// What is kept per artifact of a package.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remembered {
    /// The write-once digest.
    pub pinned: Option<Digest>,
    /// When its bytes were first allowed.
    pub first_allowed_at: Option<Timestamp>,
    /// That upstream lists it no longer: the newest word on that.
    pub removal: Option<Removal>,
}

/// What is remembered of a candidate since first sight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// When Cordon first saw it.
    pub first_seen_at: Timestamp,
    /// The publication time given then.
    pub published_at: Option<Timestamp>,
}

/// The size of a page asked for with `limit`.
pub(crate) fn page_size(limit: usize) -> usize {
    match limit {
        0 => DEFAULT_PAGE,
        limit => limit.min(MAX_PAGE),
    }
}
