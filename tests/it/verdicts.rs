//! A verdict holds for every spelling, every representation, and every moment (INV-11 to 14, 45).

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use cordon_tests::client::{http, listing};
use cordon_tests::clock::{ago, hours};
use cordon_tests::cordon::{Builder, Cordon, Signal};
use cordon_tests::fake_registry::{FakeRegistry, Fault, Protocol, Release};
use cordon_tests::fixture::{OLD, PACKAGE, SETTLED, Scene, YOUNG};
use cordon_tests::numbers::Numbers;

const AGED: &str = "[rules.minimum-age]\nversion_age = \"72h\"\n";
const DENIED: &str = "[rules.deny]\npurls = [\"pkg:npm/bad-package\", \"pkg:pypi/bad-package\", \
                      \"pkg:cargo/bad-package\"]\n";

#[test]
fn inv_11_no_failure_of_upstream_makes_a_held_version_allowed() {
    let faults = [
        Fault::Status(500),
        Fault::Status(404),
        Fault::Status(403),
        Fault::HtmlPage(200),
        Fault::CutAt(20),
        Fault::WrongLength(7),
        Fault::ChunkedWithoutEnd,
        Fault::MislabelledGzip,
        Fault::Close,
        Fault::Garbage,
    ];
    for fault in faults {
        let scene = Scene::with_policy(AGED);
        for protocol in Protocol::ALL {
            let document = scene.registry.document_path(protocol, PACKAGE);
            let file = scene.registry.file_path(protocol, PACKAGE, YOUNG);
            let name = file.rsplit('/').next().unwrap_or_default().to_owned();
            scene.registry.fault(&document, fault.clone());
            let base = scene.cordon.url(protocol);
            let url = match protocol {
                Protocol::Npm => format!("{base}{PACKAGE}/-/{name}"),
                Protocol::Pypi => format!("{base}files/{PACKAGE}/{name}"),
                Protocol::Cargo => format!("{base}api/v1/crates/{PACKAGE}/{YOUNG}/download"),
            };
            let reply = http::get(&url);
            assert!(
                reply.status >= 400,
                "{protocol:?} {fault:?}: {}",
                reply.status
            );
            assert_eq!(
                scene.registry.log().gets(&file),
                0,
                "{protocol:?} {fault:?}"
            );
        }
    }
}

/// A date that is missing is no date long ago.
#[test]
fn inv_11_a_version_of_unknown_age_is_not_allowed_by_an_age_rule() {
    let registry = FakeRegistry::start();
    for protocol in Protocol::ALL {
        registry.publish(Release::new(protocol, PACKAGE, OLD));
        registry.publish(Release::new(protocol, PACKAGE, YOUNG).without_publish_time());
    }
    let cordon = Cordon::with_policy(&registry, AGED);
    for protocol in Protocol::ALL {
        let base = cordon.url(protocol);
        assert_eq!(
            listing::choices(protocol, &base, PACKAGE),
            [OLD],
            "{protocol:?}"
        );
        let url = listing::locked_url(protocol, &base, PACKAGE, YOUNG);
        let reply = http::get(&url);
        assert!(reply.status >= 400, "{protocol:?}: {}", reply.status);
    }
}

/// Spellings of `bad-package` that its ecosystem reads as the same name, percent-encoded or not.
fn spelling(protocol: Protocol, numbers: &mut Numbers) -> String {
    let mut spelled = String::new();
    for character in "bad-package".chars() {
        let mut one = match (protocol, character) {
            (Protocol::Pypi, '-') => {
                let separators = ["-", "_", ".", "--", "-_", "._-"];
                separators[usize::try_from(numbers.below(6)).expect("small")].to_owned()
            }
            (Protocol::Cargo, '-') if numbers.below(2) == 0 => "_".to_owned(),
            (Protocol::Pypi | Protocol::Cargo, _) if numbers.below(3) == 0 => {
                character.to_ascii_uppercase().to_string()
            }
            _ => character.to_string(),
        };
        if numbers.below(5) == 0 {
            one = one.bytes().map(|byte| format!("%{byte:02x}")).collect();
        }
        spelled.push_str(&one);
    }
    spelled
}

