use std::net::SocketAddr;

use http::header::{AUTHORIZATION, HOST, HeaderName, ORIGIN};
use http_body_util::BodyExt as _;

use super::*;
use crate::config::Limits;
use crate::exemptions::{Asked, Listed};
use crate::http::target::Target;
use crate::quarantine::{Bulk, Order, Page, Plan, Query, Refused, Reviewed, Ticket};
use crate::server::{Server, ServerSettings, Shutdown};

#[derive(Default)]
struct Fake {
    is_broken: bool,
}

impl AdminState for Fake {
    async fn readiness(&self) -> Readiness {
        let check = Check {
            name: "evidence",
            is_ok: !self.is_broken,
            detail: "as it should be".to_owned(),
        };
        Readiness {
            checks: vec![check],
        }
    }

    async fn status(&self) -> Status {
        Status {
            generation: 7,
            ..Status::default()
        }
    }

    fn self_test(&self) -> Vec<String> {
        vec!["ok, 18 checks at 2026-01-01T00:00:00Z".to_owned()]
    }

    fn notices(&self) -> Vec<String> {
        vec!["advisory rules: inactive, no feed was loaded yet".to_owned()]
    }

    async fn reload(&self) -> Result<String, String> {
        if self.is_broken {
            Err("policy.toml:3:1: unknown key".to_owned())
        } else {
            Ok("generation 8".to_owned())
        }
    }

    async fn exemptions(&self) -> Result<Vec<Listed>, String> {
        Ok(Vec::new())
    }

    async fn grant(&self, asked: Asked) -> Result<String, String> {
        match self.is_broken {
            true => Err("no rule `x`".to_owned()),
            false => Ok(format!(
                "{}/{}/{}",
                asked.text, asked.by, asked.is_break_glass
            )),
        }
    }

    async fn end_exemption(&self, id: &str, by: &str) -> Result<(), String> {
        match id {
            "hotfix" => Ok(()),
            _ => Err(format!("{by}: no such exemption")),
        }
    }

    async fn tickets(&self, query: Query) -> Result<Page, Refused> {
        Ok(Page {
            tickets: Vec::new(),
            next: query.filter.before,
        })
    }

    async fn ticket(&self, id: &str) -> Result<Ticket, Refused> {
        Err(Refused::Unknown(format!("no ticket {id}")))
    }

    async fn review(&self, order: Order) -> Result<Reviewed, Refused> {
        Err(Refused::Conflict(format!("{order:?}")))
    }

    async fn review_many(&self, bulk: Bulk) -> Result<Plan, Refused> {
        Err(Refused::Unsound(vec![format!("{bulk:?}")]))
    }

    async fn fetch_held(&self, id: &str) -> Result<Ticket, Refused> {
        Err(Refused::Failed(format!("upstream is away: {id}")))
    }
}

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

fn admin(is_broken: bool, token: Option<&str>, is_loopback: bool) -> Admin<Fake> {
    let settings = AdminSettings {
        token: token.map(|token| Secret::new(token.to_owned())),
        is_loopback,
    };
    let metrics = Arc::new(Metrics::new(&["npm"]));
    Admin::new(Arc::new(Fake { is_broken }), settings, metrics)
}

async fn ask(
    admin: &Admin<Fake>,
    method: Method,
    path: &str,
    headers: &[(HeaderName, &str)],
) -> (u16, String) {
    let mut map = http::HeaderMap::new();
    for (name, value) in headers {
        map.insert(name, HeaderValue::from_str(value).expect("a value"));
    }
    let request = Request {
        target: Target::from_parts(path, None).expect("a target"),
        method,
        headers: map,
        client: cordon_storage::evidence::Client {
            address: "127.0.0.1".into(),
            agent: "".into(),
        },
        identity: None,
        body: bytes::Bytes::new(),
    };
    let response = admin.handle(request).await;
    let status = response.status().as_u16();
    let body = response
        .into_body()
        .collect()
        .await
        .expect("a body")
        .to_bytes();
    (status, String::from_utf8(body.to_vec()).expect("text"))
}

const LOCAL: (HeaderName, &str) = (HOST, "localhost:4874");

#[tokio::test]
async fn operators_get_their_pages() {
    let admin = admin(false, None, true);
    let get = async |path: &str| ask(&admin, Method::GET, path, &[LOCAL]).await;
    let (status, body) = get("/healthz").await;
    assert_eq!(
        (status, body.as_str()),
        (
            200,
            "ok\nself-test: ok, 18 checks at 2026-01-01T00:00:00Z\nnotice: advisory rules: inactive, no feed was loaded yet\n"
        )
    );
    assert_eq!(
        get("/readyz").await,
        (200, "ready\nevidence: ok: as it should be\n".to_owned())
    );
    let (status, body) = get("/metrics").await;
    assert!(
        status == 200 && body.contains("cordon_build_info{version=") && body.ends_with("# EOF\n"),
        "{body}"
    );
    let (status, body) = get("/status").await;
    let json: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!((status, &json["generation"]), (200, &7.into()));
    assert!(
        json["notices"][0]
            .as_str()
            .is_some_and(|n| n.starts_with("advisory rules")),
        "{body}"
    );
    assert!(get("/").await.1.contains("POST /reload"));
    assert_eq!(get("/nowhere").await.0, 404);
    assert_eq!(get("/status/x").await.0, 404);
    assert_eq!(get("/reload").await.0, 405);
    assert_eq!(
        ask(&admin, Method::POST, "/reload", &[LOCAL]).await,
        (200, "generation 8\n".to_owned())
    );
    assert_eq!(
        ask(&admin, Method::DELETE, "/status", &[LOCAL]).await.0,
        405
    );
}

