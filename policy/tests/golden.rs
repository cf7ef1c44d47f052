//! Facts and policy in, evaluation out, as it is kept in the log.

mod support;

use cordon_policy::facts::{DigestMismatch, Fact, VersionFacts};
use cordon_policy::model::{Digest, DigestAlgorithm, Digests};
use insta::assert_json_snapshot;
use support::*;

fn check(name: &str, text: &str, facts: &VersionFacts) {
    let evaluation = policy(text).evaluate(facts, NOW);
    assert_json_snapshot!(name, evaluation);
}

const DEFAULT: &str = include_str!("../src/config/default.toml");

#[test]
fn old_and_listed() {
    check(
        "old_and_listed",
        DEFAULT,
        &candidate("pkg:npm/left-pad@1.3.0"),
    );
}

#[test]
fn old_and_fetched() {
    check(
        "old_and_fetched",
        DEFAULT,
        &fetched("pkg:npm/left-pad@1.3.0"),
    );
}

#[test]
fn young() {
    let mut facts = candidate("pkg:npm/left-pad@1.3.1");
    facts.published_at = Fact::Known(at(-3 * HOUR));
    check("young", DEFAULT, &facts);
}

#[test]
fn young_name_with_a_scope() {
    let mut facts = candidate("pkg:npm/%40acme/new@0.0.1");
    facts.published_at = Fact::Known(at(-5 * DAY));
    let mut package = (*facts.package).clone();
    package.first_published_at = Fact::Known(at(-5 * DAY));
    facts.package = package.into();
    check("young_name_with_a_scope", DEFAULT, &facts);
}

#[test]
fn wrong_bytes() {
    let mut facts = fetched("pkg:pypi/Requests@2.32.3");
    let mut bytes = honest_bytes();
    bytes.declared_size_bytes = Some(7);
    bytes.mismatches = vec![DigestMismatch {
        algorithm: DigestAlgorithm::Sha256,
        declared: Digest::of(b"declared"),
        found: Digest::of(b"honest"),
    }];
    facts.bytes = Fact::Known(bytes);
    facts.history.pinned = Some(Digest::of(b"first"));
    check("wrong_bytes", DEFAULT, &facts);
}

#[test]
fn nothing_could_be_learned() {
    let mut facts = candidate("pkg:cargo/serde@1.0.200");
    facts.published_at = Fact::Unavailable("upstream answered 500".into());
    facts.declared = Fact::Known(Digests::none());
    check("nothing_could_be_learned", DEFAULT, &facts);
}

#[test]
fn denied_with_a_reason_and_exempt() {
    let text = r#"
[rules.deny]
[[rules.deny.match]]
ecosystem = "npm"
names = ["node-ipc"]
versions = ">=10.1.1 <10.1.3"
reason = "deletes files on some machines"
[rules.allow]
mode = "monitor"
purls = ["pkg:npm/left-pad"]
[[exempt]]
id = "ipc-until-monday"
package = "pkg:npm/node-ipc@10.1.2"
rules = ["deny"]
reason = "sandboxed build"
owner = "build team"
ticket = "T-1"
until = "2026-11-23T08:00:00Z"
"#;
    check(
        "denied_with_a_reason",
        text,
        &candidate("pkg:npm/node-ipc@10.1.1"),
    );
    check(
        "denied_and_exempt",
        text,
        &candidate("pkg:npm/node-ipc@10.1.2"),
    );
}
