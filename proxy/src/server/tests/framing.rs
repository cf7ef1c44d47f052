//! Requests as attackers and broken clients send them (H-11, H-18, H-20 to H-31).

use std::fmt::Write as _;

use super::*;

const TAIL: &str = "host: a\r\n\r\n";

/// Every case must be refused, and nothing behind it on the connection answered.
async fn refused(cases: &[String]) {
    let server = start(settings()).await;
    for case in cases {
        let smuggled =
            format!("{case}GET /npm/smuggled HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        let text = server.exchange(smuggled.as_bytes()).await;
        let status = status_of(&text);
        let shown = &case[..case.len().min(120)];
        assert!(
            ["400", "431", "414", "505"].contains(&status),
            "{shown:?} got {text}"
        );
        assert!(!text.contains("smuggled"), "{shown:?} got {text}");
    }
}

fn owned(cases: &[&str]) -> Vec<String> {
    cases.iter().map(|case| (*case).to_owned()).collect()
}

#[tokio::test]
async fn h11_an_open_proxy_it_is_not() {
    let server = start(settings()).await;
    for (head, status) in [
        (
            "GET http://evil.example/npm/a HTTP/1.1\r\nhost: evil.example\r\n",
            "400",
        ),
        (
            "GET http://localhost/npm/a HTTP/1.1\r\nhost: localhost\r\n",
            "400",
        ),
        (
            "CONNECT evil.example:443 HTTP/1.1\r\nhost: evil.example:443\r\n",
            "405",
        ),
        ("OPTIONS * HTTP/1.1\r\nhost: a\r\n", "400"),
        ("GET npm/a HTTP/1.1\r\nhost: a\r\n", "400"),
    ] {
        let text = server
            .exchange(format!("{head}connection: close\r\n\r\n").as_bytes())
            .await;
        assert_eq!(status_of(&text), status, "{head} got {text}");
    }
    let own = format!("localhost:{}", server.address.port());
    let head =
        format!("GET http://{own}/npm/a HTTP/1.1\r\nhost: {own}\r\nconnection: close\r\n\r\n");
    assert_eq!(status_of(&server.exchange(head.as_bytes()).await), "200");
}

#[tokio::test]
async fn h18_unknown_methods_are_405_and_overrides_mean_nothing() {
    let server = start(settings()).await;
    for method in ["TRACE", "PROPFIND", "BREW", "get"] {
        let head = format!("{method} /npm/a HTTP/1.1\r\nconnection: close\r\n{TAIL}");
        assert_eq!(
            status_of(&server.exchange(head.as_bytes()).await),
            "405",
            "{method}"
        );
    }
    let head = format!(
        "GET /npm/a HTTP/1.1\r\nX-HTTP-Method-Override: DELETE\r\nconnection: close\r\n{TAIL}"
    );
    assert_eq!(status_of(&server.exchange(head.as_bytes()).await), "200");
}

#[tokio::test]
async fn h20_a_request_with_a_body_is_the_last_of_its_connection() {
    let server = start(settings()).await;
    let next = "GET /npm/next HTTP/1.1\r\nhost: a\r\n\r\n";
    for head in [
        "GET /npm/a HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n0123456789",
        "GET /npm/a HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
    ] {
        let text = server.exchange(format!("{head}{next}").as_bytes()).await;
        assert_eq!(status_of(&text), "200", "{text}");
        assert!(
            text.contains("connection: close") && text.ends_with("\r\n\r\na"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_large_upload_is_refused_with_an_answer_that_arrives() {
    let server = start(settings()).await;
    let size = 20 * 1024 * 1024;
    let mut request =
        format!("PUT /npm/a HTTP/1.1\r\nhost: a\r\ncontent-length: {size}\r\n\r\n").into_bytes();
    request.resize(request.len() + size, b'x');
    let text = server.exchange(&request).await;
    assert!(
        text.starts_with("HTTP/1.1 405 ") && text.ends_with("read only"),
        "{text}"
    );

    let waits =
        "PUT /npm/a HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\nexpect: 100-continue\r\n\r\n";
    let text = server.exchange(waits.as_bytes()).await;
    assert!(text.starts_with("HTTP/1.1 405 "), "no 100 first: {text}");
}

#[tokio::test]
async fn h21_an_upgrade_is_ignored() {
    let server = start(settings()).await;
    for upgrade in [
        "connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAARAAAAAAAIAAAAA\r\n",
        "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n",
    ] {
        let first = format!("GET /npm/first HTTP/1.1\r\n{upgrade}{TAIL}");
        let next = format!("GET /npm/next HTTP/1.1\r\nconnection: close\r\n{TAIL}");
        let text = server.exchange(format!("{first}{next}").as_bytes()).await;
        assert!(
            text.starts_with("HTTP/1.1 200 ") && !text.contains("101"),
            "{text}"
        );
        assert!(
            text.contains("\r\n\r\nfirstHTTP/1.1 200 ") && text.ends_with("next"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn h22_h23_h24_an_unclear_length_is_refused() {
    let heads = [
        "content-length: 3\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ncontent-length: 3",
        "transfer-encoding: xchunked",
        "transfer-encoding: chunked, identity",
        "transfer-encoding: gzip, chunked",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked",
        "transfer-encoding: identity\r\ntransfer-encoding: chunked",
        "transfer-encoding\t: chunked",
        "transfer-encoding:\u{b}chunked",
        "content-length: 3\r\ncontent-length: 3",
        "content-length: 3\r\ncontent-length: 4",
        "content-length: +5",
        "content-length: 0x5",
        "content-length: 5,5",
        "content-length: -1",
        "content-length: 18446744073709551616",
        "content-length: 18446744073709551615",
        "content-length: ",
    ];
    let cases: Vec<String> = heads
        .iter()
        .map(|head| format!("POST /npm/a HTTP/1.1\r\n{head}\r\n{TAIL}0\r\n\r\n"))
        .collect();
    refused(&cases).await;
}

#[tokio::test]
async fn h25_lines_end_with_both_characters_and_do_not_fold() {
    refused(&owned(&[
        "GET /npm/a HTTP/1.1\nhost: a\n\n",
        "GET /npm/a HTTP/1.1\r\nhost: a\n\r\n",
        "GET /npm/a HTTP/1.1\r\nhost: a\r\n\n",
        "GET /npm/a HTTP/1.1\r\nhost: a\rx: y\r\n\r\n",
        "GET /npm/a HTTP/1.1\r\nhost: a\r\nx: y\r\n z\r\n\r\n",
        "GET /npm/a HTTP/1.1\r\nhost : a\r\n\r\n",
        "GET /npm/a HTTP/1.1\r\n host: a\r\n\r\n",
        "GET  /npm/a HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET /npm/a b HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET /npm/a\u{0} HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET /npm/a HTTP/1.1\r\nhost: a\r\nx: \u{0}\r\n\r\n",
    ]))
    .await;
}

#[tokio::test]
async fn h26_broken_chunks_are_refused() {
    let head = format!("POST /npm/a HTTP/1.1\r\ntransfer-encoding: chunked\r\n{TAIL}");
    let long_extension = format!("1;{}\r\nx\r\n0\r\n\r\n", "e".repeat(1024 * 1024));
    let cases: Vec<String> = [
        "x\r\n",
        "1;a\nb\r\nx\r\n0\r\n\r\n",
        "fffffffffffffffff\r\n",
        "-1\r\n",
        "1\r\nxy\r\n0\r\n\r\n",
        &long_extension,
    ]
    .iter()
    .map(|body| format!("{head}{body}"))
    .collect();
    refused(&cases).await;
}

#[tokio::test]
async fn h27_other_versions_are_refused() {
    refused(&owned(&[
        "GET /npm/a HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET /npm/a\r\n",
        "GET /npm/a HTTP/1.9\r\nhost: a\r\n\r\n",
        "GET /npm/a HTTP/3.0\r\nhost: a\r\n\r\n",
        "GET /npm/a FTP/1.1\r\nhost: a\r\n\r\n",
    ]))
    .await;
}

#[tokio::test]
async fn h28_the_host_is_one_and_plain() {
    let cases: Vec<String> = [
        "",
        "host: a\r\nhost: a\r\n",
        "host: \r\n",
        "host: a,b\r\n",
        "host: u@a\r\n",
        "host: a:0\r\n",
    ]
    .iter()
    .map(|host| format!("GET /npm/a HTTP/1.1\r\n{host}\r\n"))
    .collect();
    refused(&cases).await;
}

#[tokio::test]
async fn h30_too_much_head_is_refused() {
    let mut many = "GET /npm/a HTTP/1.1\r\nhost: a\r\n".to_owned();
    for index in 0..10_000 {
        write!(many, "x-{index}: y\r\n").expect("writes");
    }
    many.push_str("\r\n");
    let large = format!(
        "GET /npm/a HTTP/1.1\r\nx: {}\r\n{TAIL}",
        "y".repeat(1024 * 1024)
    );
    let target = |size| format!("GET /npm/{} HTTP/1.1\r\n{TAIL}", "a".repeat(size));
    refused(&[
        many,
        large,
        target(8 * 1024),
        target(64 * 1024),
        target(1024 * 1024),
    ])
    .await;
}

#[tokio::test]
async fn h31_a_thousand_pipelined_requests_are_answered_in_order() {
    let server = start(settings()).await;
    let mut requests = String::new();
    for index in 0..1000 {
        let name = if index % 3 == 0 {
            "blocked".to_owned()
        } else {
            format!("n{index}")
        };
        write!(requests, "GET /npm/{name} HTTP/1.1\r\n{TAIL}").expect("writes");
    }
    requests.push_str("GET /npm/end HTTP/1.1\r\nconnection: close\r\nhost: a\r\n\r\n");
    let mut stream = server.connect().await;
    let (mut reader, mut writer) = stream.split();
    let (text, written) = tokio::join!(
        read_to_end(&mut reader),
        writer.write_all(requests.as_bytes())
    );
    written.expect("writes");
    let bodies: Vec<&str> = text
        .split("HTTP/1.1 ")
        .skip(1)
        .map(|response| response.rsplit("\r\n\r\n").next().unwrap_or_default())
        .collect();
    assert_eq!(bodies.len(), 1001);
    for (index, body) in bodies.iter().take(1000).enumerate() {
        let expected = if index % 3 == 0 {
            "{\"error\":\"no\"}".to_owned()
        } else {
            format!("n{index}")
        };
        assert_eq!(*body, expected, "answer {index}");
    }
}

#[tokio::test]
async fn conformance_103_head_agrees_with_get() {
    let server = start(settings()).await;
    for path in [
        "/npm/one",
        "/npm/blocked",
        "/npm/large",
        "/npm/panic",
        "/npm/..",
    ] {
        let get = server.get(path).await;
        let head = format!("HEAD {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        let head = server.exchange(head.as_bytes()).await;
        let lines = |text: &str| -> Vec<String> {
            let (head, _) = text.split_once("\r\n\r\n").expect("a head");
            head.lines()
                .filter(|l| !l.starts_with("date"))
                .map(str::to_owned)
                .collect()
        };
        assert_eq!(lines(&get), lines(&head), "{path}");
        assert!(head.ends_with("\r\n\r\n"), "{path} has no body");
    }
}
