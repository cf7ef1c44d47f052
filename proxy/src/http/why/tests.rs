use std::sync::Arc;
use std::time::Duration;

use cordon_policy::decision::{Cause, Decision};
use cordon_policy::exemption::ExemptionId;
use cordon_policy::facts::{ByteFacts, Fact, PackageFacts, VersionFacts};
use cordon_policy::finding::{ConfigSpan, Finding, FindingCode, Mode};
use cordon_policy::model::{
    ArtifactId, ArtifactKind, Digest, Ecosystem, FileName, PackageName, PackageVersion, Timestamp,
    Version,
};
use cordon_policy::verdict::{Effect, Evaluation, RulesetHash};
use cordon_storage::evidence::{Client, Outcome, Served};
use http::Method;

use super::*;
use crate::http::target::Target;
use crate::telemetry::escape::is_hostile;

const HOSTILE: &str = "<script>alert(1)</script>\"'&\u{202e}\u{1b}[31m\u{2066}";

fn now() -> Timestamp {
    Timestamp::parse("2026-11-21T12:00:00Z").expect("a time")
}

fn days(count: u64) -> Duration {
    Duration::from_secs(count * 24 * 60 * 60)
}

fn finding(effect: Effect, until: Option<Timestamp>) -> Finding {
    Finding {
        rule: RuleId::from_static("minimum-age"),
        code: FindingCode::from_static("too-young"),
        effect,
        reason: "published 2 days ago; the policy asks for 3 days".to_owned(),
        evidence: "3 days".into(),
        until,
        mode: Mode::Enforce,
        source: ConfigSpan {
            file: "policy.toml".into(),
            line: 12,
            column: 1,
        },
    }
}

fn record(
    effect: Effect,
    findings: &[Finding],
    waived: &[(Finding, ExemptionId)],
) -> LoggedDecision {
    let name =
        PackageName::from_checked_parts(Ecosystem::from_static("npm"), "left-pad", "left-pad");
    let artifact = ArtifactId {
        subject: PackageVersion {
            name: name.clone(),
            version: Version::verbatim("1.4.0"),
        },
        file: FileName::new("left-pad-1.4.0.tgz").expect("a file name"),
        kind: ArtifactKind::Archive,
    };
    let evaluation: Evaluation = serde_json::from_value(serde_json::json!({
        "artifact": artifact,
        "sha256": null,
        "effect": effect,
        "findings": findings,
        "waived": waived,
        "awaits": [],
        "valid_until": null,
    }))
    .expect("an evaluation as recorded");
    let package = Arc::new(PackageFacts {
        name,
        first_published_at: Fact::Known(now().saturating_sub(days(900))),
        status: Fact::Absent,
        upstream: "public".into(),
        similarity: Fact::NotYet,
        popularity: None,
        asked_in_vain: None,
    });
    let mut facts = VersionFacts::unknown(artifact, package);
    facts.published_at = Fact::Known(now().saturating_sub(days(2)));
    facts.install_hooks = Fact::Known(vec!["postinstall".into()]);
    facts.license = Fact::Unavailable("the registry did not answer".into());
    facts.is_yanked = Fact::Absent;
    facts.history.first_seen_at = Some(now().saturating_sub(days(1)));
    LoggedDecision {
        index: 41,
        decision: Decision {
            id: DecisionId::from_random(7),
            at: now(),
            evaluation,
            cause: Cause::Request,
            ruleset: RulesetHash("sha256:feed".into()),
            facts,
            nearest_allowed: Some("1.3.0".into()),
        },
        servings: vec![Served {
            decision: DecisionId::from_random(7),
            client: Client {
                address: "192.0.2.77".into(),
                agent: "npm/11.19.1".into(),
            },
            outcome: Outcome::Refused,
            count: 1,
            first_at: now(),
            last_at: now(),
        }],
    }
}

fn around<'a>(
    contact: Option<&'a str>,
    links: &'a dyn Fn(&RuleId) -> Option<String>,
) -> Surroundings<'a> {
    Surroundings {
        hold: None,
        contact,
        documentation: links,
    }
}

fn no_links(_: &RuleId) -> Option<String> {
    None
}

fn html(record: &LoggedDecision, contact: Option<&str>) -> String {
    explanation(record, &around(contact, &no_links)).html()
}

fn young() -> LoggedDecision {
    let until = now().saturating_add(days(1));
    record(Effect::Hide, &[finding(Effect::Hide, Some(until))], &[])
}

#[test]
fn a_page_says_what_why_until_when_and_whom_to_ask() {
    let page = html(&young(), Some("security@example.com"));
    let (_, body) = page.split_once("</head>").expect("a head");
    insta::assert_snapshot!("young_html", body);
}

