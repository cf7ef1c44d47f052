//! `osv-scanner.toml`: what is ignored.
//!
//! `IgnoredVulns` name a record and no package: they become what the rule `advisory` ignores.
//! `PackageOverrides` that ignore a package become exemptions from that rule.

use toml_span::Value;

use super::ImportError;
use super::draft::{Draft, Item, quote, reason};
use super::toml::TomlFile;

/// Ecosystems as OSV names them.
const ECOSYSTEMS: [(&str, &str); 3] = [("npm", "npm"), ("PyPI", "pypi"), ("crates.io", "cargo")];

pub(super) fn read(text: &str, draft: &mut Draft) -> Result<(), ImportError> {
    let file = TomlFile::read(text)?;
    let list = |key: &str| {
        let found = file.root.pointer(&format!("/{key}"));
        found
            .and_then(Value::as_array)
            .map_or(&[][..], Vec::as_slice)
    };
    let (ignored, overrides) = (list("IgnoredVulns"), list("PackageOverrides"));
    if ignored.is_empty() && overrides.is_empty() {
        return Err(ImportError::Nothing(
            "there is neither `[[IgnoredVulns]]` nor `[[PackageOverrides]]`",
        ));
    }
    for entry in ignored {
        let line = file.line_of(entry);
        let Some(id) = text_of(entry, "id") else {
            draft.remark(line, "an ignored advisory without an id");
            continue;
        };
        let until = text_of(entry, "ignoreUntil").map(end_of);
        let why = text_of(entry, "reason");
        ignore(line, id, why, until, draft);
    }
    for entry in overrides {
        read_override(&file, entry, draft);
    }
    Ok(())
}

/// Ignores a record whatever package it is about. Without an end in the file it gets one, and that
/// is said.
pub(super) fn ignore(
    line: usize,
    id: &str,
    why: Option<&str>,
    until: Option<String>,
    draft: &mut Draft,
) {
    let id = id.trim();
    if until.is_none() {
        let text = format!("{} is ignored for ever there; here it ends", quote(id));
        draft.remark(line, text);
    }
    draft.add(
        line,
        Item::Ignore {
            id: id.to_owned(),
            reason: why
                .and_then(reason)
                .unwrap_or_else(|| format!("ignored without a reason, line {line}")),
            until,
        },
    );
}

pub(super) fn text_of<'a>(entry: &'a Value<'_>, key: &str) -> Option<&'a str> {
    entry.as_table()?.get(key)?.as_str()
}

fn read_override(file: &TomlFile, entry: &Value<'_>, draft: &mut Draft) {
    let line = file.line_of(entry);
    let is_true = |pointer: &str| entry.pointer(pointer).and_then(Value::as_bool) == Some(true);
    let name = text_of(entry, "name");
    for key in ["license", "group"] {
        if entry
            .as_table()
            .is_some_and(|table| table.contains_key(key))
        {
            draft.remark(line, format!("`{key}` of an override is not taken over"));
        }
    }
    if !is_true("/ignore") && !is_true("/vulnerability/ignore") {
        return draft.remark(line, "an override that ignores nothing is not taken over");
    }
    let (Some(name), Some(written)) = (name, text_of(entry, "ecosystem")) else {
        return draft.remark(line, "an override without both a name and an ecosystem");
    };
    let Some((_, ecosystem)) = ECOSYSTEMS.iter().find(|(osv, _)| *osv == written) else {
        return draft.remark(line, format!("no registry serves {}", quote(written)));
    };
    let version = text_of(entry, "version");
    let package = format!("pkg:{ecosystem}/{}", name.replace('@', "%40"));
    draft.add(
        line,
        Item::Exempt {
            package: match version {
                Some(version) => format!("{package}@{version}"),
                None => package,
            },
            versions: version.is_none().then(|| "*".to_owned()),
            rule: "advisory",
            reason: text_of(entry, "reason")
                .and_then(reason)
                .unwrap_or_else(|| "ignored in osv-scanner.toml".to_owned()),
            until: text_of(entry, "effectiveUntil").map(end_of),
        },
    );
}

/// A date or a time as the policy writes one. What is neither is refused when the policy is read.
fn end_of(written: &str) -> String {
    match written.len() {
        10 => format!("{written}T00:00:00Z"),
        _ => written.replacen(' ', "T", 1),
    }
}
