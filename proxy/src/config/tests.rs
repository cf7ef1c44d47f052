//! Golden problems and defaults.

mod example;
mod feeds;
mod inspection;
mod messages;

use std::collections::BTreeMap;
use std::path::Path;

use cordon_policy::config::PolicySource;
use cordon_policy::config::diagnostic::{Diagnostic, Severity};
use cordon_policy::ecosystem::PyPi;
use cordon_policy::model::Scheme as _;

use super::surroundings::SecretFile;
use super::*;

/// An environment and files out of maps.
#[derive(Default)]
struct Fake {
    variables: BTreeMap<&'static str, &'static str>,
    files: BTreeMap<&'static str, (&'static str, bool)>,
    has_no_home: bool,
}

impl Surroundings for Fake {
    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).map(|text| (*text).to_owned())
    }
    fn secret_file(&self, path: &Path) -> Result<SecretFile, String> {
        let (text, is_readable_by_others) = path
            .to_str()
            .and_then(|path| self.files.get(path))
            .ok_or("no such file")?;
        Ok(SecretFile {
            text: (*text).to_owned(),
            is_readable_by_others: *is_readable_by_others,
        })
    }
    fn is_file(&self, path: &Path) -> bool {
        path.to_str()
            .is_some_and(|path| self.files.contains_key(path))
    }
    fn data_folder(&self) -> Option<PathBuf> {
        (!self.has_no_home).then(|| PathBuf::from("/home/dev/.local/share"))
    }
}

fn surroundings() -> Fake {
    Fake {
        variables: BTreeMap::from([
            ("TOKEN", "0123456789abcdef0123456789abcdef"),
            ("NPM_TOKEN", "npm_abc"),
            ("BLANK", "  "),
            ("TEMPLATE", "change-me"),
            ("SHORT", "hunter2"),
        ]),
        files: BTreeMap::from([
            ("/etc/cordon/policy.toml", ("", false)),
            ("/etc/cordon/tls.pem", ("", false)),
            ("/etc/cordon/tls.key", ("", false)),
            (
                "/etc/cordon/token",
                ("lqI7xXkBbVxGJqVcRmzVZlRkY3o2l0w9\n", false),
            ),
            (
                "/etc/cordon/open-token",
                ("lqI7xXkBbVxGJqVcRmzVZlRkY3o2l0w9", true),
            ),
        ]),
        has_no_home: false,
    }
}

fn read_with(text: &str, overrides: &Overrides, fake: &Fake) -> Result<Loaded, Rejected> {
    let source = PolicySource {
        name: "cordon.toml".to_owned(),
        text: text.to_owned(),
    };
    Config::read(Some(source), Path::new("/etc/cordon"), overrides, fake)
}

fn read(text: &str) -> Result<Loaded, Rejected> {
    read_with(text, &Overrides::default(), &surroundings())
}

fn config(text: &str) -> Config {
    read(text)
        .unwrap_or_else(|rejected| panic!("{}", lines(&rejected.problems)))
        .config
}

fn zero_configuration() -> Config {
    Config::read(None, Path::new(""), &Overrides::default(), &surroundings())
        .expect("the defaults are valid")
        .config
}

fn lines(problems: &[Diagnostic]) -> String {
    problems
        .iter()
        .map(|problem| format!("{problem}\n"))
        .collect()
}

/// What is said about a text: its errors when it is refused, else its warnings.
fn problems(text: &str) -> String {
    match read(text) {
        Ok(loaded) => format!("usable\n{}", lines(&loaded.warnings)),
        Err(rejected) => lines(&rejected.problems),
    }
}

/// Each problem's code and line, for tests about one of them.
fn codes(text: &str) -> Vec<String> {
    let found = match read(text) {
        Ok(loaded) => loaded.warnings,
        Err(rejected) => rejected.problems,
    };
    found
        .iter()
        .map(|problem| format!("{}:{}", problem.code, problem.span.line))
        .collect()
}

