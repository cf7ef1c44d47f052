//! Signatures that a registry itself makes of what it declares (protocols.md §2.1: npm).

use std::cmp::Ordering;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use cordon_policy::facts::{Fact, SignatureFacts, SignatureVerdict};
use cordon_policy::model::{Timestamp, Version};
use cordon_policy::reason;
use data_encoding::BASE64;
use serde::Deserialize;

/// Most keys read of one list. Registries have two or three.
const MAX_KEYS: usize = 64;

/// Signatures of one version that are looked at. Registries make one, or two while keys change.
const MAX_SIGNATURES: usize = 16;

/// Most characters of a key's id that are told.
const ID_CHARS: usize = 100;

/// What stands before the 65 bytes of a point in the DER form of a P-256 key (RFC 5480).
const SPKI_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// The one kind of key and signature that is understood.
const P256: &str = "ecdsa-sha2-nistp256";

/// What a document says a registry signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// What the signatures are over.
    pub message: String,
    /// The signatures; none when there should be some.
    pub signatures: Vec<Signature>,
    /// An earlier version that has one.
    pub earlier: Option<Version>,
}

/// One signature.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Signature {
    /// The id of its key.
    #[serde(rename = "keyid")]
    pub key_id: String,
    /// The signature, Base64 of ASN.1.
    #[serde(rename = "sig")]
    pub signature: String,
}

/// A key a registry signs with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningKey {
    id: String,
    /// The point on the curve, uncompressed.
    point: Vec<u8>,
    expires: Option<Timestamp>,
}

#[derive(Deserialize)]
struct RawKeys {
    keys: Vec<RawKey>,
}

#[derive(Deserialize)]
struct RawKey {
    keyid: String,
    keytype: String,
    #[serde(default)]
    scheme: Option<String>,
    key: String,
    #[serde(default)]
    expires: Option<String>,
}

impl SigningKey {
    /// Reads a list of keys as npm's registry gives it at `/-/npm/v1/keys`. A key of another kind, or
    /// one that cannot be used, is none: what it signed is signed by nobody known.
    ///
    /// # Errors
    /// When it is no such list; the text says why.
    pub fn read_list(bytes: &[u8]) -> Result<Vec<Self>, String> {
        let raw: RawKeys = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if raw.keys.len() > MAX_KEYS {
            return Err(format!("it has more than {MAX_KEYS} keys"));
        }
        Ok(raw.keys.into_iter().filter_map(Self::of).collect())
    }

    fn of(raw: RawKey) -> Option<Self> {
        if raw.keytype != P256 || raw.scheme.is_some_and(|scheme| scheme != P256) {
            return None;
        }
        let der = BASE64.decode(raw.key.as_bytes()).ok()?;
        let point = der.strip_prefix(&SPKI_PREFIX[..])?;
        if point.len() != 65 || point.first() != Some(&4) {
            return None;
        }
        let expires = match raw.expires {
            None => None,
            Some(text) => Some(Timestamp::parse(&text).ok()?),
        };
        Some(Self {
            id: raw.keyid,
            point: point.to_vec(),
            expires,
        })
    }

    /// Whether the key made the signature.
    fn made(&self, signature: &str, message: &str) -> bool {
        let Ok(signature) = BASE64.decode(signature.as_bytes()) else {
            return false;
        };
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &self.point);
        key.verify(message.as_bytes(), &signature).is_ok()
    }
}

impl Signed {
    /// What the signatures prove, by these keys, of a version published then. `None` when there is
    /// nothing to prove anything by.
    pub fn check(
        &self,
        keys: &[SigningKey],
        published_at: &Fact<Timestamp>,
    ) -> Option<SignatureFacts> {
        if keys.is_empty() {
            return None;
        }
        let told = |verdict, about: &str| SignatureFacts {
            verdict,
            about: reason::ascii(about, ID_CHARS).into(),
        };
        if self.signatures.is_empty() {
            let earlier = self.earlier.as_ref()?;
            return Some(told(SignatureVerdict::Missing, earlier.as_str()));
        }
        let signatures = self.signatures.iter().take(MAX_SIGNATURES);
        let verdicts = signatures.map(|signature| {
            let verdict = self.verdict(signature, keys, published_at);
            told(verdict, &signature.key_id)
        });
        // An additional signature proves nothing less.
        verdicts.min_by(|a, b| a.verdict.cmp(&b.verdict).then(Ordering::Equal))
    }

