//! Digests: our own is always SHA-256; registries bring others.

use std::fmt;

use data_encoding::{BASE64, HEXLOWER, HEXLOWER_PERMISSIVE};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A digest algorithm some registry publishes, strongest last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DigestAlgorithm {
    /// MD5, on very old PyPI files.
    Md5,
    /// SHA-1, npm's `shasum`.
    Sha1,
    /// SHA-256: PyPI, cargo, and Cordon's own.
    Sha256,
    /// SHA-384, allowed in Subresource Integrity.
    Sha384,
    /// BLAKE2b-256, published by PyPI's legacy JSON API.
    Blake2b256,
    /// SHA-512, npm's `integrity`.
    Sha512,
}

impl DigestAlgorithm {
    /// Length of the digest in bytes.
    #[expect(clippy::len_without_is_empty, reason = "no digest is empty")]
    pub const fn len(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 | Self::Blake2b256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// The lower-case name used in documents: `sha256`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Blake2b256 => "blake2b_256",
            Self::Sha512 => "sha512",
        }
    }

    /// The algorithm of that name, if Cordon can compute it.
    pub fn from_name(name: &str) -> Option<Self> {
        [
            Self::Md5,
            Self::Sha1,
            Self::Sha256,
            Self::Sha384,
            Self::Blake2b256,
            Self::Sha512,
        ]
        .into_iter()
        .find(|algorithm| algorithm.name() == name)
    }
}

/// A digest of known algorithm and matching length. Displayed as `sha256:<hex>`.
///
/// Held in place, zero beyond its length: an evaluation copies the digest of the bytes it judged,
/// and judging must not allocate.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest {
    algorithm: DigestAlgorithm,
    bytes: [u8; LONGEST],
}

/// Bytes of the longest digest, SHA-512.
const LONGEST: usize = 64;

impl Digest {
    /// Wraps raw digest bytes.
    pub fn from_bytes(algorithm: DigestAlgorithm, bytes: &[u8]) -> Result<Self, DigestError> {
        let mut held = [0; LONGEST];
        match held.get_mut(..bytes.len()) {
            Some(start) if bytes.len() == algorithm.len() => start.copy_from_slice(bytes),
            _ => {
                return Err(DigestError::Length {
                    algorithm,
                    found: bytes.len(),
                });
            }
        }
        Ok(Self {
            algorithm,
            bytes: held,
        })
    }

    /// Wraps a SHA-256 value.
    pub fn sha256(bytes: [u8; 32]) -> Self {
        let mut held = [0; LONGEST];
        held[..32].copy_from_slice(&bytes);
        Self {
            algorithm: DigestAlgorithm::Sha256,
            bytes: held,
        }
    }

    /// Computes the SHA-256 of `data`.
    pub fn of(data: &[u8]) -> Self {
        use sha2::Digest as _;
        Self::sha256(sha2::Sha256::digest(data).into())
    }

    /// Parses lower- or upper-case hexadecimal.
    pub fn from_hex(algorithm: DigestAlgorithm, hex: &str) -> Result<Self, DigestError> {
        let bytes = HEXLOWER_PERMISSIVE
            .decode(hex.as_bytes())
            .map_err(|_| DigestError::Encoding)?;
        Self::from_bytes(algorithm, &bytes)
    }

    /// Parses standard base64, as in Subresource Integrity (`sha512-<base64>` without the prefix).
    pub fn from_base64(algorithm: DigestAlgorithm, text: &str) -> Result<Self, DigestError> {
        let bytes = BASE64
            .decode(text.as_bytes())
            .map_err(|_| DigestError::Encoding)?;
        Self::from_bytes(algorithm, &bytes)
    }

    /// The algorithm.
    pub fn algorithm(&self) -> DigestAlgorithm {
        self.algorithm
    }

    /// The raw bytes.
    pub fn as_bytes(&self) -> &[u8] {
        // No algorithm is longer than the array.
        self.bytes
            .get(..self.algorithm.len())
            .unwrap_or(&self.bytes)
    }

    /// Lower-case hexadecimal, without the algorithm.
    pub fn hex(&self) -> String {
        HEXLOWER.encode(self.as_bytes())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.name(), self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for Digest {
    type Err = DigestError;
    fn from_str(text: &str) -> Result<Self, DigestError> {
        let (name, hex) = text.split_once(':').ok_or(DigestError::Encoding)?;
        let algorithm = DigestAlgorithm::from_name(name)
            .ok_or_else(|| DigestError::UnknownAlgorithm(name.chars().take(32).collect()))?;
        Self::from_hex(algorithm, hex)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Every digest a registry declared for one file, at most one per algorithm.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digests(Vec<Digest>);

impl Digests {
    /// No digest declared.
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// Adds a digest. A second, different one of the same algorithm is kept as well, so that no
    /// file can satisfy both: contradiction is a mismatch, never a choice.
    pub fn insert(&mut self, digest: Digest) {
        if !self.0.contains(&digest) {
            self.0.push(digest);
            self.0.sort();
        }
    }

    /// All of them, weakest algorithm first.
    pub fn iter(&self) -> impl Iterator<Item = &Digest> {
        self.0.iter()
    }

    /// The first one of that algorithm.
    pub fn get(&self, algorithm: DigestAlgorithm) -> Option<&Digest> {
        self.0.iter().find(|digest| digest.algorithm == algorithm)
    }

    /// Whether the registry declared none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<Digest> for Digests {
    fn from_iter<I: IntoIterator<Item = Digest>>(digests: I) -> Self {
        let mut all = Self::none();
        digests.into_iter().for_each(|digest| all.insert(digest));
        all
    }
}

/// A text that is not a digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// The wrong number of bytes for the algorithm.
    #[error("a {} digest has {} bytes, not {found}", algorithm.name(), algorithm.len())]
    Length {
        /// The algorithm named.
        algorithm: DigestAlgorithm,
        /// Bytes found.
        found: usize,
    },
    /// Neither hexadecimal nor base64, as required.
    #[error("the digest is not correctly encoded")]
    Encoding,
    /// An algorithm Cordon cannot compute.
    #[error("unknown digest algorithm `{0}`")]
    UnknownAlgorithm(String),
}
