//! The properties.

use std::cmp::Ordering;

use cordon_policy::decision::DecisionId;
use cordon_policy::facts::VersionFacts;
use cordon_policy::model::{Timestamp, Version};
use cordon_policy::verdict::Effect;
use http::{HeaderMap, Method, StatusCode};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::{Fixture, Suite, Target, find, links};
use crate::registry::{
    Denial, DenialBody, DenialScope, Document, Entry, Links, Listing, MetadataError, Rendered,
    Route, View,
};

/// Normalising a name twice gives what normalising once gives, for given and for arbitrary names.
pub(crate) fn normalising_is_idempotent(suite: &Suite) {
    let scheme = suite.registry.scheme();
    let again = |raw: &str| {
        let Ok(name) = scheme.package(raw) else {
            return false;
        };
        for spelling in [name.normalized(), name.as_published()] {
            let second = scheme.package(spelling).unwrap();
            assert_eq!(name, second, "{raw:?}");
            assert_eq!(name.normalized(), second.normalized(), "{raw:?}");
        }
        true
    };
    for name in &suite.names {
        assert!(again(name), "{name:?} is refused");
    }
    TestRunner::default()
        .run(&"[@a-zA-Z0-9._/ -]{0,24}|\\PC{0,12}", |raw| {
            again(&raw);
            Ok(())
        })
        .unwrap();
}

/// Versions have one order: reflexive, antisymmetric and transitive, parsable or not.
pub(crate) fn version_order_is_total(suite: &Suite) {
    let check = |versions: &[Version]| {
        let compare = |a: &Version, b: &Version| suite.registry.scheme().compare(a, b);
        for a in versions {
            assert_eq!(compare(a, a), Ordering::Equal, "{a}");
            for b in versions {
                assert_eq!(compare(a, b), compare(b, a).reverse(), "{a} and {b}");
                for c in versions {
                    if compare(a, b).is_le() && compare(b, c).is_le() {
                        assert!(compare(a, c).is_le(), "{a}, {b}, {c}");
                    }
                }
            }
        }
    };
    let known: Vec<Version> = suite
        .versions
        .iter()
        .copied()
        .map(Version::verbatim)
        .collect();
    check(&known);
    let arbitrary = "[0-9]{1,2}(\\.[0-9]{1,2}){0,3}([-+.]?[a-z]{1,4}[0-9.]{0,3}){0,2}|\\PC{0,6}";
    TestRunner::default()
        .run(&proptest::collection::vec(arbitrary, 3), |versions| {
            check(
                &versions
                    .into_iter()
                    .map(Version::verbatim)
                    .collect::<Vec<_>>(),
            );
            Ok(())
        })
        .unwrap();
}

/// No target makes `classify` panic or answer with a status outside its contract.
pub(crate) fn classify_never_panics(suite: &Suite) {
    let word = prop_oneof![
        "\\PC{1,12}",
        "[a-zA-Z0-9@._-]{1,10}",
        proptest::sample::select(vec![
            "-",
            "@",
            "@s",
            "@s/p",
            "simple",
            "files",
            "crates",
            "api",
            "v1",
            "package",
            "npm",
            "dist-tags",
            "config.json",
            "1",
            "2",
            "3",
            "ab",
            "cd",
            "abcd",
            "p-1.0.0.tgz",
            "..",
            "download",
            "json",
            "pypi",
            "keys",
            "attestations",
            "search",
            "@s/p@1.0.0",
            "\0",
        ])
        .prop_map(str::to_owned),
    ];
    let method = proptest::sample::select(vec!["GET", "HEAD", "POST", "PUT", "DELETE", "BREW"]);
    let request = (
        proptest::collection::vec(word, 0..6),
        any::<bool>(),
        proptest::option::of("\\PC{0,20}"),
        method,
        "[ -~]{0,30}",
    );
    TestRunner::default()
        .run(
            &request,
            |(segments, has_trailing_slash, query, method, accept)| {
                let target = Target {
                    segments,
                    has_trailing_slash,
                    query,
                };
                let method: Method = method.parse().unwrap();
                let mut headers = HeaderMap::new();
                headers.insert(http::header::ACCEPT, accept.parse().unwrap());
                match target.classify(suite.registry, &method, &headers) {
                    Ok(Route::Redirect(path)) => prop_assert!(!path.starts_with('/')),
                    Ok(_) => {}
                    Err(error) => prop_assert!(
                        matches!(error.status.as_u16(), 400 | 401 | 404 | 405 | 406),
                        "{error:?}"
                    ),
                }
                Ok(())
            },
        )
        .unwrap();
}

