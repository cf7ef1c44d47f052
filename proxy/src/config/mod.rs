//! What the operator decided, validated: no `Option` stands for a default here.
//!
//! One TOML file, named on the command line; without one everything has a default and Cordon serves
//! on loopback. The path is: text, `raw` (values with their places), `validate` (a [`Config`],
//! or every problem at once). `config.example.toml` documents each key; a test compares the two.
//!
//! Files and the environment are reached through [`Surroundings`] only, so that validation can be
//! tested without them.

mod askers;
mod changes;
mod defaults;
mod feeds;
mod indicators;
mod inspection;
pub mod limits;
mod load;
mod raw;
mod secret;
mod surroundings;
mod upstream;
mod url;
mod validate;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ::url::Url;
use cordon_policy::model::Ecosystem;
use smol_str::SmolStr;

use crate::registry::signature::SigningKey;

pub use askers::Identity;
pub use feeds::{FeedConfig, FeedContent, FeedSource, FeedsConfig, Share};
pub use indicators::IndicatorsConfig;
pub use inspection::{InspectionConfig, ScannerConfig, ScannerTarget};
pub use limits::Limits;
pub use load::{ConfigSource, Loaded, Overrides, Rejected};
pub use secret::Secret;
pub use surroundings::{Platform, Surroundings};
pub use upstream::NamePatterns;

/// A whole configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where registries are served. Port 0 asks the system for a free one.
    pub listen: SocketAddr,
    /// Where operators look; loopback unless TLS and a token are configured.
    pub admin_listen: SocketAddr,
    /// Bearer token the admin listener asks for, when it has one.
    pub admin_token: Option<Secret>,
    /// The address clients use.
    pub public_url: PublicUrl,
    /// Where everything is kept.
    pub data: PathBuf,
    /// Certificate and key of the registry listener, when it speaks TLS.
    pub tls: Option<TlsFiles>,
    /// Certificate and key of the admin listener, when it speaks TLS.
    pub admin_tls: Option<TlsFiles>,
    /// Upstreams per ecosystem in the order they are asked, exclusive ones first.
    pub upstreams: Vec<UpstreamConfig>,
    /// Names of further entrances, each below `route/<name>/`, that policies may tell apart.
    pub routes: Vec<SmolStr>,
    /// Those who show a token of their own.
    pub identities: Vec<Identity>,
    /// Lists of popular names in the place of those Cordon comes with.
    pub popular: Vec<(Ecosystem, PathBuf)>,
    /// Policy files; none means the built-in policy.
    pub policy_files: Vec<PathBuf>,
    /// Whom developers are told to ask.
    pub contact: Option<String>,
    /// Every bound.
    pub limits: Limits,
    /// Freshness of upstream documents.
    pub freshness: Freshness,
    /// Advisory data.
    pub feeds: FeedsConfig,
    /// How archives are looked into.
    pub inspection: InspectionConfig,
    /// Where what is looked for in archives is read from.
    pub indicators: IndicatorsConfig,
    /// What is held for review.
    pub quarantine: QuarantineConfig,
    /// The self-test.
    pub self_test: SelfTestConfig,
    /// Log output.
    pub log: LogConfig,
}

impl Config {
    /// The address clients use, ending in `/`; every address in a rewritten document starts with
    /// it, whatever `Host` a client sends. `bound` is the registry listener's address, known once
    /// it is bound.
    pub fn public_url(&self, bound: SocketAddr) -> Url {
        match &self.public_url {
            PublicUrl::Given(url) => url.clone(),
            PublicUrl::FromListener => {
                let scheme = if self.tls.is_some() { "https" } else { "http" };
                format!("{scheme}://{bound}/")
                    .parse()
                    .expect("a socket address is a URL authority")
            }
        }
    }
}

/// Where the public address comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicUrl {
    /// As configured, ending in `/`.
    Given(Url),
    /// The registry listener's own address. Only when that is loopback: no other address can be
    /// known from here.
    FromListener,
}

