//! `[inspection]`.

use super::*;
use cordon_policy::inspect::Limits;

use crate::config::{ScannerConfig, ScannerTarget};

/// The codes of all that is wrong.
fn codes(text: &str) -> Vec<&'static str> {
    let found = match read(text) {
        Ok(loaded) => loaded.warnings,
        Err(rejected) => rejected.problems,
    };
    found.iter().map(|it| it.code).collect()
}

fn scanner(keys: &str) -> String {
    format!("[[inspection.scanner]]\n{keys}\n")
}

#[test]
fn a_scanner_is_a_program_or_a_service_that_can_tell_who_asks() {
    let url = "url = \"https://scanner.example/scan\"";
    for (keys, expected) in [
        ("command = [\"/x\"]", "missing-key"),
        ("id = \"a\"", "scanner-target"),
        (
            "id = \"a\"\ncommand = [\"/x\"]\nurl = \"https://scanner.example/\"",
            "scanner-target",
        ),
        ("id = \"a\"\ncommand = []", "scanner-command"),
        ("id = \"a\"\ncommand = [\"scan\"]", "scanner-command"),
        (
            "id = \"a\"\ncommand = [\"/does/not/exist\"]",
            "file-missing",
        ),
        ("id = \"A b\"\ncommand = [\"/x\"]", "scanner-id-invalid"),
        (&format!("id = \"a\"\n{url}"), "scanner-secret-missing"),
        (
            &format!("id = \"a\"\n{url}\nsecret_env = \"CORDON_NOT_SET\""),
            "secret-missing",
        ),
        (
            "id = \"a\"\nurl = \"http://scanner.example/\"\nsecret_env = \"X\"",
            "scanner-plain-http",
        ),
        (
            "id = \"a\"\nurl = \"ftp://scanner.example/\"\nsecret_env = \"X\"",
            "scanner-url-invalid",
        ),
        ("id = \"a\"\ntimeout = \"0s\"", "out-of-range"),
        ("id = \"a\"\nretries = 3", "unknown-key"),
    ] {
        let found = codes(&scanner(keys));
        assert!(found.contains(&expected), "{keys}: {found:?}");
    }
}

#[test]
fn scanners_are_read_and_required_unless_told_otherwise() {
    let program = "id = \"av\"\ncommand = [\"/etc/cordon/policy.toml\", \"-x\"]";
    let service = "id = \"far\"\nurl = \"https://scanner.example/scan\"\nsecret_env = \"TOKEN\"\n\
                   timeout = \"5s\"\nrequired = false";
    let text = format!("{}{}", scanner(program), scanner(service));
    let words = ["/etc/cordon/policy.toml", "-x"].map(String::from);
    let expected = [
        ScannerConfig {
            id: "av".into(),
            target: ScannerTarget::Command(words.to_vec()),
            timeout: Duration::from_secs(60),
            is_required: true,
        },
        ScannerConfig {
            id: "far".into(),
            target: ScannerTarget::Url {
                url: "https://scanner.example/scan".parse().unwrap(),
                secret: Secret::new("0123456789abcdef0123456789abcdef".to_owned()),
            },
            timeout: Duration::from_secs(5),
            is_required: false,
        },
    ];
    assert_eq!(config(&text).inspection.scanners, expected);
    let twice = format!("{}{}", scanner(program), scanner(program));
    assert!(codes(&twice).contains(&"scanner-duplicate-id"));
}

#[test]
fn limits_of_workers_are_read() {
    let found = config(
        "[inspection]\nworkers = 3\nmemory = \"256 MiB\"\ntimeout = \"5s\"\nsandbox = \"best-effort\"",
    );
    let inspection = found.inspection;
    assert_eq!(inspection.worker_count(), 3);
    assert_eq!(inspection.memory_bytes, 256 << 20);
    assert!(!inspection.is_sandbox_required);
    assert!(zero_configuration().inspection.is_sandbox_required);
    assert!(zero_configuration().inspection.worker_count() >= 1);
    for bad in ["workers = -1", "memory = \"1 MiB\"", "sandbox = \"off\""] {
        assert!(!codes(&format!("[inspection]\n{bad}")).is_empty(), "{bad}");
    }
}

#[test]
fn limits_of_archives_are_read_and_what_cannot_be_one_is_refused_by_its_key() {
    let text = "[inspection]\nentries = 5000\nunpacked_size = \"1 GiB\"\nratio = 2000\n\
                nested_depth = 1\nlooked_at_size = \"1 MiB\"\nmanifest_size = \"2 MiB\"";
    let expected = Limits {
        entries: 5_000,
        unpacked_bytes: 1 << 30,
        ratio: 2_000,
        nested_ratio: 2_000,
        nested_depth: 1,
        looked_at_bytes: 1 << 20,
        manifest_bytes: 2 << 20,
        ..Limits::default()
    };
    assert_eq!(config(text).inspection.limits, expected);
    assert_eq!(zero_configuration().inspection.limits, Limits::default());
    let changed = config(text);
    assert_eq!(
        zero_configuration().needing_restart(&changed),
        ["inspection"]
    );
    for (key, value) in [
        ("entries", "999"),
        ("entries", "10000001"),
        ("unpacked_size", "\"1 MiB\""),
        ("ratio", "9"),
        ("nested_depth", "17"),
        ("looked_at_size", "\"1 KiB\""),
        ("manifest_size", "\"65 MiB\""),
    ] {
        let rejected = read(&format!("[inspection]\n{key} = {value}")).unwrap_err();
        let problem = &rejected.problems[0];
        assert_eq!(problem.code, "out-of-range", "{key} = {value}");
        let name = format!("`inspection.{key}`");
        assert!(problem.message.contains(&name), "{}", problem.message);
    }
}
