//! `config.example.toml` against the code: in it `#key = value` is a default, `##key = value` an example.

use super::*;

const EXAMPLE: &str = include_str!("../../../../config.example.toml");

/// The example with some of its commented settings made active.
fn uncommented(is_chosen: impl Fn(&str) -> bool) -> String {
    EXAMPLE
        .lines()
        .map(|line| match setting(line) {
            Some(setting) if is_chosen(line) => format!("{setting}\n"),
            _ => format!("{line}\n"),
        })
        .collect()
}

/// The setting a commented line holds: `#key = value` or `##key = value`.
fn setting(line: &str) -> Option<&str> {
    let setting = line.trim_start_matches('#');
    let is_commented = line.starts_with('#') && setting.starts_with(|c: char| c != ' ');
    (is_commented && setting.contains(" = ")).then_some(setting)
}

fn is_default(line: &str) -> bool {
    setting(line).is_some() && !line.starts_with("##")
}

/// What a configuration amounts to, for comparison.
fn meaning(config: &Config) -> String {
    format!("{config:#?}")
}

#[test]
fn as_it_stands_it_means_zero_configuration() {
    assert_eq!(meaning(&config(EXAMPLE)), meaning(&zero_configuration()));
}

#[test]
fn each_commented_default_uncommented_changes_nothing() {
    let expected = meaning(&zero_configuration());
    let defaults: Vec<&str> = EXAMPLE.lines().filter(|line| is_default(line)).collect();
    assert!(defaults.len() > 30, "only {} defaults", defaults.len());
    for (number, line) in EXAMPLE.lines().enumerate() {
        if is_default(line) {
            let text: String = EXAMPLE
                .lines()
                .enumerate()
                .map(|(at, it)| format!("{}\n", if at == number { &it[1..] } else { it }))
                .collect();
            assert_eq!(
                meaning(&config(&text)),
                expected,
                "line {}: {line}",
                number + 1
            );
        }
    }
    assert_eq!(meaning(&config(&uncommented(is_default))), expected);
}

#[test]
fn each_example_is_a_key_the_reader_knows() {
    let text = uncommented(|_| true)
        .replace("admin_token_env", "#admin_token_env")
        .replace("credential_env", "#credential_env")
        .replace("\ninsecure", "\n#insecure")
        .replace("\nfile = ", "\n#file = ")
        .replace("\nfolder = ", "\n#folder = ")
        .replace("\nlist = ", "\n#list = ")
        .replace("\nepss_file", "\n#epss_file")
        .replace("\nkev_url", "\n#kev_url");
    let found = match read(&text) {
        Ok(loaded) => loaded.warnings,
        Err(rejected) => rejected.problems,
    };
    // The files the examples name are not there; every other problem is a mistake.
    let unexpected: Vec<&Diagnostic> = found
        .iter()
        .filter(|it| !matches!(it.code, "file-missing" | "secret-missing"))
        .collect();
    assert!(unexpected.is_empty(), "{unexpected:#?}");
    let example_keys = EXAMPLE
        .lines()
        .filter(|line| line.starts_with("##"))
        .count();
    assert!(example_keys > 8, "only {example_keys} examples");
}

/// The keys the reader asks for in a table, from its own answer to an unknown one.
pub(super) fn known_keys(table: &str) -> Vec<String> {
    let rejected = read(&format!("{table}\nqqqqqqqqqqqqqqqqqqqq = 1")).unwrap_err();
    let unknown = rejected
        .problems
        .iter()
        .find(|problem| problem.code == "unknown-key")
        .expect("the key is unknown");
    unknown
        .help
        .strip_prefix("allowed here: ")
        .expect("the help lists the keys")
        .split(", ")
        .map(|key| key.trim_matches('`').to_owned())
        .collect()
}

#[test]
fn every_key_the_reader_knows_is_documented() {
    let mut sections: BTreeMap<&str, String> = BTreeMap::new();
    let mut section = "";
    for line in EXAMPLE.lines() {
        if line.starts_with('[') {
            section = line;
        }
        let text = sections.entry(section).or_default();
        let active = if line.starts_with('#') { "" } else { line };
        text.push_str(setting(line).unwrap_or(active));
        text.push('\n');
    }
    for table in [
        "[server]",
        "[[upstream.npm]]",
        "[limits]",
        "[freshness]",
        "[feeds]",
        "[inspection]",
        "[[feeds.advisories]]",
        "[log]",
    ] {
        let documented = &sections[table];
        for key in known_keys(table) {
            assert!(
                documented
                    .lines()
                    .any(|line| line.starts_with(&format!("{key} = "))),
                "{table}: `{key}` is not documented"
            );
        }
    }
    for key in known_keys("") {
        let is_table = sections
            .keys()
            .any(|name| name.starts_with(&format!("[{key}")))
            || sections
                .keys()
                .any(|name| name.starts_with(&format!("[[{key}")));
        let is_setting = sections[""].contains(&format!("{key} = "));
        assert!(is_table || is_setting, "`{key}` is not documented");
    }
}

#[test]
fn every_default_has_a_reason_above_it() {
    let mut has_reason = false;
    for line in EXAMPLE.lines() {
        if setting(line).is_some() {
            assert!(has_reason, "no reason above `{line}`");
        } else {
            has_reason = line.starts_with("# ") || (has_reason && !line.is_empty());
        }
    }
}
