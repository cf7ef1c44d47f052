//! What stays on its side: credentials, headers, origins, private names (INV-31 to 36, 37, 38).

use cordon_tests::client::{http, listing};
use cordon_tests::cordon::{Builder, Cordon, Upstream};
use cordon_tests::fake_registry::{FakeRegistry, Fault, Index, Protocol, Release, index_path};
use cordon_tests::fixture::{self, OLD, PACKAGE, Scene};
use cordon_tests::wait;

const UPSTREAM_TOKEN: &str = "upstream-secret-canary";
const CLIENT_TOKEN: &str = "client-secret-canary";

/// One upstream registry that wants a token, and nothing else to go to.
fn with_credential(registry: &FakeRegistry, protocol: Protocol) -> Cordon {
    let upstream = Upstream::of(registry, protocol, "fake")
        .with("credential_env = \"UPSTREAM_TOKEN\"\ncredential_scheme = \"bearer\"");
    Builder::without_upstreams()
        .upstreams([upstream])
        .env("UPSTREAM_TOKEN", UPSTREAM_TOKEN)
        .start()
}

#[test]
fn inv_31_a_credential_goes_to_its_own_origin_and_survives_no_redirect() {
    for protocol in Protocol::ALL {
        let registry = fixture::registry();
        let stranger = FakeRegistry::start();
        let cordon = with_credential(&registry, protocol);
        let base = cordon.url(protocol);
        let url = listing::locked_url(protocol, &base, PACKAGE, OLD);
        let document = registry.document_path(protocol, PACKAGE);
        let asked = registry.log().of(&document);
        assert!(
            asked.iter().any(|r| r.mentions(UPSTREAM_TOKEN)),
            "{protocol:?}: {asked:?}"
        );
        let path = registry.file_path(protocol, PACKAGE, OLD);
        let away = stranger.files_origin().trim_end_matches('/').to_owned();
        let authority = away.trim_start_matches("http://").to_owned();
        for status in [301, 302, 303, 307, 308] {
            for location in [
                format!("{away}{path}"),
                format!("//{authority}{path}"),
                format!("http://user:{UPSTREAM_TOKEN}@{authority}{path}"),
                format!("{away}/%2e%2e/{path}"),
                format!("\\\\{authority}{path}"),
                format!("http:{authority}{path}"),
            ] {
                let fault = Fault::Redirect { status, location };
                registry.fault(&path, fault.clone());
                let reply = http::get(&url);
                assert!(
                    reply.status >= 400,
                    "{protocol:?} {fault:?}: {}",
                    reply.status
                );
                registry.clear_fault(&path);
            }
        }
        assert!(
            stranger.log().is_empty(),
            "{protocol:?}: {:?}",
            stranger.log().all()
        );
        // The second configured origin, for files, is trusted with requests but not with the token.
        for recorded in registry.log().all() {
            let host = recorded.header("host").unwrap_or_default();
            let is_files = registry.files_origin().contains(host);
            assert!(
                !(is_files && recorded.mentions(UPSTREAM_TOKEN)),
                "{recorded:?}"
            );
        }
        assert!(!cordon.log().contains(UPSTREAM_TOKEN), "{}", cordon.log());
    }
}

