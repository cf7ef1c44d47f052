//! Name patterns: globs over normalised names.

use globset::{Glob, GlobBuilder};

use crate::config::limits::MAX_PATTERN_BYTES;
use crate::model::{NameError, PackageName, Scheme};

/// A name or a pattern of names, as a policy gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamePattern {
    /// One name.
    Exact(PackageName),
    /// Every normalised name the glob matches.
    Glob {
        /// The pattern over normalised names: `Foo_*` for PyPI becomes `foo-*`.
        canonical: String,
        /// The compiled pattern.
        glob: Glob,
    },
}

impl NamePattern {
    /// The canonical text of the name or pattern.
    pub fn canonical(&self) -> &str {
        match self {
            Self::Exact(name) => name.normalized(),
            Self::Glob { canonical, .. } => canonical,
        }
    }

    /// Whether the pattern says nothing about the name: `*`, `?*`, `@*/*`, `[a-z0-9]*`.
    pub fn is_everything(&self) -> bool {
        // Unlike names: whatever matches all of a row singles out nothing in it.
        const PLAIN: [&str; 4] = ["q", "zq9x7wk3", "k-j-0", "vv"];
        const SCOPED: [&str; 4] = ["@q/q", "@zq9x/7wk3", "@k-j/0", "@vv/vv"];
        let Self::Glob { glob, .. } = self else {
            return false;
        };
        let matcher = glob.compile_matcher();
        [PLAIN, SCOPED]
            .iter()
            .any(|row| row.iter().all(|name| matcher.is_match(name)))
    }
}

/// A text that is neither a name nor a pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// The name, or every name the pattern matches, breaks the ecosystem's grammar.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Not a pattern.
    #[error("`{raw}` is not a name pattern: {why}")]
    Syntax {
        /// What was given.
        raw: String,
        /// What is wrong with it.
        why: String,
    },
}

/// Reads a name, or a pattern with `*` (not across `/`), `?`, `[abc]` and `{a,b}`.
///
/// A pattern is normalised as a name would be, so that no spelling escapes it; one that no name of
/// the ecosystem can match is refused, because a rule that never applies protects nobody.
///
/// # Errors
/// No such name can exist, or the pattern is malformed.
pub fn parse_name_or_pattern(scheme: &dyn Scheme, raw: &str) -> Result<NamePattern, PatternError> {
    if !raw.contains(['*', '?', '[', ']', '{', '}']) {
        return Ok(NamePattern::Exact(scheme.package(raw)?));
    }
    let syntax = |why: &str| PatternError::Syntax {
        raw: crate::config::text::shown(raw),
        why: why.to_owned(),
    };
    if raw.len() > MAX_PATTERN_BYTES {
        return Err(syntax("it is longer than any name"));
    }
    if raw.contains('\\') {
        return Err(syntax("`\\` escapes nothing here"));
    }
    if raw.contains("**") {
        return Err(syntax(
            "`**` is not used; `*` does not cross `/`, so write `*` and `@*/*`",
        ));
    }
    let canonical = normalize(scheme, raw, &syntax)?;
    let glob = GlobBuilder::new(&canonical)
        .literal_separator(true)
        .backslash_escape(false)
        .build()
        .map_err(|error| syntax(&error.kind().to_string()))?;
    Ok(NamePattern::Glob { canonical, glob })
}

