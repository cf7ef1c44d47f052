//! What is held, in people's hands: looked at, released, rejected, asked for (flow e).
//!
//! That something is held is nobody's entry: it is held as long as it is judged so. What a person
//! decides about it is a table of the policy, bound to the bytes and the findings they saw, kept in
//! evidence; so one gate decides, a release never shields against a new finding, and nothing here can
//! disagree with what clients get.
//!
//! `ticket` tells how something stands, `order` makes the table a decision by hand is, `review` puts
//! it in force, `bulk` does so for many, `contents` looks into held archives.

mod bulk;
pub mod contents;
mod kept;
mod order;
mod review;
#[cfg(test)]
mod tests;
mod ticket;
mod tickets;

use cordon_storage::{Chain, StorageError};

pub use bulk::{Bulk, BulkFilter, Plan};
pub use kept::kept_bytes;
pub use order::{Order, Wish};
pub use review::Reviewed;
pub use ticket::{Change, Found, Request, Standing, Ticket, state};
pub use tickets::{Judge, Page, Query, find, list, present, show};

/// Longest reason, in characters.
pub const MAX_REASON_CHARS: usize = 1_000;

/// Longest name of a person or a contact, in characters.
pub const MAX_NAME_CHARS: usize = 120;

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is no such ticket.
    #[error("{0}")]
    Unknown(String),
    /// It stands otherwise than whoever asks believes; the text says how.
    #[error("{0}")]
    Conflict(String),
    /// It may not be done.
    #[error("{}", .0.join("\n"))]
    Unsound(Vec<String>),
    /// It could not be done.
    #[error("{0}")]
    Failed(String),
}

impl From<StorageError> for Refused {
    fn from(error: StorageError) -> Self {
        Self::Failed(format!("the evidence store failed: {}", Chain(&error)))
    }
}

/// Text of a person as it is kept: trimmed, not empty, not longer than `most` characters, on one
/// line and without characters that hide or reorder text.
///
/// # Errors
/// What is wrong with it.
pub fn plain(what: &str, text: &str, most: usize) -> Result<String, Refused> {
    let text = text.trim();
    let count = text.chars().count();
    if count == 0 {
        return Err(Refused::Unsound(vec![format!("give {what}")]));
    }
    if count > most {
        return Err(Refused::Unsound(vec![format!(
            "{what} has {count} characters, at most {most} are kept"
        )]));
    }
    let calm = |c: char| match crate::telemetry::escape::is_hostile(c) {
        true => ' ',
        false => c,
    };
    Ok(text.chars().map(calm).collect())
}
