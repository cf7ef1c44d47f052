//! Reading the versions at which ranges begin and end, also those their ecosystem cannot read.
//!
//! Records hold a few bounds that are no version: `0.2` of a crate, `1.4.0-*` of npm, `2.6.0-NA`
//! and `2.6.0-cu124` of PyPI. Such a bound still says which release it is about. Leaving it out
//! would make the range one over every later release there is, for ever; so it is read as far as it
//! goes, and where that leaves several versions, as the one that holds the most.

use crate::ecosystem::MAX_VERSION_BYTES;
use crate::model::{Scheme, Version};

/// What a bound says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Bound {
    /// A version, by its key.
    Exact(Vec<u8>),
    /// No version, but the beginning of one.
    Partial(Prefix),
    /// Nothing that can be used.
    Unreadable,
}

/// The numbers a bound begins with, as keys that lie between those of versions.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Prefix {
    /// Below every version that begins with the numbers, pre-releases included. Where the range
    /// begins: whichever of them was meant, nothing before it is left out.
    pub(super) start: Vec<u8>,
    /// Above every version that begins with the numbers (post and local releases included), below
    /// the first that begins with the next one. Where the range ends when its last version is
    /// given: `0.2` may be 0.2.0 or all of 0.2, and `2.6.0-NA` may be 2.6.0 or any build of it.
    pub(super) end: Vec<u8>,
    /// The release whose missing numbers are zero, where nothing but numbers is written. Where the
    /// range ends when the fix is given: of the versions that begin with `0.2` it is the first that
    /// is no pre-release, so all that are older than every fixed one stay affected. Where more is
    /// written (`0.2.0-n653`) nobody knows how it lies to the release, and the range goes on to
    /// [`end`](Self::end).
    pub(super) release: Option<Vec<u8>>,
}

impl Bound {
    pub(super) fn read(version: &str, scheme: &dyn Scheme) -> Self {
        match key_of(version, scheme) {
            Some(key) => Self::Exact(key),
            None => Prefix::read(version, scheme).map_or(Self::Unreadable, Self::Partial),
        }
    }
}

impl Prefix {
    /// `None` for what may be something else than one version. A single number may be a date or a
    /// revision, and after a hyphen a number may be the other end of a range (`1.0-2.0`) or the
    /// month of a date: cutting there could end a range before versions that are meant.
    fn read(version: &str, scheme: &dyn Scheme) -> Option<Self> {
        if version.len() > MAX_VERSION_BYTES {
            return None;
        }
        let is_of_number = |c: char| c == '.' || c.is_ascii_digit();
        let numbers = version.trim_start_matches(is_of_number);
        let numbers = version.strip_suffix(numbers)?.trim_end_matches('.');
        let tail = version.strip_prefix(numbers)?;
        if !is_one_tail(tail) {
            return None;
        }
        let parts = numbers.split('.').map(str::parse).collect();
        let mut parts: Vec<u64> = Result::ok(parts)?;
        if parts.len() < 2 {
            return None;
        }
        let start = prefix_key(&parts, scheme)?;
        let last = parts.last_mut()?;
        *last = last.checked_add(1)?;
        let padded = tail.is_empty().then(|| format!("{numbers}.0"));
        Some(Self {
            start,
            end: prefix_key(&parts, scheme)?,
            release: padded.and_then(|padded| key_of(&padded, scheme)),
        })
    }
}

/// Nothing, or a separator and what a version may go on with.
fn is_one_tail(tail: &str) -> bool {
    let mut rest = tail.chars();
    let Some(separator) = rest.next() else {
        return true;
    };
    let is_of_version = |c: char| c.is_ascii_alphanumeric() || r".-_+~*\".contains(c);
    let begins_with_word = rest
        .as_str()
        .starts_with(|c: char| c.is_ascii_alphabetic() || c == '*');
    ".-_+~".contains(separator) && begins_with_word && rest.all(is_of_version)
}

fn key_of(version: &str, scheme: &dyn Scheme) -> Option<Vec<u8>> {
    let mut key = Vec::new();
    let is_read = scheme.order_key(&Version::verbatim(version), &mut key);
    is_read.then_some(key)
}

fn prefix_key(numbers: &[u64], scheme: &dyn Scheme) -> Option<Vec<u8>> {
    let mut key = Vec::new();
    scheme.prefix_key(numbers, &mut key).then_some(key)
}