/// Normalises the literal parts of a pattern with the ecosystem's own rule: each metacharacter is
/// replaced by letters found nowhere in the pattern, the result is read as a name, and the
/// metacharacters are put back.
fn normalize(
    scheme: &dyn Scheme,
    raw: &str,
    syntax: &dyn Fn(&str) -> PatternError,
) -> Result<String, PatternError> {
    let tokens = tokenize(raw).map_err(syntax)?;
    let mark = unused_pair(raw).ok_or_else(|| syntax("it has too many different letters"))?;
    let mut name = String::with_capacity(raw.len() * 3);
    // Each metacharacter with the literal text that follows it.
    let mut metas: Vec<(char, String)> = Vec::new();
    for token in tokens {
        match token {
            Token::Literal(character) => {
                name.push(character);
                if let Some((_, text)) = metas.last_mut() {
                    text.push(character);
                }
            }
            Token::Meta(character) => {
                metas.push((character, String::new()));
                name.push_str(&mark);
            }
        }
    }
    let name = scheme.package(&name).map_err(|error| NameError {
        raw: crate::config::text::shown(raw),
        ..error
    })?;
    let mut parts = name.normalized().split(&mark);
    let mut canonical = parts.next().unwrap_or_default().to_owned();
    for ((meta, written), part) in metas.iter().zip(parts) {
        // `!` and `^` are metacharacters only there.
        let is_in_class = matches!(meta, '[' | '!' | '^');
        if is_in_class && !means_the_same_class(written, part) {
            return Err(syntax(
                "in `[]` what is read as `-` would make a range; put `_` and `.` first or last",
            ));
        }
        canonical.push(*meta);
        canonical.push_str(part);
    }
    Ok(canonical)
}

/// Whether the text between brackets still names the same characters once normalised: `[a_z]` names
/// three, `[a-z]` a range.
fn means_the_same_class(written: &str, normalized: &str) -> bool {
    const FOLDED: [char; 3] = ['-', '_', '.'];
    if written.eq_ignore_ascii_case(normalized) {
        return true;
    }
    let core = written.trim_matches(FOLDED);
    let before = written.len() - written.trim_start_matches(FOLDED).len();
    let is_plain = |at: usize| at == 0 || at + 1 == written.len();
    let has_range_at_edge = written
        .match_indices('-')
        .any(|(at, _)| !is_plain(at) && !(before..before + core.len()).contains(&at));
    !has_range_at_edge && normalized.trim_matches('-').eq_ignore_ascii_case(core)
}

enum Token {
    Literal(char),
    Meta(char),
}

/// Tells metacharacters from letters, and refuses what globs allow but nobody means.
fn tokenize(raw: &str) -> Result<Vec<Token>, &'static str> {
    let mut tokens = Vec::with_capacity(raw.len());
    let (mut braces, mut is_in_class) = (0_u32, false);
    let mut previous = None;
    for character in raw.chars() {
        let is_meta = match character {
            ']' if is_in_class => {
                if matches!(previous, Some('[' | '!' | '^')) {
                    return Err("`[]` matches nothing");
                }
                is_in_class = false;
                true
            }
            '!' | '^' if is_in_class && previous == Some('[') => true,
            _ if is_in_class => false,
            '[' => {
                is_in_class = true;
                true
            }
            '{' => {
                braces += 1;
                true
            }
            ',' | '}' if braces > 0 => {
                if matches!(previous, Some('{' | ',')) {
                    return Err("an alternative in `{}` is empty");
                }
                braces -= u32::from(character == '}');
                true
            }
            ']' | '}' => return Err("a bracket is closed that was not opened"),
            '*' | '?' => true,
            _ => false,
        };
        tokens.push(match is_meta {
            true => Token::Meta(character),
            false => Token::Literal(character),
        });
        previous = Some(character);
    }
    match (is_in_class, braces) {
        (false, 0) => Ok(tokens),
        _ => Err("a bracket is not closed"),
    }
}

