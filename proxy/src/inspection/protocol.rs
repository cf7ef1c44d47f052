//! What Cordon and its workers say to each other: a length of four bytes, big end first, then JSON.
//!
//! ```text
//! Cordon  Setup    what it looks for
//! worker  Hello    once it is confined, or why it is not
//! Cordon  Request  with the file, as a descriptor beside the first byte
//! worker  Answer
//! …       until one of them goes
//! ```
//!
//! A worker that was broken by what it reads may say anything: lengths are bounded before memory is
//! taken, and every answer carries the random number of its request, so that none is taken for that
//! of another.

use std::borrow::Cow;
use std::io::{self, Read, Write};

use cordon_policy::inspect::indicators::{self, IndicatorSource};
use cordon_policy::inspect::{CORE_METADATA_BYTES, Depth, Limits, Sheet};
use cordon_policy::model::{ArtifactId, Digest};
use data_encoding::BASE64;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Longest request. Names, versions and file names are a few hundred bytes each.
pub(super) const REQUEST_BYTES: usize = 64 * 1024;

/// Longest answer with a sheet: many times the largest.
pub(super) const ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// Longest answer with the core metadata of a wheel: the longest there is in base64, and what is
/// around it.
pub(super) const METADATA_ANSWER_BYTES: usize = CORE_METADATA_BYTES as usize / 3 * 4 + 4 * 1024;

/// Longest setup: the files of a set of indicators, in JSON.
pub(super) const SETUP_BYTES: usize = 2 * indicators::limits::SOURCE_BYTES;

/// Longest hello.
pub(super) const HELLO_BYTES: usize = 4 * 1024;

/// Bytes of the length before a message.
pub(super) const LENGTH_BYTES: usize = 4;

/// What a worker is told before it confines itself.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Setup<'s> {
    /// What the set of indicators is made of, if there is one.
    pub(super) indicators: Option<Cow<'s, IndicatorSource>>,
}

/// A worker's first words.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Hello {
    /// It can do nothing but read and compute.
    Confined,
    /// It is confined as far as this system allows; what is missing.
    Partly(String),
    /// It could not be confined, and does not work; why.
    Refused(String),
}

/// One archive to look into.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Request {
    /// Random, so that an answer to it can be given by nobody who did not read it.
    pub(super) number: u64,
    pub(super) artifact: ArtifactId,
    pub(super) limits: Limits,
    pub(super) task: Task,
}

/// What is wanted of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Task {
    /// A sheet.
    Inspect {
        depth: Depth,
        /// Whether it is searched for indicators.
        is_searched: bool,
    },
    /// The core metadata inside it that has this digest.
    CoreMetadata { sha256: Digest },
}

impl Task {
    /// Longest answer.
    pub(super) fn answer_bytes(&self) -> usize {
        match self {
            Self::Inspect { .. } => ANSWER_BYTES,
            Self::CoreMetadata { .. } => METADATA_ANSWER_BYTES,
        }
    }
}

/// What came of it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Answer {
    /// That of the request.
    pub(super) number: u64,
    pub(super) outcome: Outcome,
}

/// What came of looking.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Outcome {
    Sheet(Box<Sheet>),
    /// The file, if there is such a one, in base64.
    CoreMetadata(Option<String>),
    /// The file could not be read; why.
    Input(String),
}

impl Outcome {
    /// The file that was taken out.
    pub(super) fn of_core_metadata(found: Option<&[u8]>) -> Self {
        Self::CoreMetadata(found.map(|bytes| BASE64.encode(bytes)))
    }
}

/// A message as it is sent.
///
/// # Errors
/// `FileTooLarge` if it is longer than `limit_bytes`.
pub(super) fn frame(message: &impl Serialize, limit_bytes: usize) -> io::Result<Vec<u8>> {
    let mut framed = vec![0; LENGTH_BYTES];
    serde_json::to_writer(&mut framed, message)?;
    let length = framed.len().saturating_sub(LENGTH_BYTES);
    let head = u32::try_from(length).ok().filter(|_| length <= limit_bytes);
    let head = head.ok_or(io::ErrorKind::FileTooLarge)?;
    framed
        .iter_mut()
        .zip(head.to_be_bytes())
        .for_each(|(byte, of_length)| *byte = of_length);
    Ok(framed)
}