#[test]
fn inv_12_a_denied_name_is_refused_in_every_spelling() {
    let registry = FakeRegistry::start();
    for protocol in Protocol::ALL {
        registry.publish(Release::new(protocol, "bad-package", OLD));
    }
    let cordon = Cordon::with_policy(&registry, DENIED);
    let mut numbers = Numbers::new(0x00C0_4D04);
    let count = crate::scale(150, 20_000);
    for protocol in Protocol::ALL {
        let base = cordon.url(protocol);
        let file = registry.file_path(protocol, "bad-package", OLD);
        let file = file.rsplit('/').next().unwrap_or_default();
        let mut judged = 0;
        for _ in 0..count {
            let name = spelling(protocol, &mut numbers);
            let url = match protocol {
                Protocol::Npm => format!("{base}{name}/-/{file}"),
                Protocol::Pypi => format!("{base}files/{name}/{file}"),
                Protocol::Cargo => format!("{base}api/v1/crates/{name}/{OLD}/download"),
            };
            let reply = http::get(&url);
            assert!(
                (400..500).contains(&reply.status),
                "{url}: {}",
                reply.status
            );
            judged += u64::from(reply.header("x-cordon-decision").is_some());
        }
        println!("{protocol:?}: {judged} of {count} refused by a decision, the rest not found");
        assert!(
            judged > 0,
            "{protocol:?}: no spelling got as far as the verdict"
        );
        let path = registry.file_path(protocol, "bad-package", OLD);
        assert_eq!(registry.log().gets(&path), 0, "{protocol:?}");
    }
    println!("{} spellings, 0 let through", count * 3);
}

#[test]
fn inv_13_a_name_outside_the_grammar_is_never_asked_for() {
    let scene = Scene::new();
    let common = [
        "a%20b",
        "-lead",
        ".lead",
        "_lead",
        "a%00b",
        "a%0ab",
        "a%2fb%2fc",
        "%e2%80%8bname",
        "na%C3%AFve",
        "a%22b",
        "a%3cb",
        "a%7cb",
        "a%60b",
        "a%24b",
        "a%25b",
        "a%5cb",
        "a%3fb",
        "a%23b",
        "a%7f",
    ];
    let long = "x".repeat(230);
    for protocol in Protocol::ALL {
        let base = scene.cordon.url(protocol);
        for name in common.into_iter().chain([long.as_str()]) {
            // The length is npm's and the crate registry's limit; PyPI has none this short.
            if protocol == Protocol::Pypi && name == long {
                continue;
            }
            let urls = match protocol {
                Protocol::Npm => vec![
                    format!("{base}{name}"),
                    format!("{base}{name}/-/{name}-1.0.0.tgz"),
                ],
                Protocol::Pypi => vec![
                    format!("{base}simple/{name}/"),
                    format!("{base}files/{name}/{name}-1.0.0.tar.gz"),
                    format!("{base}pypi/{name}/json"),
                ],
                Protocol::Cargo => vec![
                    format!("{base}aa/bb/{name}"),
                    format!("{base}api/v1/crates/{name}/1.0.0/download"),
                ],
            };
            // Below a scope npm lets a name begin with punctuation.
            let is_scoped_too = protocol == Protocol::Npm && !name.starts_with(['-', '.', '_']);
            let scoped = is_scoped_too.then(|| format!("{base}@scope%2f{name}"));
            for url in urls.into_iter().chain(scoped) {
                let before = scene.registry.log().len();
                let reply = http::get(&url);
                assert!(
                    (400..500).contains(&reply.status),
                    "{url}: {}",
                    reply.status
                );
                let asked = scene.registry.log().all().split_off(before);
                assert!(asked.is_empty(), "{url} was asked for: {asked:?}");
            }
        }
    }
}

