//! INV-37: what a token opens, what it does not, and which tokens are none.

use cordon_tests::client::http;
use cordon_tests::cordon::{Builder, Cordon, Upstream};
use cordon_tests::fake_registry::Protocol;
use cordon_tests::fixture;

const TOKEN: &str = "k3X9vQ0mZp7LrT2wYb5NcH8dJf1GsA6u";
const METHODS: [&str; 9] = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND",
];

fn with_token(registry: &cordon_tests::fake_registry::FakeRegistry) -> Cordon {
    Builder::new(registry)
        .server("admin_token_env = \"ADMIN_TOKEN\"")
        .env("ADMIN_TOKEN", TOKEN)
        .start()
}

/// Which routes there are, and by which methods they answer with the token.
const ROUTES: [(&str, &[&str]); 9] = [
    ("", &["GET", "HEAD"]),
    ("healthz", &["GET", "HEAD"]),
    ("readyz", &["GET", "HEAD"]),
    ("metrics", &["GET", "HEAD"]),
    ("status", &["GET", "HEAD"]),
    ("reload", &["POST"]),
    ("metrics/more", &[]),
    ("nothing", &[]),
    ("npm/demo-package", &[]),
];

#[test]
fn inv_37_every_admin_route_and_method_asks_for_the_token() {
    let registry = fixture::registry();
    let cordon = with_token(&registry);
    let mut checked = 0;
    for (route, methods) in ROUTES {
        let url = format!("{}{route}", cordon.admin());
        for method in METHODS {
            for given in [
                None,
                Some("Bearer wrong"),
                Some("Bearer "),
                Some("Basic a2V5"),
            ] {
                let headers: Vec<(&str, &str)> = given
                    .map(|value| ("Authorization", value))
                    .into_iter()
                    .collect();
                let reply = http::request(method, &url, &headers, b"");
                // Probes may learn that the process lives, and nothing else.
                let is_probe = matches!(route, "healthz" | "readyz") && methods.contains(&method);
                match is_probe {
                    true => assert!(reply.body.len() <= 10, "{method} {route}: {}", reply.text()),
                    false => assert!(reply.status >= 400, "{method} {route}: {}", reply.status),
                }
                assert!(!reply.text().contains("generation"), "{method} {route}");
                checked += 1;
            }
        }
    }
    let bearer = format!("Bearer {TOKEN}");
    for (route, methods) in ROUTES {
        let url = format!("{}{route}", cordon.admin());
        for method in METHODS.into_iter().filter(|method| *method != "POST") {
            let status = http::request(method, &url, &[("Authorization", &bearer)], b"").status;
            let is_answered = methods.contains(&method);
            assert_eq!(status == 200, is_answered, "{method} {route}: {status}");
            checked += 1;
        }
    }
    println!("{checked} requests");
    // No reload was let through: it would have been told of.
    let metrics = http::get_with(
        &format!("{}metrics", cordon.admin()),
        &[("Authorization", &bearer)],
    );
    let reloads = |line: &&str| line.starts_with("cordon_policy_reloads_total");
    let counted: Vec<String> = metrics
        .text()
        .lines()
        .filter(reloads)
        .map(str::to_owned)
        .collect();
    assert!(
        counted.iter().all(|line| line.ends_with(" 0")),
        "{counted:?}"
    );
    assert!(!cordon.log().contains(TOKEN), "{}", cordon.log());
}

/// The token of the admin listener means nothing where packages come from: neither more nor less.
#[test]
fn inv_37_the_admin_token_opens_nothing_on_the_registry_port() {
    let registry = fixture::registry();
    let cordon = with_token(&registry);
    let bearer = format!("Bearer {TOKEN}");
    for (route, _) in ROUTES {
        for method in METHODS {
            let url = format!("{}{route}", cordon.root());
            let ask = |headers: &[(&str, &str)]| {
                let reply = http::request(method, &url, headers, b"");
                (reply.status, reply.body)
            };
            let with = ask(&[("Authorization", &bearer)]);
            assert_eq!(with, ask(&[]), "{method} {route}");
        }
    }
    for recorded in registry.log().all() {
        assert!(!recorded.mentions(TOKEN), "{recorded:?}");
    }
}

#[test]
fn inv_37_blank_and_default_secrets_keep_it_from_starting() {
    let registry = fixture::registry();
    let blank = ["", " ", "\t", "  \n", "changeme", "secret", "CHANGE-ME-now"];
    let weak = [
        "0123456789abcdef",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    ];
    for token in blank.into_iter().chain(weak) {
        let started = Builder::new(&registry)
            .server("admin_token_env = \"SECRET\"")
            .env("SECRET", token)
            .try_start();
        let printed = started.expect_err("it must not start");
        assert!(printed.contains("SECRET"), "{printed}");
        let is_repeated = weak.contains(&token) && printed.contains(token);
        assert!(!is_repeated, "{printed}");
    }
    for protocol in Protocol::ALL {
        for credential in blank {
            let upstream = Upstream::of(&registry, protocol, "fake")
                .with("credential_env = \"SECRET\"\ncredential_scheme = \"bearer\"");
            let started = Builder::without_upstreams()
                .upstreams([upstream])
                .env("SECRET", credential)
                .try_start();
            assert!(started.is_err(), "{protocol:?} started with {credential:?}");
        }
    }
}