/// Sends a message.
///
/// # Errors
/// As [`frame`], and when the other side is gone.
pub(super) fn send(
    mut to: impl Write,
    message: &impl Serialize,
    limit_bytes: usize,
) -> io::Result<()> {
    to.write_all(&frame(message, limit_bytes)?)
}

/// Why there is no message.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoMessage {
    /// The other side is gone, or silent for too long (`WouldBlock`, `TimedOut`).
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is longer than it may be.
    #[error("a message of {0} bytes")]
    TooLong(u32),
    /// It is none of those expected here.
    #[error("a message that cannot be read: {0}")]
    Unreadable(#[from] serde_json::Error),
}

/// Receives a message.
///
/// # Errors
/// `UnexpectedEof` when the other side is gone.
pub(super) fn receive<T: DeserializeOwned>(
    mut from: impl Read,
    limit_bytes: usize,
) -> Result<T, NoMessage> {
    let mut head = [0; LENGTH_BYTES];
    from.read_exact(&mut head)?;
    receive_body(from, head, limit_bytes)
}

/// Receives a message whose length is known.
pub(super) fn receive_body<T: DeserializeOwned>(
    mut from: impl Read,
    head: [u8; LENGTH_BYTES],
    limit_bytes: usize,
) -> Result<T, NoMessage> {
    let length = u32::from_be_bytes(head);
    let size = usize::try_from(length).unwrap_or(usize::MAX);
    if size > limit_bytes {
        return Err(NoMessage::TooLong(length));
    }
    let mut body = vec![0; size];
    from.read_exact(&mut body)?;
    Ok(serde_json::from_slice(&body)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspection::tests::artifact;

    #[test]
    fn a_message_comes_back_as_it_was_sent() {
        let request = Request {
            number: u64::MAX,
            artifact: artifact("left-pad"),
            limits: Limits::default(),
            task: Task::Inspect {
                depth: Depth::Content,
                is_searched: true,
            },
        };
        let mut sent = Vec::new();
        send(&mut sent, &request, REQUEST_BYTES).unwrap();
        let back: Request = receive(&sent[..], REQUEST_BYTES).unwrap();
        assert_eq!(back.number, request.number);
        assert_eq!(back.artifact, request.artifact);
        assert_eq!(back.limits, request.limits);
        assert_eq!(back.task, request.task);
    }

    #[test]
    fn the_longest_metadata_fits_into_its_answer() {
        let found = vec![0; CORE_METADATA_BYTES as usize];
        let answer = Answer {
            number: u64::MAX,
            outcome: Outcome::of_core_metadata(Some(&found)),
        };
        let framed = frame(&answer, METADATA_ANSWER_BYTES).unwrap();
        assert!(framed.len() > ANSWER_BYTES);
    }

    #[test]
    fn a_message_too_long_cut_or_of_another_kind_is_none() {
        let long = "x".repeat(HELLO_BYTES);
        let refused = frame(&Hello::Refused(long), HELLO_BYTES).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::FileTooLarge);
        let hello = frame(&Hello::Confined, HELLO_BYTES).unwrap();
        for cut in 0..hello.len() {
            let cut = receive::<Hello>(&hello[..cut], HELLO_BYTES);
            assert!(matches!(cut, Err(NoMessage::Io(_))), "{cut:?}");
        }
        let other = receive::<Answer>(&hello[..], ANSWER_BYTES);
        assert!(matches!(other, Err(NoMessage::Unreadable(_))), "{other:?}");
        let endless = [0xff; 64];
        let endless = receive::<Answer>(&endless[..], ANSWER_BYTES);
        assert!(matches!(endless, Err(NoMessage::TooLong(u32::MAX))));
    }
}
