//! A JSON Schema of policy files, for editors.
//!
//! Types come from the readers ([`super::shape`]), defaults from what a rule reads out of an empty
//! table, descriptions of a rule's keys from its page: from the tables there that have the columns
//! `key` and `why`. Descriptions of the keys all rules share, and of what is no rule, are in
//! `key_docs`.

use serde_json::{Map, Value, json};
use toml_span::value::ValueInner;

use super::key_docs::SHARED;
use super::load::{probe_root, probe_rule};
use super::shape::{Key, KeyType};
use super::{PolicySource, load};
use crate::rules::{RULES, RuleKind};

/// The schema of a policy file (JSON Schema draft 7, which TOML editors understand).
pub fn policy_schema() -> Value {
    let mut root = probe_root();
    root.retain(|key| !key.path.contains('*'));
    let mut schema = object(&root, "", &|path| shared(path).map(str::to_owned), None);
    let mut rules = Map::new();
    for kind in RULES {
        rules.insert(kind.id.to_string(), rule_schema(kind));
    }
    schema["properties"]["rules"]["properties"] = Value::Object(rules);
    schema["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    schema["title"] = json!("Cordon policy");
    schema["description"] = json!("A policy file of Cordon: rules, exemptions and tests.");
    schema
}

/// Keys a rule reads that neither its page nor the keys all rules share describe; empty as it
/// should be.
pub fn undescribed(kind: &RuleKind) -> Vec<String> {
    probe_rule(kind)
        .into_iter()
        .map(|key| key.path)
        .filter(|path| describe(kind, path).is_none())
        .collect()
}

/// Keys a rule's page describes and the rule does not read; empty as it should be.
pub fn unread(kind: &RuleKind) -> Vec<String> {
    let keys = probe_rule(kind);
    rows(kind.page)
        .into_iter()
        .map(|row| row.key)
        .filter(|name| !keys.iter().any(|key| names(kind, &key.path, name)))
        .collect()
}

/// Keys whose default on the rule's page is not the one the code has, with both; empty as it
/// should be. Only defaults in code quotes are compared.
pub fn wrong_defaults(kind: &RuleKind) -> Vec<String> {
    let Some(Value::Object(defaults)) = defaults_of(kind) else {
        return Vec::new();
    };
    let mut wrong = Vec::new();
    for row in rows(kind.page) {
        let (Some(written), Some(real)) = (quoted(&row.default), defaults.get(&row.key)) else {
            continue;
        };
        let real = match real {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        if same_default(&written, &real) {
            continue;
        }
        wrong.push(format!("{}: `{written}`, but it is `{real}`", row.key));
    }
    wrong
}

fn same_default(written: &str, real: &str) -> bool {
    use super::quantity::{parse_duration, parse_size};
    let same_duration = parse_duration(written)
        .is_ok_and(|written| parse_duration(real).is_ok_and(|real| written == real));
    let same_size =
        parse_size(written).is_ok_and(|written| parse_size(real).is_ok_and(|real| written == real));
    written.trim_matches('"') == real || same_duration || same_size
}

fn rule_schema(kind: &RuleKind) -> Value {
    let root = format!("rules.{}", kind.id);
    let mut schema = object(
        &probe_rule(kind),
        &root,
        &|path| describe(kind, path),
        defaults_of(kind).as_ref(),
    );
    if let Some(summary) = summary(kind.page) {
        schema["description"] = json!(summary);
    }
    schema
}

/// The schema of the table at `path`, with the tables inside it.
fn object(
    keys: &[Key],
    path: &str,
    describe: &dyn Fn(&str) -> Option<String>,
    defaults: Option<&Value>,
) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for key in keys {
        let Some(name) = child_of(path, &key.path) else {
            continue;
        };
        let mut schema = key.holds.schema();
        let inside = || object(keys, &key.path, describe, None);
        match key.holds {
            KeyType::Table => schema = inside(),
            KeyType::Tables => schema["items"] = inside(),
            KeyType::TextsAndTables => schema["items"]["anyOf"][1] = inside(),
            _ => {}
        }
        if let Some(text) = describe(&key.path) {
            schema["description"] = json!(text);
        }
        if let Some(default) = defaults.and_then(|defaults| defaults.get(name)) {
            schema["default"] = default.clone();
        }
        if key.is_required {
            required.push(json!(name));
        }
        properties.insert(name.to_owned(), schema);
    }
    let mut schema =
        json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if !required.is_empty() {
        schema["required"] = Value::Array(required);
    }
    schema
}

/// The last part of `path` when it is a key of the table at `parent` itself.
fn child_of<'a>(parent: &str, path: &'a str) -> Option<&'a str> {
    let name = match parent {
        "" => path,
        parent => path.strip_prefix(parent)?.strip_prefix('.')?,
    };
    (!name.contains('.')).then_some(name)
}

