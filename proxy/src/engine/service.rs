//! The engine behind the server's seam.

use cordon_policy::decision::DecisionId;
use cordon_policy::finding::RuleId;
use cordon_policy::rules::kind;
use cordon_storage::Chain;
use cordon_storage::evidence::{Client, Outcome as Received};
use http::{Method, StatusCode};

use super::Engine;
use crate::http::reply::Reply;
use crate::http::service::{Request, Service};
use crate::http::why::{self, Question};
use crate::registry::{self, Registry, RequestHead};

/// Below it, the documentation of each rule.
const RULES: &str = "rules";

impl Service for Engine {
    async fn answer(&self, request: Request) -> Reply {
        let mount = request.target.mount();
        let head = request.head();
        if let Some(registry) = mounted(mount) {
            return self
                .registry_request(registry, &head, &request.client)
                .await;
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
                .registry_request(registry, &head, &request.client)
                .await;
        }
        self.own_page(&request).await
    }

    fn sent(&self, decision: &DecisionId, client: &Client) {
        self.note(decision, client, Received::Served);
    }
}

/// The adapter mounted under that first path segment; exactly its ecosystem's name.
fn mounted(mount: &str) -> Option<&'static dyn Registry> {
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
        if !matches!(request.method, Method::GET | Method::HEAD) {
            return text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n".into());
        }
        if let Some(question) = Question::of(request) {
            return self.why(&question).await;
        }
        match (request.target.mount(), request.target.segments()) {
            ("", []) => text(StatusCode::OK, self.front_page()),
            (RULES, [id]) => match kind(id) {
                Some(rule) => text(StatusCode::OK, rule.page.to_owned()),
                None => nothing_here(),
            },
            _ => nothing_here(),
        }
    }

    async fn why(&self, question: &Question) -> Reply {
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
            documentation: &documentation,
        };
        why::answer(&record, &around, question)
    }

    fn front_page(&self) -> String {
        let setups: Vec<String> = registry::all()
            .iter()
            .map(|registry| registry.client_setup(&self.links(*registry).base))
            .collect();
        format!("Cordon, a dependency firewall.\n\n{}\n", setups.join("\n"))
    }
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
