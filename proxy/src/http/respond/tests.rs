use std::fmt::Write as _;

use cordon_policy::decision::DecisionId;
use cordon_policy::model::Digest;
use http::{HeaderName, header};
use http_body_util::BodyExt as _;
use hyper::ext::ReasonPhrase;
use insta::assert_snapshot;

use super::*;
use crate::engine::ClearedBytes;
use crate::http::reply::ReadyDocument;
use crate::registry::DenialBody;

const TAG: &str = "\"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"";

fn asked(method: Method, headers: &[(HeaderName, &str)]) -> Asked {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(
            name.clone(),
            HeaderValue::from_str(value).expect("a header value"),
        );
    }
    Asked::of(&method, &map)
}

fn responder() -> Responder {
    Responder::new(Arc::new(|_, _| {}))
}

/// `test`, whose SHA-256 is [`TAG`].
fn artifact() -> Reply {
    let bytes = Bytes::from_static(b"test");
    let cleared = Cleared::for_test(Digest::of(&bytes), ClearedBytes::Memory(bytes));
    Reply::Artifact(Arc::new(cleared))
}

fn document() -> ReadyDocument {
    let identity = Bytes::from_static(b"{\"name\":\"left-pad\"}");
    ReadyDocument {
        identity_bytes: identity.len() as u64,
        gzip: Some(document::compressed_for_test(&identity)),
        identity: Some(identity),
        etag: "v1".to_owned(),
        content_type: "application/json",
        last_modified: Some(LastModified::Information(
            "Wed, 21 Oct 2015 07:28:00 GMT".to_owned(),
        )),
        vary: "accept",
        withheld: 0,
        notice: None,
        is_stale: false,
    }
}

fn denial() -> Reply {
    Reply::Denied {
        body: DenialBody {
            status: StatusCode::FORBIDDEN,
            phrase: Some("blocked\r\nx: y by \u{1b}[31m\u{202e}policy ".to_owned()),
            content_type: HeaderValue::from_static("application/json"),
            body: Bytes::from_static(b"{\"error\":\"blocked\"}"),
            headers: vec![(
                HeaderName::from_static("npm-notice"),
                HeaderValue::from_static("blocked"),
            )],
        },
        decision: DecisionId::from_random(7),
    }
}

/// Status, headers in order of name, body.
async fn text(reply: Reply, asked: &Asked) -> String {
    show(responder().respond(reply, asked)).await
}

async fn show(response: Response<Body>) -> String {
    let (head, body) = response.into_parts();
    let mut text = head.status.as_u16().to_string();
    if let Some(phrase) = head.extensions.get::<ReasonPhrase>() {
        write!(text, " {}", String::from_utf8_lossy(phrase.as_bytes())).expect("writes");
    }
    let mut lines: Vec<String> = head
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().expect("ASCII")))
        .collect();
    lines.sort();
    let bytes = body.collect().await.expect("a body").to_bytes();
    let body = match std::str::from_utf8(&bytes) {
        Ok(body) => body.to_owned(),
        Err(_) => format!("[{} bytes]", if bytes.is_empty() { "no" } else { "binary" }),
    };
    format!("{text}\n{}\n\n{body}", lines.join("\n"))
}

fn gzip_get() -> Asked {
    asked(Method::GET, &[(header::ACCEPT_ENCODING, "gzip,deflate")])
}

#[tokio::test]
async fn a_document_has_a_validator_for_each_coding() {
    assert_snapshot!(
        "document",
        text(
            Reply::Document(Arc::new(document())),
            &asked(Method::GET, &[])
        )
        .await
    );
    let gzip = text(Reply::Document(Arc::new(document())), &gzip_get()).await;
    assert!(
        gzip.contains("content-encoding: gzip") && gzip.contains("etag: \"v1-gzip\""),
        "{gzip}"
    );
}

#[tokio::test]
async fn the_validator_of_one_coding_does_not_fit_the_other() {
    let status = async |tag: &str, coding: &str| {
        let asked = asked(
            Method::GET,
            &[
                (header::IF_NONE_MATCH, tag),
                (header::ACCEPT_ENCODING, coding),
            ],
        );
        responder()
            .respond(Reply::Document(Arc::new(document())), &asked)
            .status()
    };
    assert_eq!(status("\"v1\"", "identity").await, 304);
    assert_eq!(status("W/\"v1-gzip\"", "gzip").await, 304);
    assert_eq!(status("\"v1\"", "gzip").await, 200);
    assert_eq!(status("\"v1-gzip\"", "identity").await, 200);
    assert_eq!(status("\"v0\"", "identity").await, 200);
}

#[tokio::test]
async fn a_304_has_no_body_and_the_same_validators() {
    let asked = asked(Method::GET, &[(header::IF_NONE_MATCH, "\"v1\"")]);
    assert_snapshot!(
        "document_304",
        text(Reply::Document(Arc::new(document())), &asked).await
    );
}

