//! The public registries, and the other defaults of the configuration.
//!
//! The only module that knows a public address.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use cordon_policy::ecosystem::{CARGO, NPM, PYPI};
use cordon_policy::model::Ecosystem;

use super::secret::CredentialScheme;

/// The public registry of an ecosystem.
pub(super) struct PublicRegistry {
    pub(super) ecosystem: Ecosystem,
    /// Base address.
    pub(super) url: &'static str,
    /// Other origins its files come from.
    pub(super) files: &'static [&'static str],
    /// How registries of this protocol expect a credential.
    pub(super) credential_scheme: CredentialScheme,
}

/// One for every ecosystem Cordon serves.
pub(super) const PUBLIC_REGISTRIES: [PublicRegistry; 3] = [
    PublicRegistry {
        ecosystem: NPM,
        url: "https://registry.npmjs.org/",
        files: &[],
        credential_scheme: CredentialScheme::Bearer,
    },
    PublicRegistry {
        ecosystem: PYPI,
        url: "https://pypi.org/simple/",
        files: &["https://files.pythonhosted.org/"],
        credential_scheme: CredentialScheme::Basic,
    },
    PublicRegistry {
        ecosystem: CARGO,
        url: "https://index.crates.io/",
        files: &["https://static.crates.io/", "https://crates.io/"],
        credential_scheme: CredentialScheme::Plain,
    },
];

/// The public dump of an ecosystem's advisories.
pub(super) struct PublicDump {
    pub(super) ecosystem: Ecosystem,
    /// A zip of OSV records.
    pub(super) url: &'static str,
    /// How long it may well go without a change.
    pub(super) stale_alarm: Duration,
}

/// One for every ecosystem Cordon serves: the exports of the OSV project.
pub(super) static PUBLIC_DUMPS: [PublicDump; 3] = [
    PublicDump {
        ecosystem: NPM,
        url: "https://osv-vulnerabilities.storage.googleapis.com/npm/all.zip",
        stale_alarm: Duration::ZERO,
    },
    PublicDump {
        ecosystem: PYPI,
        url: "https://osv-vulnerabilities.storage.googleapis.com/PyPI/all.zip",
        stale_alarm: Duration::ZERO,
    },
    PublicDump {
        ecosystem: CARGO,
        url: "https://osv-vulnerabilities.storage.googleapis.com/crates.io/all.zip",
        // A week without a new advisory is nothing unusual there.
        stale_alarm: Duration::from_secs(7 * 24 * 60 * 60),
    },
];

/// Id of a feed that has none.
pub(super) const FEED_ID: &str = "public";

/// Where registries are served when nothing is said.
pub(super) const LISTEN: SocketAddr = loopback(4873);

/// Where operators look when nothing is said.
pub(super) const ADMIN_LISTEN: SocketAddr = loopback(4874);

/// Id of an upstream that has none.
pub(super) const UPSTREAM_ID: &str = "public";

/// Longest configuration file, in bytes.
pub(super) const MAX_CONFIG_BYTES: usize = 1024 * 1024;

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}
