//! A strict, bounded reader of JSON that yields places instead of values.
//!
//! Registry documents reach tens of megabytes, of which Cordon changes a few hundred bytes. So a
//! document is walked once, in place, and what matters is remembered as [`Span`]s of the original
//! bytes; a rendering copies ranges. Strict, because what one parser forgives another refuses or
//! reads differently: no byte-order mark, no control characters or lone surrogates, no numbers
//! beyond a double, nothing nested deeper than [`MAX_DEPTH`], nothing after the document.
//!
//! ```ignore
//! let mut members = scanner.object()?;
//! while let Some(key) = scanner.key(&mut members)? {
//!     let value = scanner.skip()?;
//!     let slot = scanner.end(&mut members)?;
//! }
//! ```

use std::borrow::Cow;

/// Deepest nesting of objects and arrays. Real documents stay below 20.
pub const MAX_DEPTH: u32 = 100;

/// Most bytes of one number. What a double can tell apart needs 25.
pub const MAX_NUMBER_BYTES: usize = 256;

/// A range of bytes of a document. Four bytes each way, because documents are bounded far below
/// 4 GiB and a large one has tens of thousands of these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The bytes meant, empty if they lie outside `bytes`.
    pub fn of(self, bytes: &[u8]) -> &[u8] {
        bytes
            .get(self.start as usize..self.end as usize)
            .unwrap_or_default()
    }
}

/// What is wrong with a document, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} at byte {at}")]
pub struct ScanError {
    /// What is wrong.
    pub what: &'static str,
    /// Offset into the document.
    pub at: usize,
}

/// Where a walk through one object or array stands.
#[derive(Debug)]
pub struct Members {
    slot_start: usize,
    member_start: usize,
    close: u8,
    is_first: bool,
    is_done: bool,
}

/// The containers a skipped value is in.
#[derive(Default)]
struct Nest {
    /// One bit per open container, the innermost lowest: set for objects. [`MAX_DEPTH`] fits.
    containers: u128,
    open: u32,
}

/// A walk through a document.
#[derive(Debug)]
pub struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    depth: u32,
}

impl<'a> Scanner<'a> {
    /// Starts at the beginning.
    ///
    /// # Errors
    /// If the document is not UTF-8 or too large for [`Span`].
    pub fn new(bytes: &'a [u8]) -> Result<Self, ScanError> {
        if u32::try_from(bytes.len()).is_err() {
            return Err(ScanError {
                what: "a document of more than 4 GiB",
                at: 0,
            });
        }
        let text = std::str::from_utf8(bytes).map_err(|error| ScanError {
            what: "bytes that are not UTF-8",
            at: error.valid_up_to(),
        })?;
        Ok(Self {
            text,
            bytes,
            at: 0,
            depth: 0,
        })
    }