/// Two different lower-case letters found nowhere in the text, in any case: a mark that every
/// ecosystem keeps as it is and that cannot come about beside other letters.
fn unused_pair(raw: &str) -> Option<String> {
    let lower = raw.to_ascii_lowercase();
    let letters = || ('a'..='z').rev();
    letters()
        .flat_map(|first| letters().map(move |second| (first, second)))
        .filter(|(first, second)| first != second && !lower.contains([*first, *second]))
        .map(|(first, second)| format!("{first}{second}"))
        .next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ecosystem::{Cargo, Npm, PyPi};

    fn canonical(scheme: &dyn Scheme, raw: &str) -> String {
        parse_name_or_pattern(scheme, raw)
            .unwrap()
            .canonical()
            .to_owned()
    }

    #[test]
    fn n_28_patterns_are_normalised_as_names_are() {
        assert_eq!(canonical(&PyPi, "Foo_*"), "foo-*");
        assert_eq!(canonical(&PyPi, "Foo._Bar"), "foo-bar");
        assert_eq!(canonical(&PyPi, "foo[_.]{Bar,baz}?"), "foo[-]{bar,baz}?");
        assert_eq!(canonical(&Cargo, "Tokio_[!A-C]*"), "tokio-[!a-c]*");
        assert_eq!(canonical(&Npm, "@Acme/JSON*"), "@Acme/JSON*");
        assert_eq!(canonical(&Npm, "@*/*"), "@*/*");
    }

    #[test]
    fn n_28_normalising_a_class_does_not_make_it_a_range() {
        for scheme in [&PyPi as &dyn Scheme, &Cargo] {
            for raw in [
                "fo[a_z]*",
                "fo[a-c_z]*",
                "fo[!a_z]*",
                "fo[a-_]*",
                "fo[_-a]*",
            ] {
                let result = parse_name_or_pattern(scheme, raw);
                assert!(
                    matches!(result, Err(PatternError::Syntax { .. })),
                    "{raw}: {result:?}"
                );
            }
            assert_eq!(canonical(scheme, "fo[_a]*"), "fo[-a]*");
            assert_eq!(canonical(scheme, "fo[a-z_]*"), "fo[a-z-]*");
            assert_eq!(canonical(scheme, "fo[A-Z_]o*"), "fo[a-z-]o*");
        }
        assert_eq!(canonical(&PyPi, "fo[._-]*"), "fo[-]*");
        assert!(parse_name_or_pattern(&PyPi, "fo[a.z]*").is_err());
        assert_eq!(canonical(&Npm, "fo[a_z]*"), "fo[a_z]*");
    }

    #[test]
    fn n_29_patterns_no_name_can_match_are_refused() {
        for raw in ["foo/*", "caf\u{e9}*", "foo bar*", "@scope*"] {
            let result = parse_name_or_pattern(&Npm, raw);
            assert!(matches!(result, Err(PatternError::Name(_))), "{raw}");
        }
        for raw in ["@acme/*", "foo!*", "a,b*", "e\u{301}*"] {
            assert!(parse_name_or_pattern(&PyPi, raw).is_err(), "{raw}");
            assert!(parse_name_or_pattern(&Cargo, raw).is_err(), "{raw}");
        }
    }

    #[test]
    fn c_10_malformed_patterns_are_refused_with_the_reason() {
        for raw in [
            "**", "a**b", "[", "a[", "a]*", "{a", "a}*", "{}", "{,a}", "{a,}", "[]", "[!]", "a\\*",
        ] {
            let result = parse_name_or_pattern(&Npm, raw);
            assert!(
                matches!(result, Err(PatternError::Syntax { .. })),
                "{raw}: {result:?}"
            );
        }
        let long = format!("{}*", "a".repeat(300));
        assert!(parse_name_or_pattern(&Npm, &long).is_err());
    }

    #[test]
    fn a_star_does_not_cross_the_scope() {
        let matches = |raw, name| {
            let NamePattern::Glob { glob, .. } = parse_name_or_pattern(&Npm, raw).unwrap() else {
                panic!("{raw} is a pattern");
            };
            glob.compile_matcher().is_match(name)
        };
        assert!(matches("*", "left-pad"));
        assert!(!matches("*", "@acme/left-pad"));
        assert!(matches("@acme/*", "@acme/left-pad"));
        assert!(!matches("@acme/*", "@acme-evil/left-pad"));
    }

    #[test]
    fn c_08_patterns_that_say_nothing_are_recognised() {
        for raw in ["*", "?*", "@*/*", "[a-z]*", "{*,left-pad}"] {
            assert!(
                parse_name_or_pattern(&Npm, raw).unwrap().is_everything(),
                "{raw}"
            );
        }
        for raw in ["left-*", "@acme/*", "*-loader", "@*/cli"] {
            assert!(
                !parse_name_or_pattern(&Npm, raw).unwrap().is_everything(),
                "{raw}"
            );
        }
    }
}
