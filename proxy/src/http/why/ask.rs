//! Asking for the release of something held, from the page about its refusal: a form without a
//! script.
//!
//! Nothing here knows who somebody is, so what a web page elsewhere could do with a visitor's browser
//! is send requests in their name. It cannot: the browser must say that the form is ours, and the
//! form carries a proof that only the page about this decision shows, to this client.

use http::header::{CONTENT_TYPE, HOST, HeaderName, ORIGIN};
use http::{HeaderMap, Uri};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use url::Url;

use cordon_policy::decision::DecisionId;
use cordon_policy::model::Timestamp;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Longest form taken, in bytes: every character of the longest reason escaped four times over.
pub const MAX_FORM_BYTES: usize = 16 * 1024;

/// Digits of a proof.
const PROOF_DIGITS: usize = 32;

/// How long a proof holds at least, in milliseconds; at most twice that.
const PERIOD_MS: i64 = 12 * 3_600 * 1_000;

/// A form as sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Why the release is needed.
    pub reason: String,
    /// How to reach whoever asks.
    pub contact: Option<String>,
    /// The proof of the page.
    pub proof: String,
}

impl Asked {
    /// Reads the body of a form.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, &'static str> {
        let kind = headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
        let kind = kind.and_then(|it| it.split(';').next()).unwrap_or_default();
        if !kind
            .trim()
            .eq_ignore_ascii_case("application/x-www-form-urlencoded")
        {
            return Err("send a form (application/x-www-form-urlencoded)");
        }
        if body.len() > MAX_FORM_BYTES {
            return Err("the form is too long");
        }
        let mut asked = Self::default();
        for (key, value) in url::form_urlencoded::parse(body) {
            match key.as_ref() {
                "reason" => asked.reason = value.into_owned(),
                "contact" if !value.trim().is_empty() => asked.contact = Some(value.into_owned()),
                "proof" => asked.proof = value.into_owned(),
                _ => {}
            }
        }
        Ok(asked)
    }
}

/// Whether a browser says that the request comes from a page of another site. Programs say nothing.
pub fn is_foreign(headers: &HeaderMap, public_url: &Url) -> bool {
    if let Some(site) = headers.get(SEC_FETCH_SITE) {
        return site != "same-origin";
    }
    let Some(origin) = headers.get(ORIGIN) else {
        return false;
    };
    let parsed = origin.to_str().ok().and_then(|it| it.parse::<Uri>().ok());
    let Some(authority) = parsed.as_ref().and_then(Uri::authority) else {
        return true;
    };
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let is_host = host.is_some_and(|host| authority.as_str().eq_ignore_ascii_case(host));
    !is_host && authority.as_str() != public_url.authority()
}

/// Makes and checks the proofs that a form was shown to whoever sends it.
pub struct Proofs {
    key: [u8; 32],
}

impl Proofs {
    /// With a key of its own: forms shown before a restart have to be loaded again.
    ///
    /// # Errors
    /// If the system has no randomness.
    pub fn new() -> Result<Self, getrandom::Error> {
        let mut key = [0; 32];
        getrandom::fill(&mut key)?;
        Ok(Self { key })
    }

    /// The proof for a page shown now.
    pub fn make(&self, decision: &DecisionId, address: &str, now: Timestamp) -> String {
        self.of(decision, address, now.as_millis().div_euclid(PERIOD_MS))
    }

    /// Whether a proof is one made for this page and client not long ago.
    pub fn holds(&self, proof: &str, decision: &DecisionId, address: &str, now: Timestamp) -> bool {
        let period = now.as_millis().div_euclid(PERIOD_MS);
        [period, period - 1].into_iter().any(|period| {
            let expected = self.of(decision, address, period);
            bool::from(expected.as_bytes().ct_eq(proof.as_bytes()))
        })
    }

