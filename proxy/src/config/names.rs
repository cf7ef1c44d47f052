//! Name patterns: which packages an upstream is asked for.

use cordon_policy::model::Scheme;
use globset::{Glob, GlobBuilder};

/// A pattern brought into the form names are compared in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NamePattern {
    /// The pattern in canonical spelling.
    pub(super) canonical: String,
    /// Its matcher: `*` and `?` do not cross the `/` after a scope.
    pub(super) glob: Glob,
}

/// Stands for one `*` (or `?`) while a pattern is normalised as if it were a name; a name of
/// lower-case letters and digits is its own normal form in every ecosystem.
const STAND_INS: [(char, &str); 2] = [('*', "zq0z"), ('?', "zq1z")];

/// Reads a pattern of `*` and `?` over names of an ecosystem. The error says what is wrong.
///
/// The pattern is normalised like a name: `Acme_*` would otherwise silently match nothing where
/// names are compared as `acme-…`.
pub(super) fn parse(pattern: &str, scheme: &dyn Scheme) -> Result<NamePattern, String> {
    if pattern.contains("**") {
        return Err("`**` has no meaning in names; write `*`".to_owned());
    }
    let mut sample = pattern.to_owned();
    for (wildcard, stand_in) in STAND_INS {
        if sample.contains(stand_in) {
            return Err(format!("it holds the reserved letters `{stand_in}`"));
        }
        sample = sample.replace(wildcard, stand_in);
    }
    let name = scheme.package(&sample).map_err(|error| {
        format!(
            "no {} package can have such a name: {}",
            error.ecosystem, error.why
        )
    })?;
    let mut canonical = name.normalized().to_owned();
    for (wildcard, stand_in) in STAND_INS {
        canonical = canonical.replace(stand_in, wildcard.encode_utf8(&mut [0; 4]));
    }
    // No grammar of names admits a character that means something else to globs.
    let glob = GlobBuilder::new(&canonical)
        .literal_separator(true)
        .build()
        .map_err(|error| error.kind().to_string())?;
    Ok(NamePattern { canonical, glob })
}

#[cfg(test)]
mod tests {
    use cordon_policy::ecosystem::{Cargo, Npm, PyPi};

    use super::*;

    fn matches(pattern: &str, scheme: &dyn Scheme, name: &str) -> bool {
        let name = scheme.package(name).unwrap();
        let pattern = parse(pattern, scheme).unwrap();
        pattern.glob.compile_matcher().is_match(name.normalized())
    }

    #[test]
    fn n_32_a_scope_pattern_is_no_prefix() {
        assert!(matches("@acme/*", &Npm, "@acme/x"));
        assert!(!matches("@acme/*", &Npm, "@acme-evil/x"));
        assert!(!matches("@acme/*", &Npm, "@Acme/x"));
        assert!(!matches("acme*", &Npm, "@acme/x"));
        assert!(!matches("*", &Npm, "@acme/x"));
        assert!(matches("@*/x", &Npm, "@acme/x"));
    }

    #[test]
    fn n_33_an_internal_pattern_matches_every_spelling_of_its_names() {
        for pattern in ["acme-*", "Acme_*", "ACME.*"] {
            for name in ["acme-sdk", "Acme_SDK", "acme.sdk", "ACME__sdk"] {
                assert!(matches(pattern, &PyPi, name), "{pattern} {name}");
            }
            assert_eq!(parse(pattern, &PyPi).unwrap().canonical, "acme-*");
        }
        assert!(matches("acme_*", &Cargo, "Acme-Sdk"));
        assert!(!matches("acme-*", &PyPi, "acmesdk"));
    }

    #[test]
    fn a_question_mark_is_one_character() {
        assert!(matches("tool-?", &Npm, "tool-a"));
        assert!(!matches("tool-?", &Npm, "tool-ab"));
    }

    #[test]
    fn c_10_patterns_that_can_match_nothing_are_refused() {
        for pattern in [
            "**", "@acme/**", "[ab]", "{a,b}", "acme *", "acmé-*", "_x*", "@acme", "",
        ] {
            assert!(parse(pattern, &Npm).is_err(), "{pattern}");
        }
        assert!(parse("cafe\u{301}-*", &PyPi).is_err(), "C-21: NFD text");
        assert!(parse("-acme*", &PyPi).is_err());
    }

    #[test]
    fn characters_of_old_names_are_literal() {
        assert!(matches("a!b*", &Npm, "a!bc"));
        assert!(!matches("a!b*", &Npm, "axbc"));
    }
}
