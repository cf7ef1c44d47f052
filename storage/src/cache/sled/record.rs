//! How a record lies in the database.
//!
//! ```text
//! key    JSON array of the parts that make the identity
//! value  version byte 1
//!        first 16 bytes of SHA-256(length of the key, key, JSON)
//!        JSON array [identity, record]
//! ```
//!
//! The sum ties a value to its key: a record that was damaged, or got under another key, does not
//! decode, and what does not decode is a miss.

use cordon_policy::model::ArtifactId;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::cache::{ArtifactRecord, DocumentKey, DocumentRecord, SheetRecord};

/// Longest record kept, key and value, unless its kind says otherwise. What is longer is fetched
/// again each time; sled keeps large values in files it never fsyncs.
pub(super) const RECORD_BYTES: usize = 16 * 1024;

const VERSION: u8 = 1;
const SUM_BYTES: usize = 16;

/// A kind of record with its identity.
pub(super) trait Record: Serialize + DeserializeOwned + Send + 'static {
    /// What it is remembered under.
    type Id: Serialize + DeserializeOwned + Send + 'static;

    /// Longest record of this kind, key and value.
    const MOST_BYTES: usize = RECORD_BYTES;

    /// Key of the identity; equal identities have equal keys and others have others.
    fn key(id: &Self::Id) -> Vec<u8>;
}

impl Record for DocumentRecord {
    type Id = DocumentKey;

    fn key(id: &DocumentKey) -> Vec<u8> {
        json(&(&id.ecosystem, &id.upstream, &id.kind, &id.name))
    }
}

impl Record for ArtifactRecord {
    type Id = ArtifactId;

    /// Not the whole identity: how a package spells its name does not count.
    fn key(id: &ArtifactId) -> Vec<u8> {
        let name = &id.subject.name;
        json(&(
            name.ecosystem(),
            name.normalized(),
            &id.subject.version,
            &id.file,
            id.kind,
        ))
    }
}

impl Record for SheetRecord {
    type Id = ArtifactId;

    /// The manifest of a large package is long, and reading its archive again costs more than a
    /// large value does. Still well below what sled keeps in files of their own.
    const MOST_BYTES: usize = 8 * RECORD_BYTES;

    fn key(id: &ArtifactId) -> Vec<u8> {
        ArtifactRecord::key(id)
    }
}

/// The value of a record under `key`; `None` when it is too long to be kept.
pub(super) fn encode<R: Record>(key: &[u8], id: &R::Id, record: &R) -> Option<Vec<u8>> {
    let body = json(&(id, record));
    let mut value = Vec::with_capacity(1 + SUM_BYTES + body.len());
    value.push(VERSION);
    value.extend_from_slice(&sum(key, &body));
    value.extend_from_slice(&body);
    (key.len() + value.len() <= R::MOST_BYTES).then_some(value)
}

/// The record under `key`; `None` when it is damaged, of another version or of another key.
pub(super) fn decode<R: Record>(key: &[u8], value: &[u8]) -> Option<(R::Id, R)> {
    let (&VERSION, rest) = value.split_first()? else {
        return None;
    };
    let (found, body) = rest.split_first_chunk::<SUM_BYTES>()?;
    if *found != sum(key, body) {
        return None;
    }
    let (id, record) = serde_json::from_slice(body).ok()?;
    (R::key(&id) == key).then_some((id, record))
}

fn sum(key: &[u8], body: &[u8]) -> [u8; SUM_BYTES] {
    let mut hasher = Sha256::new();
    hasher.update((key.len() as u64).to_le_bytes());
    hasher.update(key);
    hasher.update(body);
    let mut sum = [0; SUM_BYTES];
    for (to, from) in sum.iter_mut().zip(hasher.finalize()) {
        *to = from;
    }
    sum
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("records hold text, numbers and lists, all of which are JSON")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::cache::{artifact_id, artifact_record, document_key, document_record};

    #[test]
    fn every_single_bit_flip_of_a_record_is_a_miss() {
        let id = artifact_id("name", "1", "name-1.tgz");
        let record = artifact_record("content");
        let key = ArtifactRecord::key(&id);
        let value = encode(&key, &id, &record).expect("short enough");
        assert_eq!(decode(&key, &value), Some((id, record)));
        for bit in 0..value.len() * 8 {
            let mut damaged = value.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode::<ArtifactRecord>(&key, &damaged), None, "bit {bit}");
        }
        for length in 0..value.len() {
            assert_eq!(decode::<ArtifactRecord>(&key, &value[..length]), None);
        }
    }

    #[test]
    fn a_record_under_another_key_is_a_miss() {
        let (key, record) = (document_key("a"), document_record("a"));
        let bytes = DocumentRecord::key(&key);
        let value = encode(&bytes, &key, &record).expect("short enough");
        let other = DocumentRecord::key(&document_key("b"));
        assert_eq!(decode::<DocumentRecord>(&other, &value), None);
    }

    #[test]
    fn an_over_long_record_is_not_kept() {
        let key = document_key(&"n".repeat(RECORD_BYTES));
        let record = document_record("a");
        assert_eq!(encode(&DocumentRecord::key(&key), &key, &record), None);
    }

    #[test]
    fn a_record_without_the_address_it_came_from_is_read() {
        let text = r#"{"state":"Missing","fetched_at":7,"etag":null,"last_modified":null,
                       "max_age_seconds":null}"#;
        let record: DocumentRecord = serde_json::from_str(text).expect("an older record");
        assert_eq!(record.url, None);
    }

    #[test]
    fn the_format_does_not_change_unnoticed() {
        let key = document_key("a");
        assert_eq!(
            String::from_utf8_lossy(&DocumentRecord::key(&key)),
            r#"["test","main","index","a"]"#
        );
        let value = encode(&DocumentRecord::key(&key), &key, &document_record("a"));
        let value = value.expect("short enough");
        assert_eq!(value[0], 1);
        assert_eq!(
            String::from_utf8_lossy(&value[17..]),
            concat!(
                r#"[{"ecosystem":"test","upstream":"main","kind":"index","name":"a"},"#,
                r#"{"state":{"Present":{"blob":"sha256:ca978112ca1bbdcafac231b39a23dc4da"#,
                r#"786eff8147c4e72b9807785afee48bb","content_type":"application/json"}},"#,
                r#""fetched_at":1700000000123,"url":"https://registry.example/index/a","etag":"W/\"a \\\" quoted ✓\"","#,
                r#""last_modified":"Tue, 14 Nov 2023 22:13:20 GMT","max_age_seconds":300}]"#,
            )
        );
        let id = artifact_id("a", "1", "a-1.tgz");
        assert_eq!(
            String::from_utf8_lossy(&ArtifactRecord::key(&id)),
            r#"["test","a","1","a-1.tgz","archive"]"#
        );
    }
}
