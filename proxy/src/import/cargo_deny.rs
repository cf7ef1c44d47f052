//! cargo-deny: `deny.toml`.
//!
//! `[bans] deny` becomes a deny list, ignored advisories what the rule `advisory` ignores; crates
//! ignored though they are yanked are remarks. Everything else of the file is about a dependency tree, which a registry
//! proxy does not see, or about rules that are set once: remarks as well.

use toml_span::Value;

use super::ImportError;
use super::draft::{Draft, Item, Names, quote, reason};
use super::osv_scanner::{ignore, text_of};
use super::toml::TomlFile;

const ECOSYSTEM: &str = "cargo";

pub(super) fn read(text: &str, draft: &mut Draft) -> Result<(), ImportError> {
    let file = TomlFile::read(text)?;
    let Some(tables) = file.root.as_table() else {
        return Err(ImportError::Nothing("the file says nothing"));
    };
    if !["advisories", "licenses", "bans", "sources"]
        .iter()
        .any(|known| tables.contains_key(*known))
    {
        return Err(ImportError::Nothing(
            "there is no table of cargo-deny in it",
        ));
    }
    for (table, value) in tables {
        let line = file.line(table.span.start);
        match table.name.as_ref() {
            "advisories" => advisories(&file, value, draft),
            "bans" => bans(&file, value, draft),
            "graph" | "output" => {}
            "licenses" => draft.lost(
                line,
                "`[licenses]` is not taken over: write the rule `license`, which reads SPDX \
                 expressions as well",
            ),
            "sources" => draft.remark(
                line,
                "`[sources]` is not taken over: Cordon asks only the upstreams of its configuration",
            ),
            other => draft.remark(line, format!("{} is not known", quote(other))),
        }
    }
    Ok(())
}

fn advisories(file: &TomlFile, table: &Value<'_>, draft: &mut Draft) {
    for (key, value) in table.as_table().into_iter().flatten() {
        let line = file.line(key.span.start);
        match key.name.as_ref() {
            "ignore" => {
                for entry in value.as_array().into_iter().flatten() {
                    ignored(file, entry, draft);
                }
            }
            "version" | "db-path" | "db-urls" | "git-fetch-with-cli" | "maximum-db-staleness" => {}
            "unmaintained" | "unsound" | "notice" => draft.remark(
                line,
                format!(
                    "`{}` is a key of the rule `advisory` as well; set it there",
                    key.name
                ),
            ),
            other => draft.remark(line, format!("`advisories.{other}` is not taken over")),
        }
    }
}

fn ignored(file: &TomlFile, entry: &Value<'_>, draft: &mut Draft) {
    let line = file.line_of(entry);
    let id = entry.as_str().or_else(|| text_of(entry, "id"));
    // A text with a version in it is a crate: `yanked@0.1.1`.
    if let Some(id) = id.filter(|id| !id.contains(['@', ' '])) {
        return ignore(line, id, text_of(entry, "reason"), None, draft);
    }
    let Some(written) = id.or_else(|| text_of(entry, "crate")) else {
        return draft.remark(line, "an ignored advisory without an id");
    };
    let text = format!(
        "{} is ignored though it is yanked and is not taken over: exempt it from the rule \
         `lifecycle`, if that withholds what is yanked",
        quote(written)
    );
    draft.remark(line, text);
}

fn bans(file: &TomlFile, table: &Value<'_>, draft: &mut Draft) {
    for (key, value) in table.as_table().into_iter().flatten() {
        match key.name.as_ref() {
            "deny" => {
                for entry in value.as_array().into_iter().flatten() {
                    banned(file, entry, draft);
                }
            }
            "highlight" => {}
            other => draft.remark(
                file.line(key.span.start),
                format!("`bans.{other}` is about a dependency tree and is not taken over"),
            ),
        }
    }
}

fn banned(file: &TomlFile, entry: &Value<'_>, draft: &mut Draft) {
    let line = file.line_of(entry);
    // `name`, `crate = "name@requirement"` and the bare text are three spellings of one thing.
    let spec = entry
        .as_str()
        .or_else(|| text_of(entry, "crate"))
        .or_else(|| text_of(entry, "name"));
    let Some(spec) = spec else {
        return draft.lost(line, "a banned crate without a name");
    };
    let (name, requirement) = match spec.split_once(['@', ':']) {
        Some((name, requirement)) => (name, Some(requirement)),
        None => (spec, text_of(entry, "version")),
    };
    if entry.pointer("/wrappers").is_some() {
        let text = format!(
            "{} is denied to everybody: which crates may depend on it is not seen here",
            quote(name)
        );
        draft.remark(line, text);
    }
    let why = text_of(entry, "reason").and_then(reason);
    draft.add(
        line,
        Item::Deny(Names {
            versions: requirement.map(str::to_owned),
            reason: why,
            ..Names::of(ECOSYSTEM, name)
        }),
    );
}