/// The address of every candidate's archive, and every address in a rendering, leads back to it.
pub(crate) fn classify_inverts_our_addresses(suite: &Suite) {
    let registry = suite.registry;
    let headers = HeaderMap::new();
    for fixture in &suite.fixtures {
        for view in &fixture.views {
            let document = fixture.read(registry, view).unwrap();
            let candidates = document.candidates();
            for (index, facts) in candidates.iter().enumerate() {
                let path = (suite.artifact_path)(facts);
                match Target::parse(&path).classify(registry, &Method::GET, &headers) {
                    Ok(Route::Artifact(request)) => assert_eq!(
                        find(&request, candidates),
                        [index],
                        "{} of {} means another candidate",
                        path,
                        fixture.name
                    ),
                    other => panic!("{path} of {} is {other:?}", fixture.name),
                }
            }
            let Ok(rendered) = render(suite, document.as_ref(), view, |_| true) else {
                continue;
            };
            for path in our_paths(&rendered.body, &links(registry)) {
                let route = Target::parse(&path).classify(registry, &Method::GET, &headers);
                match route {
                    // A dependency may be given as the address of another package's file.
                    Ok(Route::Artifact(request))
                        if request.package == fixture.package(registry) =>
                    {
                        assert_eq!(
                            find(&request, candidates).len(),
                            1,
                            "{path} in {} means no one candidate",
                            fixture.name
                        );
                    }
                    Ok(_) => {}
                    Err(error) => panic!("{path} in {}: {error}", fixture.name),
                }
            }
        }
    }
}

/// What is listed can be had: every candidate is located, or is left out of every rendering.
pub(crate) fn every_listed_artifact_can_be_located(suite: &Suite) {
    for fixture in &suite.fixtures {
        for view in &fixture.views {
            let document = fixture.read(suite.registry, view).unwrap();
            let rendered = render(suite, document.as_ref(), view, |_| true);
            for (index, facts) in document.candidates().iter().enumerate() {
                match document.locate(index) {
                    Ok(source) => assert!(
                        matches!(source.url.scheme(), "http" | "https"),
                        "{}",
                        source.url
                    ),
                    Err(error) => {
                        if let Ok(rendered) = &rendered {
                            let leak = trace_of(fixture, facts, true, &rendered.body);
                            assert_eq!(leak, None, "{}: listed, but {error}", fixture.name);
                        }
                    }
                }
            }
        }
    }
}

/// A hidden candidate leaves no trace in any view, whichever others are hidden.
pub(crate) fn hidden_versions_appear_nowhere(suite: &Suite) {
    for fixture in &suite.fixtures {
        for view in &fixture.views {
            let document = fixture.read(suite.registry, view).unwrap();
            let candidates = document.candidates();
            for pattern in patterns(candidates.len()) {
                let Ok(rendered) = render(suite, document.as_ref(), view, |index| pattern[index])
                else {
                    continue;
                };
                for (index, facts) in candidates.iter().enumerate() {
                    if pattern[index] {
                        continue;
                    }
                    // Where files are judged one by one, the version goes with its last file.
                    let is_version_hidden = (0..candidates.len()).all(|other| {
                        !pattern[other] || candidates[other].subject() != facts.subject()
                    });
                    let leak = trace_of(fixture, facts, is_version_hidden, &rendered.body);
                    assert_eq!(
                        leak,
                        None,
                        "{} in {view:?} of {}",
                        facts.subject(),
                        fixture.name
                    );
                }
            }
        }
    }
}

/// With everything allowed, the client gets what upstream sent.
pub(crate) fn allowing_all_keeps_what_upstream_sent(suite: &Suite) {
    for fixture in &suite.fixtures {
        for view in &fixture.views {
            let document = fixture.read(suite.registry, view).unwrap();
            match render(suite, document.as_ref(), view, |_| true) {
                Ok(rendered) => {
                    if let Err(difference) = (suite.compare)(fixture, view, &rendered) {
                        panic!("{} as {view:?}: {difference}", fixture.name);
                    }
                }
                Err(MetadataError::NotFound { .. }) => {}
                Err(error) => panic!("{} as {view:?}: {error}", fixture.name),
            }
        }
    }
}

/// Whatever a reason holds, the refusal is short, printable, and names the record.
pub(crate) fn denials_fit_their_clients(suite: &Suite) {
    let long = "very ".repeat(2000);
    let reasons = [
        "published 3 hours ago, policy asks for 72 hours",
        "",
        "line\r\nbreak: injected\u{0}",
        "naïve – “quoted” \"json\" \\ \u{202e} 日本語",
        "<script>alert(1)</script>",
        &long,
    ];
    let method = Method::GET;
    let decision = DecisionId::from_random(0x0123_4567_89ab_cdef);
    for fixture in &suite.fixtures {
        let view = &fixture.views[0];
        let document = fixture.read(suite.registry, view).unwrap();
        let Some(facts) = document.candidates().first() else {
            continue;
        };
        for scope in [DenialScope::Package, DenialScope::Artifact] {
            let (subject, path) = match scope {
                DenialScope::Package => (
                    facts.subject().name.purl(),
                    (suite.metadata_path)(&facts.subject().name),
                ),
                DenialScope::Artifact => {
                    (facts.subject().to_string(), (suite.artifact_path)(facts))
                }
            };
            let target = Target::parse(&path);
            for (reason, headers) in reasons
                .iter()
                .flat_map(|reason| suite.clients.iter().map(move |headers| (reason, headers)))
            {
                for effect in [Effect::Hide, Effect::Quarantine, Effect::Block] {
                    let denial = Denial {
                        subject: subject.clone(),
                        scope,
                        effect,
                        code: "minimum-age/too-young".to_owned(),
                        reason,
                        until: Some(Timestamp::from_millis(1_700_000_000_000)),
                        nearest_allowed: Some("1.2.2"),
                        decision: &decision,
                        why_url: format!("http://cordon.example:4873/why/{decision}"),
                        contact: Some("security@cordon.example"),
                    };
                    let body = suite.registry.deny(&denial, &target.head(&method, headers));
                    check_common_limits(&denial, &body);
                    if let Err(why) = (suite.check_denial)(scope, headers, &body) {
                        panic!("refusing {subject} because {reason:?}: {why}\n{body:?}");
                    }
                }
            }
        }
    }
    for status in [400, 404, 405, 502] {
        let status = StatusCode::from_u16(status).unwrap();
        let body = suite
            .registry
            .error(status, "left-pad: \"no\" such\r\nthing");
        assert_eq!(body.status, status);
        check_phrase(body.phrase.as_deref());
    }
}

