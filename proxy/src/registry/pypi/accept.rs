//! Content negotiation for Simple pages (protocols.md §3.2).

use http::HeaderMap;
use http::header::ACCEPT;
use percent_encoding::percent_decode_str;

/// A representation of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Representation {
    /// `text/html`.
    Html,
    /// `application/vnd.pypi.simple.v1+html`: the same bytes under its own name.
    HtmlV1,
    /// `application/vnd.pypi.simple.v1+json`.
    JsonV1,
}

impl Representation {
    /// In the order of preference at equal weight; HTML first, for clients that name no preference.
    const ALL: [Self; 3] = [Self::Html, Self::HtmlV1, Self::JsonV1];

    /// The media type it is answered with, also when it was asked for as `latest`.
    pub(super) const fn media_type(self) -> &'static str {
        match self {
            Self::Html => "text/html",
            Self::HtmlV1 => "application/vnd.pypi.simple.v1+html",
            Self::JsonV1 => "application/vnd.pypi.simple.v1+json",
        }
    }

    /// The alias for "the newest version of it".
    const fn latest(self) -> Option<&'static str> {
        match self {
            Self::Html => None,
            Self::HtmlV1 => Some("application/vnd.pypi.simple.latest+html"),
            Self::JsonV1 => Some("application/vnd.pypi.simple.latest+json"),
        }
    }

    fn of_media_type(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|representation| {
            text.eq_ignore_ascii_case(representation.media_type())
                || representation
                    .latest()
                    .is_some_and(|latest| text.eq_ignore_ascii_case(latest))
        })
    }
}

/// The representation asked for: by `?format=` if there is one, else by `Accept`. `None` if
/// nothing acceptable can be offered, which is answered with 406.
pub(super) fn negotiate(query: Option<&str>, headers: &HeaderMap) -> Option<Representation> {
    if let Some(format) = query.and_then(format_parameter) {
        return match format.as_str() {
            "json" => Some(Representation::JsonV1),
            "html" => Some(Representation::Html),
            media_type => Representation::of_media_type(media_type),
        };
    }
    let accept: Vec<&str> = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect();
    let accept = accept.join(",");
    if accept.trim_matches([' ', '\t', ',']).is_empty() {
        return Some(Representation::Html);
    }
    best(&accept)
}

/// `format=` of a query. A `+` stands for itself here: media types hold one, and nobody who types
/// the parameter encodes it.
fn format_parameter(query: &str) -> Option<String> {
    query.split('&').find_map(|pair| {
        let value = pair.strip_prefix("format=")?;
        Some(percent_decode_str(value).decode_utf8_lossy().into_owned())
    })
}

/// Weights are thousandths.
fn best(accept: &str) -> Option<Representation> {
    let ranges: Vec<(&str, u16)> = accept.split(',').filter_map(media_range).collect();
    let mut best = None;
    for representation in Representation::ALL {
        let weight = weight_of(representation, &ranges);
        if weight > 0 && best.is_none_or(|(_, most)| weight > most) {
            best = Some((representation, weight));
        }
    }
    best.map(|(representation, _)| representation)
}

/// The weight of the most specific range that matches; of two equally specific ones the higher.
fn weight_of(representation: Representation, ranges: &[(&str, u16)]) -> u16 {
    let media_type = representation.media_type();
    let family = media_type.split('/').next().unwrap_or_default();
    ranges
        .iter()
        .filter_map(|(range, weight)| {
            let specificity = if Representation::of_media_type(range) == Some(representation) {
                2
            } else if range
                .strip_suffix("/*")
                .is_some_and(|left| left.eq_ignore_ascii_case(family))
            {
                1
            } else if *range == "*/*" {
                0
            } else {
                return None;
            };
            Some((specificity, *weight))
        })
        .max()
        .map_or(0, |(_, weight)| weight)
}

/// A media range without its parameters, and its weight. A weight that is no number from 0 to 1
/// makes the range void.
fn media_range(text: &str) -> Option<(&str, u16)> {
    let mut parts = text.split(';').map(str::trim);
    let range = parts.next().filter(|range| !range.is_empty())?;
    let weight = parts.find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("q").then(|| value.trim())
    });
    match weight {
        None => Some((range, 1000)),
        Some(value) => {
            let weight: f32 = value.parse().ok()?;
            // In range, so the cast neither truncates nor wraps.
            (0.0..=1.0)
                .contains(&weight)
                .then_some((range, (weight * 1000.0).round() as u16))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Representation::{Html, HtmlV1, JsonV1};

    fn by_accept(accept: &str) -> Option<Representation> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, accept.parse().unwrap());
        negotiate(None, &headers)
    }

    #[test]
    fn conformance_054_every_client_gets_its_type() {
        let pip = "application/vnd.pypi.simple.v1+json, \
                   application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01";
        for (accept, expected) in [
            (pip, JsonV1),
            ("application/vnd.pypi.simple.v1+json, */*;q=0.1", JsonV1),
            ("text/html", Html),
            ("TEXT/HTML", Html),
            ("application/vnd.pypi.simple.latest+json", JsonV1),
            ("application/vnd.pypi.simple.latest+html", HtmlV1),
            ("application/vnd.pypi.simple.v1+html", HtmlV1),
            ("*/*", Html),
            ("application/*", HtmlV1),
            ("", Html),
        ] {
            assert_eq!(by_accept(accept), Some(expected), "{accept}");
        }
        assert_eq!(negotiate(None, &HeaderMap::new()), Some(Html));
    }

    #[test]
    fn conformance_055_nothing_acceptable_is_none() {
        for accept in [
            "image/png",
            "application/vnd.pypi.simple.v2+json",
            "text/html;q=0",
            "text/html;q=x",
            "text/html;q=2",
            "*/*;q=0",
        ] {
            assert_eq!(by_accept(accept), None, "{accept}");
        }
    }

    #[test]
    fn conformance_056_weights_and_specificity_are_honoured() {
        let json = "application/vnd.pypi.simple.v1+json";
        assert_eq!(by_accept(&format!("{json};q=0.1, text/html")), Some(Html));
        assert_eq!(
            by_accept(&format!("{json};q=0.9,text/html;q=0.8")),
            Some(JsonV1)
        );
        assert_eq!(by_accept(&format!("{json};q=0, */*")), Some(Html));
        assert_eq!(by_accept("text/html;q=0, */*;q=0.1"), Some(HtmlV1));
        assert_eq!(by_accept(&format!("{json} ; Q = 1.000")), Some(JsonV1));
    }

    #[test]
    fn format_in_the_query_goes_before_accept() {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, "text/html".parse().unwrap());
        for (query, expected) in [
            ("format=json", Some(JsonV1)),
            (
                "x=1&format=application/vnd.pypi.simple.v1+json",
                Some(JsonV1),
            ),
            (
                "format=application%2Fvnd.pypi.simple.latest%2Bhtml",
                Some(HtmlV1),
            ),
            ("format=image/png", None),
            ("other=1", Some(Html)),
        ] {
            assert_eq!(negotiate(Some(query), &headers), expected, "{query}");
        }
    }
}