#[test]
fn inv_32_what_one_side_says_of_itself_never_reaches_the_other() {
    let scene = Scene::new();
    let hostile = [
        ("Set-Cookie", "canary=1"),
        ("Content-Security-Policy", "default-src canary"),
        ("Strict-Transport-Security", "max-age=1; canary"),
        ("Link", "<canary>; rel=preload"),
        ("Refresh", "0; url=canary"),
        ("Access-Control-Allow-Origin", "canary"),
        ("X-Canary", "canary"),
        ("Server", "canary"),
        ("WWW-Authenticate", "Bearer realm=\"canary\""),
    ];
    for tree in ["/npm/*", "/pypi/*", "/cargo/*", "/packages/*", "/crates/*"] {
        let all = hostile
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        scene.registry.fault(tree, Fault::Headers(all.collect()));
    }
    let sent = [
        ("Authorization", format!("Bearer {CLIENT_TOKEN}")),
        ("Proxy-Authorization", format!("Basic {CLIENT_TOKEN}")),
        ("Cookie", format!("a={CLIENT_TOKEN}")),
        ("Referer", format!("http://x.example/{CLIENT_TOKEN}")),
        ("X-Forwarded-For", CLIENT_TOKEN.to_owned()),
        ("User-Agent", CLIENT_TOKEN.to_owned()),
        ("npm-session", CLIENT_TOKEN.to_owned()),
        ("X-Anything", CLIENT_TOKEN.to_owned()),
        ("Accept-Language", CLIENT_TOKEN.to_owned()),
        ("traceparent", CLIENT_TOKEN.to_owned()),
    ];
    let sent: Vec<(&str, &str)> = sent.iter().map(|(n, v)| (*n, v.as_str())).collect();
    for protocol in Protocol::ALL {
        let base = scene.cordon.url(protocol);
        let document = match protocol {
            Protocol::Npm => format!("{base}{PACKAGE}"),
            Protocol::Pypi => format!("{base}simple/{PACKAGE}/"),
            Protocol::Cargo => format!("{base}{}", index_path(PACKAGE)),
        };
        let mut replies = vec![http::get_with(&document, &sent).expect(200)];
        let url = listing::locked_url(protocol, &base, PACKAGE, OLD);
        replies.push(http::get_with(&url, &sent).expect(200));
        for reply in replies {
            let headers = format!("{:?}", reply.headers);
            assert!(!headers.contains("canary"), "{protocol:?}: {headers}");
        }
    }
    for recorded in scene.registry.log().all() {
        assert!(!recorded.mentions(CLIENT_TOKEN), "{recorded:?}");
    }
    assert!(
        !scene.cordon.log().contains(CLIENT_TOKEN),
        "{}",
        scene.cordon.log()
    );
}

#[test]
fn inv_33_a_foreign_origin_in_a_document_is_never_connected_to() {
    let stranger = fixture::registry();
    let registry = FakeRegistry::start();
    let away = stranger.upstream(Protocol::Npm);
    let tarball = format!("{away}{PACKAGE}/-/{PACKAGE}-{OLD}.tgz");
    let dist = serde_json::json!({ "tarball": tarball });
    registry.publish(Release::npm(PACKAGE, OLD).field("dist", dist));
    let file = stranger.file_path(Protocol::Pypi, PACKAGE, OLD);
    let elsewhere = format!(
        "{}{}",
        stranger.files_origin(),
        file.trim_start_matches('/')
    );
    let name = file.rsplit('/').next().unwrap_or_default();
    let page = format!(
        "<!DOCTYPE html><html><body><a href=\"{elsewhere}#sha256={}\">{name}</a></body></html>",
        "0".repeat(64)
    );
    let simple = registry.document_path(Protocol::Pypi, PACKAGE);
    registry.put(&simple, "text/html", page);
    registry.publish(Release::cargo(PACKAGE, OLD));
    registry.set_cargo_dl(&format!(
        "{}crates/{{crate}}/{{version}}/download",
        stranger.files_origin()
    ));
    let cordon = Cordon::start(&registry);
    let npm = cordon.url(Protocol::Npm);
    let pypi = cordon.url(Protocol::Pypi);
    let cargo = cordon.url(Protocol::Cargo);
    for url in [
        format!("{npm}{PACKAGE}"),
        format!("{npm}{PACKAGE}/-/{PACKAGE}-{OLD}.tgz"),
        format!("{pypi}simple/{PACKAGE}/"),
        format!("{pypi}files/{PACKAGE}/{name}"),
        format!("{cargo}{}", index_path(PACKAGE)),
        format!("{cargo}api/v1/crates/{PACKAGE}/{OLD}/download"),
    ] {
        let reply = http::get(&url);
        let is_file = url.contains("/-/") || url.contains("/files/") || url.ends_with("download");
        assert!(!is_file || reply.status >= 400, "{url}: {}", reply.status);
        // A refusal may say, as prose for the operator, which origin was not configured.
        assert!(
            reply.status >= 400 || !reply.text().contains(away.trim_end_matches("/npm/")),
            "{url}: {}",
            reply.text()
        );
    }
    assert!(stranger.log().is_empty(), "{:?}", stranger.log().all());
    assert!(!registry.log().is_empty());
}

