//! Nexus: rules written as content selectors, age rules among them.
//!
//! Read are lines with one expression each (`format == "pypi" and age < 7`), or JSON: one object
//! with an `expression`, or a list of them. What a rule matches is taken for what is withheld.

use serde_json::Value;

use super::ImportError;
use super::draft::{Draft, Item, Names, quote};
use super::paths::{Comparing, named};
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
            Err(why) => draft.lost(line, format!("{}: {why}", quote(&expression))),
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

/// What an alternative says.
#[derive(Default)]
struct Said {
    ecosystem: Option<&'static str>,
    names: Vec<String>,
    paths: Vec<(Comparing, String)>,
    days: Option<u64>,
    /// Comparisons that are left out: without them more is withheld.
    left_out: Vec<String>,
}

/// One alternative: what must be true of a file for it to be withheld.
fn rule(line: usize, all: &[Comparison], draft: &mut Draft) {
    let mut said = Said::default();
    for one in all {
        match said.hear(one) {
            Ok(()) => {}
            Err(Unreadable::Lost(why)) => return draft.lost(line, why),
            Err(Unreadable::NotOurs(why)) => return draft.remark(line, why),
        }
    }
    let Some(ecosystem) = said.ecosystem else {
        return draft.lost(line, "a rule without a `format` is not taken over");
    };
    if let Err(why) = said.resolve(ecosystem) {
        return draft.lost(line, why);
    }
    let names = said.names;
    match said.days {
        None if names.is_empty() => {
            let mut why = "a rule about a whole format is not taken over".to_owned();
            for left_out in &said.left_out {
                why = format!("{left_out}; {why}");
            }
            return draft.lost(line, why);
        }
        None => draft.add_each(line, names, |names| {
            Item::Deny(Names {
                names,
                ..Names::of(ecosystem, "")
            })
        }),
        Some(days) => draft.add_each(line, names, |packages| Item::Age {
            ecosystem,
            packages,
            age: format!("{days}d"),
        }),
    }
    for left_out in said.left_out {
        let text = format!("{left_out}; without it more is withheld than before");
        draft.remark(line, text);
    }
}

/// Why a comparison cannot be taken over.
enum Unreadable {
    /// Its rule protects nothing any more.
    Lost(String),
    /// Its rule is about what is not served here.
    NotOurs(String),
}

impl Said {
    fn hear(&mut self, one: &Comparison) -> Result<(), Unreadable> {
        let Comparison {
            left,
            operator,
            right,
        } = one;
        match (left.as_str(), *operator) {
            ("format", "==") => {
                let known = FORMATS.iter().find(|(format, _)| format == right);
                let (_, known) = known.ok_or_else(|| {
                    Unreadable::NotOurs(format!("no registry serves {}", quote(right)))
                })?;
                self.ecosystem = Some(known);
            }
            ("age", "<" | "<=") => {
                let days = right.parse::<u64>().ok();
                let days = days.and_then(|days| days.checked_add(u64::from(*operator == "<=")));
                let days = days.ok_or_else(|| {
                    Unreadable::Lost(format!("age {}: not a number of days", quote(right)))
                })?;
                self.days = Some(days);
            }
            ("path", "==") => self.paths.push((Comparing::Whole, right.clone())),
            ("path", "=^") => self.paths.push((Comparing::Start, right.clone())),
            ("path", "=~") => self.paths.push((Comparing::Expression, right.clone())),
            ("coordinate.name" | "name", "==") => self.names.push(right.clone()),
            // It changes which package a name means, so the name alone is another one.
            ("coordinate.group" | "group", _) => {
                let text = format!("`{left} {operator}` is not known here");
                return Err(Unreadable::Lost(text));
            }
            _ => self
                .left_out
                .push(format!("`{left} {operator}` is not known here")),
        }
        Ok(())
    }

    /// Reads the paths as names of an ecosystem.
    fn resolve(&mut self, ecosystem: &str) -> Result<(), String> {
        let mut named_by = usize::from(!self.names.is_empty());
        let mut unnamed = Vec::new();
        for (comparing, path) in std::mem::take(&mut self.paths) {
            match named(comparing, &path, ecosystem == "npm") {
                Ok(found) => {
                    if found.is_wider {
                        let text = format!("path {} names more than packages", quote(&path));
                        self.left_out.push(text);
                    }
                    let is_new = found.names.iter().any(|name| !self.names.contains(name));
                    named_by += usize::from(is_new);
                    self.names.extend(found.names);
                }
                Err(why) => unnamed.push(format!("path {} names no package: {why}", quote(&path))),
            }
        }
        self.names.sort();
        self.names.dedup();
        if named_by > 1 {
            // A name that is written out holds what a wildcard before it could at most narrow.
            let is_loose = |name: &String| name.starts_with('*') || name.starts_with("@*");
            if !self.names.iter().all(is_loose) {
                self.names.retain(|name| !is_loose(name));
            }
            let text = "several names must hold at once, and each of them alone is withheld here";
            self.left_out.push(text.to_owned());
        }
        if let Some(why) = unnamed.first()
            && self.names.is_empty()
        {
            return Err(why.clone());
        }
        self.left_out.extend(unnamed);
        Ok(())
    }
}
