//! The key of a log, and the checkpoints it signs.
//!
//! A checkpoint says "the log of this name has so many entries and this root" (C2SP
//! tlog-checkpoint) as a signed note (C2SP signed-note), Ed25519. The public half is the text
//! `<name>+<id>+<base64>` that verifiers are given.

use data_encoding::BASE64;
use ed25519_dalek::SigningKey;
use signed_note::{Note, StandardSigner, StandardVerifier, VerifierList};
use tlog_tiles::{Checkpoint, Hash};

/// Signature type of Ed25519 in C2SP signed-note.
const ED25519: u8 = 1;

/// The key a log signs its checkpoints with. Its `Debug` shows the public half only.
#[derive(Clone)]
pub struct LogKey {
    text: String,
    public: String,
    name: String,
    signer: StandardSigner,
}

impl LogKey {
    /// Makes a key for a log of that name, which must have no space and no `+`.
    ///
    /// # Errors
    /// When the operating system gives no randomness, or the name is not one.
    pub fn generate(name: &str) -> Result<Self, KeyError> {
        let mut seed = [0u8; 32];
        getrandom::fill(&mut seed).map_err(|error| KeyError::Random(error.to_string()))?;
        let public = SigningKey::from_bytes(&seed).verifying_key();
        let id = signed_note::key_id(name, &typed(public.as_bytes()));
        Self::parse(&format!(
            "PRIVATE+KEY+{name}+{id:08x}+{}",
            BASE64.encode(&typed(&seed))
        ))
    }

    /// Reads the key as kept in its file: `PRIVATE+KEY+<name>+<id>+<base64>`.
    ///
    /// # Errors
    /// When the text is anything else.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let text = text.trim_end();
        let signer = StandardSigner::new(text).map_err(|_| KeyError::Private)?;
        let seed: [u8; 32] = text
            .splitn(5, '+')
            .nth(4)
            .and_then(|data| BASE64.decode(data.as_bytes()).ok())
            .and_then(|data| data.get(1..)?.try_into().ok())
            .ok_or(KeyError::Private)?;
        let name = signed_note::Signer::name(&signer).to_owned();
        if !name.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(KeyError::Private);
        }
        let public = signed_note::new_ed25519_verifier_key(
            &name,
            &SigningKey::from_bytes(&seed).verifying_key(),
        );
        Ok(Self {
            text: text.to_owned(),
            public,
            name,
            signer,
        })
    }

    /// The text for the key's file. Secret.
    pub(crate) fn secret_text(&self) -> &str {
        &self.text
    }

    /// The public half, as verifiers are given it.
    pub fn public(&self) -> &str {
        &self.public
    }

    /// The name of the log: the first line of its checkpoints.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Signs a checkpoint. The caller sees to it that it extends every one signed before.
    pub(crate) fn sign(&self, size: u64, root: Hash) -> String {
        let checkpoint = Checkpoint::new(&self.name, size, root, "")
            .expect("the name of a key is not empty and there is no extension");
        let mut note = Note::new(&checkpoint.to_bytes(), &[])
            .expect("a checkpoint is lines of text without control characters");
        note.add_sigs(&[&self.signer])
            .expect("signing with Ed25519 does not fail");
        String::from_utf8(note.to_bytes()).expect("a note is text")
    }
}

impl std::fmt::Debug for LogKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("LogKey").field(&self.public).finish()
    }
}

fn typed(key: &[u8; 32]) -> Vec<u8> {
    [&[ED25519], key.as_slice()].concat()
}

/// What a checkpoint says, once its signature was found good.
#[derive(Clone, Debug, PartialEq)]
pub struct TreeHead {
    /// Number of entries.
    pub size: u64,
    /// Root of their tree.
    pub root: Hash,
}