#[test]
fn zero_configuration_serves_three_registries_on_loopback() {
    let config = zero_configuration();
    assert_eq!(config.listen.to_string(), "127.0.0.1:4873");
    assert_eq!(config.admin_listen.to_string(), "127.0.0.1:4874");
    assert_eq!(config.public_url, PublicUrl::FromListener);
    assert_eq!(config.data, Path::new("/home/dev/.local/share/cordon"));
    assert!(config.policy_files.is_empty());
    let ecosystems: Vec<&str> = config
        .upstreams
        .iter()
        .map(|u| u.ecosystem.as_str())
        .collect();
    assert_eq!(ecosystems, ["npm", "pypi", "cargo"]);
    assert!(
        config
            .upstreams
            .iter()
            .all(|u| u.url.scheme() == "https" && !u.may_be_private)
    );
}

#[test]
fn the_public_address_follows_a_listener_on_port_0() {
    let overrides = Overrides {
        listen: Some("127.0.0.1:0".parse().unwrap()),
        admin_listen: Some("127.0.0.1:0".parse().unwrap()),
        ..Overrides::default()
    };
    let loaded = Config::read(None, Path::new(""), &overrides, &surroundings()).unwrap();
    let bound = "127.0.0.1:34567".parse().unwrap();
    assert_eq!(
        loaded.config.public_url(bound).as_str(),
        "http://127.0.0.1:34567/"
    );
    let bound = "[::1]:34567".parse().unwrap();
    assert_eq!(
        loaded.config.public_url(bound).as_str(),
        "http://[::1]:34567/"
    );
}

#[test]
fn a_file_is_read_with_its_folder_as_base_and_its_secrets_checked() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("the folder is writable");
    };
    write("policy.toml", "# rules");
    write("token", "lqI7xXkBbVxGJqVcRmzVZlRkY3o2l0w9\n");
    write(
        "cordon.toml",
        "policy = ['policy.toml']\n[server]\nadmin_token_file = 'token'\ndata = 'store'",
    );
    let path = folder.path().join("cordon.toml");
    let token = folder.path().join("token");
    set_mode(&token, 0o600);
    let loaded = Config::load(Some(&path), &Overrides::default()).expect("it is valid");
    assert_eq!(
        loaded.config.policy_files,
        [folder.path().join("policy.toml")]
    );
    assert!(loaded.config.admin_token.is_some() && loaded.warnings.is_empty());
    if cfg!(unix) {
        set_mode(&token, 0o644);
        let rejected = Config::load(Some(&path), &Overrides::default()).unwrap_err();
        assert_eq!(rejected.problems[0].code, "secret-readable-by-others");
    }
    std::fs::write(&path, b"contact = '\xff'").expect("the folder is writable");
    let rejected = Config::load(Some(&path), &Overrides::default()).unwrap_err();
    assert_eq!(rejected.problems[0].code, "config-unreadable");
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("it is ours");
}

#[cfg(not(unix))]
fn set_mode(_path: &Path, _mode: u32) {}

#[test]
fn a_given_public_address_keeps_its_path_and_ends_in_a_slash() {
    let config = config("[server]\nlisten = '0.0.0.0:80'\npublic_url = 'https://a.example/deps'");
    let bound = "0.0.0.0:80".parse().unwrap();
    assert_eq!(config.public_url(bound).as_str(), "https://a.example/deps/");
}

#[test]
fn without_a_home_the_data_folder_must_be_named() {
    let fake = Fake {
        has_no_home: true,
        ..surroundings()
    };
    let refused = Config::read(None, Path::new(""), &Overrides::default(), &fake).unwrap_err();
    insta::assert_snapshot!(lines(&refused.problems), @"command line:1:1: error[data-folder-unknown]: this user has no folder for data; name one with --data or `server.data`");
    let overrides = Overrides {
        data: Some("here".into()),
        ..Overrides::default()
    };
    let config = Config::read(None, Path::new(""), &overrides, &fake)
        .unwrap()
        .config;
    assert_eq!(config.data, Path::new("here"));
}

