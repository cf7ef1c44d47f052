//! Refusals, client by client.

use cordon_policy::decision::DecisionId;
use cordon_policy::verdict::Effect;
use http::Method;
use http::header::{CACHE_CONTROL, LOCATION};

use super::*;
use crate::registry::conformance::Target;

/// What Python clients need beyond the common limits.
pub(super) fn check(
    scope: DenialScope,
    headers: &HeaderMap,
    body: &DenialBody,
) -> Result<(), String> {
    let content_type = body
        .content_type
        .to_str()
        .map_err(|error| error.to_string())?;
    let agent = headers[USER_AGENT]
        .to_str()
        .map_err(|error| error.to_string())?;
    if scope == DenialScope::Package && agent.starts_with("pip/") {
        let is_quoted = content_type.matches('"').count() == 2 && !content_type.contains('\\');
        let is_stored = !body
            .headers
            .iter()
            .any(|(name, value)| name == CACHE_CONTROL && value == "no-store");
        return match (body.status, is_quoted, is_stored) {
            (StatusCode::OK, true, false) => Ok(()),
            other => Err(format!("{other:?}")),
        };
    }
    if scope == DenialScope::Artifact && agent.starts_with("pdm/") {
        let address = body.headers.iter().find(|(name, _)| name == LOCATION);
        let address = address.and_then(|(_, value)| value.to_str().ok());
        return match (body.status, address) {
            (StatusCode::TEMPORARY_REDIRECT, Some(address)) if address.contains("/why/") => Ok(()),
            other => Err(format!("{other:?}")),
        };
    }
    let expected = match scope {
        DenialScope::Package => 451,
        DenialScope::Artifact => 403,
    };
    if body.status != expected || content_type != "application/problem+json" {
        return Err(format!("{} {content_type}", body.status));
    }
    let problem: Value = serde_json::from_slice(&body.body).map_err(|error| error.to_string())?;
    for member in ["title", "detail", "decision", "why", "nearest"] {
        if problem[member].as_str().is_none_or(str::is_empty) {
            return Err(format!("no {member}"));
        }
    }
    match &body.phrase {
        Some(phrase) if phrase.contains("http://") => Ok(()),
        other => Err(format!("no address in the phrase {other:?}")),
    }
}

fn denied(scope: DenialScope, path: &str, agent: &str) -> DenialBody {
    let decision = DecisionId::from_random(0x0123_4567_89ab_cdef);
    let denial = Denial {
        subject: "pkg:pypi/tide-table@7.34.0".to_owned(),
        scope,
        effect: Effect::Hide,
        code: "minimum-age/too-young".to_owned(),
        reason: "published 3 hours ago; policy asks for 72 \"hours\"",
        until: None,
        nearest_allowed: Some("7.33.0"),
        decision: &decision,
        why_url: format!("http://127.0.0.1:4873/why/{decision}"),
        contact: None,
    };
    let headers = client(agent, "*/*");
    PyPi.deny(&denial, &Target::parse(path).head(&Method::GET, &headers))
}

#[test]
fn conformance_079_files_and_pages_are_refused_as_problems_with_a_phrase() {
    let file = denied(DenialScope::Artifact, "files/tide-table/x.whl", "pip/26.3");
    assert_eq!(file.status, 403);
    assert_eq!(file.content_type, "application/problem+json");
    let text = String::from_utf8(file.body.to_vec()).unwrap();
    insta::assert_snapshot!(
        "refused_file",
        format!("{}\n{text}", file.phrase.unwrap_or_default())
    );
    let page = denied(DenialScope::Package, "simple/tide-table/", "uv/0.13.9");
    assert_eq!(page.status, 451);
    assert_eq!(page.content_type, "application/problem+json");
}

#[test]
fn conformance_077_pip_reads_the_reason_in_the_content_type_of_a_page_only() {
    let page = denied(DenialScope::Package, "simple/tide-table/", "pip/26.3 {}");
    assert_eq!(page.status, 200);
    insta::assert_snapshot!("refused_page_for_pip", page.content_type.to_str().unwrap());
    let legacy = denied(DenialScope::Package, "pypi/tide-table/json", "pip/26.3 {}");
    assert_eq!(legacy.status, 451);
}

#[test]
fn conformance_078_pdm_is_sent_to_an_address_that_tells_of_a_refused_file() {
    let file = denied(
        DenialScope::Artifact,
        "files/tide-table/x.whl",
        "pdm/2.29.3",
    );
    assert_eq!(file.status, 307);
    let address = file.headers.iter().find(|(name, _)| name == LOCATION);
    let address = address.and_then(|(_, value)| value.to_str().ok()).unwrap();
    assert!(
        address.ends_with(
            "/withheld-by-Cordon.minimum-age-too-young.published-3-hours-ago-policy-asks-for-72-\
             hours.nearest-allowed-7.33.0"
        ),
        "{address}"
    );
    let page = denied(DenialScope::Package, "simple/tide-table/", "pdm/2.29.3");
    assert_eq!(page.status, 451);
}

#[test]
fn errors_are_problems_too() {
    let error = PyPi.error(StatusCode::NOT_FOUND, "pkg:pypi/nope is not known");
    assert_eq!(error.content_type, "application/problem+json");
    assert_eq!(error.phrase.as_deref(), Some("pkg:pypi/nope is not known"));
    let problem: Value = serde_json::from_slice(&error.body).unwrap();
    assert_eq!(problem["title"], "Not Found");
    assert_eq!(problem["detail"], "pkg:pypi/nope is not known");
    assert_eq!(
        PyPi.error(StatusCode::NOT_FOUND, "").phrase.as_deref(),
        Some("Not Found")
    );
}

#[test]
fn setup_names_the_index_of_each_client() {
    let text = PyPi.client_setup(&links(&PyPi).base);
    for line in text.lines() {
        assert!(
            line.ends_with("http://cordon.example:4873/pypi/simple/"),
            "{line}"
        );
    }
    assert_eq!(text.lines().count(), 3);
}
