//! Keys whose bytes order versions: read once, compared with `memcmp` any number of times.
//!
//! Every part is written so that no key is the beginning of another: numbers carry their length,
//! texts and lists end in a byte below all that could stand in its place.

use pep440_rs::{LocalSegment, PrereleaseKind};

use super::semver_bound::Precedence;

/// Ends a list or a text; below every tag and every character of a version.
const END: u8 = 0x00;
/// Tag of a numeric identifier, below alphanumeric ones (SemVer 2 §11).
const NUMERIC: u8 = 0x01;
/// Tag of an alphanumeric identifier.
const ALPHANUMERIC: u8 = 0x02;
/// In the place of pre-release identifiers: none, which is above all of them.
const RELEASE: u8 = 0x03;

/// SemVer precedence. Build metadata is not in it.
pub(super) fn semver(version: &Precedence<'_>, key: &mut Vec<u8>) {
    for part in version.core {
        number(part, key);
    }
    if version.pre.is_empty() {
        return key.push(RELEASE);
    }
    for identifier in version.pre.split('.') {
        if identifier.bytes().all(|byte| byte.is_ascii_digit()) {
            // Of any length: more digits are more.
            let digits = identifier.trim_start_matches('0');
            let length = u16::try_from(digits.len()).unwrap_or(u16::MAX);
            key.push(NUMERIC);
            key.extend(length.to_be_bytes());
            key.extend(digits.bytes());
        } else {
            key.push(ALPHANUMERIC);
            key.extend(identifier.bytes());
            key.push(END);
        }
    }
    key.push(END);
}

/// The beginning that the keys of all versions with these first numbers share; there are three.
pub(super) fn semver_prefix(numbers: &[u64], key: &mut Vec<u8>) -> bool {
    if numbers.len() > 3 {
        return false;
    }
    for part in numbers {
        number(*part, key);
    }
    true
}

/// PEP 440 order: epoch, release without its trailing zeros, pre-release, post, dev, local.
pub(super) fn pep440(version: &pep440_rs::Version, key: &mut Vec<u8>) {
    // Tags of the pre-release phase. A dev release of no phase comes before all of them.
    const DEV_ONLY: u8 = 0x01;
    const ALPHA: u8 = 0x02;
    const BETA: u8 = 0x03;
    const CANDIDATE: u8 = 0x04;
    const FINAL: u8 = 0x05;
    // Tags of local segments: numbers are above texts, unlike in SemVer.
    const LOCAL_TEXT: u8 = 0x01;
    const LOCAL_NUMBER: u8 = 0x02;

    number(version.epoch(), key);
    significant(version.release(), key);
    key.push(END);
    match (version.pre(), version.post(), version.dev()) {
        (Some(pre), _, _) => {
            key.push(match pre.kind {
                PrereleaseKind::Alpha => ALPHA,
                PrereleaseKind::Beta => BETA,
                PrereleaseKind::Rc => CANDIDATE,
            });
            number(pre.number, key);
        }
        (None, None, Some(_)) => key.push(DEV_ONLY),
        (None, _, _) => key.push(FINAL),
    }
    // No post release is below any, no dev release above any.
    key.push(u8::from(version.post().is_some()));
    number(version.post().unwrap_or(0), key);
    key.push(u8::from(version.dev().is_none()));
    number(version.dev().unwrap_or(0), key);
    for segment in version.local() {
        match segment {
            LocalSegment::String(text) => {
                key.push(LOCAL_TEXT);
                key.extend(text.bytes());
                key.push(END);
            }
            LocalSegment::Number(value) => {
                key.push(LOCAL_NUMBER);
                number(*value, key);
            }
        }
    }
    key.push(END);
}

/// The beginning that the keys of all versions of no epoch with these first numbers share. Of
/// numbers that end in zeros it is that of more versions, of which the lowest is the same.
pub(super) fn pep440_prefix(numbers: &[u64], key: &mut Vec<u8>) {
    number(0, key);
    significant(numbers, key);
}

/// The numbers of a release without the zeros at its end.
fn significant(release: &[u64], key: &mut Vec<u8>) {
    let last = release.iter().rposition(|part| *part != 0);
    for part in release.iter().take(last.map_or(0, |last| last + 1)) {
        number(*part, key);
    }
}

/// A number: one more than its length in bytes, then its bytes, the highest first.
fn number(value: u64, key: &mut Vec<u8>) {
    let bytes = value.to_be_bytes();
    let leading = value.leading_zeros() / 8;
    let significant = bytes.iter().skip(leading as usize);
    key.push(u8::try_from(9 - leading).unwrap_or(u8::MAX));
    key.extend(significant);
}
