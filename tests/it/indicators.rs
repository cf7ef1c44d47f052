//! What archives are searched for: found with file and line, looked for again in what is stored when
//! it changes, refused when it is broken, and asked for by hand.

use std::fs;
use std::process::Output;

use cordon_tests::client::{http, listing};
use cordon_tests::cordon::{Builder, Cordon};
use cordon_tests::fake_registry::{FakeRegistry, Protocol, Release};
use cordon_tests::wait;
use serde_json::Value;

const NAME: &str = "left-hand";

/// The rules that read what was found, and those that cannot be switched off.
const POLICY: &str = "[rules.integrity]\n[rules.malware]\n[rules.indicator]\n";

/// An endpoint of nobody's, in the form the starter pack knows.
const ENDPOINT: &str = "// one\n// two\n\
    const to = 'https://webhook.site/00000000-1111-2222-3333-444444444444';\n";

const PACK: &str = "[pack]\nid = 'house'\nversion = '1'\n[[rule]]\nid = 'campaign'\n\
    title = 'the campaign of March'\ngrade = 'malicious'\nliterals = ['campaign-17-marker']\n";

struct Scene {
    registry: FakeRegistry,
    cordon: Cordon,
}

impl Scene {
    /// With a pack of its own in the file `house.toml`.
    fn start(pack: &str) -> Self {
        let registry = FakeRegistry::start();
        let builder = Builder::new(&registry)
            .policy(POLICY)
            .section("[indicators]\npacks = ['house.toml']\n");
        let folder = builder.write();
        fs::write(folder.path().join("house.toml"), pack).expect("it is written");
        let cordon = builder.folder(folder).start();
        Self { registry, cordon }
    }

    fn publish(&self, protocol: Protocol, version: &str, path: &str, source: &str) {
        let release = Release::new(protocol, NAME, version).source(path, source);
        self.registry.publish(release);
    }

    fn get(&self, protocol: Protocol, version: &str) -> http::Reply {
        let file = self.registry.file_path(protocol, NAME, version);
        let file = file.rsplit('/').next().unwrap_or_default();
        let base = self.cordon.url(protocol);
        http::get(&match protocol {
            Protocol::Npm => format!("{base}{NAME}/-/{file}"),
            Protocol::Pypi => format!("{base}files/{NAME}/{file}"),
            Protocol::Cargo => format!("{base}api/v1/crates/{NAME}/{version}/download"),
        })
    }

    fn write_pack(&self, pack: &str) {
        let path = self.cordon.folder().path().join("house.toml");
        fs::write(path, pack).expect("it is written");
    }

    fn status(&self) -> Value {
        http::get(&format!("{}status", self.cordon.admin()))
            .expect(200)
            .json()
    }

    fn scan(&self, arguments: &[&str]) -> (i32, String) {
        said(&self.cordon.command(&[&["ioc", "scan"], arguments].concat()))
    }
}

