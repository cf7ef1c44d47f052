//! A pack of rules, from its file.
//!
//! ```toml
//! [pack]
//! id = "house"
//! version = "2026-11-22"
//!
//! [[rule]]
//! id = "posts-to-the-old-collector"
//! title = "sends what it finds to the collector of the March incident"
//! grade = "malicious"              # or "watch"
//! ecosystems = ["npm"]             # all, if left out
//! files = ["*.js", "scripts/**"]   # all, if left out; without a slash: names in any folder
//! ignore_case = true               # false, if left out
//! match = "all"                    # or "any", or "2 of"; "any", if left out
//! literals = ["collector.example/drop", "x-campaign"]
//! patterns = ['token=[0-9a-f]{32}']
//! within = "4 KiB"                 # how near to each other; anywhere in the file, if left out
//!
//! [[rule.part]]                    # more of the same: a file must meet every part
//! match = "any"
//! literals = ["process.env", "os.environ"]
//! ```

use std::collections::BTreeSet;
use std::ops::Range;

use regex::bytes::{Regex, RegexBuilder};
use smol_str::SmolStr;

use super::automaton::{Texts, Way};
use super::facts::Grade;
use super::glob;
use super::limits::{LONGEST_TEXT, PACK_BYTES, PATTERN_MEMORY, SHORTEST_TEXT};
use super::rule::{Kind, Part, Rule};
use crate::config::reader::{Spanned, TableReader};
use crate::config::source::SourceFile;
use crate::config::text::shown;
use crate::ecosystem::{CARGO, NPM, PYPI};
use crate::model::Ecosystem;

/// Longest id of a pack or a rule, and longest version of a pack.
const ID_BYTES: usize = 64;
/// Longest title.
const TITLE_CHARS: usize = 120;
/// Parts of a rule.
const PARTS: usize = 16;

/// A pack as read, its rules not yet with the place of the pack.
#[derive(Debug)]
pub(super) struct Pack {
    pub(super) id: SmolStr,
    pub(super) version: SmolStr,
    pub(super) rules: Vec<Rule>,
}

/// Reads a pack. Its texts go to `texts`; what is wrong goes to the file, and then the answer is not
/// to be used.
pub(super) fn read(file: &SourceFile<'_>, number: usize, texts: &mut Texts) -> Option<Pack> {
    let mut root = file.root(PACK_BYTES)?;
    root.require("pack", "begin with [pack], its `id` and its `version`");
    let head = root.table("pack").map(|mut head| {
        let id = word(&mut head, "id", "give the pack a name: \"house\"");
        let version = head.required_string("version", "say which one it is: \"2026-11-22\"");
        head.string("title");
        head.finish();
        (id, version)
    });
    let mut seen = BTreeSet::new();
    let mut rules = Vec::new();
    for table in root.tables("rule") {
        let at = table.bytes().clone();
        let Some(rule) = read_rule(table, number, texts) else {
            continue;
        };
        if !seen.insert(rule.id.clone()) {
            let message = format!("two rules have the id `{}`", rule.id);
            file.error("indicator-duplicate", &at, message, "give each its own");
        }
        rules.push(rule);
    }
    if rules.is_empty() {
        let help = "write at least one [[rule]]";
        file.error("indicator-empty", &(0..0), "the pack has no rule", help);
    }
    root.finish();
    let (id, version) = head?;
    let version = version?;
    let is_fit =
        version.value.len() <= ID_BYTES && version.value.chars().all(|it| it.is_ascii_graphic());
    if !is_fit {
        let message = format!("`{}` cannot be a version", shown(&version.value));
        let help = "letters, digits and punctuation, no spaces";
        file.error("indicator-version", &version.bytes, message, help);
    }
    Some(Pack {
        id: id?,
        version: version.value.into(),
        rules,
    })
}

/// An id: lower-case letters, digits and hyphens.
fn word(table: &mut TableReader<'_, '_>, key: &str, help: &str) -> Option<SmolStr> {
    let read = table.required_string(key, help)?;
    let is_part = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-';
    let is_fit = read.value.len() <= ID_BYTES
        && !read.value.starts_with('-')
        && read.value.bytes().all(is_part);
    if !is_fit {
        let message = format!("`{}` cannot be an id", shown(&read.value));
        let help = format!("lower-case letters, digits and hyphens, at most {ID_BYTES}");
        table
            .file()
            .error("indicator-id", &read.bytes, message, help);
        return None;
    }
    Some(read.value.into())
}

