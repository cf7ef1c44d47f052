//! Every declared digest in one pass over the bytes.

use cordon_policy::facts::DigestMismatch;
use cordon_policy::model::{Digest, DigestAlgorithm, Digests};
use sha2::Digest as _;

type Blake2b256 = blake2::Blake2b<blake2::digest::consts::U32>;

enum Hasher {
    Md5(md5::Md5),
    Sha1(sha1::Sha1),
    Sha256(sha2::Sha256),
    Sha384(sha2::Sha384),
    Sha512(sha2::Sha512),
    Blake2b256(Blake2b256),
}

impl Hasher {
    fn new(algorithm: DigestAlgorithm) -> Self {
        match algorithm {
            DigestAlgorithm::Md5 => Self::Md5(md5::Md5::new()),
            DigestAlgorithm::Sha1 => Self::Sha1(sha1::Sha1::new()),
            DigestAlgorithm::Sha256 => Self::Sha256(sha2::Sha256::new()),
            DigestAlgorithm::Sha384 => Self::Sha384(sha2::Sha384::new()),
            DigestAlgorithm::Sha512 => Self::Sha512(sha2::Sha512::new()),
            DigestAlgorithm::Blake2b256 => Self::Blake2b256(Blake2b256::new()),
        }
    }

    fn update(&mut self, data: &[u8]) {
        match self {
            Self::Md5(hasher) => hasher.update(data),
            Self::Sha1(hasher) => hasher.update(data),
            Self::Sha256(hasher) => hasher.update(data),
            Self::Sha384(hasher) => hasher.update(data),
            Self::Sha512(hasher) => hasher.update(data),
            Self::Blake2b256(hasher) => hasher.update(data),
        }
    }

    fn finish(self) -> Digest {
        let (algorithm, bytes) = match self {
            Self::Md5(hasher) => (DigestAlgorithm::Md5, hasher.finalize().to_vec()),
            Self::Sha1(hasher) => (DigestAlgorithm::Sha1, hasher.finalize().to_vec()),
            Self::Sha256(hasher) => (DigestAlgorithm::Sha256, hasher.finalize().to_vec()),
            Self::Sha384(hasher) => (DigestAlgorithm::Sha384, hasher.finalize().to_vec()),
            Self::Sha512(hasher) => (DigestAlgorithm::Sha512, hasher.finalize().to_vec()),
            Self::Blake2b256(hasher) => (DigestAlgorithm::Blake2b256, hasher.finalize().to_vec()),
        };
        Digest::from_bytes(algorithm, &bytes).expect("a hasher's output has its algorithm's length")
    }
}

/// Hashes with every algorithm some digests use, SHA-256 excepted: the blob store does that.
pub(super) struct DeclaredHashers(Vec<Hasher>);

impl DeclaredHashers {
    /// Hashers for the algorithms of `declared`.
    pub(super) fn for_digests(declared: &Digests) -> Self {
        let mut algorithms: Vec<_> = declared.iter().map(Digest::algorithm).collect();
        algorithms.dedup();
        algorithms.retain(|algorithm| *algorithm != DigestAlgorithm::Sha256);
        Self(algorithms.into_iter().map(Hasher::new).collect())
    }

    /// Takes the next bytes.
    pub(super) fn update(&mut self, data: &[u8]) {
        self.0.iter_mut().for_each(|hasher| hasher.update(data));
    }

    /// All digests, with the SHA-256 computed elsewhere.
    pub(super) fn finish(self, sha256: Digest) -> Digests {
        self.0
            .into_iter()
            .map(Hasher::finish)
            .chain(std::iter::once(sha256))
            .collect()
    }
}

/// Declared digests that the computed ones contradict. One whose algorithm was not computed is
/// the caller's mistake and counts as a contradiction, by the SHA-256 that always is.
pub(super) fn mismatches(declared: &Digests, computed: &Digests) -> Vec<DigestMismatch> {
    declared
        .iter()
        .filter_map(|declared| {
            let found = computed
                .get(declared.algorithm())
                .or_else(|| computed.get(DigestAlgorithm::Sha256));
            (found != Some(declared)).then(|| DigestMismatch {
                algorithm: declared.algorithm(),
                declared: declared.clone(),
                found: found.unwrap_or(declared).clone(),
            })
        })
        .collect()
}

/// Whether every declared algorithm was computed.
pub(super) fn covers(computed: &Digests, declared: &Digests) -> bool {
    declared
        .iter()
        .all(|digest| computed.get(digest.algorithm()).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_algorithm_gives_its_published_value_for_abc() {
        let expected = [
            (DigestAlgorithm::Md5, "900150983cd24fb0d6963f7d28e17f72"),
            (
                DigestAlgorithm::Sha1,
                "a9993e364706816aba3e25717850c26c9cd0d89d",
            ),
            (
                DigestAlgorithm::Blake2b256,
                "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319",
            ),
            (
                DigestAlgorithm::Sha512,
                "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                 2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
            ),
        ];
        let declared: Digests = expected
            .iter()
            .map(|(algorithm, hex)| Digest::from_hex(*algorithm, hex).expect("a digest"))
            .chain(std::iter::once(Digest::of(b"abc")))
            .collect();
        let mut hashers = DeclaredHashers::for_digests(&declared);
        hashers.update(b"a");
        hashers.update(b"bc");
        let computed = hashers.finish(Digest::of(b"abc"));
        assert!(covers(&computed, &declared));
        assert_eq!(mismatches(&declared, &computed), []);

        let mut hashers = DeclaredHashers::for_digests(&declared);
        hashers.update(b"abd");
        let wrong = hashers.finish(Digest::of(b"abd"));
        assert_eq!(mismatches(&declared, &wrong).len(), 5);
    }

    #[test]
    fn a_declared_digest_that_was_not_computed_is_a_contradiction() {
        let sha512 = "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                      2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";
        let declared: Digests = Digest::from_hex(DigestAlgorithm::Sha512, sha512)
            .into_iter()
            .collect();
        let sha256 = Digest::of(b"abc");
        let computed: Digests = std::iter::once(sha256.clone()).collect();
        let found = mismatches(&declared, &computed);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].found, sha256);
        assert_eq!(mismatches(&declared, &Digests::default()).len(), 1);
    }

    #[test]
    fn two_contradicting_digests_of_one_algorithm_cannot_both_be_met() {
        let declared: Digests = [Digest::of(b"abc"), Digest::of(b"abd")]
            .into_iter()
            .collect();
        let computed = DeclaredHashers::for_digests(&declared).finish(Digest::of(b"abc"));
        assert_eq!(mismatches(&declared, &computed).len(), 1);
    }
}
