//! Advisory data in a running Cordon: fetched, exchanged, refused, and what was served before
//! judged again (INV-19, INV-22, group D).

use std::path::PathBuf;
use std::time::{Duration, Instant};

use cordon_tests::archive::{self, Entry};
use cordon_tests::client::{http, listing};
use cordon_tests::clock::{ago, days};
use cordon_tests::cordon::{Builder, Cordon};
use cordon_tests::fake_registry::{FakeRegistry, Fault, Protocol, Release};
use serde_json::{Value, json};

const POLICY: &str = "[rules.integrity]\n[rules.malware]\n[rules.advisory]\n";
/// Until something in the background must have happened.
const PATIENCE: Duration = Duration::from_secs(20);
/// INV-19, INV-34: from the moment new data is there to its effect.
const EFFECT_WITHIN: Duration = Duration::from_secs(5);

pub(super) fn osv_name(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Npm => "npm",
        Protocol::Pypi => "PyPI",
        Protocol::Cargo => "crates.io",
    }
}

fn dump_path(protocol: Protocol) -> String {
    format!("/feeds/{}/all.zip", osv_name(protocol))
}

/// A feed of the fake registry for each protocol, and more lines of `[feeds]`.
pub(super) fn feeds(registry: &FakeRegistry, more: &str) -> String {
    let mut text = format!("[feeds]\n{more}\n");
    for protocol in Protocol::ALL {
        let (origin, path) = (registry.files_origin(), dump_path(protocol));
        let origin = origin.trim_end_matches('/');
        text.push_str(&format!(
            "[[feeds.advisories]]\necosystem = \"{}\"\nurl = \"{origin}{path}\"\n",
            protocol.purl_type()
        ));
    }
    text
}

/// One advisory, malware when its id says so.
pub(super) fn advisory(protocol: Protocol, id: &str, package: &str, versions: &[&str]) -> Value {
    json!({
        "schema_version": "1.6.0",
        "id": id,
        "modified": ago(days(1)).to_string(),
        "published": ago(days(1)).to_string(),
        "severity": [{ "type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H" }],
        "affected": [{
            "package": { "ecosystem": osv_name(protocol), "name": package },
            "versions": versions,
        }],
    })
}

fn zip(records: &[Value]) -> bytes::Bytes {
    let entries: Vec<Entry> = records
        .iter()
        .map(|record| {
            let id = record["id"].as_str().expect("every record has an id");
            (format!("{id}.json"), record.to_string().into_bytes())
        })
        .collect();
    archive::zip(&entries)
}

/// Publishes a dump: records about other packages, and these.
pub(super) fn publish(registry: &FakeRegistry, protocol: Protocol, records: &[Value]) {
    let mut all: Vec<Value> = (0..20)
        .map(|n| {
            let (id, package) = (format!("MAL-2020-{n}"), format!("bad-package-{n}"));
            advisory(protocol, &id, &package, &["6.6.6"])
        })
        .collect();
    all.extend_from_slice(records);
    registry.put(&dump_path(protocol), "application/zip", zip(&all));
}

struct Scene {
    cordon: Cordon,
    registry: FakeRegistry,
}

const PACKAGE: &str = "left-hand";

fn scene() -> Scene {
    scene_with("")
}

fn scene_with(more: &str) -> Scene {
    let registry = FakeRegistry::start();
    for protocol in Protocol::ALL {
        registry.publish_all(protocol, PACKAGE, &["1.0.0", "1.1.0"]);
        publish(&registry, protocol, &[]);
    }
    let cordon = Builder::new(&registry)
        .policy(POLICY)
        .section(&feeds(&registry, more))
        .start();
    let scene = Scene { cordon, registry };
    for protocol in Protocol::ALL {
        scene.wait_for_metric(protocol, "feed_believed", 1);
    }
    scene
}

impl Scene {
    fn url(&self, protocol: Protocol, version: &str) -> String {
        listing::locked_url(protocol, &self.cordon.url(protocol), PACKAGE, version)
    }

    /// Has sources asked now.
    fn refresh(&self) {
        let reply = http::request("POST", &format!("{}reload", self.cordon.admin()), &[], b"");
        let _ = reply.expect(200);
    }

    fn metric(&self, line_start: &str) -> Option<i64> {
        metric(&self.cordon, line_start)
    }