fn read_rule(mut table: TableReader<'_, '_>, pack: usize, texts: &mut Texts) -> Option<Rule> {
    let id = word(
        &mut table,
        "id",
        "give the rule a name that stays: \"npm-token-worm\"",
    );
    let title = table.required_string("title", "say in a few words what it finds");
    let title = title.map(|it| it.value.chars().take(TITLE_CHARS).collect::<String>());
    table.require(
        "grade",
        "say `malicious`, or `watch` for what honest packages have too",
    );
    let grades = [("malicious", Grade::Malicious), ("watch", Grade::Watch)];
    let grade = table.choice("grade", &grades);
    let names = [("npm", NPM), ("pypi", PYPI), ("cargo", CARGO)];
    let ecosystems: Vec<Ecosystem> = table.choices("ecosystems", &names).unwrap_or_default();
    table.string("reference");
    let files = table.strings("files").and_then(|patterns| {
        let read = glob::files(patterns.iter().map(|it| it.value.as_str()));
        read.map_err(|(at, why)| {
            let place = patterns.get(at).map_or(0..0, |it| it.bytes.clone());
            let help = "`*`, `**`, `?`, `[ab]` and `{a,b}` have a meaning";
            let message = format!("a pattern of files that cannot be used: {why}");
            table.file().error("indicator-files", &place, message, help);
        })
        .ok()
    });
    let ignores_case = table.boolean("ignore_case").is_some_and(|it| it.value);
    let within = table.size_bytes("within", 1..=(1 << 30));
    let within = within.and_then(|it| usize::try_from(it.value).ok());
    let at = table.bytes().clone();
    let mut parts = Vec::new();
    parts.extend(read_part(&mut table, ignores_case, texts));
    for mut inner in table.tables("part") {
        let place = inner.bytes().clone();
        let own = inner.boolean("ignore_case");
        let ignores_case = own.map_or(ignores_case, |it| it.value);
        match read_part(&mut inner, ignores_case, texts) {
            Some(part) => parts.push(part),
            None => empty(inner.file(), &place),
        }
        inner.finish();
    }
    if parts.is_empty() {
        empty(table.file(), &at);
    }
    if parts.len() > PARTS {
        let message = format!("a rule of more than {PARTS} parts");
        let help = "say it with fewer";
        table.file().error("indicator-parts", &at, message, help);
    }
    table.finish();
    Some(Rule {
        pack,
        id: id?,
        title: title?.into(),
        grade: grade?.value,
        ecosystems,
        files,
        kind: Kind::Parts { parts, within },
    })
}

fn empty(file: &SourceFile<'_>, at: &Range<usize>) {
    let message = "there is nothing to look for";
    file.error(
        "indicator-empty",
        at,
        message,
        "give `literals` or `patterns`",
    );
}

/// Reads `match`, `literals` and `patterns`; `None` when there are none of the last two.
fn read_part(
    table: &mut TableReader<'_, '_>,
    ignores_case: bool,
    texts: &mut Texts,
) -> Option<Part> {
    let condition = table.string("match");
    let literals = table.strings("literals").unwrap_or_default();
    let patterns = table.strings("patterns").unwrap_or_default();
    let file = table.file();
    let way = match ignores_case {
        true => Way::AnyCase,
        false => Way::Exact,
    };
    let numbers: Vec<_> = literals
        .iter()
        .filter(|it| is_fit(file, it))
        .map(|it| texts.add(&it.value, way))
        .collect();
    let unique: BTreeSet<_> = numbers.iter().copied().collect();
    let compiled: Vec<Regex> = patterns
        .iter()
        .filter_map(|it| compile(file, it, ignores_case))
        .collect();
    let count = unique.len() + compiled.len();
    let needs = match &condition {
        Some(written) => needs(file, written, count)?,
        None => 1,
    };
    (!literals.is_empty() || !patterns.is_empty()).then(|| Part {
        needs,
        texts: unique.into_iter().collect(),
        patterns: compiled,
    })
}

/// How many of so many.
fn needs(file: &SourceFile<'_>, written: &Spanned<String>, count: usize) -> Option<usize> {
    let number = match written.value.as_str() {
        "any" => Some(1),
        "all" => Some(count.max(1)),
        other => {
            let number = other.strip_suffix("of").map(str::trim);
            number.and_then(|it| it.parse().ok())
        }
    };
    let number = number.filter(|it| (1..=count.max(1)).contains(it));
    if number.is_none() {
        let message = format!("`match` cannot be `{}`", shown(&written.value));
        let help =
            format!("write \"any\", \"all\" or \"2 of\", with no more than there are ({count})");
        file.error("indicator-match", &written.bytes, message, help);
    }
    number
}

fn is_fit(file: &SourceFile<'_>, text: &Spanned<String>) -> bool {
    let is_fit = (SHORTEST_TEXT..=LONGEST_TEXT).contains(&text.value.len());
    if !is_fit {
        let message = format!("a text of {} bytes", text.value.len());
        let help = format!("give {SHORTEST_TEXT} to {LONGEST_TEXT} bytes");
        file.error("indicator-text", &text.bytes, message, help);
    }
    is_fit
}

fn compile(file: &SourceFile<'_>, text: &Spanned<String>, ignores_case: bool) -> Option<Regex> {
    let refuse = |why: &str| {
        let message = format!("a pattern that cannot be used: {why}");
        let help = "regular expressions without look-around and back-references, over bytes";
        file.error("indicator-pattern", &text.bytes, message, help);
    };
    if text.value.len() > LONGEST_TEXT {
        refuse("it is too long");
        return None;
    }
    let built = RegexBuilder::new(&text.value)
        .unicode(false)
        .case_insensitive(ignores_case)
        .size_limit(PATTERN_MEMORY)
        .dfa_size_limit(PATTERN_MEMORY)
        .build();
    match built {
        // What matches nothing at all is found in every file.
        Ok(pattern) if pattern.is_match(b"") => {
            refuse("it is found in an empty file");
            None
        }
        Ok(pattern) => Some(pattern),
        Err(error) => {
            let why = error.to_string();
            refuse(
                why.lines()
                    .last()
                    .unwrap_or_default()
                    .trim_start_matches("error: "),
            );
            None
        }
    }
}
