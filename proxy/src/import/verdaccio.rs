//! Verdaccio: the `packages:` block.
//!
//! What has no `proxy` never asks a registry: that is an owned name. Who may read and publish is no
//! matter of a policy here, but for what nobody may read: that is denied. Entries are tried in
//! order there and together here, so a pattern that restricts also holds for what an earlier one
//! lets through; it is taken over whole and that is said. `**` at the end that lets nothing through
//! makes a list of what is allowed of those before it.

use super::draft::{Draft, Item, Names, quote};
use super::{ImportError, yaml};

const ECOSYSTEM: &str = "npm";

/// Patterns that mean everything.
const EVERYTHING: [&str; 3] = ["**", "*", "@*/*"];

/// Words that mean that nobody may read.
const NOBODY: [&str; 2] = ["nobody", "$nobody"];

/// Words that mean everybody may read.
const EVERYBODY: [&str; 5] = ["$all", "@all", "all", "$anonymous", "@anonymous"];

pub(super) fn read(text: &str, draft: &mut Draft) -> Result<(), ImportError> {
    let root = yaml::read(text)?;
    let Some(packages) = root.get("packages") else {
        return Err(ImportError::Nothing("there is no `packages:` block"));
    };
    let mut open: Vec<&str> = Vec::new();
    let mut owned: Vec<&str> = Vec::new();
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
        let is_denied = !access.is_empty() && access.iter().all(|word| NOBODY.contains(word));
        if !is_denied && !access.is_empty() && !access.iter().any(|word| EVERYBODY.contains(word)) {
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
        let is_proxied = !words("proxy").is_empty();
        if is_proxied && !is_denied {
            open.push(pattern);
            proxied.push(pattern);
            continue;
        }
        if pattern == "**" && !proxied.is_empty() {
            // What is owned has no upstream to be allowed from.
            let is_owned = |it: &str| owned.iter().any(|owned| overlap(owned, it));
            for pattern in proxied
                .iter()
                .filter(|it| EVERYTHING.contains(it) || !is_owned(it))
            {
                restrict(line, pattern, Item::Allow, draft);
            }
            continue;
        }
        tell_of_overlap(
            line,
            pattern,
            if is_denied { &open } else { &proxied },
            draft,
        );
        if is_denied {
            restrict(line, pattern, Item::Deny, draft);
        } else {
            open.push(pattern);
        }
        if !is_proxied {
            owned.push(pattern);
            restrict(line, pattern, Item::Owned, draft);
        }
    }
    if let Some(filters) = root.get("filters") {
        draft.remark(filters.line, "`filters` are plugins and are not taken over");
    }
    Ok(())
}

/// Says that a restriction holds here for more than it does there.
fn tell_of_overlap(line: usize, pattern: &str, earlier: &[&str], draft: &mut Draft) {
    let earlier = earlier
        .iter()
        .find(|earlier| !EVERYTHING.contains(earlier) && overlap(earlier, pattern));
    if let Some(earlier) = earlier {
        let text = format!(
            "{} is taken over whole: {} before it is let through there and is not here; narrow it \
             by hand",
            quote(pattern),
            quote(earlier)
        );
        draft.remark(line, text);
    }
}

fn restrict(line: usize, pattern: &str, item: fn(Names) -> Item, draft: &mut Draft) {
    let names = match alternation(pattern) {
        Some(names) => names.replace("/**", "/*"),
        None => {
            let text = format!("{}: such patterns are not known here", quote(pattern));
            return draft.lost(line, text);
        }
    };
    draft.add(line, item(Names::of(ECOSYSTEM, names)));
}

/// A pattern with `@(a|b)` written as `{a,b}`; `None` with other groups.
fn alternation(pattern: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = pattern;
    while let Some((before, group)) = rest.split_once("@(") {
        let (inside, after) = group.split_once(')')?;
        out.push_str(before);
        out.push('{');
        out.push_str(&inside.replace('|', ","));
        out.push('}');
        rest = after;
    }
    let is_plain = |text: &str| !text.contains(['(', ')', '!', '+', '|']);
    out.push_str(rest);
    is_plain(&out).then_some(out)
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