#[test]
fn the_same_as_json() {
    let links = |rule: &RuleId| Some(format!("https://docs.example/{rule}"));
    let json = explanation(&young(), &around(Some("#security"), &links)).json();
    insta::assert_snapshot!("young_json", json);
}

#[test]
fn who_else_asked_is_not_told() {
    let record = young();
    let explanation = explanation(&record, &around(None, &no_links));
    for text in [explanation.html(), explanation.json()] {
        assert!(
            !text.contains("192.0.2.77") && !text.contains("npm/11"),
            "{text}"
        );
    }
}

#[test]
fn time_clears_it_only_if_it_clears_every_finding() {
    let soon = now().saturating_add(days(1));
    let late = now().saturating_add(days(9));
    let steps = |findings: &[Finding]| html(&record(Effect::Block, findings, &[]), None);
    let both = steps(&[
        finding(Effect::Block, Some(soon)),
        finding(Effect::Hide, Some(late)),
    ]);
    assert!(
        both.contains("clears by itself at 2026-11-30T12:00:00Z"),
        "{both}"
    );
    let one = steps(&[
        finding(Effect::Block, None),
        finding(Effect::Hide, Some(late)),
    ]);
    assert!(one.contains("Waiting alone does not clear it"), "{one}");
    let watched = Finding {
        mode: Mode::Monitor,
        ..finding(Effect::Block, None)
    };
    let watched = steps(&[finding(Effect::Hide, Some(soon)), watched]);
    assert!(
        watched.contains("2026-11-22T12:00:00Z, if nothing new"),
        "{watched}"
    );
    assert!(watched.contains("Only watched"), "{watched}");
}

#[test]
fn quarantine_promises_nothing_but_a_look() {
    let held = record(
        Effect::Quarantine,
        &[finding(Effect::Quarantine, None)],
        &[],
    );
    let page = html(&held, None);
    assert!(
        page.contains("a person should look at it, and can release it"),
        "{page}"
    );
    // Of something that was never held there is nothing to ask for.
    assert!(!page.contains("<form"), "{page}");
}

#[test]
fn an_allowed_artifact_shows_what_was_set_aside() {
    let waived = [(
        finding(Effect::Hide, None),
        ExemptionId("known-good".into()),
    )];
    let mut record = record(Effect::Allow, &[], &waived);
    record.decision.facts.bytes = Fact::Known(ByteFacts {
        sha256: Digest::of(b"test"),
        size_bytes: 4,
        mismatches: Vec::new(),
        declared_size_bytes: Some(5),
    });
    let page = html(&record, None);
    assert!(
        page.contains("<p class=\"mark allow\">Allowed</p>"),
        "{page}"
    );
    assert!(
        page.contains("Set aside by the exemption known-good"),
        "{page}"
    );
    assert!(
        page.contains("4 bytes; the registry declares 5 bytes"),
        "{page}"
    );
    assert!(!page.contains("What you can do"), "{page}");
}

#[test]
fn inv_03_of_refused_bytes_neither_size_nor_digest_is_told() {
    let sha256 = Digest::of(b"what came");
    let declared = Digest::of(b"what was declared");
    let mismatch = Finding {
        rule: RuleId::from_static("integrity"),
        code: FindingCode::from_static("integrity-mismatch"),
        evidence: format!("{declared} {sha256}").into(),
        ..finding(Effect::Block, None)
    };
    let mut record = record(Effect::Block, &[mismatch], &[]);
    record.decision.facts.size_bytes = Fact::Known(31_337);
    record.decision.facts.declared = Fact::Known([declared.clone()].into_iter().collect());
    record.decision.facts.history.pinned = Some(sha256.clone());
    record.decision.facts.bytes = Fact::Known(ByteFacts {
        sha256: sha256.clone(),
        size_bytes: 31_338,
        mismatches: Vec::new(),
        declared_size_bytes: Some(31_337),
    });
    let explanation = explanation(&record, &around(None, &no_links));
    for text in [explanation.html(), explanation.json()] {
        for secret in [sha256.hex(), declared.hex(), "31337".into(), "31338".into()] {
            assert!(!text.contains(&*secret), "{secret} in {text}");
        }
        assert!(
            text.contains("not told here while the file is refused"),
            "{text}"
        );
    }
}

