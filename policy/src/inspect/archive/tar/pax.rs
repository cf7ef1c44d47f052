//! PAX extended headers (POSIX.1-2001): records `length key=value` that stand for header fields.

use crate::inspect::fault::FaultCode;

/// What is wrong with an extended header.
pub(super) type Problem = (FaultCode, String);

/// The records of one extended header that decide what an entry is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Records {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
}

/// What a key is about.
enum Key {
    Path,
    Link,
    Size,
    /// How paths are encoded; only the default is read by all.
    Charset,
    Sparse,
    /// Times, owners, comments, attributes of systems.
    Other,
}

impl Key {
    fn of(key: &[u8]) -> Self {
        match key {
            b"path" => Self::Path,
            b"linkpath" => Self::Link,
            b"size" => Self::Size,
            b"hdrcharset" => Self::Charset,
            b"SCHILY.realsize" => Self::Sparse,
            _ if key.starts_with(b"GNU.sparse.") => Self::Sparse,
            _ => Self::Other,
        }
    }
}

impl Records {
    /// Reads the body of an extended header.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Problem> {
        let mut records = Self::default();
        let mut rest = body;
        while !rest.is_empty() {
            let (key, value, after) = record(rest).ok_or_else(malformed)?;
            records.add(key, value)?;
            rest = after;
        }
        Ok(records)
    }

    /// A header for all entries that follow may not say what one of them is.
    pub(super) fn says_nothing(&self) -> bool {
        *self == Self::default()
    }

    fn add(&mut self, key: &[u8], value: &[u8]) -> Result<(), Problem> {
        let is_double = match Key::of(key) {
            Key::Path => self.path.replace(value.to_vec()).is_some(),
            Key::Link => self.link.replace(value.to_vec()).is_some(),
            Key::Size => self.size.replace(decimal(value)?).is_some(),
            Key::Charset if value == b"ISO-IR 10646 2000 UTF-8" => false,
            Key::Charset => {
                let detail = "the names are not encoded as UTF-8".to_owned();
                return Err((FaultCode::Pax, detail));
            }
            Key::Sparse => return Err((FaultCode::Type, "a sparse file".to_owned())),
            Key::Other => false,
        };
        match is_double {
            true => Err((
                FaultCode::Pax,
                format!("there are two records for {}", String::from_utf8_lossy(key)),
            )),
            false => Ok(()),
        }
    }
}

fn malformed() -> Problem {
    (FaultCode::Pax, "a PAX record is malformed".to_owned())
}

/// The first record: its key, its value, and what follows.
fn record(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = bytes.iter().take(20).position(|byte| *byte == b' ')?;
    let length = digits(bytes.get(..space)?)?;
    let (record, after) = bytes.split_at_checked(usize::try_from(length).ok()?)?;
    let text = record.get(space + 1..)?.strip_suffix(b"\n")?;
    let equals = text.iter().position(|byte| *byte == b'=')?;
    let (key, value) = (text.get(..equals)?, text.get(equals + 1..)?);
    let is_plain = !key.is_empty()
        && key
            .iter()
            .all(|byte| byte.is_ascii_graphic() || *byte == b' ');
    is_plain.then_some((key, value, after))
}

/// A number without a sign, spaces or leading zeros: readers differ about those.
fn digits(text: &[u8]) -> Option<u64> {
    let is_plain = matches!(text, [b'0'] | [b'1'..=b'9', ..]);
    text.iter()
        .filter(|_| is_plain)
        .try_fold(None, |value: Option<u64>, digit| match digit {
            b'0'..=b'9' => {
                let value = value.unwrap_or(0).checked_mul(10)?;
                Some(Some(value.checked_add(u64::from(digit - b'0'))?))
            }
            _ => None,
        })
        .flatten()
}

fn decimal(value: &[u8]) -> Result<u64, Problem> {
    digits(value).ok_or_else(|| {
        let detail = "the size in a PAX record is not a plain number".to_owned();
        (FaultCode::Pax, detail)
    })
}