#[tokio::test]
async fn a_stale_document_with_withheld_versions_says_so() {
    let stale = ReadyDocument {
        withheld: 3,
        notice: Some("3 versions are too young\n\u{202e}see /why/x".to_owned()),
        is_stale: true,
        ..document()
    };
    let stale = Arc::new(stale);
    let npm = asked(Method::GET, &[(header::USER_AGENT, "npm/11.19.1 node/v20")]);
    assert_snapshot!(
        "document_notice",
        text(Reply::Document(Arc::clone(&stale)), &npm).await
    );
    let pnpm = asked(Method::GET, &[(header::USER_AGENT, "pnpm/12.21.0 npm/?")]);
    let other = text(Reply::Document(stale), &pnpm).await;
    assert!(
        !other.contains("npm-notice") && other.contains("cache-control: no-cache"),
        "{other}"
    );
}

#[tokio::test]
async fn a_document_kept_compressed_is_inflated_for_a_client_without_gzip() {
    let plain: Bytes = (0u32..100_000).flat_map(u32::to_le_bytes).collect();
    let large = |identity_bytes| ReadyDocument {
        gzip: Some(document::compressed_for_test(&plain)),
        identity: None,
        identity_bytes,
        ..document()
    };
    let asked = asked(Method::GET, &[]);
    let exact = responder().respond(Reply::Document(Arc::new(large(plain.len() as u64))), &asked);
    assert_eq!(
        exact.headers()[header::CONTENT_LENGTH],
        plain.len().to_string()
    );
    assert_eq!(
        exact
            .into_body()
            .collect()
            .await
            .expect("inflates")
            .to_bytes(),
        plain
    );
    for wrong in [plain.len() as u64 - 1, plain.len() as u64 + 1] {
        let response = responder().respond(Reply::Document(Arc::new(large(wrong))), &asked);
        assert!(
            response.into_body().collect().await.is_err(),
            "announced {wrong}"
        );
    }
}

#[tokio::test]
async fn a_client_that_refuses_every_offered_coding_gets_406() {
    let refused = asked(Method::GET, &[(header::ACCEPT_ENCODING, "identity;q=0")]);
    let response = responder().respond(Reply::Document(Arc::new(document())), &refused);
    assert_eq!(response.status(), 406);
    let only_gzip = asked(
        Method::GET,
        &[(header::ACCEPT_ENCODING, "gzip, identity;q=0")],
    );
    let small = ReadyDocument {
        gzip: None,
        ..document()
    };
    let response = responder().respond(Reply::Document(Arc::new(small)), &only_gzip);
    assert_eq!(response.headers()[header::CONTENT_ENCODING], "gzip");
}

#[tokio::test]
async fn an_artifact_is_immutable_and_never_coded() {
    let response = text(artifact(), &gzip_get()).await;
    assert!(response.contains(TAG));
    assert_snapshot!("artifact", response);
}

#[tokio::test]
async fn an_artifact_for_somebody_with_a_token_is_not_for_shared_caches() {
    for method in [Method::GET, Method::HEAD] {
        let with_token = asked(method, &[(header::AUTHORIZATION, "Bearer x")]);
        let response = text(artifact(), &with_token).await;
        assert!(response.contains("cache-control: private,"), "{response}");
    }
}

#[tokio::test]
async fn ranges_of_an_artifact() {
    let ask = async |method: Method, range: &str, more: &[(HeaderName, &str)]| {
        let mut headers = vec![(header::RANGE, range)];
        headers.extend_from_slice(more);
        text(artifact(), &asked(method, &headers)).await
    };
    assert_snapshot!("artifact_206", ask(Method::GET, "bytes=1-2", &[]).await);
    assert_snapshot!("artifact_416", ask(Method::GET, "bytes=4-", &[]).await);
    assert!(
        ask(Method::GET, "bytes=-10000", &[])
            .await
            .ends_with("\n\ntest")
    );
    assert!(
        ask(Method::GET, "bytes=0-0,2-2", &[])
            .await
            .starts_with("200\n")
    );
    assert!(
        ask(Method::HEAD, "bytes=1-2", &[])
            .await
            .starts_with("200\n")
    );
    let if_range = |tag| [(header::IF_RANGE, tag)];
    assert!(
        ask(Method::GET, "bytes=1-2", &if_range(TAG))
            .await
            .starts_with("206\n")
    );
    assert!(
        ask(Method::GET, "bytes=1-2", &if_range("\"old\""))
            .await
            .starts_with("200\n")
    );
    let conditional = [(header::IF_NONE_MATCH, TAG)];
    assert!(
        ask(Method::GET, "bytes=1-2", &conditional)
            .await
            .starts_with("304\n")
    );
}

