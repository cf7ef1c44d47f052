//! The request target, parsed once and strictly (INV-38).
//!
//! Nothing is normalised and served: a path that could be read in two ways is refused. What comes
//! out is a mount, decoded segments and flags; the raw path is not kept, so nothing downstream can
//! look at it.

use std::fmt;
use std::sync::Arc;

use cordon_policy::config::is_asker_name;
use http::{HeaderMap, Method, StatusCode, Uri};

use crate::registry::RequestHead;

/// Longest path, in bytes, as sent.
pub const MAX_PATH_BYTES: usize = 2048;
/// Longest query, in bytes, as sent.
pub const MAX_QUERY_BYTES: usize = 2048;
/// Longest segment, in bytes, decoded.
pub const MAX_SEGMENT_BYTES: usize = 255;
/// Most segments, the mount included.
pub const MAX_SEGMENTS: usize = 12;

/// The one segment after which a doubled slash is understood: pipenv asks for `simple//name/`.
const DOUBLED_SLASH_AFTER: &str = "simple";

/// What a request asks for: a mount and decoded segments below it.
///
/// Made only by [`Target::parse`], so whoever holds one knows that no segment is empty, `.` or
/// `..`, and that every character is visible ASCII.
/// Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target(Arc<Parts>);

#[derive(Debug, Default, PartialEq, Eq)]
struct Parts {
    route: Option<String>,
    mount: String,
    segments: Vec<String>,
    has_trailing_slash: bool,
    has_doubled_slash: bool,
    query: Option<String>,
}

/// Below it, the further entrances by name.
pub const ROUTE: &str = "route/";

fn split_route(below: &str) -> (&str, &str) {
    below.split_once('/').unwrap_or((below, ""))
}

impl Target {
    /// Parses the path and query of a request. The scheme and authority, where there are any, are
    /// the listener's business.
    ///
    /// # Errors
    /// Whatever is not plain, with the status to answer: 414 for too long, 400 for the rest.
    pub fn parse(uri: &Uri) -> Result<Self, TargetError> {
        Self::from_parts(uri.path(), uri.query())
    }

    /// As [`parse`](Self::parse), from a path and a query without `?`.
    pub(crate) fn from_parts(path: &str, query: Option<&str>) -> Result<Self, TargetError> {
        if path.len() > MAX_PATH_BYTES || query.is_some_and(|q| q.len() > MAX_QUERY_BYTES) {
            return Err(TargetError::TooLong);
        }
        if query.is_some_and(|query| !query.bytes().all(|b| b.is_ascii_graphic())) {
            return Err(TargetError::Character);
        }
        let below_root = path.strip_prefix('/').ok_or(TargetError::NotAPath)?;
        let (route, below_root) = match below_root.strip_prefix(ROUTE).map(split_route) {
            Some((name, rest)) if is_asker_name(name) => (Some(name.to_owned()), rest),
            _ => (None, below_root),
        };
        let mut target = Parts {
            route,
            query: query.map(str::to_owned),
            ..Parts::default()
        };
        let mut parts = below_root.split('/').peekable();
        let mount = parts.next().unwrap_or_default();
        if mount.is_empty() {
            // `/` alone is the root; `//…` has an empty mount.
            return match parts.next() {
                None => Ok(Self(Arc::new(target))),
                Some(_) => Err(TargetError::EmptySegment),
            };
        }
        target.mount = decode(mount)?;
        if target.mount.contains('/') {
            return Err(TargetError::EncodedSlash);
        }
        while let Some(part) = parts.next() {
            let is_last = parts.peek().is_none();
            if !part.is_empty() {
                if target.segments.len() + 2 > MAX_SEGMENTS {
                    return Err(TargetError::TooManySegments);
                }
                target.segments.push(decode(part)?);
            } else if is_last {
                target.has_trailing_slash = true;
            } else {
                let is_known = target.segments.len() == 1
                    && target
                        .segments
                        .first()
                        .is_some_and(|s| s == DOUBLED_SLASH_AFTER)
                    && !target.has_doubled_slash
                    && parts.peek().is_some_and(|next| !next.is_empty());
                if !is_known {
                    return Err(TargetError::EmptySegment);
                }
                target.has_doubled_slash = true;
            }
        }
        Ok(Self(Arc::new(target)))
    }

    /// The route it came by, if it came by one: `payments` of `/route/payments/npm/…`. All else is
    /// as without it.
    pub fn route(&self) -> Option<&str> {
        self.0.route.as_deref()
    }

    /// The first segment: `npm`, `why`; empty for `/`.
    pub fn mount(&self) -> &str {
        &self.0.mount
    }

    /// The segments below the mount, decoded, none empty, `.` or `..`. Only a scoped name
    /// (`@scope/name`) holds a slash.
    pub fn segments(&self) -> &[String] {
        &self.0.segments
    }

    /// Whether the path ended in `/` below the mount.
    pub fn has_trailing_slash(&self) -> bool {
        self.0.has_trailing_slash
    }

    /// Whether there was a doubled slash after `simple`.
    pub fn has_doubled_slash(&self) -> bool {
        self.0.has_doubled_slash
    }

    /// The query without `?`, not decoded; visible ASCII.
    pub fn query(&self) -> Option<&str> {
        self.0.query.as_deref()
    }

