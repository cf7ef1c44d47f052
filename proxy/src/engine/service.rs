//! The engine behind the server's seam.

use super::Engine;
use crate::http::reply::Reply;
use crate::http::service::{Request, Service};
use crate::registry::{self, Registry, RequestHead};

/// npm resolves attestation addresses against the host root, without the mount (protocols.md
/// §2.1), so this root segment leads to npm's adapter as well.
const NPM_ROOT: &str = "-";

impl Service for Engine {
    async fn answer(&self, request: Request) -> Reply {
        let mount = request.target.mount();
        let head = request.head();
        if let Some(registry) = mounted(mount) {
            return self
                .registry_request(registry, &head, &request.client)
                .await;
        }
        if mount == NPM_ROOT
            && request
                .target
                .segments()
                .first()
                .is_some_and(|s| s == "npm")
        {
            let segments: Vec<String> = std::iter::once(NPM_ROOT.to_owned())
                .chain(head.segments.to_vec())
                .collect();
            let head = RequestHead {
                segments: &segments,
                ..head
            };
            return self
                .registry_request(&registry::npm::Npm, &head, &request.client)
                .await;
        }
        self.own_page(&request).await
    }
}

/// The adapter mounted under that first path segment; exactly its ecosystem's name.
fn mounted(mount: &str) -> Option<&'static dyn Registry> {
    registry::all()
        .into_iter()
        .find(|r| r.scheme().ecosystem().as_str() == mount)
}

impl Engine {
    /// Cordon's own pages on the registry port: what to paste, and the records behind refusals.
    async fn own_page(&self, _request: &Request) -> Reply {
        Reply::Page {
            status: http::StatusCode::NOT_FOUND,
            content_type: "text/plain; charset=utf-8",
            body: bytes::Bytes::from_static(b"there is nothing here\n"),
        }
    }
}