const PRIVATE_NAMES: [&str; 2] = ["@acme/inside", "acme-inside"];

/// Every kind of request about private names, in several spellings.
fn private_paths() -> Vec<String> {
    let mut paths = Vec::new();
    for name in PRIVATE_NAMES
        .into_iter()
        .chain(["@acme%2finside", "acme-missing", "@acme/missing"])
    {
        let last = name.rsplit(['/', 'f']).next().unwrap_or(name);
        paths.extend([
            format!("npm/{name}"),
            format!("npm/{name}/1.0.0"),
            format!("npm/{name}/latest"),
            format!("npm/-/package/{name}/dist-tags"),
            format!("npm/{name}/-/{last}-1.0.0.tgz"),
            format!("npm/-/npm/v1/attestations/{name}@1.0.0"),
        ]);
    }
    for name in ["acme-inside", "Acme_Inside", "acme.inside", "acme-missing"] {
        let file = format!("{}-1.0.0-py3-none-any.whl", name.replace(['-', '.'], "_"));
        paths.extend([
            format!("pypi/simple/{name}/"),
            format!("pypi/simple/{name}"),
            format!("pypi/pypi/{name}/json"),
            format!("pypi/pypi/{name}/1.0.0/json"),
            format!("pypi/files/{name}/{file}"),
            format!("pypi/files/{name}/{file}.metadata"),
            format!("pypi/integrity/{name}/1.0.0/{file}/provenance"),
            format!("cargo/{}", index_path(&name.to_lowercase())),
            format!("cargo/api/v1/crates/{name}/1.0.0/download"),
            format!("cargo/crates/{name}/1.0.0/{}/download", "0".repeat(64)),
        ]);
    }
    paths
}

#[test]
fn inv_34_a_private_name_is_asked_for_nowhere_else() {
    let private = FakeRegistry::start();
    let public = FakeRegistry::start();
    for protocol in Protocol::ALL {
        for registry in [&private, &public] {
            registry.publish(Release::new(protocol, "acme-inside", "1.0.0").with_provenance());
        }
    }
    let mut upstreams = Vec::new();
    for protocol in Protocol::ALL {
        let only = match protocol {
            Protocol::Npm => "only = [\"@acme/*\", \"acme-*\"]\nexclusive = true",
            _ => "only = [\"acme-*\"]\nexclusive = true",
        };
        upstreams.push(Upstream::of(&public, protocol, "public"));
        upstreams.push(Upstream::of(&private, protocol, "private").with(only));
    }
    let cordon = Builder::without_upstreams().upstreams(upstreams).start();
    let root = cordon.root();
    let paths = private_paths();
    let ask_all = || {
        for path in &paths {
            let _ = http::get(&format!("{root}{path}"));
        }
    };
    ask_all();
    // Nor when its own registry fails: no answer is no leave to ask elsewhere.
    for tree in ["/npm/*", "/pypi/*", "/cargo/*", "/packages/*", "/crates/*"] {
        private.fault(tree, Fault::Status(503));
    }
    ask_all();
    let asked: Vec<String> = public.log().all().into_iter().map(|r| r.path).collect();
    let named: Vec<&String> = asked.iter().filter(|path| path.contains("acme")).collect();
    assert!(named.is_empty(), "asked elsewhere: {named:?}");
    assert!(private.log().containing("acme") > 0);
    println!("{} requests, 0 at the other registry", paths.len() * 2);
}

const OWNED: &str = r#"
[[rules.namespace.owned]]
ecosystem = "npm"
names = ["@acme/*", "acme-*"]
upstreams = ["private"]
[[rules.namespace.owned]]
ecosystem = "pypi"
names = ["acme-*"]
upstreams = ["private"]
[[rules.namespace.owned]]
ecosystem = "cargo"
names = ["acme-*"]
"#;