    fn of(&self, decision: &DecisionId, address: &str, period: i64) -> String {
        let mut hasher = Sha256::new();
        // The key stands on both sides, so that nothing can be appended to what is proved.
        hasher.update(self.key);
        hasher.update(format!("{decision}\n{address}\n{period}\n"));
        hasher.update(self.key);
        let mut hex = data_encoding::HEXLOWER.encode(&hasher.finalize());
        hex.truncate(PROOF_DIGITS);
        hex
    }
}

impl std::fmt::Debug for Proofs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Proofs")
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(all: &[(HeaderName, &str)]) -> HeaderMap {
        let pairs = all.iter().map(|(name, value)| {
            let value = HeaderValue::from_str(value).expect("a value");
            (name.clone(), value)
        });
        pairs.collect()
    }

    #[test]
    fn inv_51_a_browser_that_comes_from_elsewhere_is_told_apart() {
        let ours: Url = "https://packages.example:8443/".parse().expect("a URL");
        let host = (HOST, "10.0.0.7:8443");
        for (given, is) in [
            (vec![], false),
            (vec![(SEC_FETCH_SITE, "same-origin")], false),
            (vec![(SEC_FETCH_SITE, "same-site")], true),
            (vec![(SEC_FETCH_SITE, "cross-site")], true),
            (vec![(SEC_FETCH_SITE, "none")], true),
            (vec![(ORIGIN, "https://packages.example:8443")], false),
            (vec![(ORIGIN, "http://10.0.0.7:8443")], false),
            (vec![(ORIGIN, "null")], true),
            (vec![(ORIGIN, "https://packages.example")], true),
            (
                vec![(ORIGIN, "https://packages.example:8443.evil.example")],
                true,
            ),
            (vec![(ORIGIN, "https://evil.example")], true),
            (
                vec![
                    (SEC_FETCH_SITE, "cross-site"),
                    (ORIGIN, "https://packages.example:8443"),
                ],
                true,
            ),
        ] {
            let all: Vec<_> = given.iter().cloned().chain([host.clone()]).collect();
            assert_eq!(is_foreign(&headers(&all), &ours), is, "{given:?}");
        }
    }

    #[test]
    fn a_proof_holds_for_its_page_client_and_day_only() {
        let proofs = Proofs::new().expect("randomness");
        let id = DecisionId::from_random(7);
        let now = Timestamp::from_millis(1_780_000_000_000);
        let proof = proofs.make(&id, "192.0.2.1", now);
        assert!(proofs.holds(&proof, &id, "192.0.2.1", now));
        let later = Timestamp::from_millis(now.as_millis() + PERIOD_MS);
        assert!(proofs.holds(&proof, &id, "192.0.2.1", later));
        let too_late = Timestamp::from_millis(now.as_millis() + 2 * PERIOD_MS);
        assert!(!proofs.holds(&proof, &id, "192.0.2.1", too_late));
        assert!(!proofs.holds(&proof, &id, "192.0.2.2", now));
        assert!(!proofs.holds(&proof, &DecisionId::from_random(8), "192.0.2.1", now));
        assert!(!proofs.holds("", &id, "192.0.2.1", now));
        let other = Proofs::new().expect("randomness");
        assert!(!other.holds(&proof, &id, "192.0.2.1", now));
    }

    #[test]
    fn a_form_is_read_as_a_form_and_nothing_else() {
        let form = headers(&[(
            CONTENT_TYPE,
            "application/x-www-form-urlencoded; charset=utf-8",
        )]);
        let asked = Asked::read(&form, b"reason=a+%3Cb%3E&contact=&proof=00&x=y");
        let expected = Asked {
            reason: "a <b>".to_owned(),
            contact: None,
            proof: "00".to_owned(),
        };
        assert_eq!(asked, Ok(expected));
        for kind in ["text/plain", "multipart/form-data", "application/json"] {
            assert!(Asked::read(&headers(&[(CONTENT_TYPE, kind)]), b"reason=a").is_err());
        }
        assert!(Asked::read(&form, &[b'a'; MAX_FORM_BYTES + 1]).is_err());
    }
}
