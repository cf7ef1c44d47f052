//! What the operator decided, validated: no `Option` stands for a default here.

pub mod limits;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use cordon_policy::model::Ecosystem;
use smol_str::SmolStr;
use url::Url;

pub use limits::Limits;

/// A whole configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where registries are served.
    pub listen: SocketAddr,
    /// Where operators look; loopback unless TLS and a token are configured.
    pub admin_listen: SocketAddr,
    /// Bearer token the admin listener asks for, when it has one.
    pub admin_token: Option<Secret>,
    /// The address clients use, ending in `/`; every address in a rewritten document starts with
    /// it, whatever `Host` a client sends.
    pub public_url: Url,
    /// Where everything is kept.
    pub data: PathBuf,
    /// Certificate and key of the registry listener, when it speaks TLS.
    pub tls: Option<TlsFiles>,
    /// Upstreams in the order they are asked, per ecosystem.
    pub upstreams: Vec<UpstreamConfig>,
    /// Policy files; none means the built-in policy.
    pub policy_files: Vec<PathBuf>,
    /// Whom developers are told to ask.
    pub contact: Option<String>,
    /// Every bound.
    pub limits: Limits,
    /// Freshness of upstream documents.
    pub freshness: Freshness,
    /// Log output.
    pub log: LogConfig,
}

/// Files of a certificate; read again when they change.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// PEM chain, leaf first.
    pub certificate: PathBuf,
    /// PEM private key.
    pub key: PathBuf,
}

/// One upstream registry.
#[derive(Clone, Debug)]
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
    pub only: Option<globset::GlobSet>,
    /// Packages whose normalised name matches `only` are asked at no later upstream.
    pub is_exclusive: bool,
    /// Sent as `Authorization` to this upstream's own origin and to no other.
    pub credential: Option<Secret>,
    /// Whether names may resolve to private, loopback or link-local addresses. True when the
    /// configured host is such an address itself.
    pub may_be_private: bool,
}

impl UpstreamConfig {
    /// Whether the package is asked for here.
    pub fn serves(&self, normalized: &str) -> bool {
        self.only
            .as_ref()
            .is_none_or(|globs| globs.is_match(normalized))
    }
}

/// How old an upstream document may be.
#[derive(Clone, Debug)]
pub struct Freshness {
    /// A document confirmed more recently is used without asking, whatever upstream says longer.
    pub max_age: Duration,
    /// The least time a document is used without asking, whatever upstream says shorter.
    pub min_age: Duration,
    /// How long after its last confirmation a document may stand in when upstream fails.
    pub max_stale: Duration,
    /// How long "there is no such package" is believed.
    pub negative: Duration,
}

/// Log output.
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// Filter in `tracing` syntax: `info`, `cordon=debug`.
    pub filter: String,
    /// One JSON object a line, instead of text.
    pub is_json: bool,
}

/// A secret from the environment or a file. Never printed.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(text: String) -> Self {
        Self(text)
    }
    /// The secret itself; the caller must not print it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[secret]")
    }
}
