//! Constant texts: their escapes, what they are made of, and what they hide.

use std::borrow::Cow;

use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL_NOPAD, HEXLOWER_PERMISSIVE};

use super::token::Language;

/// The text of a literal without its quotes, with its escapes resolved as the language does.
/// An escape that means nothing stands for itself.
pub(super) fn unescape(raw: &str, language: Language) -> Cow<'_, str> {
    if !raw.contains('\\') {
        return Cow::Borrowed(raw);
    }
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.find('\\') {
        let (plain, escape) = rest.split_at(at);
        out.push_str(plain);
        let escape = escape.get(1..).unwrap_or_default();
        let Some(kind) = escape.chars().next() else {
            rest = "";
            break;
        };
        let after = escape.get(kind.len_utf8()..).unwrap_or_default();
        rest = match kind {
            'x' => hexadecimal(&mut out, after, 2).unwrap_or(after),
            'u' if after.starts_with('{') => braced(&mut out, after).unwrap_or(after),
            'u' => hexadecimal(&mut out, after, 4).unwrap_or(after),
            'U' if language == Language::Python => hexadecimal(&mut out, after, 8).unwrap_or(after),
            '0'..='7' if language != Language::Rust => octal(&mut out, escape),
            '0' => push(&mut out, '\0', after),
            '\n' => after,
            'n' => push(&mut out, '\n', after),
            't' => push(&mut out, '\t', after),
            'r' => push(&mut out, '\r', after),
            other => push(&mut out, other, after),
        };
    }
    out.push_str(rest);
    Cow::Owned(out)
}

fn push<'r>(out: &mut String, character: char, rest: &'r str) -> &'r str {
    out.push(character);
    rest
}

fn hexadecimal<'r>(out: &mut String, rest: &'r str, digits: usize) -> Option<&'r str> {
    let code = u32::from_str_radix(rest.get(..digits)?, 16).ok()?;
    out.push(char::from_u32(code).unwrap_or('\u{fffd}'));
    rest.get(digits..)
}

fn braced<'r>(out: &mut String, rest: &'r str) -> Option<&'r str> {
    let (digits, after) = rest.get(1..)?.split_once('}')?;
    let code = u32::from_str_radix(digits, 16).ok()?;
    out.push(char::from_u32(code).unwrap_or('\u{fffd}'));
    Some(after)
}

fn octal<'r>(out: &mut String, rest: &'r str) -> &'r str {
    let is_octal = |it: &u8| (b'0'..=b'7').contains(it);
    let digits = rest.bytes().take(3).take_while(is_octal).count();
    let (code, after) = rest.split_at(digits);
    let code = u32::from_str_radix(code, 8).unwrap_or_default();
    out.push(char::from_u32(code).unwrap_or('\u{fffd}'));
    after
}

/// Shannon entropy of the bytes, in thousandths of a bit for each: whole numbers, so that every
/// machine finds the same.
pub(super) fn entropy_millibits(text: &str) -> u32 {
    let mut counts = [0_u32; 256];
    for byte in text.bytes() {
        if let Some(count) = counts.get_mut(usize::from(byte)) {
            *count += 1;
        }
    }
    let length = text.len().max(1) as f64;
    let bits: f64 = counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| {
            let share = f64::from(*count) / length;
            -share * share.log2()
        })
        .sum();
    (bits * 1_000.0).round() as u32
}

/// What a text in base64 or hexadecimal says, when that is text itself.
pub(super) fn hidden(text: &str) -> Option<String> {
    const MOST: usize = 65_536;
    let compact = text.trim();
    if compact.len() < 12 || compact.len() > MOST {
        return None;
    }
    let bytes = decoded(compact)?;
    let text = String::from_utf8(bytes).ok()?;
    let is_text = |it: char| !it.is_control() || matches!(it, '\n' | '\r' | '\t');
    text.chars().all(is_text).then_some(text)
}

