//! Upstream registries: fixed origins, own redirects, bounded answers.
//!
//! Addresses come from configuration and from registry documents, never from a client's path.
//! Whatever a document or a redirect says, a request goes only to an origin the configuration
//! names, and credentials go only to the upstream's own.

mod artifact;
mod breaker;
mod client;
mod document;
mod error;
mod host;
// Other systems have a single loopback address.
#[cfg(all(test, target_os = "linux"))]
mod rebinding_tests;
mod received;
mod turn;

pub use artifact::{ArtifactBody, ChangedFile};
pub use client::{Place, Upstream};
pub use document::{DocumentAnswer, Validators};
pub use error::UpstreamError;
pub use host::Origin;
pub(crate) use host::is_private;
pub use received::Received;
pub use turn::Turn;

use std::sync::Arc;

use cordon_policy::model::{Ecosystem, PackageName};

use crate::config::{Limits, UpstreamConfig};

/// Every configured upstream. Copies share connections and what is known of each one's health.
#[derive(Clone)]
pub struct Upstreams {
    all: Vec<Arc<Upstream>>,
}

impl Upstreams {
    /// Builds a client for each upstream.
    ///
    /// # Errors
    /// If the TLS set-up of the platform cannot be used.
    pub fn new(configs: &[UpstreamConfig], limits: &Limits) -> Result<Self, UpstreamError> {
        let all = configs
            .iter()
            .map(|config| Upstream::new(config.clone(), limits).map(Arc::new))
            .collect::<Result<_, _>>()?;
        Ok(Self { all })
    }

    /// The upstreams to ask for a package, in order. One that serves the name exclusively ends
    /// the list: the name goes nowhere else.
    pub fn for_package(&self, package: &PackageName) -> Vec<Arc<Upstream>> {
        let mut chosen = Vec::new();
        for upstream in &self.all {
            let config = upstream.config();
            if config.ecosystem != *package.ecosystem() || !config.serves(package.normalized()) {
                continue;
            }
            chosen.push(Arc::clone(upstream));
            if config.is_exclusive {
                break;
            }
        }
        chosen
    }

    /// The upstreams that answer for a whole registry (search, keys): those not limited to names.
    pub fn for_registry(&self, ecosystem: &Ecosystem) -> Vec<Arc<Upstream>> {
        let is_general =
            |config: &UpstreamConfig| config.ecosystem == *ecosystem && config.only.is_none();
        self.all
            .iter()
            .filter(|upstream| is_general(upstream.config()))
            .cloned()
            .collect()
    }

    /// All of them.
    pub fn all(&self) -> &[Arc<Upstream>] {
        &self.all
    }
}