fn said(output: &Output) -> (i32, String) {
    let text = [output.stdout.clone(), output.stderr.clone()].concat();
    (
        output.status.code().unwrap_or(-1),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

/// The place of a source file in each protocol's archive.
fn source_path(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Npm => "lib/a.js",
        Protocol::Pypi => "left_hand/a.py",
        Protocol::Cargo => "src/a.rs",
    }
}

#[test]
fn what_the_starter_pack_knows_is_held_with_file_and_line_on_every_protocol() {
    let scene = Scene::start(PACK);
    for protocol in Protocol::ALL {
        let path = source_path(protocol);
        scene.publish(protocol, "1.0.0", path, "// nothing\n");
        scene.publish(protocol, "1.1.0", path, ENDPOINT);
        assert_eq!(scene.get(protocol, "1.0.0").status, 200, "{protocol:?}");
        let refused = scene.get(protocol, "1.1.0");
        assert_eq!(refused.status, 403, "{protocol:?}");
        let text = refused.text();
        assert!(text.contains("starter/webhook-endpoint"), "{text}");
        assert!(text.contains("a.") && text.contains(":3"), "{text}");
    }
    let (_, held) = said(&scene.cordon.command(&["quarantine", "list"]));
    assert_eq!(
        held.matches("starter/webhook-endpoint").count(),
        3,
        "{held}"
    );
    // It is hidden from then on.
    let listed = listing::choices(Protocol::Npm, &scene.cordon.url(Protocol::Npm), NAME);
    assert_eq!(listed, ["1.0.0"]);
}

#[test]
fn a_changed_pack_is_looked_for_in_what_is_stored_and_a_broken_one_refused() {
    let other = PACK.replace("campaign-17-marker", "campaign-16-marker");
    let scene = Scene::start(&other);
    let protocol = Protocol::Npm;
    scene.publish(
        protocol,
        "1.0.0",
        "lib/a.js",
        "x = 1;\ny = 'campaign-17-marker';\n",
    );
    assert_eq!(scene.get(protocol, "1.0.0").status, 200);
    let generation = || scene.status()["generation"].as_u64();
    let before = generation();
    scene.write_pack("[pack]\nid = 'house'\nversion = '2'\n[[rule]]\nid = 'broken'\n");
    let problems = || {
        scene.status()["policy_problems"]
            .as_array()
            .map_or(0, Vec::len)
    };
    wait::until("the problems", || problems() > 0);
    let told = scene.status()["policy_problems"].to_string();
    assert!(told.contains("house.toml:4"), "{told}");
    assert_eq!(generation(), before);
    assert_eq!(scene.get(protocol, "1.0.0").status, 200);
    scene.write_pack(&PACK.replace("version = '1'", "version = '3'"));
    wait::until("the new pack", || generation() > before);
    assert_eq!(problems(), 0);
    let refused = scene.get(protocol, "1.0.0");
    assert_eq!(refused.status, 403, "{}", refused.text());
    assert!(
        refused.text().contains("house/campaign"),
        "{}",
        refused.text()
    );
    assert!(refused.text().contains("lib/a.js:2"), "{}", refused.text());
}

#[test]
fn who_has_what_a_new_pack_finds_is_told_without_anybody_asking() {
    let scene = Scene::start(&PACK.replace("campaign-17-marker", "campaign-16-marker"));
    scene.publish(
        Protocol::Npm,
        "1.0.0",
        "lib/a.js",
        "y = 'campaign-17-marker';\n",
    );
    assert_eq!(scene.get(Protocol::Npm, "1.0.0").status, 200);
    scene.write_pack(PACK);
    let exposures = || said(&scene.cordon.command(&["log", "exposures"])).1;
    wait::until("the exposure", || {
        exposures().contains("pkg:npm/left-hand@1.0.0")
    });
    assert!(exposures().contains("127.0.0.1"), "{}", exposures());
}

#[test]
fn a_scan_finds_texts_digests_hosts_and_rules_and_names_who_received_them() {
    let scene = Scene::start(PACK);
    for protocol in Protocol::ALL {
        let source = "// a\n// campaign-18-marker \u{1b}[31m https://drop.evil.example/x\n";
        scene.publish(protocol, "1.0.0", source_path(protocol), source);
        assert_eq!(scene.get(protocol, "1.0.0").status, 200);
    }
    // Who received what is written down behind the answers.
    wait::until("three receivers", || {
        let (_, text) = scene.scan(&["campaign-18-marker"]);
        text.matches("127.0.0.1").count() == 3
    });
    let (code, text) = scene.scan(&["campaign-18-marker"]);
    assert_eq!(code, 1, "{text}");
    for purl in [
        "pkg:npm/left-hand@1.0.0",
        "pkg:pypi/left-hand@1.0.0",
        "pkg:cargo/left-hand@1.0.0",
    ] {
        assert!(text.contains(purl), "{text}");
    }
    assert_eq!(text.matches("127.0.0.1").count(), 3, "{text}");
    assert!(
        text.contains("lib/a.js:2") && text.contains("\\u{1b}"),
        "{text}"
    );
    assert!(!text.contains('\u{1b}'), "{text}");
    assert!(text.contains("3 archives searched, 3 have it"), "{text}");
    let (code, text) = scene.scan(&["--domain", "evil.example", "--json"]);
    assert_eq!(code, 1, "{text}");
    let lines: Vec<Value> = text
        .lines()
        .filter_map(|it| serde_json::from_str(it).ok())
        .collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert_eq!(lines[0]["clients"], 1);
    let digest = scene.registry.digest_of(Protocol::Npm, NAME, "1.0.0");
    let whole = lines
        .iter()
        .find(|it| it["purl"] == "pkg:npm/left-hand@1.0.0");
    let sha256 = whole.expect("npm's")["sha256"]
        .as_str()
        .expect("a digest")
        .to_owned();
    assert_ne!(digest, "");
    let (code, text) = scene.scan(&[&sha256]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("1 have it"), "{text}");
    let (code, text) = scene.scan(&["nowhere-to-be-found"]);
    assert_eq!((code, text.contains("0 have it")), (0, true), "{text}");
    let rules = scene.cordon.folder().path().join("ask.toml");
    fs::write(&rules, PACK.replace("campaign-17", "campaign-18")).expect("it is written");
    let (code, text) = scene.scan(&[rules.to_str().expect("a path")]);
    assert_eq!((code, text.contains("house/campaign")), (1, true), "{text}");
    let (code, text) = scene.scan(&["ab"]);
    assert_eq!((code, text.contains("indicator-text")), (2, true), "{text}");
}
