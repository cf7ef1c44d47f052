//! Incidents that happened, replayed with inert packages of the same shape: what was published when,
//! by whom, with which scripts, dependencies and provenance (features.md §5). Each is refused on both
//! planes by the rule that judges what happened, with the age rule on and again with it off, while
//! the versions from before stay installable; and what was honest is not refused.
//! `tests/incidents.md` tells what each needs and gets.

mod archives;
mod content;
mod fixes;
mod fresh_names;
mod hijacks;
mod must_not_block;
mod reports;

use std::time::Duration;

use cordon_tests::client::listing;
use cordon_tests::clock::ago;
use cordon_tests::cordon::{Builder, Cordon};
use cordon_tests::fake_registry::{FakeRegistry, Protocol, Release};
use serde_json::{Value, json};

/// The rules of the built-in policy that look at names and changes, without those that look at time.
const WITHOUT_AGE: &str = include_str!("incidents/without_age.toml");
/// The same with the clocks of the built-in policy.
const WITH_AGE: &str = include_str!("incidents/with_age.toml");

fn minutes(count: u64) -> Duration {
    Duration::from_secs(count * 60)
}

/// Published by an account, as most versions are.
fn by(release: Release, account: &str) -> Release {
    release.field(
        "_npmUser",
        json!({"name": account, "email": "a@example.invalid"}),
    )
}

/// Published by a workflow the registry trusts.
fn trusted(release: Release) -> Release {
    let user = json!({
        "name": "GitHub Actions", "email": "npm-oidc@example.invalid",
        "trustedPublisher": {"id": "github", "oidcConfigId": "oidc:1"},
    });
    release.with_provenance().field("_npmUser", user)
}

fn npm(package: &str, version: &str, age: Duration) -> Release {
    Release::npm(package, version).published_at(ago(age))
}

fn pypi(package: &str, version: &str, age: Duration) -> Release {
    Release::pypi(package, version).published_at(ago(age))
}

fn cargo(package: &str, version: &str, age: Duration) -> Release {
    Release::cargo(package, version).published_at(ago(age))
}

/// A registry where all this is published, and a Cordon before it.
fn serving<'a>(
    releases: impl IntoIterator<Item = &'a Release>,
    policy: &str,
) -> (FakeRegistry, Cordon) {
    let registry = FakeRegistry::start();
    for release in releases {
        registry.publish(release.clone());
    }
    let cordon = Builder::new(&registry).policy(policy).start();
    (registry, cordon)
}

/// Where the file of a version is, listed or not: the address in a lock file.
pub(crate) fn file_url(
    (registry, cordon): (&FakeRegistry, &Cordon),
    protocol: Protocol,
    package: &str,
    version: &str,
) -> String {
    let (base, path) = (
        cordon.url(protocol),
        registry.file_path(protocol, package, version),
    );
    let file = path.rsplit('/').next().unwrap_or_default();
    match protocol {
        Protocol::Npm => format!("{base}{package}/-/{file}"),
        Protocol::Pypi => format!("{base}files/{package}/{file}"),
        Protocol::Cargo => format!("{base}api/v1/crates/{package}/{version}/download"),
    }
}

/// The versions a resolver may choose from; none when the whole document is refused.
fn offered(cordon: &Cordon, protocol: Protocol, package: &str) -> Vec<String> {
    let base = cordon.url(protocol);
    let document = listing::document(protocol, &base, package);
    match document.status {
        403 | 451 => Vec::new(),
        _ => listing::choices(protocol, &base, package),
    }
}

/// What was found about a version and counts: rule and code, `minimum-age/too-young`. The findings of
/// every decision about it.
fn findings_against(
    cordon: &Cordon,
    protocol: Protocol,
    package: &str,
    version: &str,
) -> Vec<String> {
    let all = decisions(cordon, protocol, package, version);
    all.iter().flat_map(findings).collect()
}

/// Every decision about a version, in the order they were made.
pub(crate) fn decisions(
    cordon: &Cordon,
    protocol: Protocol,
    package: &str,
    version: &str,
) -> Vec<Value> {
    let purl = format!(
        "pkg:{}/{}",
        protocol.purl_type(),
        package.replacen('@', "%40", 1)
    );
    let output = cordon.command(&["log", "--json", "--package", &purl, "-n", "1000"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!text.is_empty(), "nothing is on record about {purl}");
    let logged = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("a line of JSON"));
    logged
        .map(|mut line| line["decision"].take())
        .filter(|decision| decision["evaluation"]["artifact"]["subject"]["version"] == version)
        .collect()
}

/// The findings of a decision that count.
pub(crate) fn findings(decision: &Value) -> Vec<String> {
    let all = decision["evaluation"]["findings"].as_array();
    let counting = all
        .into_iter()
        .flatten()
        .filter(|it| it["mode"] == "enforce");
    counting
        .map(|finding| {
            let part = |key: &str| finding[key].as_str().expect("a name").to_owned();
            format!("{}/{}", part("rule"), part("code"))
        })
        .collect()
}

/// Whether a rule, or one finding of it (`minimum-age/too-young`), is among the findings.
fn is_named(findings: &[String], what: &str) -> bool {
    let is_it = |found: &String| {
        let rest = found.strip_prefix(what);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    findings.iter().any(is_it)
}