fn check_common_limits(denial: &Denial<'_>, body: &DenialBody) {
    check_phrase(body.phrase.as_deref());
    let id = denial.decision.as_str();
    if let Some(phrase) = &body.phrase {
        assert!(phrase.contains(id), "no decision id in {phrase:?}");
    }
    let text = String::from_utf8(body.body.to_vec()).unwrap();
    let content_type = body.content_type.to_str().unwrap();
    assert!(
        text.contains(id) || content_type.contains(id),
        "no decision id in {text:?}"
    );
    assert!(
        body.body.len() <= 8 * 1024,
        "{} bytes of refusal",
        body.body.len()
    );
    assert_ne!(body.status, StatusCode::NOT_FOUND);
    assert_ne!(body.status, StatusCode::UNAUTHORIZED);
    assert!(!body.status.is_server_error());
}

fn check_phrase(phrase: Option<&str>) {
    if let Some(phrase) = phrase {
        assert!(
            phrase.len() <= 150,
            "{} characters: {phrase:?}",
            phrase.len()
        );
        assert!(
            phrase.bytes().all(|b| b == b' ' || b.is_ascii_graphic()),
            "{phrase:?}"
        );
    }
}

fn render(
    suite: &Suite,
    document: &dyn Document,
    view: &View,
    is_listed: impl Fn(usize) -> bool,
) -> Result<Rendered, MetadataError> {
    let entries: Vec<Entry> = (0..document.candidates().len())
        .map(|index| match is_listed(index) {
            true => Entry::Listed,
            false => Entry::Hidden,
        })
        .collect();
    let listing = Listing { entries: &entries };
    document.render(&listing, view, &links(suite.registry))
}

/// Which candidates are listed: none; all but one, for each; one alone, for each; and a few dozen
/// arbitrary choices.
fn patterns(count: usize) -> Vec<Vec<bool>> {
    let mut all = vec![vec![false; count]];
    for special in 0..count.min(40) {
        all.push((0..count).map(|index| index != special).collect());
        all.push((0..count).map(|index| index == special).collect());
    }
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..32 {
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state & 1 == 0
        };
        all.push((0..count).map(|_| next()).collect());
    }
    all
}

/// Where a candidate shows in a body: its file name anywhere, its version as a word of its own.
fn trace_of(
    fixture: &Fixture,
    facts: &VersionFacts,
    is_version_hidden: bool,
    body: &[u8],
) -> Option<String> {
    let file = facts.artifact.file.as_str();
    if let Some(at) = memchr::memmem::find(body, file.as_bytes()) {
        return Some(excerpt(body, at));
    }
    if !is_version_hidden || !fixture.has_unmistakable_versions {
        return None;
    }
    let version = facts.subject().version.as_str().as_bytes();
    let continues = |byte: Option<&u8>| {
        byte.is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'+'))
    };
    memchr::memmem::find_iter(body, version)
        .find(|at| {
            let before = at.checked_sub(1).and_then(|before| body.get(before));
            !continues(before) && !continues(body.get(at + version.len()))
        })
        .map(|at| excerpt(body, at))
}

fn excerpt(body: &[u8], at: usize) -> String {
    let around = &body[at.saturating_sub(60)..(at + 60).min(body.len())];
    String::from_utf8_lossy(around).into_owned()
}

/// Every path below our base that a body names.
fn our_paths(body: &[u8], links: &Links) -> Vec<String> {
    let base = links.base.as_str().as_bytes();
    memchr::memmem::find_iter(body, base)
        .map(|at| {
            let rest = &body[at + base.len()..];
            let end = rest
                .iter()
                .position(|b| !b.is_ascii_graphic() || b"\"'<>#\\,;)".contains(b))
                .unwrap_or(rest.len());
            String::from_utf8(rest[..end].to_vec()).unwrap()
        })
        .filter(|path| !path.is_empty())
        .collect()
}