    fn verdict(
        &self,
        signature: &Signature,
        keys: &[SigningKey],
        published_at: &Fact<Timestamp>,
    ) -> SignatureVerdict {
        let Some(key) = keys.iter().find(|key| key.id == signature.key_id) else {
            return SignatureVerdict::UnknownKey;
        };
        if !key.made(&signature.signature, &self.message) {
            return SignatureVerdict::Invalid;
        }
        match (key.expires, published_at.known()) {
            (None, _) => SignatureVerdict::Valid,
            (Some(expires), Some(at)) if *at < expires => SignatureVerdict::Valid,
            (Some(_), Some(_)) => SignatureVerdict::ExpiredKey,
            // Whether the key stood for it then cannot be told: it is as good as unknown.
            (Some(_), None) => SignatureVerdict::UnknownKey,
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};

    use super::*;

    const MESSAGE: &str = "acme@1.0.0:sha512-AAAA";

    fn pair() -> EcdsaKeyPair {
        EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).expect("a key")
    }

    fn listed(id: &str, pair: &EcdsaKeyPair, expires: Option<&str>) -> SigningKey {
        let der = [&SPKI_PREFIX[..], pair.public_key().as_ref()].concat();
        let list = serde_json::json!({"keys": [{
            "keyid": id, "keytype": P256, "scheme": P256, "key": BASE64.encode(&der),
            "expires": expires,
        }]});
        let mut read = SigningKey::read_list(list.to_string().as_bytes()).expect("a list");
        read.pop().expect("a usable key")
    }

    fn signed(by: &[(&str, &EcdsaKeyPair)], message: &str) -> Signed {
        let random = SystemRandom::new();
        let sign = |(id, pair): &(&str, &EcdsaKeyPair)| Signature {
            key_id: (*id).to_owned(),
            signature: BASE64.encode(
                pair.sign(&random, message.as_bytes())
                    .expect("it signs")
                    .as_ref(),
            ),
        };
        Signed {
            message: MESSAGE.to_owned(),
            signatures: by.iter().map(sign).collect(),
            earlier: None,
        }
    }

    fn at(text: &str) -> Fact<Timestamp> {
        Fact::Known(Timestamp::parse(text).expect("a time"))
    }

    fn verdict(signed: &Signed, keys: &[SigningKey], at: &Fact<Timestamp>) -> SignatureVerdict {
        signed
            .check(keys, at)
            .expect("there is something to check")
            .verdict
    }

    #[test]
    fn a_signature_is_valid_unknown_or_wrong() {
        let (ours, other) = (pair(), pair());
        let keys = [listed("SHA256:ours", &ours, None)];
        let good = signed(&[("SHA256:ours", &ours)], MESSAGE);
        assert_eq!(
            verdict(&good, &keys, &Fact::Absent),
            SignatureVerdict::Valid
        );
        for (by, message, expected) in [
            (
                ("SHA256:other", &other),
                MESSAGE,
                SignatureVerdict::UnknownKey,
            ),
            (("SHA256:ours", &other), MESSAGE, SignatureVerdict::Invalid),
            (
                ("SHA256:ours", &ours),
                "acme@1.0.1:sha512-AAAA",
                SignatureVerdict::Invalid,
            ),
        ] {
            let found = verdict(&signed(&[by], message), &keys, &Fact::Absent);
            assert_eq!(found, expected, "{message}");
        }
        for text in ["", "%%%", "AAAA"] {
            let mut broken = good.clone();
            broken.signatures[0].signature = text.to_owned();
            let found = verdict(&broken, &keys, &Fact::Absent);
            assert_eq!(found, SignatureVerdict::Invalid, "{text}");
        }
        // A second one proves nothing less.
        let both = signed(&[("SHA256:other", &other), ("SHA256:ours", &ours)], MESSAGE);
        assert_eq!(
            verdict(&both, &keys, &Fact::Absent),
            SignatureVerdict::Valid
        );
        // Without keys nothing is proved, and nothing found.
        assert_eq!(good.check(&[], &Fact::Absent), None);
    }

    #[test]
    fn an_expired_key_stands_for_what_was_published_before() {
        let ours = pair();
        let keys = [listed("k", &ours, Some("2025-01-29T00:00:00.000Z"))];
        let good = signed(&[("k", &ours)], MESSAGE);
        for (published_at, expected) in [
            (at("2025-01-28T23:59:59Z"), SignatureVerdict::Valid),
            (at("2025-01-29T00:00:00Z"), SignatureVerdict::ExpiredKey),
            (at("2026-01-01T00:00:00Z"), SignatureVerdict::ExpiredKey),
            (Fact::Absent, SignatureVerdict::UnknownKey),
        ] {
            assert_eq!(
                verdict(&good, &keys, &published_at),
                expected,
                "{published_at:?}"
            );
        }
    }

