//! Which content coding a client takes (RFC 9110 §12.5.3). Cordon offers gzip and nothing else:
//! every client understands it, and one stored form serves all.

use http::{HeaderMap, header};

/// What the client accepts, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AcceptedCodings {
    /// gzip is acceptable and at least as welcome as no coding.
    pub prefers_gzip: bool,
    /// gzip is acceptable.
    pub takes_gzip: bool,
    /// No coding at all is acceptable.
    pub takes_identity: bool,
}

/// Quality in thousandths.
type Quality = u16;

impl AcceptedCodings {
    /// Without an `Accept-Encoding`: plain bytes.
    pub const PLAIN: Self = Self {
        prefers_gzip: false,
        takes_gzip: false,
        takes_identity: true,
    };

    /// Reads `Accept-Encoding`.
    pub fn of(headers: &HeaderMap) -> Self {
        let mut gzip: Option<Quality> = None;
        let mut identity: Option<Quality> = None;
        let mut any: Option<Quality> = None;
        for value in headers.get_all(header::ACCEPT_ENCODING) {
            for item in value.as_bytes().split(|byte| *byte == b',') {
                let (coding, quality) = item_of(item);
                let slot = if coding.eq_ignore_ascii_case(b"gzip")
                    || coding.eq_ignore_ascii_case(b"x-gzip")
                {
                    &mut gzip
                } else if coding.eq_ignore_ascii_case(b"identity") {
                    &mut identity
                } else if coding == b"*" {
                    &mut any
                } else {
                    continue;
                };
                *slot = Some(slot.map_or(quality, |known| known.max(quality)));
            }
        }
        let gzip = gzip.or(any).unwrap_or(0);
        Self {
            prefers_gzip: gzip > 0 && gzip >= identity.unwrap_or(0),
            takes_gzip: gzip > 0,
            takes_identity: identity.or(any) != Some(0),
        }
    }
}

/// A coding and its quality; what is not a quality counts as 0, so that junk chooses nothing.
fn item_of(item: &[u8]) -> (&[u8], Quality) {
    let mut parts = item.split(|byte| *byte == b';');
    let coding = parts.next().unwrap_or_default().trim_ascii();
    let weight = parts.map(<[u8]>::trim_ascii).find_map(|part| {
        part.strip_prefix(b"q=")
            .or_else(|| part.strip_prefix(b"Q="))
    });
    (coding, weight.map_or(1000, quality))
}

/// Reads `0`, `0.5`, `1.000`.
fn quality(text: &[u8]) -> Quality {
    let (whole, fraction) = match text {
        [whole] => (whole, &[][..]),
        [whole, b'.', fraction @ ..] if fraction.len() <= 3 => (whole, fraction),
        _ => return 0,
    };
    if !fraction.iter().all(u8::is_ascii_digit) {
        return 0;
    }
    let thousandths = (0..3).fold(0, |sum, place| {
        sum * 10
            + fraction
                .get(place)
                .map_or(0, |digit| Quality::from(digit - b'0'))
    });
    match whole {
        b'0' => thousandths,
        b'1' if thousandths == 0 => 1000,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    /// `g` gzip preferred, `a` gzip acceptable only, `i` identity acceptable.
    fn letters(value: &str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::ACCEPT_ENCODING,
            HeaderValue::from_str(value).expect("value"),
        );
        let codings = AcceptedCodings::of(&headers);
        let gzip = match (codings.prefers_gzip, codings.takes_gzip) {
            (true, _) => "g",
            (false, true) => "a",
            (false, false) => "",
        };
        format!("{gzip}{}", if codings.takes_identity { "i" } else { "" })
    }

    #[test]
    fn the_headers_clients_send_choose_the_right_coding() {
        for value in [
            "gzip,deflate",
            "zstd, gzip",
            "gzip, deflate, br",
            "deflate, gzip",
            "GZIP",
            "x-gzip",
            "*",
            "br, *;q=0.1",
            "gzip;q=0.5",
            "identity;q=0.5, gzip;q=0.5",
            " gzip ; q=1.000 ",
        ] {
            assert_eq!(letters(value), "gi", "{value}");
        }
        for value in [
            "",
            "identity",
            "Identity",
            "br",
            "deflate",
            "gzip;q=0",
            "gzip;q=0, *",
            "gzip;q=2",
            "gzip;q=x",
            "gzip;q=1.1",
            ",;,",
        ] {
            assert_eq!(letters(value), "i", "{value}");
        }
        assert_eq!(letters("identity, gzip;q=0.5"), "ai");
        assert_eq!(letters("gzip, identity;q=0"), "g");
        assert_eq!(letters("gzip, *;q=0"), "g");
        assert_eq!(letters("identity;q=0"), "");
        assert_eq!(letters("*;q=0"), "");
        assert_eq!(
            AcceptedCodings::of(&HeaderMap::new()),
            AcceptedCodings::PLAIN
        );
    }
}