    /// The canonical path, without the query, which may hold what users typed.
    pub fn path(&self) -> Path<'_> {
        Path(self)
    }

    /// The request as adapters see it.
    pub fn head<'a>(&'a self, method: &'a Method, headers: &'a HeaderMap) -> RequestHead<'a> {
        RequestHead {
            method,
            segments: &self.0.segments,
            has_trailing_slash: self.0.has_trailing_slash,
            has_doubled_slash: self.0.has_doubled_slash,
            query: self.query(),
            headers,
        }
    }
}

/// A target without its query, for logs.
#[derive(Clone, Copy, Debug)]
pub struct Path<'a>(&'a Target);

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target = &self.0.0;
        f.write_str("/")?;
        if let Some(route) = &target.route {
            // The name of a route needs no encoding.
            write!(f, "{ROUTE}{route}/")?;
        }
        encode(f, &target.mount)?;
        for (index, segment) in target.segments.iter().enumerate() {
            let is_doubled = index == 1 && target.has_doubled_slash;
            f.write_str(if is_doubled { "//" } else { "/" })?;
            encode(f, segment)?;
        }
        if target.has_trailing_slash {
            f.write_str("/")?;
        }
        Ok(())
    }
}

/// The canonical spelling: parsing it again gives the same target.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path())?;
        match &self.0.query {
            Some(query) => write!(f, "?{query}"),
            None => Ok(()),
        }
    }
}

/// Decodes one segment, once.
fn decode(raw: &str) -> Result<String, TargetError> {
    // An escape takes three bytes for one, so more than this cannot fit whatever it says.
    if raw.len() > MAX_SEGMENT_BYTES * 3 {
        return Err(TargetError::SegmentTooLong);
    }
    let mut decoded = String::with_capacity(raw.len());
    let mut bytes = raw.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            push(&mut decoded, byte)?;
            continue;
        }
        let high = bytes.next().and_then(hex).ok_or(TargetError::Escape)?;
        let low = bytes.next().and_then(hex).ok_or(TargetError::Escape)?;
        match high << 4 | low {
            b'/' => decoded.push('/'),
            byte => push(&mut decoded, byte)?,
        }
    }
    if decoded.len() > MAX_SEGMENT_BYTES {
        return Err(TargetError::SegmentTooLong);
    }
    let (scope, name) = match decoded.split_once('/') {
        None => (None, decoded.as_str()),
        Some((scope, name)) => (Some(scope), name),
    };
    if let Some(scope) = scope {
        let is_scope = scope.len() > 1 && scope.starts_with('@');
        if !is_scope || name.is_empty() || name.contains('/') {
            return Err(TargetError::EncodedSlash);
        }
    }
    if name == "." || name == ".." {
        return Err(TargetError::DotSegment);
    }
    Ok(decoded)
}

fn push(into: &mut String, byte: u8) -> Result<(), TargetError> {
    if !is_segment_byte(byte) {
        return Err(TargetError::Character);
    }
    into.push(char::from(byte));
    Ok(())
}

/// Letters, digits and the punctuation names and versions use. `;` is missing because some servers
/// read parameters after it, `%` and `\` because some decode twice or fold slashes.
fn is_segment_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,=:@^<>|".contains(&byte)
}

fn encode(f: &mut fmt::Formatter<'_>, segment: &str) -> fmt::Result {
    use fmt::Write as _;
    for character in segment.chars() {
        match character {
            '/' | '^' | '<' | '>' | '|' => write!(f, "%{:02X}", u32::from(character))?,
            plain => f.write_char(plain)?,
        }
    }
    Ok(())
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

/// Why a request target is refused. The text never repeats what the client sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Path or query over its limit.
    #[error(
        "the address is too long: a path has at most {MAX_PATH_BYTES} bytes, a query at most {MAX_QUERY_BYTES}"
    )]
    TooLong,
    /// `*`, an authority, or nothing.
    #[error("the request target is not a path")]
    NotAPath,
    /// More segments than any route has.
    #[error("the path has more than {MAX_SEGMENTS} segments")]
    TooManySegments,
    /// A segment no name or file can have.
    #[error("a path segment is longer than {MAX_SEGMENT_BYTES} bytes")]
    SegmentTooLong,
    /// `//`.
    #[error("the path has an empty segment")]
    EmptySegment,
    /// `.` or `..`, in any encoding.
    #[error("the path has a `.` or `..` segment")]
    DotSegment,
    /// `%` without two hexadecimal digits.
    #[error("the path has a broken percent escape")]
    Escape,
    /// `%2f` anywhere but in a scoped name.
    #[error("`%2f` is only understood between a scope and a name, as in `@scope%2fname`")]
    EncodedSlash,
    /// A character outside the grammar, escaped or not.
    #[error("the address has a character that no package address has")]
    Character,
}

impl TargetError {
    /// The status to answer.
    pub fn status(self) -> StatusCode {
        match self {
            Self::TooLong => StatusCode::URI_TOO_LONG,
            Self::NotAPath
            | Self::TooManySegments
            | Self::SegmentTooLong
            | Self::EmptySegment
            | Self::DotSegment
            | Self::Escape
            | Self::EncodedSlash
            | Self::Character => StatusCode::BAD_REQUEST,
        }
    }
}

#[cfg(test)]
mod tests;
