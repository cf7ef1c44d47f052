//! The engine behind the server's seam.

use cordon_policy::decision::DecisionId;
use cordon_policy::finding::RuleId;
use cordon_policy::rules::kind;
use cordon_storage::Chain;
use cordon_storage::evidence::{Client, Outcome as Received};
use data_encoding::BASE64;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Method, StatusCode};
use sha2::{Digest as _, Sha256};
use smol_str::{SmolStr, format_smolstr};

use super::{Asker, Engine};
use crate::http::reply::Reply;
use crate::http::service::{Request, Service};
use crate::http::why::{self, Question};
use crate::registry::{self, Registry, RequestHead};

/// Below it, the documentation of each rule.
const RULES: &str = "rules";

impl Service for Engine {
    fn admit(&self, request: &mut Request) -> Result<(), Box<Reply>> {
        if self.config.identities.is_empty() {
            return Ok(());
        }
        let Some(token) = token_of(&request.headers) else {
            return Ok(());
        };
        let digest: [u8; 32] = Sha256::digest(&token).into();
        // All are looked at, so that the time it takes tells nothing.
        let mut found = None;
        for identity in &self.config.identities {
            if identity.holds(&digest) {
                found = Some(identity.name.clone());
            }
        }
        let Some(name) = found else {
            let message = "Cordon knows no such token; take it out, or ask for a new one";
            let reply = match mounted(request.target.mount()) {
                Some(registry) => Reply::Failed {
                    body: registry.error(StatusCode::UNAUTHORIZED, message),
                    retry_after_seconds: None,
                },
                None => text(StatusCode::UNAUTHORIZED, format!("{message}\n")),
            };
            return Err(Box::new(reply));
        };
        // Records of who received what name them as well.
        let agent = &mut request.client.agent;
        *agent = format_smolstr!("{agent} as {name}").trim_start().into();
        request.identity = Some(name);
        Ok(())
    }

    async fn answer(&self, request: Request) -> Reply {
        let mount = request.target.mount();
        let head = request.head();
        let route = match request.target.route() {
            None => None,
            Some(asked) => {
                let mut routes = self.config.routes.iter();
                match routes.find(|name| *name == asked) {
                    Some(name) => Some(name.clone()),
                    None => {
                        let message = format!("there is no route `{asked}` here\n");
                        return text(StatusCode::NOT_FOUND, message);
                    }
                }
            }
        };
        let asker = Asker {
            route,
            identity: request.identity.clone(),
        };
        if let Some(registry) = mounted(mount) {
            return self
                .registry_request(registry, &head, &request.client, &asker)
                .await;
        }
        if let Some(route) = &asker.route {
            return match (mount, &request.method) {
                ("", &Method::GET | &Method::HEAD) => {
                    text(StatusCode::OK, self.front_page(Some(route)))
                }
                _ => nothing_here(),
            };
        }
        // Some clients resolve addresses against the host root, without the mount.
        if let Some(registry) = rooted(mount) {
            let segments: Vec<String> = std::iter::once(mount.to_owned())
                .chain(head.segments.iter().cloned())
                .collect();
            let head = RequestHead {
                segments: &segments,
                ..head
            };
            return self
                .registry_request(registry, &head, &request.client, &asker)
                .await;
        }
        self.own_page(&request).await
    }

    fn sent(&self, decision: &DecisionId, client: &Client) {
        self.note(decision, client, Received::Served);
    }
}

/// The adapter mounted under that first path segment; exactly its ecosystem's name.
pub(super) fn mounted(mount: &str) -> Option<&'static dyn Registry> {
    registry::all()
        .into_iter()
        .find(|r| r.scheme().ecosystem().as_str() == mount)
}

/// The adapter that also answers below that first segment of the host root.
fn rooted(segment: &str) -> Option<&'static dyn Registry> {
    registry::all()
        .into_iter()
        .find(|r| r.root_segment() == Some(segment))
}

impl Engine {
    /// Cordon's own pages on the registry port: what to paste, the records behind refusals, what
    /// the rules are about.
    async fn own_page(&self, request: &Request) -> Reply {
        if request.method == Method::POST && why::asks_for_release(&request.target) {
            return self.asked_for_release(request).await;
        }
        if !matches!(request.method, Method::GET | Method::HEAD) {
            return text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n".into());
        }
        if let Some(question) = Question::of(request) {
            return self.why(&question, &request.client).await;
        }
        match (request.target.mount(), request.target.segments()) {
            ("", []) => text(StatusCode::OK, self.front_page(None)),
            (RULES, [id]) => match kind(id) {
                Some(rule) => text(StatusCode::OK, rule.page.to_owned()),
                None => nothing_here(),
            },
            _ => nothing_here(),
        }
    }

    async fn why(&self, question: &Question, client: &Client) -> Reply {
        let Some(id) = &question.decision else {
            return why::unknown(question);
        };
        let record = match self.stores.evidence.decision(id).await {
            Ok(Some(record)) => record,
            Ok(None) => return why::unknown(question),
            Err(error) => {
                self.metrics.store_failed(&error);
                tracing::error!(error = %Chain(&error), "reading a decision failed");
                let message = "the record cannot be read now\n".to_owned();
                return text(StatusCode::SERVICE_UNAVAILABLE, message);
            }
        };
        let documentation = |rule: &RuleId| {
            kind(rule.as_str()).map(|_| format!("{}{RULES}/{rule}", self.public_url))
        };
        let around = why::Surroundings {
            contact: self.config.contact.as_deref(),
            hold: self.hold_view(id, client).await,
            documentation: &documentation,
        };
        why::answer(&record, &around, question)
    }

    fn front_page(&self, route: Option<&SmolStr>) -> String {
        let setups: Vec<String> = registry::all()
            .iter()
            .map(|registry| registry.client_setup(&self.links(*registry, route).base))
            .collect();
        format!("Cordon, a dependency firewall.\n\n{}\n", setups.join("\n"))
    }
}

/// The token somebody shows: after `Bearer` (npm), as the password of `Basic` (pip and the other
/// Python tools), or as it is (cargo).
fn token_of(headers: &HeaderMap) -> Option<Vec<u8>> {
    let value = headers.get(AUTHORIZATION)?.as_bytes();
    let after = |scheme: &[u8]| {
        let (given, rest) = value.split_at_checked(scheme.len())?;
        given
            .eq_ignore_ascii_case(scheme)
            .then(|| rest.trim_ascii())
    };
    if let Some(token) = after(b"bearer ") {
        return Some(token.to_vec());
    }
    if let Some(encoded) = after(b"basic ") {
        // What cannot be read is nobody's token.
        let pair = BASE64.decode(encoded).unwrap_or_default();
        let colon = pair.iter().position(|byte| *byte == b':');
        return Some(colon.map_or_else(Vec::new, |at| pair[at + 1..].to_vec()));
    }
    Some(value.trim_ascii().to_vec())
}

fn text(status: StatusCode, body: String) -> Reply {
    Reply::Page {
        status,
        content_type: "text/plain; charset=utf-8",
        body: body.into(),
    }
}

fn nothing_here() -> Reply {
    text(StatusCode::NOT_FOUND, "there is nothing here\n".to_owned())
}
