//! An entry as bytes: what is hashed, kept and published.
//!
//! The canonical form is compact JSON with the members in the order in which the types declare
//! them. It is written once, when the entry is appended; from then on the bytes are the truth and
//! are never written again from the value.
//!
//! An entry bundle of the published log holds at most [`LEAF_LIMIT_BYTES`] per entry (C2SP
//! tlog-tiles, "Log Entries"). An entry that is longer is kept whole as a text of the store, and the
//! log holds a short entry that names the text by SHA-256. Nothing is cut: the digest binds every
//! byte.

use bytes::Bytes;
use cordon_policy::model::Digest;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use tlog_tiles::{Hash, record_hash};

use super::{Entry, STORE, TEXT_LIMIT_BYTES};
use crate::{StorageError, StorageErrorKind};

/// The most bytes of one entry in the log: its length is a 16-bit number there.
pub const LEAF_LIMIT_BYTES: usize = 65_535;

/// An entry ready to be appended.
#[derive(Clone, Debug)]
pub(crate) struct Encoded {
    /// The value, for the projections.
    pub(crate) entry: Entry,
    /// The bytes of the log.
    pub(crate) leaf: Vec<u8>,
    /// Their Merkle leaf hash.
    pub(crate) hash: Hash,
    /// The whole entry when it is too long for the log.
    pub(crate) apart: Option<(Digest, Bytes)>,
}

/// What the log holds instead of an entry kept apart.
#[derive(Debug, Serialize, Deserialize)]
struct Apart {
    /// Always [`Apart::TAG`].
    entry: SmolStr,
    /// What kind of entry it is: the `entry` member of the whole one.
    of: SmolStr,
    /// SHA-256 of the whole entry, a text of the store.
    text: Digest,
    /// Its length.
    size_bytes: u64,
}

impl Apart {
    const TAG: &'static str = "kept-apart";
    /// How its canonical form begins; no [`Entry`] begins so.
    const PREFIX: &'static [u8] = br#"{"entry":"kept-apart","#;
}

/// Makes the bytes of an entry.
///
/// # Errors
/// When even the whole entry is too long to be kept as a text.
pub(crate) fn encode(entry: Entry) -> Result<Encoded, StorageError> {
    let whole = serde_json::to_vec(&entry).map_err(|error| {
        StorageError::new(STORE, "writing an entry", StorageErrorKind::Io, error)
    })?;
    if whole.len() <= LEAF_LIMIT_BYTES {
        let hash = record_hash(&whole);
        return Ok(Encoded {
            entry,
            leaf: whole,
            hash,
            apart: None,
        });
    }
    if whole.len() > TEXT_LIMIT_BYTES {
        let cause = format!(
            "the entry has {} bytes, more than {TEXT_LIMIT_BYTES}",
            whole.len()
        );
        return Err(StorageError::new(
            STORE,
            "writing an entry",
            StorageErrorKind::Io,
            cause,
        ));
    }
    let digest = Digest::of(&whole);
    let apart = Apart {
        entry: SmolStr::new_static(Apart::TAG),
        of: SmolStr::new_static(kind_name(&entry)),
        text: digest.clone(),
        size_bytes: whole.len() as u64,
    };
    let leaf = serde_json::to_vec(&apart).expect("short texts and a number have a JSON form");
    let hash = record_hash(&leaf);
    Ok(Encoded {
        entry,
        leaf,
        hash,
        apart: Some((digest, Bytes::from(whole))),
    })
}

/// The digest of the text that holds the whole entry, when these bytes of the log stand for one
/// kept apart.
pub fn kept_apart(leaf: &[u8]) -> Option<Digest> {
    if !leaf.starts_with(Apart::PREFIX) {
        return None;
    }
    serde_json::from_slice::<Apart>(leaf)
        .ok()
        .map(|apart| apart.text)
}

/// Reads the bytes of a whole entry.
///
/// # Errors
/// When they are not the canonical form of an entry this version of Cordon knows.
pub fn decode(whole: &[u8]) -> Result<Entry, serde_json::Error> {
    serde_json::from_slice(whole)
}

