//! The self-test of a running Cordon, and `cordon doctor`.

use cordon_tests::client::http;
use cordon_tests::cordon::Cordon;
use cordon_tests::fake_registry::FakeRegistry;
use cordon_tests::wait;
use serde_json::Value;

const POLICY: &str = "[rules.minimum-age]\n[rules.deny]\npurls = [\"pkg:npm/left-pad\"]\n";

fn self_test(cordon: &Cordon) -> Value {
    let status: Value = http::get(&format!("{}status", cordon.admin()))
        .expect(200)
        .json();
    status["self_test"].clone()
}

#[test]
fn a_running_cordon_tells_what_its_self_test_found_and_makes_another_for_a_new_policy() {
    let registry = FakeRegistry::start();
    let cordon = Cordon::with_policy(&registry, POLICY);
    let first = self_test(&cordon);
    let rows = first["rows"].as_array().expect("rows").len();
    assert!(rows >= 7, "{first:#}");
    let health = http::get(&format!("{}healthz", cordon.admin())).text();
    assert!(health.starts_with("ok\nself-test: ok, "), "{health}");
    let metrics = http::get(&format!("{}metrics", cordon.admin())).text();
    let has = |line: &str| metrics.lines().any(|found| found.starts_with(line));
    assert!(has("cordon_self_test_failures 0"), "{metrics}");
    assert!(has("cordon_self_test_checks 1"), "{metrics}");
    assert!(has("cordon_self_test_timestamp_seconds 1"), "{metrics}");

    cordon.write_policy("[rules.integrity]\n");
    wait::until("a test of the new policy", || {
        self_test(&cordon)["ruleset"] != first["ruleset"]
    });
    assert_eq!(
        registry.log().containing("self-test"),
        0,
        "no registry was asked"
    );
}

#[test]
fn doctor_prints_each_rule_and_protocol_and_changes_nothing() {
    let registry = FakeRegistry::start();
    let cordon = Cordon::with_policy(&registry, POLICY);
    let output = cordon.command(&["doctor"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}\n{output:?}");
    for needed in [
        "minimum-age",
        "integrity",
        "bytes tell",
        "running server",
        "policy.toml:2:1",
    ] {
        assert!(text.contains(needed), "no {needed} in\n{text}");
    }
    let output = cordon.command(&["doctor", "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let rows = report["self_test"]["rows"].as_array().expect("rows");
    let is_refused = |row: &&Value| row["artifact"]["outcome"] == "refused";
    assert!(rows.iter().filter(is_refused).count() >= 7, "{report:#}");
}

#[test]
fn doctor_and_check_tell_of_a_probability_that_nothing_brings() {
    let registry = FakeRegistry::start();
    let policy = format!("{POLICY}[rules.advisory]\nmin_epss = 0.1\n");
    let cordon = Cordon::with_policy(&registry, &policy);
    for command in ["doctor", "check"] {
        let output = cordon.command(&[command]);
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(
            text.contains("`min_epss` has no effect"),
            "{command}: {text}"
        );
    }
}
