//! Policy files while Cordon runs, and the commands that try them before it does.

use std::fs;

use cordon_tests::client::{http, listing};
use cordon_tests::cordon::{ALLOW_ALL, Builder, Cordon};
use cordon_tests::fake_registry::{FakeRegistry, Protocol};
use cordon_tests::fixture::{OLD, PACKAGE, Scene, YOUNG};
use cordon_tests::wait;

fn status(cordon: &Cordon) -> serde_json::Value {
    http::get(&format!("{}status", cordon.admin()))
        .expect(200)
        .json()
}

fn metric(cordon: &Cordon, name: &str) -> String {
    let metrics = http::get(&format!("{}metrics", cordon.admin())).text();
    let line = metrics.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("no {name} in\n{metrics}"))
        .trim()
        .to_owned()
}

fn problems(cordon: &Cordon) -> usize {
    let status = status(cordon);
    status["policy_problems"].as_array().map_or(0, Vec::len)
}

#[test]
fn c_06_a_wrong_file_is_told_once_and_what_was_read_before_it_stays() {
    let registry = FakeRegistry::start();
    let cordon = Builder::new(&registry).start();
    let before = status(&cordon);
    cordon.write_policy("[rules.minimum-age]\nversion_aeg = '1h'\nname_age = 7\n");
    wait::until("the problems", || problems(&cordon) == 2);
    assert_eq!(metric(&cordon, "cordon_policy_problems"), "2");
    assert_eq!(status(&cordon)["ruleset"], before["ruleset"]);
    assert!(
        status(&cordon)["policy_problems"][0]
            .to_string()
            .contains("policy.toml:2:1")
    );

    cordon.write_policy("[rules.minimum-age]\n");
    wait::until("the new policy", || problems(&cordon) == 0);
    assert_eq!(metric(&cordon, "cordon_policy_problems"), "0");
    assert_ne!(status(&cordon)["ruleset"], before["ruleset"]);
    let log = cordon.log();
    assert_eq!(log.matches("the old one stays").count(), 1, "{log}");
}

#[test]
fn c_23_rules_that_no_longer_act_are_told_everywhere() {
    let registry = FakeRegistry::start();
    let cordon = Builder::new(&registry)
        .policy("[rules.minimum-age]\n")
        .start();
    assert_eq!(metric(&cordon, "cordon_watching_rules"), "0");
    cordon.write_policy("[rules.minimum-age]\nmode = 'monitor'\n");
    wait::until("the new policy", || {
        metric(&cordon, "cordon_watching_rules") == "1"
    });
    let notices = cordon.command(&["log", "notices"]);
    let told = String::from_utf8_lossy(&notices.stdout);
    assert!(
        told.contains("rule-weakened") && told.contains("minimum-age now only watches"),
        "{told}"
    );
    let health = http::get(&format!("{}healthz", cordon.admin())).text();
    assert!(health.contains("stop nothing: minimum-age"), "{health}");
}

#[test]
fn edits_of_the_configuration_are_noticed_without_being_asked() {
    let registry = FakeRegistry::start();
    let cordon = Builder::new(&registry).start();
    let before = status(&cordon);
    let file = cordon.folder().path().join("cordon.toml");
    let named = fs::read_to_string(&file).expect("it was written");
    let (list, rest) = named.split_once("\n\n").expect("the policy comes first");
    let own = cordon.folder().path().join("own.toml");
    fs::write(own, "[rules.minimum-age]\n").expect("writable");
    let list = list.replace("policy.toml", "own.toml");
    fs::write(&file, format!("{list}\n\n{rest}\n")).expect("writable");
    wait::until("the new policy", || {
        status(&cordon)["ruleset"] != before["ruleset"]
    });
}