/// The `entry` member of the canonical form.
pub fn kind_name(entry: &Entry) -> &'static str {
    match entry {
        Entry::Decision(_) => "decision",
        Entry::Served(_) => "served",
        Entry::Pin(_) => "pin",
        Entry::Sighting(_) => "sighting",
        Entry::Policy(_) => "policy",
        Entry::Listing(_) => "listing",
        Entry::Notice(_) => "notice",
        Entry::Exposure(_) => "exposure",
        Entry::Removal(_) => "removal",
        Entry::Missed(_) => "missed",
        Entry::Exemption(_) => "exemption",
        Entry::Quarantine(_) => "quarantine",
    }
}

impl Encoded {
    /// What it takes in memory and on disk, roughly.
    pub(crate) fn size_bytes(&self) -> usize {
        self.leaf.len() + self.apart.as_ref().map_or(0, |(_, whole)| whole.len())
    }
}

#[cfg(test)]
mod tests {
    use cordon_policy::model::Digest;

    use super::*;
    use crate::conformance::sample::{
        Sample, artifact, at, exemption, exposure, missed, notice, package, quarantine, served,
    };
    use crate::evidence::{Listing, Outcome, Pin, PolicyChange, QuarantineAct, Sighting};

    fn samples() -> Vec<Entry> {
        let digest = Digest::of(b"");
        vec![
            Sample::hide(1, artifact("a", "1.0.0")).entry(),
            Entry::Served(served(1, "192.0.2.1", Outcome::Refused, 1)),
            Entry::Pin(Pin {
                artifact: artifact("a", "1.0.0"),
                sha256: digest.clone(),
                at: at(0),
            }),
            Entry::Sighting(Sighting {
                package: package("a"),
                at: at(0),
                candidates: digest.clone(),
                count: 2,
            }),
            Entry::Policy(PolicyChange {
                at: at(0),
                ruleset: "0123".into(),
                text: digest.clone(),
                cause: "start".into(),
            }),
            Entry::Listing(Listing {
                at: at(0),
                package: package("a"),
                document: digest,
                ruleset: "0123".into(),
                listed: 1,
                withheld: 2,
            }),
            notice(0),
            exposure(9, artifact("a", "1.0.0"), 0),
            missed("b", 4),
            exemption("hotfix", Some("[[exempt]]"), 5),
            quarantine(artifact("a", "1.0.0"), QuarantineAct::Released, 6),
            quarantine(artifact("a", "1.0.0"), QuarantineAct::Asked, 7),
        ]
    }

    /// The bytes are for ever: whoever changes the order or the name of a member finds out here.
    #[test]
    fn canonical_bytes_are_those_of_the_first_release() {
        let lines: Vec<String> = samples()
            .into_iter()
            .map(|entry| String::from_utf8(encode(entry).unwrap().leaf).unwrap())
            .collect();
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn bytes_of_every_kind_read_back_and_write_the_same_again() {
        for entry in samples() {
            let encoded = encode(entry.clone()).unwrap();
            let read = decode(&encoded.leaf).unwrap();
            assert_eq!(read, entry);
            assert_eq!(encode(read).unwrap().leaf, encoded.leaf);
            assert!(
                encoded
                    .leaf
                    .starts_with(format!(r#"{{"entry":"{}""#, kind_name(&entry)).as_bytes())
            );
            assert_eq!(kept_apart(&encoded.leaf), None);
        }
    }

    #[test]
    fn entry_of_exactly_the_limit_stays_in_the_log_and_one_byte_more_is_kept_apart() {
        let empty = serde_json::to_vec(&long_notice(0)).unwrap().len();
        let fits = encode(long_notice(LEAF_LIMIT_BYTES - empty)).unwrap();
        assert_eq!(fits.leaf.len(), LEAF_LIMIT_BYTES);
        assert!(fits.apart.is_none());
        let longer = encode(long_notice(LEAF_LIMIT_BYTES - empty + 1)).unwrap();
        let (digest, whole) = longer.apart.unwrap();
        assert_eq!(whole.len(), LEAF_LIMIT_BYTES + 1);
        assert_eq!(kept_apart(&longer.leaf), Some(digest.clone()));
        assert_eq!(Digest::of(&whole), digest);
        assert_eq!(decode(&whole).unwrap(), longer.entry);
    }

    #[test]
    fn entry_no_store_could_keep_is_refused() {
        assert!(encode(long_notice(TEXT_LIMIT_BYTES)).is_err());
    }

    fn long_notice(letters: usize) -> Entry {
        Entry::Notice(crate::evidence::Notice {
            at: at(0),
            code: "sample".into(),
            text: "x".repeat(letters),
        })
    }
}