#[test]
fn inv_34_an_owned_name_goes_home_and_to_nobody_else() {
    let private = FakeRegistry::start();
    let public = FakeRegistry::start();
    let mut upstreams = Vec::new();
    for protocol in Protocol::ALL {
        for registry in [&private, &public] {
            registry.publish(Release::new(protocol, "acme-inside", "1.0.0").with_provenance());
        }
        upstreams.push(Upstream::of(&public, protocol, "public"));
        upstreams.push(Upstream::of(&private, protocol, "private"));
    }
    let cordon = Builder::without_upstreams()
        .upstreams(upstreams)
        .policy(OWNED)
        .start();
    let root = cordon.root();
    let mut paths = private_paths();
    // A search says the name as well.
    for text in [
        "acme-inside",
        "%40acme%2Finside",
        "keywords%3A%40ACME/x",
        "acme-",
        "%40acme",
        "scope:acme",
        "scope%3AAcme",
    ] {
        paths.push(format!("npm/-/v1/search?text={text}&size=20"));
    }
    // And in capitals it is the same name to whoever reads it there.
    for name in ["@Acme/x", "@ACME%2fX", "Acme-foo"] {
        paths.push(format!("npm/{name}"));
    }
    for path in &paths {
        let _ = http::get(&format!("{root}{path}"));
    }
    let asked = public.log().all().into_iter();
    let asked: Vec<String> = asked.map(|r| r.path.to_ascii_lowercase()).collect();
    let named: Vec<&String> = asked.iter().filter(|path| path.contains("acme")).collect();
    assert!(named.is_empty(), "asked elsewhere: {named:?}");
    assert!(private.log().containing("acme") > 0);
    // What has a home is served from it; what has none is refused, and says why.
    let page = cordon.get(Protocol::Pypi, "simple/acme-inside/");
    assert_eq!(page.status, 200, "{}", page.text());
    let homeless = cordon.get(Protocol::Cargo, &index_path("acme-inside"));
    assert_eq!(homeless.status, 403);
    assert!(
        homeless.text().contains("a name owned here"),
        "{}",
        homeless.text()
    );
    let search = cordon.get(Protocol::Npm, "-/v1/search?text=acme-inside");
    assert_eq!(search.status, 403, "{}", search.text());
}

#[test]
fn an_owned_name_that_somebody_took_elsewhere_is_hidden_and_told_of() {
    let public = FakeRegistry::start();
    public.publish(Release::new(Protocol::Npm, "acme-inside", "9.9.9"));
    public.publish(Release::new(Protocol::Npm, PACKAGE, OLD));
    let private = FakeRegistry::start();
    let upstreams = Protocol::ALL.into_iter().flat_map(|protocol| {
        [
            Upstream::of(&public, protocol, "public"),
            Upstream::of(&private, protocol, "private"),
        ]
    });
    let cordon = Builder::without_upstreams()
        .upstreams(upstreams)
        .policy(OWNED)
        .start();
    // The text holds no owned name, but what comes back does.
    let search = cordon.get(Protocol::Npm, "-/v1/search?text=inside");
    assert_eq!(search.status, 200, "{}", search.text());
    assert!(!search.text().contains("acme-inside"), "{}", search.text());
    let told = || {
        let notices = cordon.command(&["log", "notices", "--json"]);
        String::from_utf8_lossy(&notices.stdout).contains("owned-name-elsewhere")
    };
    wait::until("the notice", told);
}

/// Headers a client or something before it may set; none may choose bytes or addresses.
fn strange_headers(seed: u64) -> Vec<(&'static str, String)> {
    let host = format!("evil-{seed}.example:{}", seed % 60_000);
    let all = [
        ("Host", host.clone()),
        ("X-Forwarded-Host", host.clone()),
        ("X-Forwarded-Proto", "https".to_owned()),
        ("X-Forwarded-Prefix", format!("/{host}")),
        ("X-Forwarded-Port", "1".to_owned()),
        ("Forwarded", format!("host={host};proto=https")),
        ("X-Original-URL", format!("/npm/{host}")),
        ("X-Rewrite-URL", format!("/npm/{host}")),
        ("X-HTTP-Method-Override", "DELETE".to_owned()),
        ("X-Host", host.clone()),
        ("Origin", format!("http://{host}")),
        ("Accept-Language", "de".to_owned()),
        ("User-Agent", host),
        ("Cache-Control", "no-cache, no-store".to_owned()),
        ("Pragma", "no-cache".to_owned()),
    ];
    let chosen = |(number, _): &(usize, _)| (seed >> (number % 16)) & 1 == 1;
    all.into_iter()
        .enumerate()
        .filter(chosen)
        .map(|(_, header)| header)
        .collect()
}