    fn wait_for_metric(&self, protocol: Protocol, name: &str, value: i64) {
        let line = format!("cordon_{name}{{ecosystem=\"{}\"}}", protocol.purl_type());
        wait(
            &format!("{line} {value}"),
            || self.metric(&line) == Some(value),
            || self.cordon.log(),
        );
    }

    fn lines(&self, arguments: &[&str]) -> Vec<Value> {
        lines(&self.cordon, arguments)
    }

    /// Asks by HEAD: what was not received is on nobody's record.
    fn wait_for_status(&self, url: &str, status: u16) -> Duration {
        let started = Instant::now();
        wait(
            &format!("{status} from {url}"),
            || http::request("HEAD", url, &[], b"").status == status,
            || self.cordon.log(),
        );
        started.elapsed()
    }

    fn notices(&self, code: &str) -> Vec<String> {
        self.lines(&["log", "notices", "--json"])
            .iter()
            .filter(|line| line["notice"]["code"] == code)
            .map(|line| {
                line["notice"]["text"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned()
            })
            .collect()
    }

    fn health(&self) -> String {
        http::get(&format!("{}healthz", self.cordon.admin()))
            .expect(200)
            .text()
    }
}

pub(super) fn metric(cordon: &Cordon, line_start: &str) -> Option<i64> {
    let text = http::get(&format!("{}metrics", cordon.admin())).text();
    let line = text.lines().find(|line| line.starts_with(line_start))?;
    line.rsplit(' ').next()?.parse().ok()
}

pub(super) fn lines(cordon: &Cordon, arguments: &[&str]) -> Vec<Value> {
    let output = cordon.command(arguments);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect()
}

#[track_caller]
fn wait(what: &str, is_met: impl Fn() -> bool, log: impl Fn() -> String) {
    let deadline = Instant::now() + PATIENCE;
    while !is_met() {
        assert!(
            Instant::now() < deadline,
            "no {what}; it printed:\n{}",
            log()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What has been served is refused by the next request after the data is in force, in every
/// protocol, and it is on record who has it.
#[test]
fn inv_19_a_new_advisory_refuses_what_is_cached_and_names_who_has_it() {
    let scene = scene();
    for protocol in Protocol::ALL {
        let url = scene.url(protocol, "1.0.0");
        let headers = [("user-agent", "builder/7.1 (ci)")];
        let _ = http::get_with(&url, &headers).expect(200);
        let _ = http::get_with(&url, &headers).expect(200);
    }
    for protocol in Protocol::ALL {
        let bad = advisory(protocol, "MAL-2026-1", PACKAGE, &["1.0.0"]);
        publish(&scene.registry, protocol, &[bad]);
    }
    scene.refresh();
    for protocol in Protocol::ALL {
        let url = scene.url_of_before(protocol);
        let took = scene.wait_for_status(&url, 403);
        println!(
            "{protocol:?}: refused {} ms after it was asked for",
            took.as_millis()
        );
        assert!(took < EFFECT_WITHIN, "{took:?}");
        let reply = http::get(&url).expect(403);
        assert!(reply.text().contains("MAL-2026-1"), "{}", reply.text());
        let other = scene.url(protocol, "1.1.0");
        let _ = http::get(&other).expect(200);
        let choices = listing::choices(protocol, &scene.cordon.url(protocol), PACKAGE);
        assert_eq!(choices, ["1.1.0"], "{protocol:?}");
        let line = format!(
            "cordon_exposures_total{{ecosystem=\"{}\"}}",
            protocol.purl_type()
        );
        wait(
            &line,
            || scene.metric(&line) == Some(1),
            || scene.cordon.log(),
        );
    }
    let exposures = scene.lines(&["log", "exposures", "--json"]);
    assert_eq!(exposures.len(), 3, "{exposures:#?}");
    for exposure in exposures.iter().map(|line| &line["exposure"]) {
        assert_eq!(exposure["advisories"], json!(["MAL-2026-1"]));
        assert_eq!(exposure["cause"], "advisory-refresh");
        assert_eq!(
            (&exposure["clients"], &exposure["total"]),
            (&json!(1), &json!(2))
        );
        let receiver = &exposure["received_by"][0];
        assert_eq!(receiver["client"]["address"], "127.0.0.1");
        assert_eq!(receiver["client"]["agent"], "builder/7.1");
        assert_eq!(receiver["count"], 2);
    }
    let table = scene
        .cordon
        .command(&["log", "received", "pkg:npm/left-hand"]);
    let table = String::from_utf8_lossy(&table.stdout).into_owned();
    assert!(table.contains("refused by now"), "{table}");
    assert!(table.contains("MAL-2026-1"), "{table}");
    let decisions = scene.lines(&["log", "--json", "--package", "pkg:npm/left-hand"]);
    let refused = decisions.iter().filter(|line| {
        let decision = &line["decision"];
        decision["evaluation"]["effect"] == "block"
            && decision["evaluation"]["artifact"]["subject"]["version"] == "1.0.0"
    });
    assert_eq!(refused.count(), 1, "decided once: {decisions:#?}");
}

impl Scene {
    /// The address of version 1.0.0 after it is no longer listed: as a lock file holds it.
    fn url_of_before(&self, protocol: Protocol) -> String {
        let base = self.cordon.url(protocol);
        listing::locked_url(protocol, &base, PACKAGE, "1.1.0").replace("1.1.0", "1.0.0")
    }
}

/// D-08, D-09.
#[test]
fn d_08_a_withdrawal_releases_at_once_and_a_return_refuses_again() {
    let scene = scene();
    let protocol = Protocol::Npm;
    let url = scene.url(protocol, "1.0.0");
    let _ = http::get(&url).expect(200);
    let bad = advisory(protocol, "MAL-2026-1", PACKAGE, &["1.0.0"]);
    let mut withdrawn = bad.clone();
    withdrawn["withdrawn"] = json!(ago(days(0)).to_string());
    withdrawn["modified"] = json!(ago(days(0)).to_string());
    let mut again = bad.clone();
    again["modified"] = json!(ago(days(0)).to_string());
    for (record, status) in [(bad, 403), (withdrawn, 200), (again, 403)] {
        publish(&scene.registry, protocol, &[record]);
        scene.refresh();
        scene.wait_for_status(&url, status);
    }
    let effects = || -> Vec<String> {
        let decisions = scene.lines(&["log", "--json", "--package", "pkg:npm/left-hand"]);
        let told = decisions.iter().map(|line| {
            let decision = &line["decision"];
            format!("{} {}", decision["evaluation"]["effect"], decision["cause"]).replace('"', "")
        });
        told.collect()
    };
    wait(
        "three changed verdicts on record",
        || {
            let mut words: Vec<String> = effects()
                .iter()
                .map(|told| told.split(' ').next().unwrap_or_default().to_owned())
                .collect();
            // Where a request was first to conclude the block, it had not looked at any bytes; then
            // the release is on record twice: without bytes, and with those that were sent.
            words.dedup();
            words == ["allow", "block", "allow", "block"]
        },
        || format!("{:#?}", effects()),
    );
}

/// INV-22: what is kept is in force after a restart at once, whether or not its source is there.
#[test]
fn inv_22_a_restart_keeps_the_data_although_its_source_is_gone() {
    let mut scene = scene();
    let protocol = Protocol::Npm;
    let bad = advisory(protocol, "MAL-2026-1", PACKAGE, &["1.0.0"]);
    publish(&scene.registry, protocol, &[bad]);
    scene.refresh();
    let url = scene.url(protocol, "1.0.0");
    scene.wait_for_status(&url, 403);
    scene.cordon.stop();
    for protocol in Protocol::ALL {
        scene.registry.fault(&dump_path(protocol), Fault::Close);
    }
    let took = scene.cordon.restart_in_place();
    println!("up again after {} ms", took.as_millis());
    let _ = http::get(&url).expect(403);
    assert!(!scene.health().contains("inactive"), "{}", scene.health());
}

/// What changed while Cordon was down is made up for: the exposure is found without a request.
#[test]
fn an_import_while_cordon_is_down_is_judged_by_after_the_start() {
    let mut scene = scene();
    let url = scene.url(Protocol::Npm, "1.0.0");
    let _ = http::get(&url).expect(200);
    scene.cordon.stop();
    let bad = advisory(Protocol::Npm, "MAL-2026-1", PACKAGE, &["1.0.0"]);
    let mut all: Vec<Value> = (0..20)
        .map(|n| {
            advisory(
                Protocol::Npm,
                &format!("MAL-2020-{n}"),
                &format!("bad-package-{n}"),
                &["6.6.6"],
            )
        })
        .collect();
    all.push(bad);
    let path = write_dump(&scene, "manual.zip", &all);
    import(&scene.cordon, &path, &[]).expect("it is imported");
    scene.cordon.restart_in_place();
    wait(
        "an exposure on record",
        || scene.lines(&["log", "exposures", "--json"]).len() == 1,
        || scene.cordon.log(),
    );
    let _ = http::get(&url).expect(403);
}

fn write_dump(scene: &Scene, name: &str, records: &[Value]) -> PathBuf {
    let path = scene.cordon.folder().path().join(name);
    std::fs::write(&path, zip(records)).expect("the folder is writable");
    path
}

fn import(cordon: &Cordon, path: &std::path::Path, more: &[&str]) -> Result<String, String> {
    let path = path.to_string_lossy();
    let mut arguments = vec!["feeds", "import", "--ecosystem", "npm", &path];
    arguments.extend(more);
    let output = cordon.command(&arguments);
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    match output.status.success() {
        true => Ok(text),
        false => Err(text),
    }
}

/// An import beside a running Cordon takes effect by itself; a refused one changes nothing and a
/// forced one is on record.
#[test]
fn an_import_beside_a_running_cordon_takes_effect_and_force_is_on_record() {
    let scene = scene();
    let protocol = Protocol::Npm;
    let url = scene.url(protocol, "1.0.0");
    let _ = http::get(&url).expect(200);
    let few = [advisory(protocol, "MAL-2026-1", PACKAGE, &["1.0.0"])];
    let path = write_dump(&scene, "few.zip", &few);
    let refused = import(&scene.cordon, &path, &[]).expect_err("19 records are gone");
    assert!(refused.contains("shrunk"), "{refused}");
    let _ = http::get(&url).expect(200);
    let imported = import(&scene.cordon, &path, &["--force"]).expect("it is forced");
    assert!(imported.contains("max_shrink"), "{imported}");
    let took = scene.wait_for_status(&url, 403);
    println!("refused {} ms after the import", took.as_millis());
    assert!(took < EFFECT_WITHIN, "{took:?}");
    wait(
        "a notice",
        || scene.notices("feed-forced").len() == 1,
        || scene.cordon.log(),
    );
}

/// D-02, D-04, D-05 as an operator sees them: the old data stays, and it is said everywhere.
#[test]
fn inv_22_a_refused_dump_changes_nothing_and_is_said_everywhere() {
    let scene = scene();
    let protocol = Protocol::Npm;
    let bad = advisory(protocol, "MAL-2026-1", PACKAGE, &["1.0.0"]);
    publish(&scene.registry, protocol, &[bad]);
    scene.refresh();
    let url = scene.url(protocol, "1.0.0");
    scene.wait_for_status(&url, 403);
    let whole = zip(&[advisory(protocol, "MAL-2026-2", "other", &["1.0.0"])]);
    let cases = [
        ("damaged", whole.slice(..whole.len() / 2)),
        ("empty", zip(&[])),
        ("shrunk", whole.clone()),
    ];
    for (cause, bytes) in cases {
        scene
            .registry
            .put(&dump_path(protocol), "application/zip", bytes);
        scene.refresh();
        let line = format!("cordon_feed_refusals_total{{ecosystem=\"npm\",cause=\"{cause}\"}}");
        wait(
            &line,
            || scene.metric(&line) >= Some(1),
            || scene.cordon.log(),
        );
        let _ = http::get(&url).expect(403);
    }
    assert!(!scene.notices("feed-refused").is_empty());
    let status = scene.cordon.command(&["feeds", "status"]);
    let status = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(status.contains("FAILING"), "{status}");
    wait(
        "a word in /healthz",
        || scene.health().contains("`public` fails since"),
        || scene.health(),
    );
}

/// D-01 and §14.7: nothing was ever loaded. What is strict holds, and says so.
#[test]
fn d_01_without_data_the_unseen_is_held_loudly() {
    let registry = FakeRegistry::start();
    registry.publish_all(Protocol::Npm, PACKAGE, &["1.0.0"]);
    let cordon = Builder::new(&registry)
        .policy(POLICY)
        .section(&feeds(&registry, ""))
        .start();
    let reply = http::get(&format!("{}{PACKAGE}", cordon.url(Protocol::Npm))).expect(403);
    assert!(
        reply.text().contains("no advisory data"),
        "{}",
        reply.text()
    );
    assert_eq!(metric(&cordon, "cordon_inactive_rules"), Some(2));
    let health = http::get(&format!("{}healthz", cordon.admin())).text();
    assert!(health.contains("never loaded"), "{health}");
    for protocol in Protocol::ALL {
        publish(&registry, protocol, &[]);
    }
    let _ = http::request("POST", &format!("{}reload", cordon.admin()), &[], b"").expect(200);
    wait(
        "data",
        || metric(&cordon, "cordon_inactive_rules") == Some(0),
        || cordon.log(),
    );
    let _ = http::get(&format!("{}{PACKAGE}", cordon.url(Protocol::Npm))).expect(200);
}

/// D-06: the same dump for ever.
#[test]
fn d_06_a_feed_with_nothing_new_is_reported() {
    let scene = scene_with("stale_alarm = \"1h\"");
    wait(
        "a notice",
        || scene.notices("feed-stale").len() == 3,
        || scene.cordon.log(),
    );
    assert!(
        scene.health().contains("has nothing newer"),
        "{}",
        scene.health()
    );
    let age = scene.metric("cordon_feed_newest_age_seconds{ecosystem=\"npm\"}");
    assert!(age >= Some(86_400), "{age:?}");
}

/// D-20: an advisory that would refuse much of what is in use waits for a person, the unseen does
/// not.
#[test]
fn d_20_a_refusal_of_many_packages_in_use_waits_for_confirmation() {
    let registry = FakeRegistry::start();
    let names: Vec<String> = (0..4).map(|n| format!("widely-used-{n}")).collect();
    for name in &names {
        registry.publish(Release::npm(name, "1.0.0"));
        registry.publish(Release::npm(name, "2.0.0"));
    }
    for protocol in Protocol::ALL {
        publish(&registry, protocol, &[]);
    }
    let cordon = Builder::new(&registry)
        .policy(POLICY)
        .section(&feeds(&registry, "confirm_above = 2"))
        .start();
    let scene = Scene { cordon, registry };
    scene.wait_for_metric(Protocol::Npm, "feed_believed", 1);
    let base = scene.cordon.url(Protocol::Npm);
    let url = |name: &str, version: &str| format!("{base}{name}/-/{name}-{version}.tgz");
    for name in &names {
        let _ = http::get(&url(name, "1.0.0")).expect(200);
    }
    let mistaken: Vec<Value> = names
        .iter()
        .enumerate()
        .map(|(n, name)| {
            advisory(
                Protocol::Npm,
                &format!("GHSA-2026-{n}"),
                name,
                &["1.0.0", "2.0.0"],
            )
        })
        .collect();
    publish(&scene.registry, Protocol::Npm, &mistaken);
    scene.refresh();
    scene.wait_for_metric(Protocol::Npm, "feed_awaiting_confirmation", 4);
    for name in &names {
        let _ = http::get(&url(name, "1.0.0")).expect(200);
        let _ = http::get(&url(name, "2.0.0")).expect(403);
    }
    assert_eq!(scene.notices("feed-blast-radius").len(), 1);
    assert!(
        scene.health().contains("feeds confirm"),
        "{}",
        scene.health()
    );
    let output = scene
        .cordon
        .command(&["feeds", "confirm", "--ecosystem", "npm"]);
    assert!(output.status.success(), "{output:?}");
    for name in &names {
        scene.wait_for_status(&url(name, "1.0.0"), 403);
    }
    wait(
        "four exposures",
        || scene.lines(&["log", "exposures", "--json"]).len() == 4,
        || scene.cordon.log(),
    );
}

/// D-21: imports killed at random; what is there is whole each time.
#[test]
fn d_21_an_import_killed_at_any_time_leaves_one_whole_generation() {
    let rounds = crate::scale(12, 200);
    let registry = FakeRegistry::start();
    let builder = Builder::new(&registry)
        .section("[[feeds.advisories]]\necosystem = \"npm\"\nimported = true\n");
    let folder = builder.write();
    let dump = |round: u64| {
        let records: Vec<Value> = (0..3_000 + round)
            .map(|n| {
                advisory(
                    Protocol::Npm,
                    &format!("MAL-2026-{n}"),
                    &format!("p-{n}"),
                    &["1.0.0"],
                )
            })
            .collect();
        let path = folder.path().join("dump.zip");
        std::fs::write(&path, zip(&records)).expect("the folder is writable");
        path
    };
    let importing = |path: &std::path::Path| {
        let path = path.to_string_lossy().into_owned();
        builder.prepared(
            folder.path(),
            &["feeds", "import", "--ecosystem", "npm", &path],
        )
    };
    let records = || -> u64 {
        let status = builder
            .prepared(folder.path(), &["feeds", "status", "--json"])
            .output();
        let status = status.expect("the binary can be run");
        let line = String::from_utf8_lossy(&status.stdout).into_owned();
        let line: Value = serde_json::from_str(line.lines().next().expect("a line")).expect("JSON");
        assert!(
            line["state"]
                .as_str()
                .is_some_and(|it| it.starts_with("generation")),
            "{line}"
        );
        line["manifest"]["records"].as_u64().expect("a number")
    };
    let mut whole = PATIENCE;
    for round in [0, 0, 1, 1] {
        let path = dump(round);
        let started = Instant::now();
        let done = importing(&path).output().expect("the binary can be run");
        assert!(done.status.success(), "{done:?}");
        if String::from_utf8_lossy(&done.stdout).contains("in force:") {
            whole = whole.min(started.elapsed());
        }
    }
    let (mut before, mut killed) = (records(), 0);
    for round in 2..2 + rounds {
        let path = dump(round);
        let mut child = importing(&path).spawn().expect("the binary can be run");
        // From the start to a little past the end.
        std::thread::sleep(whole.mul_f64((round - 2) as f64 / rounds as f64));
        killed += u64::from(child.try_wait().expect("it is ours").is_none());
        let _ = child.kill();
        let _ = child.wait();
        let found = records();
        assert!(
            found == before || found == 3_000 + round,
            "round {round}: {found} records, {before} before"
        );
        before = found;
    }
    println!("{killed} of {rounds} imports killed");
    assert!(killed > rounds / 3, "only {killed}");
}

/// A list of own indicators: edited, it takes effect with the next look; here asked for.
#[test]
fn an_own_list_refuses_what_it_names() {
    let registry = FakeRegistry::start();
    registry.publish_all(Protocol::Npm, PACKAGE, &["1.0.0", "1.1.0"]);
    let builder = Builder::new(&registry).policy(POLICY).section(
        "[[feeds.advisories]]\necosystem = \"npm\"\nid = \"own\"\nlist = \"own.txt\"\n\
         [[feeds.advisories]]\necosystem = \"pypi\"\nimported = true\n\
         [[feeds.advisories]]\necosystem = \"cargo\"\nimported = true\n",
    );
    let folder = builder.write();
    let list = folder.path().join("own.txt");
    std::fs::write(&list, "pkg:npm/left-hand@1.0.0\tseen in an incident\n").expect("writable");
    let scene = Scene {
        cordon: builder.folder(folder).start(),
        registry,
    };
    scene.wait_for_metric(Protocol::Npm, "feed_believed", 1);
    let url = scene.url_of_before(Protocol::Npm);
    scene.wait_for_status(&url, 403);
    std::fs::write(&list, "# over\n").expect("writable");
    scene.refresh();
    scene.wait_for_status(&url, 200);
}

/// Networks without a way out but a proxy.
#[test]
fn feeds_are_fetched_through_a_proxy() {
    let registry = FakeRegistry::start();
    // What a proxy is asked for by its whole address it answers by the path.
    publish(&registry, Protocol::Npm, &[]);
    let proxy = registry.files_origin().to_owned();
    let path = dump_path(Protocol::Npm);
    let cordon = Builder::new(&registry)
        .policy(POLICY)
        .section(&format!(
            "[[feeds.advisories]]\necosystem = \"npm\"\nurl = \"http://osv.example{path}\"\n\
             insecure = true\n\
             [[feeds.advisories]]\necosystem = \"pypi\"\nimported = true\n\
             [[feeds.advisories]]\necosystem = \"cargo\"\nimported = true\n"
        ))
        .env("HTTP_PROXY", proxy)
        .start();
    let line = "cordon_feed_believed{ecosystem=\"npm\"}";
    wait(line, || metric(&cordon, line) == Some(1), || cordon.log());
}
