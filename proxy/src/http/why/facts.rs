//! What was known, in words.

use std::sync::Arc;

use cordon_policy::facts::{ByteFacts, Fact, RemovalScope, VersionFacts};
use cordon_policy::inspect::indicators::IndicatorFacts;
use cordon_policy::model::{Digests, Timestamp};
use serde::Serialize;

use super::words::{before, visible};

/// One line about what was known.
#[derive(Clone, Debug, Serialize)]
pub(super) struct KnownFact {
    pub(super) label: &'static str,
    pub(super) value: String,
}

/// Every fact that was asked for, in an order a reader follows. What tells of the bytes themselves
/// stays out while they are refused (INV-3).
pub(super) fn known(facts: &VersionFacts, now: Timestamp, are_bytes_told: bool) -> Vec<KnownFact> {
    let mut known = of_version(facts, now);
    match are_bytes_told {
        true => known.extend(of_bytes(facts)),
        false if !of_bytes(facts).is_empty() => known.push(KnownFact {
            label: "Size and digests",
            value: "not told here while the file is refused; `cordon why` on the server has them"
                .to_owned(),
        }),
        false => {}
    }
    known.push(KnownFact {
        label: "Answered by",
        value: visible(&facts.package.upstream),
    });
    known
}

fn of_version(facts: &VersionFacts, now: Timestamp) -> Vec<KnownFact> {
    let time = |at: &Timestamp| format!("{at}, {}", before(now, *at));
    let history = &facts.history;
    let package = &facts.package;
    let lines = [
        ("File", Some(facts.artifact.file.as_str().to_owned())),
        (
            "Published, says the registry",
            say(&facts.published_at, "no date", time),
        ),
        (
            "Published, it said at first",
            history.published_at_first_sight.as_ref().map(time),
        ),
        ("First seen here", history.first_seen_at.as_ref().map(time)),
        (
            "First allowed here",
            history.first_allowed_at.as_ref().map(time),
        ),
        (
            "Removed upstream",
            history.removal.as_ref().map(|removal| {
                let what = match removal.scope {
                    RemovalScope::Version => "this version",
                    RemovalScope::Project => "the whole project",
                };
                format!("{what}, found out {}", time(&removal.at))
            }),
        ),
        (
            "Package first published",
            say(&package.first_published_at, "no date", time),
        ),
        (
            "Project status",
            say(&package.status, "none", |status| visible(status)),
        ),
        (
            "Yanked",
            say(&facts.is_yanked, "no", |reason| match reason {
                Some(reason) if !reason.is_empty() => format!("yes: {}", visible(reason)),
                _ => "yes".to_owned(),
            }),
        ),
        (
            "Deprecated",
            say(&facts.deprecated, "no", |text| visible(text)),
        ),
        (
            "Licence",
            say(&facts.license, "none given", |text| visible(text)),
        ),
        (
            "Code that runs on install",
            say(&facts.install_hooks, "none", |hooks| match hooks.len() {
                0 => "none".to_owned(),
                _ => hooks
                    .iter()
                    .map(|hook| visible(hook))
                    .collect::<Vec<_>>()
                    .join(", "),
            }),
        ),
        (
            "Provenance",
            say(&facts.has_provenance, "none offered", |has| {
                if *has { "offered" } else { "none offered" }.to_owned()
            }),
        ),
        (
            "Publisher",
            say(&facts.publisher, "not named", |name| visible(name)),
        ),
    ];
    lines_of(lines)
}

fn of_bytes(facts: &VersionFacts) -> Vec<KnownFact> {
    lines_of([
        (
            "Digests, says the registry",
            say(&facts.declared, "none", digests),
        ),
        (
            "Size, says the registry",
            say(&facts.size_bytes, "not given", bytes),
        ),
        (
            "Signature of the registry",
            match &facts.signature {
                Fact::Absent => None,
                signature => say(signature, "none", |found| {
                    format!("{} ({})", found.verdict.words(), visible(&found.about))
                }),
            },
        ),
        ("The bytes", say(&facts.bytes, "none", arrived)),
        (
            "Bytes seen before",
            facts.history.pinned.as_ref().map(ToString::to_string),
        ),
        (
            "Indicators",
            say(&facts.indicators, "not searched for", indicators),
        ),
    ])
}

fn indicators(found: &Arc<IndicatorFacts>) -> String {
    let told = found.hits.iter().map(|hit| match hit.line {
        0 => format!("{} {}", hit.name(), hit.file),
        line => format!("{} {}:{line}", hit.name(), hit.file),
    });
    match found.hits.is_empty() {
        true => "none found".to_owned(),
        false => visible(&told.collect::<Vec<_>>().join(", ")),
    }
}

fn lines_of(lines: impl IntoIterator<Item = (&'static str, Option<String>)>) -> Vec<KnownFact> {
    lines
        .into_iter()
        .filter_map(|(label, value)| {
            Some(KnownFact {
                label,
                value: value?,
            })
        })
        .collect()
}

/// A fact in words; `None` if nobody asked for it.
fn say<T>(fact: &Fact<T>, absent: &str, known: impl FnOnce(&T) -> String) -> Option<String> {
    match fact {
        Fact::Known(value) => Some(known(value)),
        Fact::Absent => Some(absent.to_owned()),
        Fact::Unavailable(cause) => Some(format!("could not be learned: {}", visible(cause))),
        Fact::NotYet => None,
    }
}

fn digests(digests: &Digests) -> String {
    let all: Vec<String> = digests.iter().map(ToString::to_string).collect();
    match all.len() {
        0 => "none".to_owned(),
        _ => all.join(", "),
    }
}

fn bytes(count: &u64) -> String {
    format!("{count} bytes")
}

fn arrived(found: &ByteFacts) -> String {
    let mut text = format!("{}, {} bytes", found.sha256, found.size_bytes);
    for mismatch in &found.mismatches {
        text.push_str(&format!(
            "; the registry declares {}, they have {}",
            mismatch.declared, mismatch.found
        ));
    }
    if let Some(declared) = found.declared_size_bytes {
        text.push_str(&format!("; the registry declares {declared} bytes"));
    }
    text
}
