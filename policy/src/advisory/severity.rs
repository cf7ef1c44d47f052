//! How bad a record says it is, in tenths of CVSS.

use std::str::FromStr;

use super::osv::RawSeverity;

/// The highest base score of the vectors that can be read; without any, what the word that GitHub
/// gives a record may stand for.
pub(super) fn highest<'s>(
    vectors: impl Iterator<Item = &'s RawSeverity>,
    word: Option<&str>,
) -> Option<u8> {
    vectors
        .filter(|severity| matches!(severity.kind.as_str(), "CVSS_V3" | "CVSS_V4"))
        .filter_map(|severity| tenths(&severity.score))
        .max()
        .or_else(|| word.and_then(of_word))
}

/// Longest vector read, in bytes: every metric of CVSS 4.0 with its value fits.
const MAX_VECTOR_BYTES: usize = 256;

fn tenths(vector: &str) -> Option<u8> {
    if vector.len() > MAX_VECTOR_BYTES {
        return None;
    }
    let score = cvss::Cvss::from_str(vector).ok()?.score();
    // Scores have one decimal; `max` and `min` also settle what is no number.
    let tenths = (score * 10.0).round().clamp(0.0, 100.0);
    tenths.is_finite().then_some(tenths as u8)
}

/// A word stands for the highest score it may be given for.
fn of_word(word: &str) -> Option<u8> {
    [
        ("LOW", 39),
        ("MODERATE", 69),
        ("MEDIUM", 69),
        ("HIGH", 89),
        ("CRITICAL", 100),
    ]
    .into_iter()
    .find(|(known, _)| known.eq_ignore_ascii_case(word.trim()))
    .map(|(_, tenths)| tenths)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn severity(kind: &str, score: &str) -> RawSeverity {
        RawSeverity {
            kind: kind.into(),
            score: score.into(),
        }
    }

    #[test]
    fn the_highest_readable_vector_counts() {
        let v3 = severity("CVSS_V3", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H");
        let v4 = severity(
            "CVSS_V4",
            "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N",
        );
        assert_eq!(highest([&v3].into_iter(), None), Some(98));
        assert_eq!(highest([&v4].into_iter(), None), Some(93));
        assert_eq!(highest([&v3, &v4].into_iter(), None), Some(98));
        let odd = severity("CVSS_V3", "CVSS:3.1/AV:?");
        let other = severity("Ubuntu", "negligible!");
        assert_eq!(highest([&odd, &other].into_iter(), None), None);
        assert_eq!(highest([&odd, &v3].into_iter(), Some("LOW")), Some(98));
    }

    #[test]
    fn a_word_counts_as_its_highest_score_and_an_unknown_word_as_none() {
        assert_eq!(highest([].into_iter(), Some("LOW")), Some(39));
        assert_eq!(highest([].into_iter(), Some("critical")), Some(100));
        assert_eq!(highest([].into_iter(), Some("UNKNOWN")), None);
    }
}