#[test]
fn inv_35_36_no_request_header_changes_bytes_or_addresses() {
    let scene = Scene::new();
    for protocol in Protocol::ALL {
        let base = scene.cordon.url(protocol);
        let mut urls = vec![listing::locked_url(protocol, &base, PACKAGE, OLD)];
        urls.extend(match protocol {
            Protocol::Npm => vec![format!("{base}{PACKAGE}")],
            Protocol::Pypi => vec![format!("{base}simple/{PACKAGE}/")],
            Protocol::Cargo => vec![
                format!("{base}{}", index_path(PACKAGE)),
                format!("{base}config.json"),
            ],
        });
        for url in urls {
            let plain = http::get(&url).expect(200);
            for turn in 1..=crate::scale(40, 4_000) {
                let seed = turn.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20;
                let headers = strange_headers(seed);
                let headers: Vec<(&str, &str)> =
                    headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
                let reply = http::get_with(&url, &headers);
                // A listener that serves only its own name may refuse; it may not answer otherwise.
                if reply.status == 200 {
                    assert_eq!(reply.body, plain.body, "{url} {headers:?}");
                } else {
                    assert!(
                        matches!(reply.status, 400 | 403 | 421),
                        "{url}: {}",
                        reply.status
                    );
                }
                assert!(!format!("{reply:?}").contains("evil-"), "{url} {headers:?}");
            }
        }
    }
}

#[test]
fn inv_37_the_admin_listener_answers_only_its_whole_token() {
    let registry = fixture::registry();
    let token = "k3X9vQ0mZp7LrT2wYb5NcH8dJf1GsA6u";
    let cordon = Builder::new(&registry)
        .server("admin_token_env = \"ADMIN_TOKEN\"")
        .env("ADMIN_TOKEN", token)
        .start();
    let url = format!("{}metrics", cordon.admin());
    let with = |value: &str| http::get_with(&url, &[("Authorization", value)]).status;
    assert_eq!(with(&format!("Bearer {token}")), 200);
    assert_eq!(http::get(&url).status, 401);
    let half = &token[..16];
    for wrong in [
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        format!("Bearer {half}"),
        format!("Bearer {token}x"),
        format!("Bearer {}", token.to_lowercase()),
        format!("Basic {token}"),
        token.to_owned(),
        format!("Bearer {token} {token}"),
    ] {
        let status = with(&wrong);
        assert!(matches!(status, 401 | 403), "{wrong:?}: {status}");
    }
    // Nothing administrative is on the port packages come from, token or not.
    for path in ["metrics", "admin", "status", "reload"] {
        let url = format!("{}{path}", cordon.root());
        let reply = http::get_with(&url, &[("Authorization", &format!("Bearer {token}"))]);
        assert!(reply.status >= 400, "{path}: {}", reply.status);
    }
    for weak in ["", "changeme"] {
        let started = Builder::new(&registry)
            .server("admin_token_env = \"ADMIN_TOKEN\"")
            .env("ADMIN_TOKEN", weak)
            .try_start();
        assert!(started.is_err(), "started with the token {weak:?}");
    }
}