#[tokio::test]
async fn what_is_broken_is_said() {
    let admin = admin(true, None, true);
    let (status, body) = ask(&admin, Method::GET, "/readyz", &[LOCAL]).await;
    assert_eq!(
        (status, body.as_str()),
        (503, "not ready\nevidence: failed: as it should be\n")
    );
    let (status, body) = ask(&admin, Method::POST, "/reload", &[LOCAL]).await;
    assert!(status == 422 && body.contains("policy.toml:3:1"), "{body}");
    assert_eq!(ask(&admin, Method::GET, "/healthz", &[LOCAL]).await.0, 200);
}

#[tokio::test]
async fn without_the_token_only_probes_are_answered_and_barely() {
    let admin = admin(false, Some(TOKEN), false);
    let right = format!("Bearer {TOKEN}");
    for (path, method) in [
        ("/metrics", Method::GET),
        ("/status", Method::GET),
        ("/reload", Method::POST),
        ("/", Method::GET),
        ("/x", Method::GET),
        ("/x/y", Method::GET),
    ] {
        for wrong in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer 0123456789abcdef0123456789abcdeg",
            "Basic 0123456789abcdef0123456789abcdef",
            TOKEN,
        ] {
            let headers = [(AUTHORIZATION, wrong)];
            let (status, body) = ask(&admin, method.clone(), path, &headers).await;
            assert_eq!(status, 401, "{path} with {wrong:?}: {body}");
        }
        let (status, _) = ask(&admin, method, path, &[(AUTHORIZATION, &right)]).await;
        assert_ne!(status, 401, "{path}");
    }
    assert_eq!(
        ask(&admin, Method::GET, "/healthz", &[]).await,
        (200, "ok\n".to_owned())
    );
    assert_eq!(
        ask(&admin, Method::GET, "/readyz", &[]).await,
        (200, "ready\n".to_owned())
    );
}

#[tokio::test]
async fn inv_51_a_web_page_gets_nothing() {
    let admin = admin(false, None, true);
    for host in [
        "evil.example",
        "evil.example:4874",
        "localhost.evil.example",
        "192.0.2.1",
        "127.0.0.1.evil.example",
    ] {
        let (status, _) = ask(&admin, Method::GET, "/status", &[(HOST, host)]).await;
        assert_eq!(status, 421, "{host}");
    }
    assert_eq!(ask(&admin, Method::GET, "/status", &[]).await.0, 421);
    for host in [
        "localhost",
        "LOCALHOST:1",
        "127.0.0.1:4874",
        "[::1]:4874",
        "127.8.8.8",
    ] {
        let (status, _) = ask(&admin, Method::GET, "/status", &[(HOST, host)]).await;
        assert_eq!(status, 200, "{host}");
    }
    let site = HeaderName::from_static("sec-fetch-site");
    for (name, value) in [
        (ORIGIN, "https://evil.example"),
        (ORIGIN, "null"),
        (ORIGIN, "http://localhost:9999"),
        (site.clone(), "cross-site"),
        (site, "same-site"),
    ] {
        let (status, _) = ask(&admin, Method::POST, "/reload", &[LOCAL, (name, value)]).await;
        assert_eq!(status, 403, "{value}");
    }
    let own = [LOCAL, (ORIGIN, "http://localhost:4874")];
    assert_eq!(ask(&admin, Method::POST, "/reload", &own).await.0, 200);
}

#[tokio::test]
async fn it_listens_over_http1_and_http2() {
    let metrics = Arc::new(Metrics::new(&[]));
    let settings = ServerSettings::new(&Limits::default(), Vec::new());
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let admin = admin(false, None, true);
    let server = Server::bind(address, settings, None, admin, metrics)
        .await
        .expect("binds");
    let url = format!("http://{}/healthz", server.address());
    let shutdown = Shutdown::new();
    tokio::spawn(server.run(shutdown.drain()));
    for is_http2 in [false, true] {
        let mut client = reqwest::Client::builder().no_proxy();
        if is_http2 {
            client = client.http2_prior_knowledge();
        }
        let client = client.build().expect("a client");
        let response = client.get(&url).send().await.expect("answered");
        assert_eq!(response.status(), 200, "HTTP/2: {is_http2}");
    }
}