#[test]
fn a_date_alone_says_that_a_document_is_current_only_if_verdicts_move_it() {
    let date = "Wed, 21 Oct 2015 07:28:00 GMT";
    for (last_modified, status) in [
        (LastModified::Information(date.to_owned()), StatusCode::OK),
        (
            LastModified::Validator(date.to_owned()),
            StatusCode::NOT_MODIFIED,
        ),
    ] {
        let asked = asked(Method::GET, &[(header::IF_MODIFIED_SINCE, date)]);
        let document = ReadyDocument {
            last_modified: Some(last_modified),
            ..document()
        };
        let response = responder().respond(Reply::Document(Arc::new(document)), &asked);
        assert_eq!(response.status(), status);
        assert_eq!(response.headers()[header::LAST_MODIFIED], date);
    }
}

#[tokio::test]
async fn head_has_the_status_and_headers_of_get_and_no_body() {
    let replies: [fn() -> Reply; 8] = [
        || Reply::Document(Arc::new(document())),
        artifact,
        denial,
        || {
            Reply::Static(Rendered {
                body: Bytes::from_static(b"{}"),
                content_type: "application/json",
                last_modified: None,
                vary: "",
            })
        },
        || Reply::Forwarded {
            content_type: "application/json".to_owned(),
            body: Bytes::from_static(b"{}"),
        },
        || Reply::Redirect("/pypi/simple/foo/".to_owned()),
        || Reply::Failed {
            body: DenialBody {
                status: StatusCode::SERVICE_UNAVAILABLE,
                phrase: None,
                content_type: HeaderValue::from_static("text/plain"),
                body: Bytes::from_static(b"busy"),
                headers: Vec::new(),
            },
            retry_after_seconds: Some(5),
        },
        || Reply::Page {
            status: StatusCode::OK,
            content_type: "text/html; charset=utf-8",
            body: Bytes::from_static(b"<p>"),
        },
    ];
    for reply in replies {
        let get = responder().respond(reply(), &gzip_get());
        let asked = asked(Method::HEAD, &[(header::ACCEPT_ENCODING, "gzip,deflate")]);
        let head = responder().respond(reply(), &asked);
        assert_eq!(get.status(), head.status());
        assert_eq!(get.headers(), head.headers());
        assert!(head.into_body().is_empty() && get.headers().contains_key(header::CONTENT_LENGTH));
    }
}

#[tokio::test]
async fn a_denial_is_not_stored_and_its_phrase_is_plain() {
    assert_snapshot!(
        "denied",
        text(
            denial(),
            &asked(
                Method::GET,
                &[(header::IF_NONE_MATCH, "*"), (header::RANGE, "bytes=0-0")]
            )
        )
        .await
    );
}

#[tokio::test]
async fn a_failure_says_when_to_come_back() {
    let failed = Reply::Failed {
        body: DenialBody {
            status: StatusCode::SERVICE_UNAVAILABLE,
            phrase: Some("x".repeat(400)),
            content_type: HeaderValue::from_static("text/plain"),
            body: Bytes::from_static(b"busy"),
            headers: Vec::new(),
        },
        retry_after_seconds: Some(5),
    };
    let response = text(failed, &asked(Method::GET, &[])).await;
    assert!(response.contains("\nretry-after: 5\n"), "{response}");
    assert_eq!(
        response.lines().next().map(str::len),
        Some("503 ".len() + 150)
    );
}

#[tokio::test]
async fn a_page_may_run_nothing() {
    let page = Reply::Page {
        status: StatusCode::OK,
        content_type: "text/html; charset=utf-8",
        body: Bytes::from_static(b"<p>"),
    };
    assert_snapshot!("page", text(page, &asked(Method::GET, &[])).await);
}

#[tokio::test]
async fn a_redirect_never_leaves_this_cordon() {
    let to =
        async |path: &str| text(Reply::Redirect(path.to_owned()), &asked(Method::GET, &[])).await;
    assert_snapshot!("redirect", to("/pypi/simple/foo/").await);
    for path in [
        "//evil.example/",
        "https://evil.example/",
        "/\\evil.example",
        "",
        "/a\r\nx: y",
    ] {
        let response = to(path).await;
        assert!(
            response.starts_with("500\n") && !response.contains("location"),
            "{path}: {response}"
        );
    }
}

#[tokio::test]
async fn what_is_passed_through_cannot_become_a_page_of_this_origin() {
    for (sent, expected) in [
        ("application/json", "application/json"),
        ("text/html", "application/octet-stream"),
        ("image/SVG+xml", "application/octet-stream"),
        ("a\r\nb", "application/octet-stream"),
    ] {
        let reply = Reply::Forwarded {
            content_type: sent.to_owned(),
            body: Bytes::from_static(b"x"),
        };
        let response = responder().respond(reply, &asked(Method::GET, &[]));
        assert_eq!(response.headers()[header::CONTENT_TYPE], expected, "{sent}");
        assert_eq!(response.status(), 200);
    }
}