fn describe(kind: &RuleKind, path: &str) -> Option<String> {
    let row = rows(kind.page)
        .into_iter()
        .find(|row| names(kind, path, &row.key));
    let inside = within(kind, path);
    let own = row.map(|row| row.why);
    own.or_else(|| shared(&format!("rule.{inside}")).map(str::to_owned))
}

/// The path inside the rule's table or its override: `match.versions`.
fn within<'a>(kind: &RuleKind, path: &'a str) -> &'a str {
    let inside = path
        .strip_prefix("rules.")
        .and_then(|rest| rest.strip_prefix(kind.id.as_str()))
        .map_or(path, |rest| rest.trim_start_matches('.'));
    inside.strip_prefix("override.").unwrap_or(inside)
}

/// Whether a row named so is about that key: by its whole name or its last part.
fn names(kind: &RuleKind, path: &str, row: &str) -> bool {
    let inside = within(kind, path);
    inside == row || inside.rsplit('.').next() == Some(row)
}

fn shared(path: &str) -> Option<&'static str> {
    SHARED
        .iter()
        .find(|(name, _)| *name == path)
        .map(|(_, text)| *text)
}

/// A row of a table of keys.
#[derive(Debug)]
struct Row {
    key: String,
    default: String,
    why: String,
}

/// The rows of every Markdown table that has the columns `key` and `why`.
fn rows(page: &str) -> Vec<Row> {
    let mut found = Vec::new();
    let mut columns: Option<Vec<String>> = None;
    for line in page.lines() {
        let Some(cells) = cells(line) else {
            columns = None;
            continue;
        };
        let Some(names) = &columns else {
            columns = Some(cells);
            continue;
        };
        let cell = |name: &str| {
            let at = names.iter().position(|column| column == name)?;
            cells.get(at).cloned()
        };
        let (Some(keys), Some(why)) = (cell("key"), cell("why")) else {
            continue;
        };
        // A row may be about several keys. The line of dashes has none.
        for key in keys.split('`').skip(1).step_by(2) {
            found.push(Row {
                key: key.to_owned(),
                default: cell("default").unwrap_or_default(),
                why: why.clone(),
            });
        }
    }
    found
}

fn cells(line: &str) -> Option<Vec<String>> {
    let inside = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    // `\|` is a bar inside a cell.
    let kept = inside.replace("\\|", "\u{0}");
    let cells = kept.split('|');
    Some(
        cells
            .map(|cell| cell.trim().replace('\u{0}', "|"))
            .collect(),
    )
}

fn quoted(cell: &str) -> Option<String> {
    cell.split('`').nth(1).map(str::to_owned)
}

/// The first sentence under the page's heading.
fn summary(page: &str) -> Option<String> {
    let line = page
        .lines()
        .skip(1)
        .find(|line| !line.trim().is_empty())?
        .trim();
    Some(line.to_owned())
}

/// What an empty table of the rule means, key by key; `None` when the rule needs some key.
fn defaults_of(kind: &RuleKind) -> Option<Value> {
    let source = PolicySource {
        name: "defaults".to_owned(),
        text: format!("[rules.{}]\n", kind.id),
    };
    let canonical = load(&[source]).ok()?.ruleset.describe();
    let mut document = toml_span::parse(&canonical).ok()?;
    let pointer = format!("/rules/{}", kind.id);
    let rule = document.pointer_mut(&pointer)?;
    let ValueInner::Table(table) = rule.take() else {
        return None;
    };
    let mut defaults = Map::new();
    for (key, mut value) in table {
        let value = match value.take() {
            ValueInner::String(text) => json!(text),
            ValueInner::Integer(number) => json!(number),
            ValueInner::Boolean(value) => json!(value),
            ValueInner::Float(number) => json!(number),
            ValueInner::Array(_) | ValueInner::Table(_) => continue,
        };
        defaults.insert(key.name.into_owned(), value);
    }
    Some(Value::Object(defaults))
}

/// The keys of everything but rules that the shared list does not describe; empty as it should be.
pub fn undescribed_elsewhere() -> Vec<String> {
    probe_root()
        .into_iter()
        .map(|key| key.path)
        .filter(|path| !path.contains('*') && shared(path).is_none())
        .collect()
}
