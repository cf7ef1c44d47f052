//! Nexus: rules written as content selectors, age rules among them.
//!
//! Read are lines with one expression each (`format == "pypi" and age < 7`), or JSON: one object
//! with an `expression`, or a list of them. What a rule matches is taken for what is withheld.

use serde_json::Value;

use super::ImportError;
use super::draft::{Draft, Item, Names, quote};
use super::selector::{Comparison, alternatives};

/// Formats and their ecosystems.
const FORMATS: [(&str, &str); 3] = [("npm", "npm"), ("pypi", "pypi"), ("cargo", "cargo")];

pub(super) fn read(text: &str, draft: &mut Draft) -> Result<(), ImportError> {
    let is_json = text.trim_start().starts_with(['{', '[']);
    let expressions = if is_json {
        from_json(text)?
    } else {
        from_lines(text)
    };
    if expressions.is_empty() {
        return Err(ImportError::Nothing("there is no expression"));
    }
    for (line, expression) in expressions {
        match alternatives(&expression) {
            Ok(found) => found.iter().for_each(|all| rule(line, all, draft)),
            Err(why) => draft.remark(line, format!("{}: {why}", quote(&expression))),
        }
    }
    Ok(())
}

fn from_json(text: &str) -> Result<Vec<(usize, String)>, ImportError> {
    let value: Value = serde_json::from_str(text)
        .map_err(|error| ImportError::syntax(error.line(), error.to_string()))?;
    let list = match value {
        Value::Array(list) => list,
        one => vec![one],
    };
    let line_of = |written: &str| {
        let quoted = serde_json::to_string(written).unwrap_or_default();
        let at = text.find(&quoted).unwrap_or(0);
        text.get(..at).unwrap_or_default().matches('\n').count() + 1
    };
    let expression = |it: &Value| {
        it.get("expression")
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    let found = list.iter().filter_map(expression);
    Ok(found.map(|it| (line_of(&it), it)).collect())
}

fn from_lines(text: &str) -> Vec<(usize, String)> {
    let lines = text.lines().enumerate();
    lines
        .map(|(at, line)| (at + 1, line.trim().to_owned()))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with(['#', ';']))
        .collect()
}

/// One alternative: what must be true of a file for it to be withheld.
fn rule(line: usize, all: &[Comparison], draft: &mut Draft) {
    let (mut ecosystem, mut name, mut age) = (None, None, None);
    for one in all {
        let Comparison {
            left,
            operator,
            right,
        } = one;
        match (left.as_str(), *operator) {
            ("format", "==") => {
                let known = FORMATS.iter().find(|(format, _)| format == right);
                let Some((_, known)) = known else {
                    return draft.remark(line, format!("no registry serves {}", quote(right)));
                };
                ecosystem = Some(*known);
            }
            ("age", "<" | "<=") => match right.parse::<u32>() {
                Ok(days) => age = Some(days + u32::from(*operator == "<=")),
                Err(_) => {
                    let text = format!("age {}: not a number of days", quote(right));
                    return draft.remark(line, text);
                }
            },
            ("path", "==" | "=^" | "=~") => match name_in(right) {
                Some(found) => name = Some(found),
                None => {
                    let text = format!("path {} names no package", quote(right));
                    return draft.remark(line, text);
                }
            },
            ("coordinate.name" | "name", "==") => name = Some(right.clone()),
            _ => {
                let text = format!("`{} {operator}` is not known here", one.left);
                return draft.remark(line, text);
            }
        }
    }
    let Some(ecosystem) = ecosystem else {
        return draft.remark(line, "a rule without a `format` is not taken over");
    };
    match (name, age) {
        (name, Some(days)) => draft.add(
            line,
            Item::Age {
                ecosystem,
                packages: name.into_iter().collect(),
                age: format!("{days}d"),
            },
        ),
        (Some(name), None) => draft.add(line, Item::Deny(Names::of(ecosystem, name))),
        (None, None) => draft.remark(line, "a rule about a whole format is not taken over"),
    }
}

/// The package in a path or the pattern of one: `/left-pad/`, `^/@acme/.*`, `/simple/evil/.*`.
fn name_in(path: &str) -> Option<String> {
    let path = path.trim_start_matches('^').trim_end_matches('$');
    let path = path.trim_end_matches(".*").trim_matches('/');
    let path = ["simple/", "crates/", "packages/"]
        .iter()
        .find_map(|folder| path.strip_prefix(folder))
        .unwrap_or(path);
    let path = path.split("/-").next().unwrap_or(path);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.@/".contains(c);
    if path.is_empty() || !path.chars().all(is_plain) {
        return None;
    }
    let is_scope = path.starts_with('@');
    match (is_scope, path.matches('/').count()) {
        (true, 0) => Some(format!("{path}/*")),
        (true, 1) | (false, 0) => Some(path.to_owned()),
        _ => None,
    }
}