/// The bytes of a text in hexadecimal or base64.
pub(super) fn decoded(text: &str) -> Option<Vec<u8>> {
    let bytes = text.as_bytes();
    let is_hexadecimal = bytes.len().is_multiple_of(2) && bytes.iter().all(u8::is_ascii_hexdigit);
    if is_hexadecimal {
        return HEXLOWER_PERMISSIVE.decode(bytes).ok();
    }
    let unpadded = text.trim_end_matches('=').as_bytes();
    let padded = BASE64.decode(bytes).ok();
    let padded = padded.or_else(|| BASE64_NOPAD.decode(unpadded).ok());
    padded.or_else(|| BASE64URL_NOPAD.decode(unpadded).ok())
}

/// Whether a text is long and looks like packed data: no spaces, the letters of base64 or
/// hexadecimal, much entropy for those.
pub(super) fn is_packed(text: &str) -> bool {
    const LEAST: usize = 400;
    if text.len() < LEAST {
        return false;
    }
    let is_packing = |it: u8| it.is_ascii_alphanumeric() || b"+/=_-\n\r\\".contains(&it);
    let head: String = text.chars().take(4_096).collect();
    head.bytes().all(is_packing) && entropy_millibits(&head) > 3_200
}

/// The hosts of the addresses in a text, lower case, without port.
pub(super) fn hosts(text: &str) -> impl Iterator<Item = &str> {
    let starts = memchr::memmem::find_iter(text.as_bytes(), b"://").map(|at| at + 3);
    starts.filter_map(move |start| {
        let scheme = text.get(..start.checked_sub(3)?)?;
        let is_known = ["http", "https", "ws", "wss", "ftp", "tcp"]
            .iter()
            .any(|it| scheme.ends_with(it));
        let rest = text.get(start..)?;
        let rest = rest.rsplit_once('@').map_or(rest, |(user, after)| {
            match user.contains(['/', ' ', '?', '#']) {
                true => rest,
                false => after,
            }
        });
        let is_part = |it: char| it.is_ascii_alphanumeric() || matches!(it, '.' | '-' | '_');
        let end = rest.find(|it| !is_part(it)).unwrap_or(rest.len());
        let host = rest.get(..end)?.trim_matches('.');
        (is_known && host.contains('.') && host.len() <= 253).then_some(host)
    })
}

/// Whether a text is nothing but a host.
pub(super) fn is_host(text: &str) -> bool {
    let is_part = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'.' | b'-' | b'_');
    text.len() <= 253 && !text.is_empty() && text.bytes().all(is_part)
}

/// Whether a host is the address of a machine in the public network, other than those of name
/// services everybody uses.
pub(super) fn is_public_address(host: &str) -> bool {
    let Ok(address) = host.parse::<std::net::Ipv4Addr>() else {
        return false;
    };
    let is_kept = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_unspecified()
        || address.is_multicast()
        || address.is_broadcast();
    let is_known = matches!(
        address.octets(),
        [1, 1, 1, 1]
            | [1, 0, 0, 1]
            | [8, 8, 8, 8]
            | [8, 8, 4, 4]
            | [9, 9, 9, 9]
            | [0, ..]
            | [100, 64..=127, ..]
    );
    !is_kept && !is_known
}

/// The name somebody registered: the last two labels, three where the one before the last is a
/// public one such as `co.uk`; an IP address as a whole.
pub(super) fn site(host: &str) -> &str {
    if host.bytes().all(|it| it.is_ascii_digit() || it == b'.') {
        return host;
    }
    let labels: Vec<&str> = host.rsplit('.').collect();
    let is_country = labels.first().is_some_and(|it| it.len() == 2);
    let is_public = labels
        .get(1)
        .is_some_and(|it| matches!(*it, "co" | "com" | "org" | "net" | "ac" | "gov" | "edu"));
    let taken = match is_country && is_public {
        true => 3,
        false => 2,
    };
    let length: usize = labels.iter().take(taken).map(|it| it.len() + 1).sum();
    let start = host.len().saturating_sub(length.saturating_sub(1));
    host.get(start..).unwrap_or(host)
}

