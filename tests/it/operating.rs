//! What an operator does with the process and the commands, and what they say back.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use cordon_tests::client::{http, listing};
use cordon_tests::cordon::{ALLOW_ALL, Builder, Cordon, Signal};
use cordon_tests::fake_registry::{FakeRegistry, Protocol};
use cordon_tests::fixture::{OLD, PACKAGE, Scene};
use cordon_tests::wait;

fn status(cordon: &Cordon) -> serde_json::Value {
    http::get(&format!("{}status", cordon.admin()))
        .expect(200)
        .json()
}

fn config(cordon: &Cordon) -> String {
    fs::read_to_string(cordon.folder().path().join("cordon.toml")).expect("it was written")
}

fn write_config(cordon: &Cordon, text: &str) {
    fs::write(cordon.folder().path().join("cordon.toml"), text).expect("the folder is writable");
}

/// README: "name it in the configuration, and send SIGHUP".
#[test]
fn a_policy_named_later_comes_into_force_and_other_keys_are_said_to_need_a_restart() {
    let registry = FakeRegistry::start();
    let cordon = Builder::new(&registry).start();
    let named = config(&cordon);
    let (list, rest) = named.split_once("\n\n").expect("the policy comes first");
    let before = status(&cordon);
    let folder = cordon.folder().path();
    fs::write(folder.join("own.toml"), "[rules.minimum-age]\n").expect("writable");
    assert!(list.contains("policy.toml"), "{list}");
    let own = list.replace("policy.toml", "own.toml");
    let limits = "[limits]\nconnections = 99\n";
    write_config(&cordon, &format!("{own}\n\n{rest}\n{limits}"));

    cordon.signal(Signal::Reload);
    wait::until("the new policy", || {
        status(&cordon)["ruleset"] != before["ruleset"]
    });
    let after = status(&cordon);
    assert!(
        after["rules"].to_string().contains("minimum-age"),
        "{after}"
    );
    assert_eq!(after["needs_restart"][0], "limits.connections", "{after}");

    // Nothing changed since: said, not passed over.
    let reload = format!("{}reload", cordon.admin());
    let said = http::request("POST", &reload, &[], b"").expect(200).text();
    assert!(
        said.contains("the policy is the same")
            && said.contains("needs a restart: limits.connections"),
        "{said}"
    );

    // The files named last are the ones watched from now on.
    fs::write(folder.join("own.toml"), ALLOW_ALL).expect("writable");
    wait::until("the edited policy", || {
        status(&cordon)["ruleset"] != after["ruleset"]
    });

    write_config(&cordon, "policy = [\n");
    let said = http::request("POST", &reload, &[], b"").expect(422).text();
    assert!(said.contains("cordon.toml:"), "{said}");
    assert!(cordon.log().contains("need a restart"), "{}", cordon.log());
}

/// Runs a command whose answer nobody reads, as in `cordon log | true`.
fn unread(command: &mut Command) -> Output {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary can be run");
    drop(child.stdout.take());
    child.wait_with_output().expect("our own child ends")
}

#[test]
fn an_answer_nobody_reads_is_no_failure() {
    let mut scene = Scene::new();
    let url = listing::locked_url(
        Protocol::Npm,
        &scene.cordon.url(Protocol::Npm),
        PACKAGE,
        OLD,
    );
    let served = http::get(&url).expect(200);
    let decision = served.header("x-cordon-decision").expect("it names one");
    let purl = format!("pkg:npm/{PACKAGE}");
    let asked: [&[&str]; 9] = [
        &["log"],
        &["log", "--json"],
        &["log", "--follow"],
        &["why", decision],
        &["explain", &purl],
        &["explain", &purl, "--json"],
        &["policy", "show"],
        &["check"],
        &["completions", "bash"],
    ];
    for arguments in asked {
        let output = unread(&mut scene.cordon.prepared(arguments));
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{arguments:?}: {output:?}"
        );
    }
    scene.cordon.stop();
    for arguments in [&["log", "verify"][..], &["gc"], &["rebuild"]] {
        let output = unread(&mut scene.cordon.prepared(arguments));
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    }
}