/// H-01 to H-09: a path that can be read in two ways is read in neither.
#[test]
fn inv_38_a_path_with_two_readings_is_refused_before_anything_is_asked() {
    let scene = Scene::new();
    let tarball = format!("{PACKAGE}-{OLD}.tgz");
    let mut targets: Vec<Vec<u8>> = [
        format!("/npm/../npm/{PACKAGE}"),
        format!("/npm/./{PACKAGE}"),
        format!("/npm/%2e%2e/npm/{PACKAGE}"),
        format!("/npm/%2E%2e%2fnpm%2f{PACKAGE}"),
        format!("/npm/%252e%252e/{PACKAGE}"),
        format!("/npm//{PACKAGE}"),
        format!("//npm/{PACKAGE}"),
        format!("/npm/{PACKAGE}/-/..%2f{tarball}"),
        format!("/npm/{PACKAGE}/-/{tarball}%00"),
        format!("/npm/{PACKAGE}%00/-/{tarball}"),
        format!("/npm/{PACKAGE}/-/{tarball}%0d%0aX:y"),
        format!("/npm\\{PACKAGE}"),
        format!("/npm/%5c{PACKAGE}"),
        format!("/npm/{PACKAGE};x=1"),
        format!("/npm/{PACKAGE}/-/{tarball};x"),
        format!("/npm/%c0%ae%c0%ae/{PACKAGE}"),
        format!("/npm/{PACKAGE}%zz"),
        format!("/npm/{PACKAGE}%"),
        format!("/pypi/simple/{PACKAGE}/../{PACKAGE}/"),
        format!("/pypi/files/{PACKAGE}/%2e%2e/x.whl"),
        format!("/cargo/de/mo/../mo/{PACKAGE}"),
        format!("/cargo/crates/{PACKAGE}/{OLD}/../download"),
        format!("/npm/{}", "a/".repeat(40)),
        format!("/npm/{}", "a".repeat(4_000)),
    ]
    .into_iter()
    .map(String::into_bytes)
    .collect();
    targets.push(b"/npm/\xff\xfe".to_vec());
    targets.push(format!("/npm/{PACKAGE}/-/{tarball}\x0b").into_bytes());
    for target in targets {
        let shown = String::from_utf8_lossy(&target).into_owned();
        let mut request = b"GET ".to_vec();
        request.extend_from_slice(&target);
        request.extend_from_slice(b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let received = http::raw(scene.cordon.root(), &request);
        if let Some(reply) = received
            .ok()
            .and_then(|bytes| http::parse(&bytes, false).ok())
        {
            assert!(
                (400..500).contains(&reply.status),
                "{shown}: {}",
                reply.status
            );
        }
    }
    assert!(
        scene.registry.log().is_empty(),
        "{:?}",
        scene.registry.log().all()
    );
}

/// RFC 9112 has no `#` in a request target: it is not cut off and the rest answered.
#[test]
fn inv_38_a_fragment_in_the_request_target_is_refused() {
    let scene = Scene::new();
    let url = format!("{}npm/{PACKAGE}#fragment", scene.cordon.root());
    assert_eq!(http::get(&url).status, 400);
}

/// The index may move along with a redirect; the pin does not.
#[test]
fn inv_31_a_redirect_to_a_configured_origin_is_followed_and_proved() {
    let scene = Scene::new();
    let path = scene.registry.file_path(Protocol::Npm, PACKAGE, OLD);
    let expected = scene.registry.bytes_of(Protocol::Npm, PACKAGE, OLD);
    let files = scene.registry.files_origin();
    scene.registry.put(
        "/moved/file.tgz",
        "application/octet-stream",
        expected.clone(),
    );
    let there = format!("{files}moved/file.tgz");
    scene.registry.fault(&path, Fault::redirect_to(there));
    let base = scene.cordon.url(Protocol::Npm);
    let url = listing::locked_url(Protocol::Npm, &base, PACKAGE, OLD);
    assert_eq!(http::get(&url).expect(200).body, expected);
    let young = fixture::YOUNG;
    let path = scene.registry.file_path(Protocol::Npm, PACKAGE, young);
    scene
        .registry
        .change_bytes(Protocol::Npm, PACKAGE, young, "other", Index::Stays);
    scene
        .registry
        .fault(&path, Fault::redirect_to(format!("{files}moved/file.tgz")));
    let url = listing::locked_url(Protocol::Npm, &base, PACKAGE, young);
    assert!(http::get(&url).status >= 400);
}