/// Files of a certificate; read again when they change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// PEM chain, leaf first.
    pub certificate: PathBuf,
    /// PEM private key.
    pub key: PathBuf,
}

/// One upstream registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamConfig {
    /// Its id, unique within the ecosystem; part of cache keys.
    pub id: SmolStr,
    /// Which protocol it speaks.
    pub ecosystem: Ecosystem,
    /// Base address, ending in `/`: npm registry root, PyPI simple index, cargo sparse index.
    pub url: Url,
    /// Further origins artifacts may be fetched from or redirected to.
    pub files: Vec<Url>,
    /// Only packages whose normalised name matches are asked here; none: all.
    pub only: Option<NamePatterns>,
    /// Packages whose normalised name matches `only` are asked at no other upstream.
    pub is_exclusive: bool,
    /// The whole value of `Authorization`, sent to this upstream's own origin and to no other.
    pub credential: Option<Secret>,
    /// Whether names may resolve to private, loopback or link-local addresses. True when a
    /// configured host is such an address itself.
    pub may_be_private: bool,
    /// The only keys its signatures are checked by; none: those it lists itself.
    pub signature_keys: Option<Arc<[SigningKey]>>,
}

impl UpstreamConfig {
    /// Whether the package is asked for here.
    pub fn serves(&self, normalized: &str) -> bool {
        self.only
            .as_ref()
            .is_none_or(|patterns| patterns.match_name(normalized))
    }
}

/// How old an upstream document may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Freshness {
    /// A document confirmed more recently is used without asking, whatever upstream says longer.
    pub max_age: Duration,
    /// The least time a document is used without asking, whatever upstream says shorter.
    pub min_age: Duration,
    /// How long after its last confirmation a document may stand in when upstream fails.
    pub max_stale: Duration,
    /// How long "there is no such package" is believed.
    pub negative: Duration,
    /// How often every package in use is asked for, to learn of removals; zero for never.
    pub recheck: Duration,
}

impl Default for Freshness {
    fn default() -> Self {
        Self {
            max_age: Duration::from_secs(5 * 60),
            min_age: Duration::from_secs(30),
            max_stale: Duration::from_secs(3 * 24 * 60 * 60),
            negative: Duration::from_secs(60),
            recheck: Duration::from_secs(24 * 60 * 60),
        }
    }
}

/// What is held for review.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuarantineConfig {
    /// How many people a release takes: one or two. What malware rules found takes two anyway.
    pub approvers: usize,
    /// How long a release lasts when nobody says otherwise.
    pub release_for: Duration,
    /// Bytes of held archives kept from collection, the latest held first.
    pub max_bytes: u64,
    /// How long held bytes are kept from collection. What is held stays refused beyond that.
    pub expire_after: Duration,
    /// Requests for release taken from one client address within an hour.
    pub requests_per_hour: usize,
}

impl Default for QuarantineConfig {
    fn default() -> Self {
        Self {
            approvers: 1,
            release_for: Duration::from_secs(90 * 24 * 60 * 60),
            max_bytes: 10 << 30,
            expire_after: Duration::from_secs(90 * 24 * 60 * 60),
            requests_per_hour: 10,
        }
    }
}

/// The self-test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelfTestConfig {
    /// How often it is made besides after every change of policy or data.
    pub every: Duration,
    /// Whether a start goes on although it failed.
    pub may_fail: bool,
}

impl Default for SelfTestConfig {
    fn default() -> Self {
        Self {
            every: Duration::from_secs(60 * 60),
            may_fail: false,
        }
    }
}

/// Log output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// Filter in `tracing` syntax: `info`, `cordon=debug`.
    pub filter: String,
    /// One JSON object a line, instead of text.
    pub is_json: bool,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            filter: "info".to_owned(),
            is_json: false,
        }
    }
}