#[test]
fn the_command_line_wins_over_the_file() {
    let overrides = Overrides {
        listen: Some("127.0.0.1:1".parse().unwrap()),
        public_url: Some("https://b.example/".to_owned()),
        data: Some("/data".into()),
        log_filter: Some("debug".to_owned()),
        ..Overrides::default()
    };
    let text = "[server]\nlisten = '127.0.0.1:2'\npublic_url = 'https://a.example/'\ndata = 'd'";
    let config = read_with(text, &overrides, &surroundings()).unwrap().config;
    assert_eq!(config.listen.port(), 1);
    assert_eq!(config.data, Path::new("/data"));
    assert_eq!(
        config.public_url(config.listen).as_str(),
        "https://b.example/"
    );
    assert_eq!(config.log.filter, "debug");
}

#[test]
fn relative_paths_start_at_the_configuration_file() {
    let config = config("policy = ['policy.toml']\n[server]\ndata = 'store'");
    assert_eq!(config.policy_files, [Path::new("/etc/cordon/policy.toml")]);
    assert_eq!(config.data, Path::new("/etc/cordon/store"));
}

#[test]
fn c_01_to_c_03_unknown_misspelt_and_duplicate_keys() {
    insta::assert_snapshot!(problems(
        "contct = 'me'\n[server]\nlisten = '127.0.0.1:1'\nlistn = '127.0.0.1:2'\n[limit]\n\
         connections = 1\n[log]\nformat = 'jsn'\n[upstream.rubygems]\nid = 'a'"
    ));
    insta::assert_snapshot!(problems("[log]\nfilter = 'info'\nfilter = 'debug'"));
}

#[test]
fn c_04_a_huge_file_is_refused_unread() {
    let text = format!("contact = '{}'", "a".repeat(2 * 1024 * 1024));
    assert_eq!(codes(&text), ["file-too-large:1"]);
}

#[test]
fn c_05_an_empty_a_commented_and_a_missing_file_are_refused() {
    for text in ["", "\n\n", "# nothing\n", "\u{feff}"] {
        assert_eq!(codes(text), ["empty-file:1"], "{text:?}");
    }
    let refused = Config::load(
        Some(Path::new("no/such/cordon.toml")),
        &Overrides::default(),
    );
    assert_eq!(refused.unwrap_err().problems[0].code, "config-missing");
}

#[test]
fn c_12_durations_and_sizes_need_a_unit_a_sign_less_number_and_sense() {
    insta::assert_snapshot!(problems(
        "[freshness]\nmax_age = 7\nmin_age = '-1d'\nmax_stale = '1e9d'\nnegative = '99999d'\n\
         [limits]\ndocument_size = '128'\nartifact_size = '2 GB'\nstore_size = '1B'\n\
         connections = 0\nheader_timeout = '5'"
    ));
}

#[test]
fn c_13_upstream_addresses_are_read_strictly_and_passwords_not_repeated() {
    let text = "[[upstream.npm]]\nurl = 'https://me:canary@npm.example/'\n\
         [[upstream.npm]]\nid = 'b'\nurl = 'http://npm.example/'\n\
         [[upstream.npm]]\nid = 'c'\nurl = 'https://npm.example/a/../b'\n\
         [[upstream.npm]]\nid = 'd'\nurl = 'https://npm.example/ x'\n\
         [[upstream.pypi]]\nfiles = ['https://files.example/packages/', 'ftp://files.example/']";
    let found = problems(text);
    assert!(!found.contains("canary"));
    insta::assert_snapshot!(found);
}

#[test]
fn plain_http_is_for_this_machine_or_an_explicit_choice() {
    let config = config(
        "[[upstream.npm]]\nurl = 'http://127.0.0.1:9000/'\n\
         [[upstream.npm]]\nid = 'lan'\nurl = 'http://npm.example/'\ninsecure = true",
    );
    assert!(config.upstreams[0].may_be_private);
    assert!(!config.upstreams[1].may_be_private);
    insta::assert_snapshot!(problems(
        "[[upstream.npm]]\nurl = 'http://npm.example/'\ninsecure = true\ncredential_env = 'NPM_TOKEN'"
    ));
}