#[test]
fn serving_goes_on_when_nobody_reads_what_it_prints() {
    let registry = FakeRegistry::start();
    let builder = Builder::new(&registry);
    let folder = builder.write();
    let ready = folder.path().join("ready.json");
    let ready_file = ready.display().to_string();
    let mut child = builder
        .prepared(folder.path(), &["serve", "--ready-file", &ready_file])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary can be run");
    drop((child.stdout.take(), child.stderr.take()));
    wait::until("the ready file", || ready.exists());
    let text = fs::read_to_string(&ready).expect("it is there");
    let addresses: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let admin = addresses["admin"].as_str().expect("an address");
    // A reload writes to the log.
    let said = http::request("POST", &format!("{admin}/reload"), &[], b"");
    let health = http::get(&format!("{admin}/healthz"));
    child.kill().expect("our own child can be killed");
    child.wait().expect("our own child ends");
    let (_, _) = (said.expect(200), health.expect(200));
}

/// A start caught as soon as it has made its data folder.
fn starting(builder: &Builder, folder: &Path) -> Child {
    let ready_file = folder.join("ready.json").display().to_string();
    let errors = folder.join("errors.log");
    let mut child = builder
        .prepared(folder, &["serve", "--ready-file", &ready_file])
        .stdout(Stdio::null())
        .stderr(File::create(&errors).expect("the folder is writable"))
        .spawn()
        .expect("the binary can be run");
    let data = folder.join("data");
    while !data.exists() {
        let has_ended = child.try_wait().expect("our own child").is_some();
        let printed = || fs::read_to_string(&errors).unwrap_or_default();
        assert!(!has_ended, "it did not start:\n{}", printed());
        std::hint::spin_loop();
    }
    child
}

#[test]
fn a_signal_during_the_start_waits_until_it_can_be_heeded() {
    let registry = FakeRegistry::start();
    let builder = Builder::new(&registry);
    let folder = builder.write();
    let ready = folder.path().join("ready.json");
    let mut child = starting(&builder, folder.path());
    wait::until("the ready file", || {
        assert!(
            child.try_wait().expect("our own child").is_none(),
            "a reload ended the start"
        );
        Signal::Reload.send(child.id());
        ready.exists()
    });
    child.kill().expect("our own child can be killed");
    child.wait().expect("our own child ends");

    let folder = builder.write();
    let mut child = starting(&builder, folder.path());
    Signal::Terminate.send(child.id());
    let status = child.wait().expect("our own child ends");
    assert!(status.success(), "{status}");
}

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn run(builder: &Builder, folder: &Path, arguments: &[&str]) -> Output {
    let mut command = builder.prepared(folder, arguments);
    command.output().expect("the binary can be run")
}

