//! Requirements of PyPI's packages (PEP 508), in one spelling.

use super::Dependency;
use super::keeper::Keeper;
use crate::ecosystem::PyPi;
use crate::facts::DependencyKind;
use crate::model::Scheme as _;

/// Reads one `Requires-Dist`. `None` when it does not begin with a name, or there is no room.
pub(super) fn read(text: &str, keeper: &mut Keeper) -> Option<Dependency> {
    let text = text.trim();
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let end = text.find(|c| !is_name(c)).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let name = PyPi.package(name).ok()?;
    let (extras, rest) = extras(rest.trim_start());
    let rest = rest.trim_start();
    let (wanted, marker) = match rest.starts_with('@') {
        // An address may hold a semicolon; the marker's has a space before it.
        true => rest.split_once(" ;").unwrap_or((rest, "")),
        false => rest.split_once(';').unwrap_or((rest, "")),
    };
    let requirement = match wanted.strip_prefix('@') {
        Some(address) => format!("@ {}", address.trim()),
        None => specifiers(wanted),
    };
    let marker = marker_text(marker);
    let features = keeper.sorted(extras.iter());
    Some(Dependency {
        features,
        target: match marker.is_empty() {
            true => None,
            false => Some(keeper.text(&marker)?),
        },
        ..Dependency::plain(
            keeper.text(name.normalized())?,
            DependencyKind::Normal,
            keeper.text(&requirement)?,
        )
    })
}

/// A specifier set in one spelling: without white space, sorted.
pub fn requires_python(text: &str) -> String {
    specifiers(text)
}

fn specifiers(text: &str) -> String {
    let text = text.trim();
    let inner = text.strip_prefix('(').and_then(|it| it.strip_suffix(')'));
    let mut parts: Vec<String> = inner
        .unwrap_or(text)
        .split(',')
        .map(|part| part.split_whitespace().collect())
        .filter(|part: &String| !part.is_empty())
        .collect();
    parts.sort();
    parts.dedup();
    parts.join(",")
}

/// The extras in brackets, normalised, and what follows.
fn extras(text: &str) -> (Vec<String>, &str) {
    let Some((inner, rest)) = text.strip_prefix('[').and_then(|it| it.split_once(']')) else {
        return (Vec::new(), text);
    };
    let names = inner.split(',').map(str::trim).filter(|it| !it.is_empty());
    (names.map(extra).collect(), rest)
}

/// The name of an extra, normalised as package names are.
pub(super) fn extra(name: &str) -> String {
    PyPi.package(name)
        .map_or_else(|_| name.to_owned(), |it| it.normalized().to_owned())
}

fn marker_text(marker: &str) -> String {
    let words: Vec<&str> = marker.split_whitespace().collect();
    words.join(" ").replace('\'', "\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spelled(text: &str) -> Option<String> {
        let it = read(text, &mut Keeper::new())?;
        let target = it.target.unwrap_or_default();
        Some(format!(
            "{}|{}|{}|{target}",
            it.name,
            it.features.join("+"),
            it.requirement
        ))
    }

    #[test]
    fn every_spelling_of_a_requirement_is_one() {
        for (text, expected) in [
            ("Foo.Bar", "foo-bar|||"),
            ("foo (>=1, <2)", "foo||<2,>=1|"),
            ("foo<2,>=1", "foo||<2,>=1|"),
            (
                "foo [B_b,a] >= 1 ; extra == 'x'",
                "foo|a+b-b|>=1|extra == \"x\"",
            ),
            ("foo ; python_version<\"3\"", "foo|||python_version<\"3\""),
            (
                "foo @ https://files.example/a;b ; x == 'y'",
                "foo||@ https://files.example/a;b|x == \"y\"",
            ),
        ] {
            assert_eq!(spelled(text).as_deref(), Some(expected), "{text}");
        }
        for none in ["", ">=1", "[x]", "-foo"] {
            assert_eq!(spelled(none), None, "{none}");
        }
        assert_eq!(requires_python(" >= 3.8 , !=3.9.* "), "!=3.9.*,>=3.8");
    }
}