    #[test]
    fn a_missing_signature_is_told_where_an_earlier_version_has_one() {
        let keys = [listed("k", &pair(), None)];
        let mut none = signed(&[], MESSAGE);
        assert_eq!(none.check(&keys, &Fact::Absent), None);
        none.earlier = Some(Version::verbatim("0.9.0"));
        assert_eq!(
            verdict(&none, &keys, &Fact::Absent),
            SignatureVerdict::Missing
        );
        assert_eq!(none.check(&[], &Fact::Absent), None);
    }

    #[test]
    fn keys_of_another_kind_or_without_sense_are_none() {
        let key = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE1Olb3zMAFFxXKHiIkQO5cJ3Yhl5i6UPp+IhuteBJbuHcA5UogKo0EWtlWwW6KSaKoTNEYL7JlCQiVnkhBktUgg==";
        let list = |keytype: &str, key: &str, expires: &str| {
            let one = serde_json::json!({
                "keyid": "k", "keytype": keytype, "scheme": keytype, "key": key, "expires": expires
            });
            SigningKey::read_list(serde_json::json!({ "keys": [one] }).to_string().as_bytes())
        };
        assert_eq!(
            list(P256, key, "2025-01-29T00:00:00.000Z")
                .expect("a list")
                .len(),
            1
        );
        for (keytype, key, expires) in [
            ("ssh-rsa", key, "2025-01-29T00:00:00.000Z"),
            (P256, "dGVzdA==", "2025-01-29T00:00:00.000Z"),
            (P256, &key[..40], "2025-01-29T00:00:00.000Z"),
            (P256, key, "soon"),
        ] {
            assert_eq!(
                list(keytype, key, expires),
                Ok(Vec::new()),
                "{keytype} {key}"
            );
        }
        for broken in ["", "[]", "{}", "<html>", r#"{"keys":[{}]}"#] {
            assert!(
                SigningKey::read_list(broken.as_bytes()).is_err(),
                "{broken}"
            );
        }
    }

    /// The public registry's own key and signature of a published version.
    #[test]
    fn a_signature_of_the_public_registry_is_valid_for_what_it_signed_alone() {
        let list = br#"{"keys":[{"expires":"2025-01-29T00:00:00.000Z",
            "keyid":"SHA256:jl3bwswu80PjjokCgh0o2w5c2U4LhQAE57gj9cz1kzA",
            "keytype":"ecdsa-sha2-nistp256","scheme":"ecdsa-sha2-nistp256",
            "key":"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE1Olb3zMAFFxXKHiIkQO5cJ3Yhl5i6UPp+IhuteBJbuHcA5UogKo0EWtlWwW6KSaKoTNEYL7JlCQiVnkhBktUgg=="}]}"#;
        let keys = SigningKey::read_list(list).expect("a list");
        let mut signed = Signed {
            message: "tool5@5.0.1:sha512-gPClNFHEACDPrNPIY9nQ5CtgNzXLek1VKLkenI/RRKrrWSSyIVte0HloLzyQJFW0bXgFnv5TgtcUM+xHE7B6/w==".to_owned(),
            signatures: vec![Signature {
                key_id: "SHA256:jl3bwswu80PjjokCgh0o2w5c2U4LhQAE57gj9cz1kzA".to_owned(),
                signature: "MEYCIQDhX2SZFZyV3rBaQp/tH0NRk1YWw6rF2KrietBA6xDIFQIhANJcAYMSl+mvNefhpxjyApSUK/CXFEnCeUSEQf113OPI".to_owned(),
            }],
            earlier: None,
        };
        let published = at("2024-10-09T22:57:17Z");
        assert_eq!(verdict(&signed, &keys, &published), SignatureVerdict::Valid);
        let later = at("2025-03-01T00:00:00Z");
        assert_eq!(
            verdict(&signed, &keys, &later),
            SignatureVerdict::ExpiredKey
        );
        signed.message = signed.message.replace("5.0.1", "5.0.2");
        assert_eq!(
            verdict(&signed, &keys, &published),
            SignatureVerdict::Invalid
        );
    }
}