#[test]
fn inv_14_whatever_is_listed_can_be_had_and_nothing_else() {
    let registry = FakeRegistry::start();
    let count = crate::scale(6, 60);
    let mut numbers = Numbers::new(0x5EED);
    let mut published = Vec::new();
    for protocol in Protocol::ALL {
        for number in 0..count {
            let name = format!("pair-{number}");
            registry.publish(Release::new(protocol, &name, "0.1.0"));
            for minor in 1..5 {
                let version = format!("1.{minor}.0");
                let mut release = Release::new(protocol, &name, &version);
                if numbers.below(2) == 0 {
                    release = release.published_at(ago(hours(1)));
                }
                registry.publish(release);
                published.push((protocol, name.clone(), version));
            }
        }
    }
    let cordon = Cordon::with_policy(&registry, AGED);
    let (mut listed_count, mut refused_count) = (0, 0);
    for (protocol, name, version) in &published {
        let base = cordon.url(*protocol);
        let choices = listing::choices(*protocol, &base, name);
        let is_listed = choices.contains(version);
        // The other representations agree with the one the main client reads.
        let others: Vec<(String, &str)> = match protocol {
            Protocol::Npm => vec![
                (
                    format!("{base}{name}"),
                    "application/vnd.npm.install-v1+json",
                ),
                (format!("{base}{name}"), "application/json"),
            ],
            Protocol::Pypi => vec![
                (format!("{base}simple/{name}/"), "text/html"),
                (
                    format!("{base}simple/{name}/"),
                    "application/vnd.pypi.simple.v1+html",
                ),
                (format!("{base}pypi/{name}/json"), "application/json"),
            ],
            Protocol::Cargo => Vec::new(),
        };
        let file = registry.file_path(*protocol, name, version);
        let file = file.rsplit('/').next().unwrap_or_default();
        for (url, accept) in others {
            let reply = http::get_with(&url, &[("Accept", accept)]).expect(200);
            let is_named = reply.text().contains(file);
            assert_eq!(is_named, is_listed, "{url} as {accept}: {version}");
        }
        let reply = http::get(&listing::locked_url(*protocol, &base, name, version));
        if is_listed {
            assert_eq!(reply.status, 200, "{protocol:?} {name} {version} is listed");
            listed_count += 1;
        } else {
            assert!(
                reply.status >= 400,
                "{protocol:?} {name} {version} is not listed"
            );
            refused_count += 1;
        }
    }
    assert!(listed_count > 0 && refused_count > 0);
    println!("{listed_count} listed and served, {refused_count} unlisted and refused");
}

/// Two policies that contradict each other about two versions, in turn with files that are wrong:
/// every answer is one of the two policies' whole answers, and a wrong file changes nothing.
#[test]
fn inv_45_each_answer_is_of_one_valid_policy_while_files_change() {
    let registry = cordon_tests::fixture::registry();
    let deny = |version: &str| format!("[rules.deny]\npurls = [\"pkg:npm/{PACKAGE}@{version}\"]\n");
    let (first, second) = (deny(OLD), deny(SETTLED));
    let cordon = Builder::new(&registry).policy(&first).start();
    let base = cordon.url(Protocol::Npm);
    let versions = || -> BTreeSet<String> {
        listing::choices(Protocol::Npm, &base, PACKAGE)
            .into_iter()
            .collect()
    };
    let of = |all: [&str; 2]| -> BTreeSet<String> { all.map(str::to_owned).into() };
    let (by_first, by_second) = (of([SETTLED, YOUNG]), of([OLD, YOUNG]));
    assert_eq!(versions(), by_first);
    let mut answers = 0;
    for round in 0..crate::scale(4, 100) {
        let (valid, expected) = match round % 2 {
            0 => (&second, &by_second),
            _ => (&first, &by_first),
        };
        cordon.write_policy(valid);
        cordon.signal(Signal::Reload);
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let seen = versions();
            answers += 1;
            assert!(seen == by_first || seen == by_second, "a mixture: {seen:?}");
            if seen == *expected {
                break;
            }
            assert!(
                Instant::now() < deadline,
                "the new policy never came into force"
            );
        }
        for wrong in [
            "rules = [",
            "[rules.no-such-rule]\n",
            "[rules.deny]\npurls = [\"nonsense\"]\n",
        ] {
            cordon.write_policy(wrong);
            cordon.signal(Signal::Reload);
            for _ in 0..10 {
                assert_eq!(versions(), *expected, "a wrong file changed the policy");
                answers += 1;
            }
        }
    }
    println!("{answers} answers, 0 mixtures");
}