/// A certificate for another name, its key, and a port of every interface.
#[test]
fn health_is_told_over_tls_on_every_interface() {
    let registry = FakeRegistry::start();
    let builder = Builder::new(&registry).server(
        "admin_tls_certificate = \"admin.pem\"\nadmin_tls_key = \"admin.key\"\n\
         admin_token_file = \"token\"",
    );
    let folder = builder.write();
    let write = |name: &str, text: &str| {
        fs::write(folder.path().join(name), text).expect("the folder is writable");
    };
    let names = vec!["cordon.example".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
    write("admin.pem", &made.cert.pem());
    write("admin.key", &made.signing_key.serialize_pem());
    write("token", "lqI7xXkBbVxGJqVcRmzVZlRkY3o2l0w9");
    let own = fs::Permissions::from_mode(0o600);
    fs::set_permissions(folder.path().join("token"), own).expect("it is ours");
    let held = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = held.local_addr().expect("it is bound").port();
    drop(held);
    let file = folder.path().join("cordon.toml");
    let text = fs::read_to_string(&file).expect("it was written");
    let text = text.replace(
        "admin_listen = \"127.0.0.1:0\"",
        &format!("admin_listen = \"0.0.0.0:{port}\""),
    );
    write("cordon.toml", &text);
    let mut child = starting(&builder, folder.path());
    wait::until("the ready file", || {
        folder.path().join("ready.json").exists()
    });
    let health = run(&builder, folder.path(), &["health"]);
    child.kill().expect("our own child can be killed");
    child.wait().expect("our own child ends");
    assert!(health.status.success(), "{}", said(&health));
    assert!(said(&health).starts_with("ok"), "{}", said(&health));
}

#[test]
fn check_finds_a_certificate_that_would_stop_the_start() {
    let registry = FakeRegistry::start();
    let builder =
        Builder::new(&registry).server("tls_certificate = \"tls.pem\"\ntls_key = \"tls.key\"");
    let folder = builder.write();
    for name in ["tls.pem", "tls.key"] {
        fs::write(folder.path().join(name), "no PEM\n").expect("the folder is writable");
    }
    let check = run(&builder, folder.path(), &["check"]);
    let text = said(&check);
    assert_eq!(check.status.code(), Some(2), "{text}");
    assert!(
        text.contains("tls.pem") && text.contains("1 error"),
        "{text}"
    );
}

#[test]
fn what_is_kept_is_for_its_owner_alone() {
    let scene = Scene::new();
    let mode = |path: &Path| {
        let metadata = fs::metadata(path).expect("it is there");
        metadata.permissions().mode() & 0o777
    };
    assert_eq!(mode(&scene.cordon.data()), 0o700);
    for name in ["evidence.db", "evidence.db-wal", "evidence.db-shm"] {
        assert_eq!(mode(&scene.cordon.data().join(name)), 0o600, "{name}");
    }
}

#[test]
fn work_on_a_data_folder_that_is_none_makes_none() {
    let builder = Builder::without_upstreams();
    let folder = builder.write();
    for arguments in [&["gc"][..], &["gc", "--dry-run"], &["rebuild"], &["scrub"]] {
        let output = run(&builder, folder.path(), arguments);
        let text = said(&output);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {text}");
        assert!(text.contains("--data"), "{arguments:?}: {text}");
        assert!(!folder.path().join("data").exists(), "{arguments:?}");
    }
}

#[test]
fn explain_does_not_answer_from_nothing_when_evidence_cannot_be_read() {
    let registry = cordon_tests::fixture::registry();
    let builder = Builder::new(&registry);
    let folder = builder.write();
    let explain = || {
        run(
            &builder,
            folder.path(),
            &["explain", "pkg:npm/demo-package"],
        )
    };
    let first = explain();
    assert!(first.status.success(), "{}", said(&first));
    fs::create_dir(folder.path().join("data")).expect("the folder is writable");
    let database = folder.path().join("data/evidence.db");
    fs::write(database, "not a database").expect("the folder is writable");
    let second = explain();
    assert_eq!(second.status.code(), Some(1), "{}", said(&second));
    assert!(said(&second).contains("evidence"), "{}", said(&second));
}

#[test]
fn the_log_tells_who_received_what_and_what_happened_to_it() {
    let mut scene = Scene::new();
    let base = scene.cordon.url(Protocol::Npm);
    let url = listing::locked_url(Protocol::Npm, &base, PACKAGE, OLD);
    let agent = [("User-Agent", "npm/11.0.0 node/v24")];
    let _ = http::get_with(&url, &agent).expect(200);
    let cordon = &mut scene.cordon;
    cordon.stop();
    let ask = |cordon: &Cordon, arguments: &[&str]| {
        let output = cordon.command(arguments);
        assert!(output.status.success(), "{}", said(&output));
        said(&output)
    };
    let version = format!("pkg:npm/{PACKAGE}@{OLD}");
    let text = ask(cordon, &["log", "received", &version]);
    assert!(
        text.contains("127.0.0.1") && text.contains("npm/11.0.0"),
        "{text}"
    );
    let json = ask(cordon, &["log", "received", &version, "--json"]);
    let one: serde_json::Value = serde_json::from_str(&json).expect("one object");
    assert_eq!(one["served"]["client"]["address"], "127.0.0.1", "{json}");
    let refused = ask(cordon, &["log", "received", &version, "--refused"]);
    assert!(refused.contains("nobody"), "{refused}");
    let other = ask(
        cordon,
        &["log", "received", &format!("pkg:npm/{PACKAGE}@9.9.9")],
    );
    assert!(other.contains("nobody"), "{other}");
    assert!(ask(cordon, &["log", "notices"]).contains("notes nothing"));
    fs::remove_dir_all(cordon.data().join("cache")).expect("it is there");
    cordon.restart();
    cordon.stop();
    let notices = ask(cordon, &["log", "notices"]);
    assert!(notices.contains("cache-index-rebuilt"), "{notices}");
}

#[test]
fn a_log_is_verified_from_its_files_and_what_is_missing_is_no_accusation() {
    let mut scene = Scene::new();
    let base = scene.cordon.url(Protocol::Npm);
    let url = listing::locked_url(Protocol::Npm, &base, PACKAGE, OLD);
    let _ = http::get(&url).expect(200);
    scene.cordon.stop();
    let elsewhere = scene.cordon.folder().path().join("published");
    fs::rename(scene.cordon.data().join("log"), &elsewhere).expect("the folder is writable");
    let folder = elsewhere.display().to_string();
    let key = elsewhere.join("log.pub").display().to_string();
    let verify = |more: &[&str]| {
        let arguments = ["log", "verify", "--log", "warn", "--folder", &folder];
        scene.cordon.command(&[&arguments, more].concat())
    };
    let kept = fs::read_to_string(elsewhere.join("log.pub")).expect("it is published");
    let own = verify(&[]);
    assert!(own.status.success(), "{}", said(&own));
    assert!(
        said(&own).contains("taken from the log itself"),
        "{}",
        said(&own)
    );
    let given = verify(&["--key", &key]);
    assert!(
        said(&given).starts_with(&format!("key {kept}")),
        "{}",
        said(&given)
    );

    fs::remove_file(elsewhere.join("checkpoint")).expect("it is there");
    let unfinished = verify(&[]);
    let text = said(&unfinished);
    assert_eq!(unfinished.status.code(), Some(2), "{text}");
    assert!(text.contains("cannot be verified: checkpoint"), "{text}");
}

#[test]
fn scrub_finds_damage_before_anybody_asks_for_it() {
    let mut scene = Scene::new();
    let base = scene.cordon.url(Protocol::Npm);
    let url = listing::locked_url(Protocol::Npm, &base, PACKAGE, OLD);
    let bytes = http::get(&url).expect(200).body;
    scene.cordon.stop();
    let whole = scene.cordon.command(&["scrub"]);
    assert!(whole.status.success(), "{}", said(&whole));

    let mut folders = vec![scene.cordon.data().join("blobs")];
    let mut damaged = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder of the store") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if fs::read(&path).expect("a file of the store") == bytes {
                let mut other = bytes.clone();
                other[0] ^= 1;
                let rights = fs::Permissions::from_mode(0o600);
                fs::set_permissions(&path, rights).expect("it is ours");
                fs::write(&path, other).expect("it is ours");
                damaged += 1;
            }
        }
    }
    assert_eq!(damaged, 1);
    let found = scene.cordon.command(&["scrub"]);
    assert_eq!(found.status.code(), Some(1), "{}", said(&found));
    assert!(said(&found).contains("1 damaged"), "{}", said(&found));
    let notices = scene.cordon.command(&["log", "notices"]);
    assert!(
        said(&notices).contains("blobs-damaged"),
        "{}",
        said(&notices)
    );
    scene.cordon.restart_in_place();
    assert_eq!(http::get(&url).expect(200).body, bytes);
}