    /// Checks that nothing but white space follows.
    ///
    /// # Errors
    /// If something does.
    pub fn finish(mut self) -> Result<(), ScanError> {
        self.white_space();
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.error("something after the end of the document")),
        }
    }

    /// The first byte of the next value, after white space: `{`, `[`, `"`, `t`, `f`, `n`, `-` or a
    /// digit, if the document is well formed. Nothing is consumed.
    pub fn peek_value(&mut self) -> Option<u8> {
        self.white_space();
        self.peek()
    }

    /// Enters an object.
    ///
    /// # Errors
    /// If the next value is none, or nested too deeply.
    pub fn object(&mut self) -> Result<Members, ScanError> {
        self.enter(b'{', b'}', "something else where an object is expected")
    }

    /// Enters an array.
    ///
    /// # Errors
    /// If the next value is none, or nested too deeply.
    pub fn array(&mut self) -> Result<Members, ScanError> {
        self.enter(b'[', b']', "something else where an array is expected")
    }

    fn enter(&mut self, open: u8, close: u8, what: &'static str) -> Result<Members, ScanError> {
        self.white_space();
        if self.peek() != Some(open) {
            return Err(self.error(what));
        }
        if self.depth >= MAX_DEPTH {
            return Err(self.error("nesting deeper than 100"));
        }
        self.depth += 1;
        self.at += 1;
        Ok(Members {
            slot_start: self.at,
            member_start: self.at,
            close,
            is_first: true,
            is_done: false,
        })
    }

    /// The next member's key, decoded; its value must be read next, then [`end`](Self::end)
    /// called. `None` at the end of the object.
    ///
    /// # Errors
    /// If the document is malformed here.
    pub fn key(&mut self, members: &mut Members) -> Result<Option<Cow<'a, str>>, ScanError> {
        if !self.item(members)? {
            return Ok(None);
        }
        let key = self.string()?;
        self.colon()?;
        Ok(Some(key))
    }

    /// Whether the array has another item, which must be read next, then [`end`](Self::end)
    /// called.
    ///
    /// # Errors
    /// If the document is malformed here.
    pub fn item(&mut self, members: &mut Members) -> Result<bool, ScanError> {
        if members.is_done {
            return Ok(false);
        }
        self.white_space();
        if members.is_first && self.peek() == Some(members.close) {
            self.at += 1;
            self.leave(members);
            return Ok(false);
        }
        members.is_first = false;
        members.member_start = self.at;
        Ok(true)
    }

    /// Ends a member or item: its slot, which is everything between the separators around it,
    /// white space included, so that joining all slots with commas gives the original bytes.
    ///
    /// # Errors
    /// If neither a comma nor the end follows.
    pub fn end(&mut self, members: &mut Members) -> Result<Span, ScanError> {
        self.white_space();
        let slot = self.span_from(members.slot_start);
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                members.slot_start = self.at;
            }
            Some(byte) if byte == members.close => {
                self.at += 1;
                self.leave(members);
            }
            _ => return Err(self.error("neither a comma nor the end of an object or array")),
        }
        Ok(slot)
    }

    fn leave(&mut self, members: &mut Members) {
        members.is_done = true;
        self.depth = self.depth.saturating_sub(1);
    }

    /// Reads a string and decodes it.
    ///
    /// # Errors
    /// If the next value is none or malformed.
    pub fn string(&mut self) -> Result<Cow<'a, str>, ScanError> {
        self.white_space();
        let start = self.at;
        let has_escapes = self.skip_string()?;
        let raw = self.text.get(start..self.at).unwrap_or_default();
        if !has_escapes {
            let inner = raw.get(1..raw.len() - 1).unwrap_or_default();
            return Ok(Cow::Borrowed(inner));
        }
        serde_json::from_str(raw)
            .map(Cow::Owned)
            .map_err(|_| ScanError {
                what: "a malformed string",
                at: start,
            })
    }

    /// The decoded string if the next value is one; any other value is skipped.
    ///
    /// # Errors
    /// If the value is malformed.
    pub fn string_or_skip(&mut self) -> Result<Option<Cow<'a, str>>, ScanError> {
        if self.peek_value() == Some(b'"') {
            return self.string().map(Some);
        }
        self.skip()?;
        Ok(None)
    }

    /// The number if the next value is a whole one that fits; any other value is skipped.
    ///
    /// # Errors
    /// If the value is malformed.
    pub fn whole_number(&mut self) -> Result<Option<u64>, ScanError> {
        let span = self.skip()?;
        let text = std::str::from_utf8(span.of(self.bytes)).ok();
        Ok(text.and_then(|text| text.parse().ok()))
    }

    /// Where the next value will start and the last one ended.
    pub fn position(&mut self) -> u32 {
        self.white_space();
        self.at as u32
    }

    /// The bytes from `start` to here.
    pub fn span_since(&self, start: u32) -> Span {
        self.span_from(start as usize)
    }

    /// The current member or item so far: from its first byte, a member's key, to here.
    pub fn member(&self, members: &Members) -> Span {
        self.span_from(members.member_start)
    }

    /// Skips one value of any kind, checking it, and says where it is.
    ///
    /// # Errors
    /// If it is malformed or beyond a limit.
    pub fn skip(&mut self) -> Result<Span, ScanError> {
        self.white_space();
        let start = self.at;
        let mut nest = Nest::default();
        loop {
            if self.begin(&mut nest)? {
                continue;
            }
            loop {
                if nest.open == 0 {
                    return Ok(self.span_from(start));
                }
                if self.go_on(&mut nest)? {
                    break;
                }
            }
        }
    }

    /// Reads a scalar, an empty container, or into a container, which is `true`: then its first
    /// value follows.
    fn begin(&mut self, nest: &mut Nest) -> Result<bool, ScanError> {
        match self.peek() {
            Some(b'"') => {
                self.skip_string()?;
            }
            Some(open @ (b'{' | b'[')) => {
                if self.depth + nest.open >= MAX_DEPTH {
                    return Err(self.error("nesting deeper than 100"));
                }
                let is_object = open == b'{';
                self.at += 1;
                self.white_space();
                if self.peek() == Some(if is_object { b'}' } else { b']' }) {
                    self.at += 1;
                    return Ok(false);
                }
                nest.containers = nest.containers << 1 | u128::from(is_object);
                nest.open += 1;
                if is_object {
                    self.skip_key()?;
                }
                return Ok(true);
            }
            Some(b't') => self.literal("true")?,
            Some(b'f') => self.literal("false")?,
            Some(b'n') => self.literal("null")?,
            Some(b'-' | b'0'..=b'9') => self.number()?,
            _ => return Err(self.error("no value")),
        }
        Ok(false)
    }

    /// After a value in a container: on to the next value, which is `true`, or out of it.
    fn go_on(&mut self, nest: &mut Nest) -> Result<bool, ScanError> {
        self.white_space();
        let is_object = nest.containers & 1 == 1;
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                self.white_space();
                if is_object {
                    self.skip_key()?;
                }
                return Ok(true);
            }
            Some(b'}') if is_object => {}
            Some(b']') if !is_object => {}
            _ => return Err(self.error("neither a comma nor the end of an object or array")),
        }
        self.at += 1;
        nest.containers >>= 1;
        nest.open -= 1;
        Ok(false)
    }

    fn skip_key(&mut self) -> Result<(), ScanError> {
        self.skip_string()?;
        self.colon()
    }

    fn colon(&mut self) -> Result<(), ScanError> {
        self.white_space();
        if self.peek() != Some(b':') {
            return Err(self.error("no colon after a key"));
        }
        self.at += 1;
        self.white_space();
        Ok(())
    }

    fn literal(&mut self, word: &'static str) -> Result<(), ScanError> {
        if !self.rest().starts_with(word.as_bytes()) {
            return Err(self.error("an unknown word"));
        }
        self.at += word.len();
        Ok(())
    }

    fn number(&mut self) -> Result<(), ScanError> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        let has_exponent = matches!(self.peek(), Some(b'e' | b'E'));
        if has_exponent {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        // Without an exponent, this many digits are always within a double's range.
        let is_finite = || {
            let text = self.text.get(start..self.at).unwrap_or_default();
            text.parse::<f64>().is_ok_and(f64::is_finite)
        };
        if self.at - start > MAX_NUMBER_BYTES || (has_exponent && !is_finite()) {
            return Err(ScanError {
                what: "a number beyond what a double holds",
                at: start,
            });
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), ScanError> {
        let count = self
            .rest()
            .iter()
            .position(|byte| !byte.is_ascii_digit())
            .unwrap_or(self.rest().len());
        if count == 0 {
            return Err(self.error("a malformed number"));
        }
        self.at += count;
        Ok(())
    }

    /// Skips a string, checking it; whether it holds escapes.
    fn skip_string(&mut self) -> Result<bool, ScanError> {
        if self.peek() != Some(b'"') {
            return Err(self.error("something else where a string is expected"));
        }
        self.at += 1;
        let mut has_escapes = false;
        loop {
            self.plain_text();
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(has_escapes);
                }
                Some(b'\\') => {
                    has_escapes = true;
                    self.escape()?;
                }
                Some(_) => return Err(self.error("a control character in a string")),
                None => return Err(self.error("a string without an end")),
            }
        }
    }

    /// Goes on to the next quote, backslash or control character, eight bytes at a time.
    fn plain_text(&mut self) {
        const ONES: u64 = 0x0101_0101_0101_0101;
        const HIGHS: u64 = 0x8080_8080_8080_8080;
        // The classic word tricks: a byte's high bit is set where it is zero, or less than 0x20.
        // Borrows can set bits above a true one only, so the lowest bit is always right.
        let zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
        let control = |word: u64| word.wrapping_sub(ONES * 0x20) & !word & HIGHS;
        while let Some(chunk) = self.rest().first_chunk::<8>() {
            let word = u64::from_le_bytes(*chunk);
            let special = zero(word ^ (ONES * u64::from(b'"')))
                | zero(word ^ (ONES * u64::from(b'\\')))
                | control(word);
            if special != 0 {
                self.at += special.trailing_zeros() as usize / 8;
                return;
            }
            self.at += 8;
        }
        let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
        let rest = self.rest();
        self.at += rest.iter().position(is_special).unwrap_or(rest.len());
    }

    fn escape(&mut self) -> Result<(), ScanError> {
        let start = self.at;
        let malformed = ScanError {
            what: "a malformed escape",
            at: start,
        };
        match self.bytes.get(start + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 2;
                Ok(())
            }
            Some(b'u') => {
                let unit = self.code_unit(start).ok_or(malformed)?;
                self.at += 6;
                if (0xd800..0xe000).contains(&unit) {
                    let low = (unit < 0xdc00)
                        .then(|| self.code_unit(self.at))
                        .flatten()
                        .filter(|low| (0xdc00..0xe000).contains(low));
                    if low.is_none() {
                        return Err(ScanError {
                            what: "half a surrogate pair",
                            at: start,
                        });
                    }
                    self.at += 6;
                }
                Ok(())
            }
            _ => Err(malformed),
        }
    }

    /// The code unit of a `\uXXXX` at `at`.
    fn code_unit(&self, at: usize) -> Option<u32> {
        let text = self.text.get(at..at.checked_add(6)?)?;
        let hex = text.strip_prefix("\\u")?;
        hex.bytes()
            .all(|byte| byte.is_ascii_hexdigit())
            .then(|| u32::from_str_radix(hex, 16).ok())?
    }

    fn white_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    fn span_from(&self, start: usize) -> Span {
        // `new` checked that every offset fits.
        Span {
            start: start as u32,
            end: self.at as u32,
        }
    }

    fn error(&self, what: &'static str) -> ScanError {
        ScanError { what, at: self.at }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn skip(text: &[u8]) -> Result<Span, ScanError> {
        let mut scanner = Scanner::new(text)?;
        let span = scanner.skip()?;
        scanner.finish()?;
        Ok(span)
    }

    #[test]
    fn slots_joined_by_commas_are_the_original() {
        let text = br#" { "a" : 1 ,"b":[1, {"c":"}"}]	, "d\u0065" :null } "#;
        let mut scanner = Scanner::new(text).unwrap();
        let mut members = scanner.object().unwrap();
        let (mut keys, mut slots, mut values) = (Vec::new(), Vec::new(), Vec::new());
        while let Some(key) = scanner.key(&mut members).unwrap() {
            keys.push(key.into_owned());
            values.push(scanner.skip().unwrap().of(text).to_vec());
            slots.push(scanner.end(&mut members).unwrap().of(text).to_vec());
        }
        scanner.finish().unwrap();
        assert_eq!(keys, ["a", "b", "de"]);
        assert_eq!(values[1], br#"[1, {"c":"}"}]"#);
        let joined = [b" {".as_slice(), &slots.join(&b','), b"} "].concat();
        assert_eq!(joined, text);
    }

    #[test]
    fn empty_containers_have_no_members() {
        let mut scanner = Scanner::new(b"{ \n}").unwrap();
        let mut members = scanner.object().unwrap();
        assert_eq!(scanner.key(&mut members).unwrap(), None);
        assert_eq!(scanner.key(&mut members).unwrap(), None);
        scanner.finish().unwrap();
        let mut scanner = Scanner::new(b"[]").unwrap();
        let mut items = scanner.array().unwrap();
        assert!(!scanner.item(&mut items).unwrap());
        scanner.finish().unwrap();
    }

    #[test]
    fn hostile_documents_are_refused() {
        let deep_objects = "{\"a\":".repeat(100_000);
        let deep_arrays = "[".repeat(100_000);
        let long_number = "1".repeat(1024 * 1024);
        let cases: &[&[u8]] = &[
            b"",
            b" ",
            b"\xef\xbb\xbf{}",
            b"\"\xff\"",
            b"\"\xed\xa0\x80\"",
            b"\"a\0b\"",
            b"\"line\nbreak\"",
            br#""\ud800""#,
            br#""\ud800A""#,
            br#""\udc00""#,
            br#""\u12""#,
            br#""\u+123""#,
            br#""\x""#,
            b"\"open",
            b"\"open\\",
            b"1e400",
            b"-1e999",
            b"01",
            b"-",
            b"1.",
            b"1e",
            b".5",
            b"+1",
            b"NaN",
            b"nul",
            b"{\"a\":1,}",
            b"{\"a\" 1}",
            b"{a:1}",
            b"{,}",
            b"[1,]",
            b"[1 2]",
            b"[1}",
            b"{\"a\":1]",
            b"{} {}",
            b"{",
            b"[",
            deep_objects.as_bytes(),
            deep_arrays.as_bytes(),
            long_number.as_bytes(),
        ];
        for case in cases {
            let shown = String::from_utf8_lossy(&case[..case.len().min(40)]);
            assert!(skip(case).is_err(), "{shown:?} was accepted");
        }
    }

    #[test]
    fn nesting_is_counted_across_entered_and_skipped_containers() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(skip(nested(100).as_bytes()).is_ok());
        assert!(skip(nested(101).as_bytes()).is_err());
        let text = nested(101);
        let mut scanner = Scanner::new(text.as_bytes()).unwrap();
        let mut items = scanner.array().unwrap();
        assert!(scanner.item(&mut items).unwrap());
        assert!(scanner.skip().is_err());
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            "\\PC{0,24}|[\\x00-\\x7f]{0,24}".prop_map(Into::into),
        ];
        leaf.prop_recursive(5, 64, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
                proptest::collection::vec(("\\PC{0,8}", inner), 0..6).prop_map(|members| {
                    serde_json::Value::Object(members.into_iter().collect())
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn accepts_what_is_json(value in json(), is_pretty: bool) {
            let text = if is_pretty {
                serde_json::to_string_pretty(&value).unwrap()
            } else {
                value.to_string()
            };
            let span = skip(text.as_bytes());
            prop_assert_eq!(span.map(|span| span.of(text.as_bytes()).len()), Ok(text.len()));
        }

        #[test]
        fn agrees_with_a_reference_parser(text in "[\\[\\]{}\",:\\\\u0-9a-fntrlse+. -]{0,40}") {
            let reference = serde_json::from_str::<serde_json::Value>(&text);
            prop_assert_eq!(skip(text.as_bytes()).is_ok(), reference.is_ok(), "{}", text);
        }

        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = skip(&bytes);
        }
    }
}