#[test]
fn c_14_a_public_address_is_required_where_none_can_be_derived() {
    insta::assert_snapshot!(problems("[server]\nlisten = '0.0.0.0:4873'"));
    insta::assert_snapshot!(problems(
        "[server]\nlisten = '0.0.0.0:4873'\npublic_url = 'http://packages.example'"
    ));
}

#[test]
fn c_15_weak_missing_and_readable_secrets_are_refused_and_never_repeated() {
    let mut found = String::new();
    for source in [
        "admin_token_env = 'BLANK'",
        "admin_token_env = 'TEMPLATE'",
        "admin_token_env = 'SHORT'",
        "admin_token_env = 'UNSET'",
        "admin_token_file = 'open-token'",
        "admin_token_file = 'no-token'",
        "admin_token_file = 'token'\nadmin_token_env = 'TOKEN'",
        "admin_token = 'lqI7xXkBbVxGJqVcRmzVZlRkY3o2l0w9'",
    ] {
        found.push_str(&problems(&format!("[server]\n{source}")));
    }
    assert!(!found.contains("hunter2") && !found.contains("lqI7"));
    insta::assert_snapshot!(found);
}

#[test]
fn c_16_an_admin_listener_others_can_reach_needs_tls_and_a_token() {
    insta::assert_snapshot!(problems("[server]\nadmin_listen = '0.0.0.0:4874'"));
    let token = "admin_token_file = 'token'\n";
    let tls = "admin_tls_certificate = 'tls.pem'\nadmin_tls_key = 'tls.key'\n";
    for partly in [token, tls] {
        let text = format!("[server]\nadmin_listen = '0.0.0.0:4874'\n{partly}");
        assert_eq!(codes(&text), ["admin-exposed:2"]);
    }
    let guarded = config(&format!(
        "[server]\nadmin_listen = '0.0.0.0:4874'\n{token}{tls}"
    ));
    let token = guarded.admin_token.expect("it was given");
    assert_eq!(token.expose(), "lqI7xXkBbVxGJqVcRmzVZlRkY3o2l0w9");
}

#[test]
fn c_17_two_upstreams_of_one_ecosystem_cannot_share_an_id() {
    insta::assert_snapshot!(problems(
        "[[upstream.npm]]\nid = 'a'\n[[upstream.npm]]\nid = 'a'\n[[upstream.npm]]\nid = 'A'\n\
         [[upstream.npm]]\n[[upstream.npm]]\n[[upstream.pypi]]\nid = 'a'"
    ));
}

#[test]
fn c_21_line_ends_byte_order_marks_and_tabs_are_read_and_odd_names_refused() {
    let dos = "\u{feff}[server]\r\n\tlisten = '127.0.0.1:9'\r\n\t[[upstream.npm]]\r\n\tonly\t= [\"a-*\"]\r\n";
    assert_eq!(config(dos).listen.port(), 9);
    assert_eq!(
        codes(&dos.replace("a-*", "cafe\u{301}-*")),
        ["impossible-name:4"]
    );
    assert_eq!(codes(&dos.replace("listen", "lis\u{301}ten")), ["syntax:2"]);
}

#[test]
fn tls_needs_both_files_and_they_must_be_there() {
    insta::assert_snapshot!(problems(
        "[server]\ntls_certificate = 'tls.pem'\nadmin_tls_certificate = 'a'\nadmin_tls_key = 'b'"
    ));
}

#[test]
fn two_settings_that_contradict_each_other_are_refused() {
    insta::assert_snapshot!(problems(
        "policy = ['policy.toml', 'policy.toml', 'none.toml']\n\
         [server]\nlisten = '127.0.0.1:7'\nadmin_listen = '127.0.0.1:7'\n\
         [freshness]\nmin_age = '1h'\n\
         [limits]\ndocument_size = '1 MiB'\nartifact_cache_size = '1 KiB'\nstore_size = '1 GiB'\n\
         [log]\nfilter = 'cordon=loud=really'"
    ));
}