/// How many addresses of crypto-currencies a text holds that stand alone in it.
pub(super) fn wallet_addresses(text: &str) -> usize {
    let is_word = |it: char| it.is_ascii_alphanumeric();
    text.split(|it| !is_word(it))
        .filter(|it| is_wallet_address(it))
        .count()
}

fn is_wallet_address(word: &str) -> bool {
    let is_base58 = |it: u8| it.is_ascii_alphanumeric() && !b"0OIl".contains(&it);
    let is_bech32 = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit();
    let is_mixed = || {
        let has = |kind: fn(&u8) -> bool| word.as_bytes().iter().any(kind);
        has(u8::is_ascii_digit) && has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase)
    };
    match word.len() {
        42 if word.starts_with("0x") => word.bytes().skip(2).all(|it| it.is_ascii_hexdigit()),
        42 | 62 if word.starts_with("bc1") || word.starts_with("ltc1") => {
            word.bytes().all(is_bech32)
        }
        33 | 34 if word.starts_with(['1', '3', 'T', 'L', 'M']) => {
            word.bytes().all(is_base58) && is_mixed()
        }
        _ => false,
    }
}

/// A line or text as it is shown: without what surrounds it, cut.
pub(super) fn excerpt(text: &str) -> smol_str::SmolStr {
    /// Characters of an excerpt.
    const EXCERPT: usize = 120;
    super::super::fault::printable(text.trim(), EXCERPT).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_resolved_and_what_is_none_stands_for_itself() {
        for (raw, language, said) in [
            (r"\x63hild", Language::JavaScript, "child"),
            (r"\u0063\u{68}\151ld", Language::JavaScript, "child"),
            (r"\U00000063\n\q", Language::Python, "c\nq"),
            (r"\x6", Language::Rust, "6"),
            (r"ls\0", Language::Rust, "ls\0"),
            ("a\\", Language::Rust, "a"),
            (r"\ud83d", Language::JavaScript, "\u{fffd}"),
            ("\\\u{e9}\\u", Language::JavaScript, "\u{e9}"),
        ] {
            assert_eq!(unescape(raw, language), said, "{raw}");
        }
    }

    #[test]
    fn hosts_are_found_without_user_port_and_path() {
        let text = "see https://a.b.example:8080/x?y=http://evil.example or wss://u:p@c.invalid \
                    not file://x.example";
        let found: Vec<&str> = hosts(text).collect();
        assert_eq!(found, ["a.b.example", "evil.example", "c.invalid"]);
        assert_eq!(site("a.b.example"), "b.example");
        assert_eq!(site("a.b.co.uk"), "b.co.uk");
        assert_eq!(site("10.0.0.1"), "10.0.0.1");
        assert_eq!(site("localhost"), "localhost");
    }

    #[test]
    fn hidden_text_is_read_and_hidden_data_is_not() {
        assert_eq!(
            hidden("aHR0cHM6Ly94LmludmFsaWQv").as_deref(),
            Some("https://x.invalid/")
        );
        assert_eq!(
            hidden("68747470733a2f2f782e696e76616c69642f").as_deref(),
            Some("https://x.invalid/")
        );
        assert_eq!(hidden("AAAAAAAAAAAAAAAAAAAA"), None);
        assert_eq!(hidden("not base64 at all"), None);
    }

    #[test]
    fn addresses_of_wallets_are_told_from_digests() {
        let ether = format!("0x{}", "a1".repeat(20));
        assert_eq!(wallet_addresses(&format!("to {ether}, {ether}")), 2);
        assert_eq!(wallet_addresses(&"a1".repeat(20)), 0);
        assert_eq!(wallet_addresses("1BoatSLRHtKNngkdXEeobR76b53LETtpyT"), 1);
    }
}
