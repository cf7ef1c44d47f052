//! Why a dump was not put in force.

use std::path::PathBuf;

use cordon_policy::advisory::{IndexError, RecordError, ScoresError};
use cordon_policy::model::Timestamp;
use cordon_storage::{StorageError, StorageErrorKind};

use super::dump::DumpError;
use super::list::ListError;
use crate::upstream::UpstreamError;

/// A dump was refused; what was in force before still is.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// It cannot be read as a whole.
    #[error(transparent)]
    Dump(#[from] DumpError),
    /// A link, a pipe, a device, or a folder in the place of a file.
    #[error("`{}` is not a regular {wanted}; name the {wanted} itself", path.display())]
    Irregular {
        /// What was named.
        path: PathBuf,
        /// What it should be: `file`, `folder`.
        wanted: &'static str,
    },
    /// More than the configuration allows.
    #[error("the feed has more than {what} (feeds.{limit} = {most}); it is not read any further")]
    TooLarge {
        /// Of what: `bytes`, `records`.
        what: &'static str,
        /// The key of the limit.
        limit: &'static str,
        /// Its value.
        most: u64,
    },
    /// Records of a schema nobody here knows.
    #[error("the feed is of a schema this version of Cordon does not know")]
    Schema(#[source] RecordError),
    /// More unusable records than the configuration allows.
    #[error(
        "{unusable} of {records} records cannot be used, more than feeds.max_bad_records = {most}"
    )]
    BadRecords {
        /// Records that cannot be used.
        unusable: u64,
        /// Records there are.
        records: u64,
        /// The share allowed.
        most: String,
        /// The first of them.
        #[source]
        first: Option<RecordError>,
    },
    /// Nothing in it is about the ecosystem.
    #[error("the feed holds no record about {0} packages; is it the dump of another ecosystem?")]
    Empty(String),
    /// Many records are gone.
    #[error(
        "the feed has {now} records that hold, {before} before: more were lost than \
         feeds.max_shrink = {most}; if that is right, import it with --force"
    )]
    Shrunk {
        /// Records in the dump.
        now: u64,
        /// Records in the one before.
        before: u64,
        /// The share allowed.
        most: String,
    },
    /// Much of what was said is not said any more, however much else is.
    #[error(
        "the feed lost {lost} of the {before} {what} it had: more than feeds.max_shrink = {most}; \
         if that is right, import it with --force"
    )]
    Lost {
        /// What was lost: `records`, `packages named by records`.
        what: &'static str,
        /// How many of them.
        lost: u64,
        /// How many there were.
        before: u64,
        /// The share allowed.
        most: String,
    },
    /// Many records say that they are of a time yet to come: with such a one in force every good
    /// dump would look old, and none would ever be missed.
    #[error(
        "{future} of {records} records say they changed after {horizon}, a time yet to come; is \
         the clock of this machine right? if the feed is, import it with --force"
    )]
    Future {
        /// Records of the future.
        future: u64,
        /// Records about the ecosystem.
        records: u64,
        /// What counts as future: a day from now.
        horizon: Timestamp,
    },
    /// It is older than what is there.
    #[error(
        "the feed goes back: its newest record is of {now}, that of the one before of {before}; if \
         that is right, import it with --force"
    )]
    RolledBack {
        /// The newest record of the dump.
        now: String,
        /// The newest record of the one before.
        before: Timestamp,
    },
    /// Two records of one id: the files of two dumps lie in one place.
    #[error(
        "the feed holds two different records of one id ({0} in all); is it a mix of two dumps?"
    )]
    Mixed(u64),
    /// A list of own indicators has a line nobody can read.
    #[error(transparent)]
    List(#[from] ListError),
    /// A table of scores is none.
    #[error(transparent)]
    Scores(#[from] ScoresError),
    /// No index can be made of it.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// Another process is importing.
    #[error("another import into this folder is under way; wait for its end")]
    Busy,
    /// The configuration names no such feed.
    #[error("the configuration names no feed `{0}`; name one of {1}")]
    UnknownFeed(String, String),
    /// The source did not give it.
    #[error(transparent)]
    Source(#[from] UpstreamError),
    /// The source has no such file.
    #[error("there is nothing at {0}")]
    Missing(String),
    /// A file cannot be read.
    #[error("reading `{}`", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        error: std::io::Error,
    },
    /// The folder of the data failed.
    #[error(transparent)]
    Store(#[from] StorageError),
}

impl Refused {
    /// A stable kebab-case word for the kind of cause: label of a metric, part of a notice.
    pub fn cause(&self) -> &'static str {
        match self {
            Self::Dump(
                DumpError::TooManyEntries(_) | DumpError::RecordTooLarge(_) | DumpError::TooLarge,
            )
            | Self::TooLarge { .. }
            | Self::Index(IndexError::TooLarge) => "limit",
            Self::Dump(DumpError::Doubled) | Self::Mixed(_) => "mixed",
            Self::Dump(_) | Self::Scores(_) | Self::List(_) => "damaged",
            Self::Irregular { .. } => "irregular",
            Self::Schema(_) => "schema",
            Self::BadRecords { .. } => "bad-records",
            Self::Empty(_) => "empty",
            Self::Shrunk { .. } | Self::Lost { .. } => "shrunk",
            Self::Future { .. } => "future",
            Self::RolledBack { .. } => "rolled-back",
            Self::Busy => "busy",
            Self::UnknownFeed(..) | Self::Source(_) | Self::Missing(_) | Self::Read { .. } => {
                "unreachable"
            }
            Self::Index(_) => "store",
            Self::Store(error) if error.kind == StorageErrorKind::Full => "full",
            Self::Store(_) => "store",
        }
    }

    /// Every word [`cause`](Self::cause) has.
    pub const CAUSES: [&'static str; 14] = [
        "limit",
        "mixed",
        "damaged",
        "irregular",
        "schema",
        "bad-records",
        "empty",
        "shrunk",
        "future",
        "rolled-back",
        "busy",
        "unreachable",
        "store",
        "full",
    ];

    /// Whether it speaks against the data, and not only of a source that was not there: somebody
    /// should look.
    pub fn is_alarming(&self) -> bool {
        !matches!(self.cause(), "busy" | "unreachable")
    }

    /// Whether `--force` goes over it.
    pub fn may_be_forced(&self) -> bool {
        matches!(
            self,
            Self::Shrunk { .. } | Self::Lost { .. } | Self::Future { .. } | Self::RolledBack { .. }
        )
    }
}
