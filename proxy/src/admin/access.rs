//! Who may ask, and from where.

use http::header::{AUTHORIZATION, HOST, HeaderName, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, StatusCode, Uri};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::config::Secret;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Why an operator's request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Denied {
    #[error("this listener answers only to its loopback names, such as localhost")]
    Host,
    #[error("web pages may not ask this listener for anything")]
    Origin,
    #[error("this listener asks for its token, as `authorization: Bearer …`")]
    Token,
}

impl Denied {
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::Host => StatusCode::MISDIRECTED_REQUEST,
            Self::Origin => StatusCode::FORBIDDEN,
            Self::Token => StatusCode::UNAUTHORIZED,
        }
    }
}

/// The rules of one listener.
pub(super) struct Access {
    /// SHA-256 of the token, so that comparing takes the same time whatever the lengths are.
    token: Option<[u8; 32]>,
    is_loopback: bool,
}

impl Access {
    pub(super) fn new(token: Option<&Secret>, is_loopback: bool) -> Self {
        Self {
            token: token.map(|token| digest(token.expose().as_bytes())),
            is_loopback,
        }
    }

    /// Refuses requests a web page made a browser send: under a name that only pretends to be
    /// this machine, or across sites.
    pub(super) fn check_origin(&self, headers: &HeaderMap) -> Result<(), Denied> {
        let host = headers.get(HOST).and_then(|host| host.to_str().ok());
        let authority = host.and_then(|host| host.parse::<Authority>().ok());
        if self.is_loopback && !authority.as_ref().is_some_and(is_loopback) {
            return Err(Denied::Host);
        }
        let is_cross_site = headers
            .get(SEC_FETCH_SITE)
            .is_some_and(|site| site != "same-origin" && site != "none");
        let is_foreign = headers.get(ORIGIN).is_some_and(|origin| {
            let origin = origin
                .to_str()
                .ok()
                .and_then(|text| text.parse::<Uri>().ok());
            let origin = origin.as_ref().and_then(Uri::authority);
            origin.is_none() || origin != authority.as_ref()
        });
        if is_cross_site || is_foreign {
            return Err(Denied::Origin);
        }
        Ok(())
    }

    /// Asks for the token, if there is one.
    pub(super) fn check_token(&self, headers: &HeaderMap) -> Result<(), Denied> {
        let Some(expected) = &self.token else {
            return Ok(());
        };
        let given = headers
            .get(AUTHORIZATION)
            .and_then(|value| value.as_bytes().split_at_checked(7))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"bearer "))
            .map_or(&b""[..], |(_, token)| token.trim_ascii());
        if bool::from(digest(given).ct_eq(expected)) {
            Ok(())
        } else {
            Err(Denied::Token)
        }
    }
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn is_loopback(authority: &Authority) -> bool {
    let host = authority.host();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || address
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use cordon_tests::numbers::Numbers;
    use http::HeaderValue;

    use super::*;

    const TOKEN: &str = "lqI7xXkBbVxGJqVcRmzVZlRkY3o2l0w9";

    fn guess(token: &str) -> HeaderMap {
        let value = format!("Bearer {token}");
        let value = HeaderValue::from_str(&value).expect("a header value");
        HeaderMap::from_iter([(AUTHORIZATION, value)])
    }

    /// Welch's t of two samples.
    fn t_of(samples: [&[f64]; 2]) -> f64 {
        let of = |sample: &[f64]| {
            let count = sample.len() as f64;
            let mean = sample.iter().sum::<f64>() / count;
            let squares: f64 = sample.iter().map(|x| (x - mean).powi(2)).sum();
            (mean, squares / (count - 1.0) / count)
        };
        let [(first, first_error), (second, second_error)] = samples.map(of);
        (first - second) / (first_error + second_error).sqrt()
    }

    /// A guess that is wrong in its last character takes as long as one wrong in its first. Both
    /// kinds are measured in one stream, in random order, so that whatever else the machine does
    /// meets both; the slowest tenth is its doing and left out.
    #[test]
    fn inv_37_a_better_guess_is_refused_no_later() {
        let access = Access::new(Some(&Secret::new(TOKEN.to_owned())), true);
        let guesses = [
            guess(&TOKEN.replace("lqI7", "XqI7")),
            guess(&TOKEN.replace("l0w9", "l0wX")),
        ];
        let is_thorough = std::env::var_os("CORDON_SLOW").is_some();
        let count = if is_thorough { 1_000_000 } else { 40_000 };
        let mut numbers = Numbers::new(37);
        let mut times = [Vec::new(), Vec::new()];
        for _ in 0..count {
            let kind = usize::from(numbers.below(2) == 1);
            let began = Instant::now();
            let outcome = access.check_token(std::hint::black_box(&guesses[kind]));
            times[kind].push(began.elapsed().as_nanos() as f64);
            assert_eq!(outcome, Err(Denied::Token));
        }
        let mut all: Vec<f64> = times.iter().flatten().copied().collect();
        all.sort_by(f64::total_cmp);
        let slow = all[all.len() * 9 / 10];
        for sample in &mut times {
            sample.retain(|time| *time <= slow);
        }
        let t = t_of([&times[0], &times[1]]);
        assert!(t.abs() < 4.5, "t = {t:.2} over {count} guesses");
    }

    /// Nothing but [`Access`] compares a secret with anything.
    #[test]
    fn inv_37_secrets_are_compared_nowhere_else() {
        let mut folders = vec![std::path::PathBuf::from(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/src"
        ))];
        let mut uses = 0;
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder of sources") {
                let path = entry.expect("a readable folder").path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let text = std::fs::read_to_string(&path).expect("a source file");
                for line in text.lines().filter(|line| line.contains(".expose()")) {
                    uses += 1;
                    let compares = ["==", "!=", ".eq(", ".cmp(", "starts_with", "matches!"];
                    let is_test = line.contains("assert") || line.contains("contains");
                    let is_compared = compares.iter().any(|sign| line.contains(sign));
                    assert!(is_test || !is_compared, "{}: {line}", path.display());
                }
            }
        }
        assert!(uses > 3, "looked in the wrong place");
    }
}