#[test]
fn a_policy_with_tests_is_served_and_its_tests_are_run_by_command() {
    let registry = FakeRegistry::start();
    let test =
        format!("[[test]]\npackage = \"pkg:npm/{PACKAGE}@{OLD}\"\nat = \"2026-11-21T10:00:00Z\"\n");
    let passing = format!("{ALLOW_ALL}\n{test}expect = \"allow\"\n");
    let mut cordon = Builder::new(&registry).policy(&passing).start();
    let output = cordon.command(&["policy", "test"]);
    assert!(output.status.success(), "{output:?}");
    let failing = format!("{passing}{test}expect = \"block\"\nname = \"never\"\n");
    cordon.write_policy(&failing);
    let output = cordon.command(&["policy", "test"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        said.contains("policy.toml:") && said.contains("never"),
        "{said}"
    );
    assert!(said.contains("2 tests, 1 passed, 1 failed"), "{said}");
    cordon.stop();
}

#[test]
fn recorded_decisions_can_be_tested_explained_and_judged_by_another_policy() {
    let mut scene = Scene::new();
    let base = scene.cordon.url(Protocol::Npm);
    let url = listing::locked_url(Protocol::Npm, &base, PACKAGE, OLD);
    let served = http::get(&url).expect(200);
    let decision = served
        .header("x-cordon-decision")
        .expect("it names one")
        .to_owned();
    let folder = scene.cordon.folder().path().to_owned();
    let new = folder.join("new.toml");
    let text = format!(
        "[rules.deny]\npurls = [\"pkg:npm/{PACKAGE}\"]\n\
         [[test]]\npackage = \"pkg:npm/{PACKAGE}@{OLD}\"\nrecorded = \"{decision}\"\n\
         expect = \"block\"\nrule = \"deny\"\n\
         [[test]]\npackage = \"pkg:npm/{PACKAGE}@{YOUNG}\"\nrecorded = \"{decision}\"\n\
         expect = \"block\"\n"
    );
    fs::write(&new, text).expect("writable");
    let (old, new) = (folder.join("policy.toml"), new);
    let (old, new) = (old.to_str().expect("text"), new.to_str().expect("text"));

    // The second test names a decision about another version.
    let tested = scene.cordon.command(&["policy", "test", new]);
    assert_eq!(tested.status.code(), Some(1), "{tested:?}");
    let said = String::from_utf8_lossy(&tested.stdout);
    assert!(said.contains("2 tests, 1 passed, 1 failed"), "{said}");

    let ask = |scene: &mut Scene, arguments: &[&str]| scene.cordon.command(arguments);
    let diff = ask(
        &mut scene,
        &["policy", "diff", old, new, "--json", "--since", "1h"],
    );
    let answer: serde_json::Value = serde_json::from_slice(&diff.stdout).expect("JSON");
    let blocked = &answer["newly_blocked"]["packages"][0];
    assert_eq!(blocked["package"], format!("pkg:npm/{PACKAGE}"), "{answer}");
    assert!(
        blocked["rules"]["named"]["deny/denied"].is_u64(),
        "{answer}"
    );
    let gate = |fail_on, old, new| ["policy", "diff", old, new, "--fail-on", fail_on];
    for (fail_on, from, to, code) in [
        ("newly-blocked", old, new, 1),
        ("newly-allowed", old, new, 0),
        ("newly-allowed", new, old, 1),
        ("any", old, new, 1),
        ("any", old, old, 0),
    ] {
        let output = ask(&mut scene, &gate(fail_on, from, to));
        assert_eq!(output.status.code(), Some(code), "{fail_on}: {output:?}");
    }
}

#[test]
fn an_import_that_loses_what_protects_writes_the_rest_and_fails() {
    let registry = FakeRegistry::start();
    let cordon = Builder::new(&registry).start();
    let file = cordon.folder().path().join("selectors.txt");
    let path = file.to_str().expect("a path of text").to_owned();
    let import = |text: &str| {
        fs::write(&file, text).expect("the folder is ours");
        let output = cordon.command(&["policy", "import", "nexus", &path]);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (
            output.status.code(),
            text(&output.stdout),
            text(&output.stderr),
        )
    };
    let denied = "format == \"npm\" and path =~ \"^/(event-stream|flatmap-stream)/.*\"\n";
    let (code, policy, _) = import(denied);
    assert_eq!(code, Some(0));
    assert!(policy.contains("\"flatmap-stream\""), "{policy}");
    let lost = format!("{denied}format == \"npm\" and age <= 4294967295\n");
    let (code, policy, said) = import(&lost);
    assert_eq!(code, Some(1), "{said}");
    assert!(policy.contains("\"event-stream\""), "{policy}");
    assert!(said.contains(":2: error: "), "{said}");
}

#[test]
fn a_list_of_popular_names_is_refreshed_while_serving_and_a_broken_one_refused() {
    let registry = FakeRegistry::start();
    let builder = Builder::new(&registry).section("[popular]\nnpm = 'npm.txt'\n");
    let Err(said) = builder.clone().try_start() else {
        panic!("it starts without its list");
    };
    assert!(said.contains("npm.txt"), "{said}");
    let folder = builder.write();
    let list = folder.path().join("npm.txt");
    fs::write(&list, "alpha-tool\nbeta-tool\ngamma-tool\n").expect("it is written");
    let cordon = builder.folder(folder).start();
    let generation = || status(&cordon)["generation"].as_u64();
    let before = generation();
    fs::write(&list, "beta-tool\nalpha-tool\ndelta-tool\n").expect("it is written");
    wait::until("the new list", || generation() > before);
    let taken = generation();
    fs::write(&list, "beta-tool\n").expect("it is written");
    wait::until("the problem", || problems(&cordon) == 1);
    let problem = status(&cordon)["policy_problems"][0].to_string();
    assert!(problem.contains("lacks 2"), "{problem}");
    assert_eq!(generation(), taken);
    fs::write(&list, "beta-tool\nalpha-tool\n").expect("it is written");
    wait::until("the end of the problem", || problems(&cordon) == 0);
}
