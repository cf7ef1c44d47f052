//! Which of the two forms of a packument a client wants (protocols.md §2.2).

use http::HeaderMap;
use http::header::ACCEPT;

/// Media type of the abbreviated form.
pub(super) const ABBREVIATED: &str = "application/vnd.npm.install-v1+json";
/// Media type of the full form.
pub(super) const FULL: &str = "application/json";

/// Most media ranges looked at; clients send at most three.
const MAX_RANGES: usize = 32;

/// The two forms there are. Whatever `Accept` holds, one of them is the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Everything the registry has.
    Full,
    /// What an installer needs.
    Abbreviated,
}

/// How well a media type is accepted, and by how specific a range.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Preference {
    thousandths: u16,
    specificity: u8,
}

/// Abbreviated only if the client prefers it to the full form: a client that wanted the full one
/// and got the other breaks, the reverse is harmless.
pub(super) fn form(headers: &HeaderMap) -> Form {
    let values = || {
        headers
            .get_all(ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .take(MAX_RANGES)
    };
    let abbreviated = values().fold(Preference::default(), |best, range| {
        better(best, range, ABBREVIATED)
    });
    let full = values().fold(Preference::default(), |best, range| {
        better(best, range, FULL)
    });
    if abbreviated.thousandths > 0 && abbreviated > full {
        Form::Abbreviated
    } else {
        Form::Full
    }
}

/// The preference for `media_type` after one more media range: the most specific range decides.
fn better(best: Preference, range: &str, media_type: &str) -> Preference {
    let mut parts = range.split(';');
    let name = parts.next().unwrap_or_default().trim();
    let specificity = if name.eq_ignore_ascii_case(media_type) {
        3
    } else if name.eq_ignore_ascii_case("application/*") {
        2
    } else if name == "*/*" {
        1
    } else {
        return best;
    };
    let quality = parts
        .filter_map(|parameter| parameter.split_once('='))
        .find(|(key, _)| key.trim().eq_ignore_ascii_case("q"))
        .map_or(Some(1000), |(_, value)| thousandths(value.trim()));
    let Some(thousandths) = quality else {
        return best;
    };
    if specificity > best.specificity {
        Preference {
            thousandths,
            specificity,
        }
    } else {
        best
    }
}

/// A quality value (RFC 9110 §12.4.2) in thousandths; `None` if it is none.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_number = fraction.len() <= 3 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number {
        return None;
    }
    let fraction: u16 = format!("{fraction:0<3}").parse().ok()?;
    match whole {
        "0" => Some(fraction),
        "1" if fraction == 0 => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(accept: &str) -> Form {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, accept.parse().unwrap());
        form(&headers)
    }

    #[test]
    fn conformance_042_accept_has_two_answers() {
        let install = "application/vnd.npm.install-v1+json";
        for accept in [
            "application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*",
            install,
            "application/vnd.npm.install-v1+json;q=0.9,application/json;q=0.8",
            "Application/Vnd.Npm.Install-V1+Json",
            "application/json;q=0, application/vnd.npm.install-v1+json;q=0.1",
            "application/vnd.npm.install-v1+json, */*",
        ] {
            assert_eq!(of(accept), Form::Abbreviated, "{accept}");
        }
        for accept in [
            "application/json",
            "application/json; q=1.0, */*",
            "*/*",
            "application/*",
            "",
            "text/html",
            "application/vnd.npm.install-v1+json;q=0",
            "application/vnd.npm.install-v1+json;q=0.5, application/json",
            "application/vnd.npm.install-v1+json, application/json",
            "application/vnd.npm.install-v1+json;q=0.5, */*",
            "application/vnd.npm.install-v1+json;q=high, application/json;q=0.1",
            ";;;q=1,,,/",
        ] {
            assert_eq!(of(accept), Form::Full, "{accept}");
        }
        assert_eq!(form(&HeaderMap::new()), Form::Full);
    }

    #[test]
    fn several_accept_headers_are_one_list() {
        let mut headers = HeaderMap::new();
        headers.append(ACCEPT, "application/json;q=0.8".parse().unwrap());
        headers.append(ACCEPT, ABBREVIATED.parse().unwrap());
        assert_eq!(form(&headers), Form::Abbreviated);
    }

    proptest! {
        #[test]
        fn any_accept_has_an_answer(accept in "[ -~]{0,80}") {
            of(&accept);
        }
    }
}
