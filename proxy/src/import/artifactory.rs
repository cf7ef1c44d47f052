//! Artifactory: include and exclude patterns of remote repositories, as the configuration of one
//! repository or a list of them (JSON), or as lines `excludesPattern=…`.
//!
//! Patterns there are about paths. Those that name a package become names of a deny or allow list;
//! what names parts of files has no counterpart.

use serde_json::Value;

use super::ImportError;
use super::draft::{Draft, Item, Names, quote};

/// Package types and their ecosystems.
const TYPES: [(&str, &str); 3] = [("npm", "npm"), ("pypi", "pypi"), ("cargo", "cargo")];

/// Folders before the name of a package, in the layouts of the three.
const FOLDERS: [&str; 6] = ["simple/", "crates/", "packages/", ".npm/", "**/", "/"];

pub(super) fn read(text: &str, draft: &mut Draft) -> Result<(), ImportError> {
    let is_json = text.trim_start().starts_with(['{', '[']);
    let repositories = if is_json {
        from_json(text)?
    } else {
        from_lines(text)
    };
    if repositories.is_empty() {
        return Err(ImportError::Nothing(
            "no repository with `includesPattern` or `excludesPattern`",
        ));
    }
    for repository in &repositories {
        repository.read(draft);
    }
    Ok(())
}

#[derive(Debug, Default)]
struct Repository {
    kind: String,
    includes: Option<(usize, String)>,
    excludes: Option<(usize, String)>,
}

fn from_json(text: &str) -> Result<Vec<Repository>, ImportError> {
    let value: Value = serde_json::from_str(text)
        .map_err(|error| ImportError::syntax(error.line(), error.to_string()))?;
    let list = match value {
        Value::Array(list) => list,
        one => vec![one],
    };
    // The reader keeps no lines: the first place of a text is the best there is.
    let line_of = |written: &str| {
        let quoted = serde_json::to_string(written).unwrap_or_default();
        let at = text.find(&quoted).unwrap_or(0);
        text.get(..at).unwrap_or_default().matches('\n').count() + 1
    };
    let read = |repository: &Value| {
        let member = |name: &str| repository.get(name).and_then(Value::as_str);
        let pattern = |name: &str| member(name).map(|it| (line_of(it), it.to_owned()));
        Repository {
            kind: member("packageType").unwrap_or_default().to_owned(),
            includes: pattern("includesPattern"),
            excludes: pattern("excludesPattern"),
        }
    };
    let has_patterns = |it: &Repository| it.includes.is_some() || it.excludes.is_some();
    Ok(list.iter().map(read).filter(has_patterns).collect())
}

/// Lines `key=value` or `key: value`; `packageType` begins a repository.
fn from_lines(text: &str) -> Vec<Repository> {
    let mut repositories = vec![Repository::default()];
    for (at, line) in text.lines().enumerate() {
        let Some((key, value)) = line.split_once(['=', ':']) else {
            continue;
        };
        let value = value.trim().trim_matches('"').to_owned();
        let Some(last) = repositories.last_mut() else {
            continue;
        };
        match key.trim() {
            "includesPattern" => last.includes = Some((at + 1, value)),
            "excludesPattern" => last.excludes = Some((at + 1, value)),
            "packageType" if last.kind.is_empty() => last.kind = value,
            "packageType" => repositories.push(Repository {
                kind: value,
                ..Repository::default()
            }),
            _ => {}
        }
    }
    repositories.retain(|it| it.includes.is_some() || it.excludes.is_some());
    repositories
}

impl Repository {
    fn read(&self, draft: &mut Draft) {
        let first = self.excludes.as_ref().or(self.includes.as_ref());
        let line = first.map_or(1, |(line, _)| *line);
        let kind = self.kind.to_ascii_lowercase();
        let Some((_, ecosystem)) = TYPES.iter().find(|(known, _)| *known == kind) else {
            let text = format!("no registry serves packages of type {}", quote(&self.kind));
            return draft.remark(line, text);
        };
        for (line, pattern) in parts(&self.excludes) {
            match named(ecosystem, pattern) {
                Some(names) => draft.add(line, Item::Deny(names)),
                None => draft.lost(line, unnamed(pattern)),
            }
        }
        let included: Vec<(usize, &str)> = parts(&self.includes);
        if included
            .iter()
            .any(|(_, it)| matches!(*it, "**/*" | "**" | "*"))
        {
            return;
        }
        for (line, pattern) in included {
            match named(ecosystem, pattern) {
                Some(names) => draft.add(line, Item::Allow(names)),
                None => draft.lost(line, unnamed(pattern)),
            }
        }
    }
}

fn parts(patterns: &Option<(usize, String)>) -> Vec<(usize, &str)> {
    let Some((line, patterns)) = patterns else {
        return Vec::new();
    };
    let parts = patterns
        .split(',')
        .map(str::trim)
        .filter(|it| !it.is_empty());
    parts.map(|pattern| (*line, pattern)).collect()
}

fn unnamed(pattern: &str) -> String {
    format!("{} names files, not a package", quote(pattern))
}

/// The package a path pattern is about: `left-pad/**`, `@acme/*`, `simple/colourama/**`,
/// `left-pad/-/left-pad-1.3.0.tgz`.
fn named(ecosystem: &'static str, pattern: &str) -> Option<Names> {
    let mut path = pattern;
    while let Some(rest) = FOLDERS.iter().find_map(|folder| path.strip_prefix(folder)) {
        path = rest;
    }
    if let Some((name, file)) = path.split_once("/-/") {
        let versions = match file {
            "*" | "**" | "**/*" => None,
            file => Some(version_of(name, file)?),
        };
        let versions = versions.map(|version| format!("={version}"));
        return Some(Names {
            versions,
            ..Names::of(ecosystem, name)
        });
    }
    let whole = ["/**/*", "/**", "/*", "/"];
    let is_scope = path.starts_with('@');
    if is_scope && path.matches('/').count() == 1 {
        return Some(Names::of(ecosystem, path.replace("/**", "/*")));
    }
    let name = whole.iter().find_map(|end| path.strip_suffix(end))?;
    let is_name = !name.is_empty()
        && name.matches('/').count() == usize::from(is_scope)
        && !name.contains("**")
        && name.chars().any(char::is_alphanumeric);
    is_name.then(|| Names::of(ecosystem, name))
}

/// The version in `left-pad-1.3.0.tgz`, when nothing of it is a pattern.
fn version_of<'a>(name: &str, file: &'a str) -> Option<&'a str> {
    let last = name.rsplit('/').next().unwrap_or(name);
    let version = file
        .strip_suffix(".tgz")?
        .strip_prefix(last)?
        .strip_prefix('-')?;
    (!version.contains(['*', '?'])).then_some(version)
}
