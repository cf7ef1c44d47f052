//! Verdaccio: the `packages:` block.
//!
//! What has no `proxy` never asks a registry: that is an owned name. Who may read and publish is no
//! matter of a policy here. Entries are tried in order there and together here, so an owned pattern
//! after a proxied one it overlaps cannot be taken over as it is.

use super::draft::{Draft, Item, Names, quote};
use super::{ImportError, yaml};

const ECOSYSTEM: &str = "npm";

/// Patterns that mean everything.
const EVERYTHING: [&str; 3] = ["**", "*", "@*/*"];

/// Words that mean everybody may read.
const EVERYBODY: [&str; 5] = ["$all", "@all", "all", "$anonymous", "@anonymous"];

pub(super) fn read(text: &str, draft: &mut Draft) -> Result<(), ImportError> {
    let root = yaml::read(text)?;
    let Some(packages) = root.get("packages") else {
        return Err(ImportError::Nothing("there is no `packages:` block"));
    };
    let mut proxied: Vec<&str> = Vec::new();
    for (pattern, entry) in packages.entries() {
        let line = entry
            .line
            .saturating_sub(usize::from(!entry.entries().is_empty()));
        let words = |key| {
            let texts = entry.get(key).map(yaml::Node::texts).unwrap_or_default();
            let split = texts
                .into_iter()
                .flat_map(|(_, text)| text.split_whitespace());
            split.collect::<Vec<&str>>()
        };
        let access = words("access");
        if !access.is_empty() && !access.iter().any(|word| EVERYBODY.contains(word)) {
            let who = access.join(" ");
            draft.remark(
                line,
                format!(
                    "{}: who may read ({}) is decided by tokens, not by the policy",
                    quote(pattern),
                    quote(&who)
                ),
            );
        }
        for key in ["publish", "unpublish", "storage"] {
            if entry.get(key).is_some() {
                let text = format!("`{key}` is not taken over: Cordon takes no publications");
                draft.remark(entry.get(key).map_or(line, |node| node.line), text);
            }
        }
        if !words("proxy").is_empty() {
            proxied.push(pattern);
            continue;
        }
        own(line, pattern, &proxied, draft);
    }
    if let Some(filters) = root.get("filters") {
        draft.remark(filters.line, "`filters` are plugins and are not taken over");
    }
    Ok(())
}

fn own(line: usize, pattern: &str, proxied: &[&str], draft: &mut Draft) {
    let earlier = proxied
        .iter()
        .find(|earlier| !EVERYTHING.contains(earlier) && overlap(earlier, pattern));
    if let Some(earlier) = earlier {
        let text = format!(
            "{} stays in the house, but {} before it does not: narrow it by hand",
            quote(pattern),
            quote(earlier)
        );
        return draft.remark(line, text);
    }
    if pattern.contains(['(', ')', '!', '+', '|']) {
        let text = format!("{}: such patterns are not known here", quote(pattern));
        return draft.remark(line, text);
    }
    let names = pattern.replace("/**", "/*");
    draft.add(line, Item::Owned(Names::of(ECOSYSTEM, names)));
}

/// Whether two patterns may name the same package: whether what is before the first wildcard of one
/// begins the other.
fn overlap(a: &str, b: &str) -> bool {
    let plain = |pattern: &str| {
        let end = pattern.find(['*', '?', '[', '{']).unwrap_or(pattern.len());
        pattern.get(..end).unwrap_or_default().to_owned()
    };
    let (a, b) = (plain(a), plain(b));
    a.starts_with(&b) || b.starts_with(&a)
}
