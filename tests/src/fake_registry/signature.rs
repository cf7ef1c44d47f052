//! What npm's registry signs: name, version and digest of each version, with one key for all.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use data_encoding::{BASE64, HEXLOWER};
use serde_json::{Value, json};

/// The id of the key.
pub const KEY_ID: &str = "SHA256:test";

/// What stands before the point in the DER form of a P-256 key.
const PREFIX: &str = "3059301306072a8648ce3d020106082a8648ce3d030107034200";

fn pair() -> &'static EcdsaKeyPair {
    static PAIR: OnceLock<EcdsaKeyPair> = OnceLock::new();
    PAIR.get_or_init(|| EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).expect("a key"))
}

/// The signature of a version, as a member of `dist.signatures`. The same one each time, or documents
/// would change from request to request.
pub fn of(name: &str, version: &str, integrity: &str) -> Value {
    static MADE: OnceLock<Mutex<HashMap<String, String>>> = OnceLock::new();
    let message = format!("{name}@{version}:{integrity}");
    let mut made = MADE
        .get_or_init(Mutex::default)
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let signature = made.entry(message).or_insert_with_key(|message| {
        let signed = pair().sign(&SystemRandom::new(), message.as_bytes());
        BASE64.encode(signed.expect("a key signs").as_ref())
    });
    json!({"keyid": KEY_ID, "sig": signature})
}

/// The list of keys, as at `/-/npm/v1/keys`.
pub fn keys() -> Value {
    keys_until(None)
}

/// The same with a key that expires then.
pub fn keys_until(expires: Option<&str>) -> Value {
    let prefix = HEXLOWER.decode(PREFIX.as_bytes()).expect("hexadecimal");
    let der = [&prefix[..], pair().public_key().as_ref()].concat();
    json!({"keys": [{
        "expires": expires,
        "keyid": KEY_ID,
        "keytype": "ecdsa-sha2-nistp256",
        "scheme": "ecdsa-sha2-nistp256",
        "key": BASE64.encode(&der),
    }]})
}