#[test]
fn inv_50_text_from_outside_is_inert() {
    let mut record = young();
    record.decision.nearest_allowed = Some(HOSTILE.into());
    record.decision.facts.license = Fact::Known(HOSTILE.into());
    record.decision.facts.deprecated = Fact::Known(HOSTILE.into());
    record.decision.facts.publisher = Fact::Unavailable(HOSTILE.into());
    record.decision.facts.install_hooks = Fact::Known(vec![HOSTILE.into()]);
    record.decision.ruleset = RulesetHash(HOSTILE.into());
    let hostile = Finding {
        reason: HOSTILE.to_owned(),
        evidence: HOSTILE.into(),
        ..finding(Effect::Hide, None)
    };
    let findings = [hostile];
    let mut with_reason = self::record(Effect::Hide, &findings, &[]);
    with_reason.decision.facts = record.decision.facts.clone();
    let links = |_: &RuleId| Some("javascript:alert(1)".to_owned());
    for record in [record, with_reason] {
        let explanation = explanation(&record, &around(Some(HOSTILE), &links));
        let page = explanation.html();
        assert!(
            !page.contains("<script") && !page.contains("javascript:"),
            "{page}"
        );
        for text in [page, explanation.json()] {
            assert!(!text.chars().any(|c| c != '\n' && is_hostile(c)), "{text}");
        }
    }
}

#[test]
fn a_contact_is_linked_only_where_it_is_an_address() {
    let page = |contact| html(&young(), Some(contact));
    assert!(page("security@example.com").contains("<a href=\"mailto:security@example.com\""));
    assert!(page("https://help.example/x").contains("<a href=\"https://help.example/x\""));
    for contact in [
        "#security on chat",
        "javascript:alert(1)",
        "data:text/html,x@y",
        "a@b?cc=c",
        "the team",
    ] {
        let page = page(contact);
        assert_eq!(
            page.matches("<a ").count(),
            1,
            "only the link to JSON: {contact}"
        );
    }
}

#[test]
fn the_style_sheet_is_the_one_the_page_policy_names() {
    use sha2::Digest as _;
    let page = html(&young(), None);
    let style = page
        .split_once("<style>")
        .and_then(|(_, rest)| rest.split_once("</style>"))
        .map(|(style, _)| style)
        .expect("a style sheet");
    let digest = BASE64.encode(&sha2::Sha256::digest(style));
    assert_eq!(*STYLE_SOURCE, format!("'sha256-{digest}'"));
    assert!(!page.contains("style=") && !page.contains("<script"));
}

fn question(path: &str, accept: Option<&str>) -> Option<Question> {
    let mut headers = HeaderMap::new();
    if let Some(accept) = accept {
        headers.insert(
            header::ACCEPT,
            HeaderValue::from_str(accept).expect("a value"),
        );
    }
    Question::of(&Request {
        target: Target::from_parts(path, None).expect("a target"),
        method: Method::GET,
        headers,
        client: Client {
            address: "192.0.2.1".into(),
            agent: "".into(),
        },
        identity: None,
        body: bytes::Bytes::new(),
    })
}

#[test]
fn a_question_names_a_decision_and_a_form() {
    let id = DecisionId::from_random(7);
    let ask = |path, accept| question(path, accept).map(|q| (q.decision, q.form));
    let known = Some(id);
    let refused = question("/why/700000000000/blocked-by-Cordon.deny", None).expect("a question");
    assert!(refused.is_refused && refused.decision == known);
    assert_eq!(
        ask("/why/700000000000", None),
        Some((known.clone(), Form::Html))
    );
    assert_eq!(
        ask("/why/700000000000.json", None),
        Some((known.clone(), Form::Json))
    );
    assert_eq!(
        ask("/why/700000000000", Some("application/json")),
        Some((known.clone(), Form::Json))
    );
    assert_eq!(
        ask(
            "/why/700000000000",
            Some("text/html, application/json;q=0.9")
        ),
        Some((known, Form::Html))
    );
    for path in [
        "/why",
        "/why/",
        "/why/x",
        "/why/700000000000/x/y",
        "/why/u00000000000",
    ] {
        assert_eq!(ask(path, None), Some((None, Form::Html)), "{path}");
    }
    assert_eq!(ask("/npm/why", None), None);
}

#[test]
fn an_unknown_decision_is_404_in_the_form_asked_for() {
    for (path, kind, part) in [
        (
            "/why/700000000000",
            "text/html; charset=utf-8",
            "No decision 700000000000 is recorded",
        ),
        (
            "/why/x",
            "text/html; charset=utf-8",
            "not the id of a decision",
        ),
        (
            "/why/700000000000.json",
            "application/json",
            "{\"error\":\"No decision",
        ),
    ] {
        let question = question(path, None).expect("about a decision");
        let Reply::Page {
            status,
            content_type,
            body,
        } = unknown(&question)
        else {
            panic!("a page");
        };
        assert_eq!((status.as_u16(), content_type), (404, kind));
        assert!(
            std::str::from_utf8(&body).expect("text").contains(part),
            "{path}"
        );
    }
}
