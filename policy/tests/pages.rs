//! What the pages of the rules show as examples is a policy that loads.

use cordon_policy::config::{PolicySource, load};
use cordon_policy::model::Timestamp;
use cordon_policy::rules::RULES;

/// The TOML blocks of a page, each with its first line's number.
fn blocks(page: &str) -> Vec<(usize, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (number, line) in (1..).zip(page.lines()) {
        match (&mut open, line.trim_end()) {
            (None, "```toml") => open = Some((number + 1, String::new())),
            (Some(_), "```") => blocks.extend(open.take()),
            (Some((_, text)), line) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, _) => {}
        }
    }
    assert_eq!(open, None, "a block has no end");
    blocks
}

#[test]
fn every_example_on_a_page_loads() {
    // When the pages were last gone through: their exemptions must not be too long for that day.
    let written = Timestamp::parse("2026-11-22T00:00:00Z").unwrap();
    let mut count = 0;
    for kind in RULES {
        for (line, example) in blocks(kind.page) {
            count += 1;
            let id = &kind.id;
            // An exemption alone is no policy.
            let rules = match example.contains("[rules.") {
                true => "",
                false => "[rules.integrity]\n",
            };
            let source = PolicySource {
                name: format!("{id}.md"),
                text: format!("{rules}{example}"),
            };
            let loaded = load(&[source]);
            let loaded = loaded.unwrap_or_else(|problems| panic!("{id}.md:{line}: {problems:#?}"));
            let overlong = loaded.ruleset.overlong_exemptions(written);
            assert!(overlong.is_empty(), "{id}.md:{line}: {overlong:#?}");
        }
    }
    assert!(count > RULES.len(), "{count} examples");
}