#[test]
fn n_33_an_exclusive_upstream_is_asked_first_wherever_it_stands() {
    let config = config(
        "[[upstream.npm]]\n[[upstream.npm]]\nid = 'internal'\nurl = 'https://npm.example/'\n\
         only = ['@acme/*']\nexclusive = true\ncredential_env = 'NPM_TOKEN'",
    );
    let [internal, public] = config.upstreams.first_chunk().expect("two upstreams");
    assert_eq!(
        (internal.id.as_str(), public.id.as_str()),
        ("internal", "public")
    );
    assert!(internal.serves("@acme/x") && !internal.serves("@acme-evil/x"));
    let credential = internal.credential.as_ref().expect("it was given");
    assert_eq!(credential.expose(), "Bearer npm_abc");
    assert!(public.credential.is_none());
}

#[test]
fn patterns_that_are_not_canonical_work_and_are_named() {
    let text = "[[upstream.pypi]]\nonly = ['Acme_*', 'tools']\nexclusive = true";
    let upstream = &config(text).upstreams[1];
    assert!(upstream.serves("acme-sdk") && upstream.serves("tools"));
    assert!(!upstream.serves("acmesdk") && !upstream.serves("tools-x"));
    insta::assert_snapshot!(problems(text));
    insta::assert_snapshot!(problems(
        "[[upstream.npm]]\nexclusive = true\n[[upstream.npm]]\nid = 'b'\nonly = []\n\
         [[upstream.npm]]\nid = 'c'\nonly = ['**', 'a b']\ncredential_scheme = 'basic'"
    ));
}

#[test]
fn n_33_an_internal_namespace_is_recognised_in_every_spelling() {
    let config = config("[[upstream.pypi]]\nonly = ['Acme_*']\nexclusive = true");
    let internal = config
        .upstreams
        .iter()
        .find(|upstream| upstream.is_exclusive)
        .expect("it was given");
    for spelling in ["acme-sdk", "Acme_SDK", "acme.sdk", "ACME-_-sdk"] {
        let name = PyPi.package(spelling).expect("a valid name");
        assert!(internal.serves(name.normalized()), "{spelling}");
    }
}

#[test]
fn an_empty_list_switches_an_ecosystem_off() {
    let config = config("[upstream]\nnpm = []");
    assert!(
        config
            .upstreams
            .iter()
            .all(|u| u.ecosystem.as_str() != "npm")
    );
    assert_eq!(config.upstreams.len(), 2);
}

#[test]
fn problems_point_at_their_line_and_column() {
    let rejected = read("[server]\n  listen = 'nowhere'").unwrap_err();
    let problem = &rejected.problems[0];
    assert_eq!(problem.span.to_string(), "cordon.toml:2:13");
    assert_eq!(problem.severity, Severity::Error);
    assert_eq!(rejected.sources.len(), 1);
}

#[test]
fn what_a_reload_cannot_change_is_named_by_its_key() {
    let text = "policy = [\"policy.toml\"]\n[[upstream.npm]]\nonly = [\"@acme/*\"]\n";
    let before = config(text);
    assert!(before.needing_restart(&config(text)).is_empty());
    let other_policy = text.replace("policy.toml\"", "policy.toml\", \"tls.pem\"");
    assert!(before.needing_restart(&config(&other_policy)).is_empty());
    let after = config(
        "contact = \"somebody\"\n\
         [server]\nlisten = \"127.0.0.1:1\"\ndata = \"elsewhere\"\n\
         [[upstream.npm]]\nonly = [\"@other/*\"]\n\
         [limits]\nartifact_size = \"1 GiB\"\n[log]\nformat = \"json\"\n",
    );
    let keys = [
        "server.listen",
        "server.data",
        "upstream",
        "contact",
        "limits.artifact_size",
        "log.format",
    ];
    assert_eq!(before.needing_restart(&after), keys);
}

#[test]
fn every_key_that_needs_a_restart_is_one_the_reader_knows() {
    for table in ["limits", "freshness", "log"] {
        let source = include_str!("changes.rs");
        let known = example::known_keys(&format!("[{table}]"));
        let named: Vec<&str> = source
            .split(&format!("\"{table}."))
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .collect();
        assert_eq!(named.len(), known.len(), "{table}: {named:?}");
        for key in named {
            assert!(known.iter().any(|it| it == key), "{table}.{key}");
        }
    }
}