/// Reads a checkpoint and checks its signature against the public key.
///
/// # Errors
/// When the key is not one, the text is not exactly one checkpoint, it is of another log, or the
/// key did not sign it.
pub fn open_checkpoint(text: &[u8], public: &str) -> Result<TreeHead, KeyError> {
    let verifier = StandardVerifier::new(public.trim_end()).map_err(|_| KeyError::Public)?;
    let name = signed_note::Verifier::name(&verifier).to_owned();
    let note = Note::from_bytes(text).map_err(|_| KeyError::Malformed)?;
    // A reader that tolerates other spellings would let a changed byte pass unseen.
    if note.to_bytes() != text {
        return Err(KeyError::Malformed);
    }
    let checkpoint = Checkpoint::from_bytes(note.text()).map_err(|_| KeyError::Malformed)?;
    if checkpoint.origin() != name {
        let found = checkpoint
            .origin()
            .chars()
            .filter(|c| !c.is_control())
            .take(80)
            .collect();
        return Err(KeyError::OtherLog {
            expected: name,
            found,
        });
    }
    note.verify(&VerifierList::new(vec![Box::new(verifier)]))
        .map_err(|_| KeyError::Signature)?;
    Ok(TreeHead {
        size: checkpoint.size(),
        root: *checkpoint.hash(),
    })
}

/// A key or a checkpoint that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not the text of a private key.
    #[error("the text is not the private key of a log")]
    Private,
    /// Not the text of a public key.
    #[error("the text is not the public key of a log (`<name>+<id>+<base64>`)")]
    Public,
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes: {0}")]
    Random(String),
    /// Not a checkpoint.
    #[error("the text is not a checkpoint")]
    Malformed,
    /// A checkpoint of another log.
    #[error("the checkpoint is of the log `{found}`, not of `{expected}`")]
    OtherLog {
        /// The log the key belongs to.
        expected: String,
        /// The log the checkpoint names, made printable.
        found: String,
    },
    /// The key did not sign the text.
    #[error("the signature of the checkpoint is not that of the log's key")]
    Signature,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_survives_its_text_form_and_signs_what_its_public_half_accepts() {
        let key = LogKey::generate("logs.example/test").unwrap();
        let again = LogKey::parse(key.secret_text()).unwrap();
        assert_eq!(again.public(), key.public());
        let root = tlog_tiles::record_hash(b"x");
        let text = again.sign(7, root);
        let head = open_checkpoint(text.as_bytes(), key.public()).unwrap();
        assert_eq!(head, TreeHead { size: 7, root });
    }

    #[test]
    fn every_flipped_bit_of_a_checkpoint_is_found() {
        let key = LogKey::generate("logs.example/test").unwrap();
        let text = key.sign(70_000, tlog_tiles::record_hash(b"x")).into_bytes();
        for bit in 0..text.len() * 8 {
            let mut bad = text.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(open_checkpoint(&bad, key.public()).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn checkpoint_of_another_log_or_key_is_refused() {
        let key = LogKey::generate("logs.example/test").unwrap();
        let same_name = LogKey::generate("logs.example/test").unwrap();
        let text = key.sign(1, tlog_tiles::record_hash(b"x"));
        let refused = open_checkpoint(text.as_bytes(), same_name.public());
        assert_eq!(refused, Err(KeyError::Signature));
        let other = LogKey::generate("logs.example/other").unwrap();
        let refused = open_checkpoint(text.as_bytes(), other.public());
        assert!(matches!(refused, Err(KeyError::OtherLog { .. })));
    }

    #[test]
    fn debug_form_shows_no_secret() {
        let key = LogKey::generate("logs.example/test").unwrap();
        assert!(!format!("{key:?}").contains("PRIVATE"));
    }

    #[test]
    fn name_with_a_plus_or_a_space_is_refused() {
        assert!(LogKey::generate("a+b").is_err());
        assert!(LogKey::generate("a b").is_err());
        assert!(LogKey::generate("").is_err());
        assert!(LogKey::generate("a\u{1}b").is_err());
    }
}
