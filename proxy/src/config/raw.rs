//! Text to values with their places. Nothing is decided here beyond types, units and bounds.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use cordon_policy::config::reader::{Spanned, TableReader};
use cordon_policy::ecosystem::schemes;
use cordon_policy::model::Ecosystem;
use tracing_subscriber::EnvFilter;

use super::askers::{self, RawIdentity};
use super::defaults::PUBLIC_REGISTRIES;
use super::feeds::{self, RawFeeds};
use super::indicators::{self, RawIndicators};
use super::inspection::{self, RawInspection};
use super::secret::{self, CredentialScheme, SecretSource};

use super::{Freshness, Limits, LogConfig, QuarantineConfig, SelfTestConfig};

/// A configuration file as written.
#[derive(Debug, Default)]
pub(super) struct Raw {
    pub(super) policy_files: Vec<Spanned<String>>,
    pub(super) contact: Option<Spanned<String>>,
    pub(super) server: RawServer,
    pub(super) identities: Vec<RawIdentity>,
    pub(super) popular: Vec<(Ecosystem, Spanned<String>)>,
    /// The ecosystems something is said about; an empty list switches one off.
    pub(super) upstreams: Vec<(Ecosystem, Vec<RawUpstream>)>,
    pub(super) limits: Limits,
    /// The place of `[limits]`, for what concerns two of its keys.
    pub(super) limits_at: std::ops::Range<usize>,
    pub(super) freshness: Freshness,
    /// The place of `[freshness]`.
    pub(super) freshness_at: std::ops::Range<usize>,
    pub(super) feeds: RawFeeds,
    pub(super) inspection: RawInspection,
    pub(super) indicators: RawIndicators,
    pub(super) quarantine: QuarantineConfig,
    pub(super) self_test: SelfTestConfig,
    pub(super) log: LogConfig,
}

/// `[server]`.
#[derive(Debug, Default)]
pub(super) struct RawServer {
    pub(super) listen: Option<Spanned<SocketAddr>>,
    pub(super) admin_listen: Option<Spanned<SocketAddr>>,
    pub(super) public_url: Option<Spanned<String>>,
    pub(super) data: Option<Spanned<String>>,
    pub(super) tls: RawTls,
    pub(super) admin_tls: RawTls,
    pub(super) admin_token: Option<SecretSource>,
    pub(super) routes: Vec<Spanned<String>>,
}

/// A certificate and its key.
#[derive(Debug, Default)]
pub(super) struct RawTls {
    pub(super) certificate: Option<Spanned<String>>,
    pub(super) key: Option<Spanned<String>>,
}

/// One `[[upstream.*]]`.
#[derive(Debug)]
pub(super) struct RawUpstream {
    /// Its place, for what concerns no single key.
    pub(super) at: std::ops::Range<usize>,
    pub(super) id: Option<Spanned<String>>,
    pub(super) url: Option<Spanned<String>>,
    pub(super) files: Option<Vec<Spanned<String>>>,
    pub(super) only: Option<Vec<Spanned<String>>>,
    pub(super) is_exclusive: bool,
    pub(super) credential: Option<SecretSource>,
    pub(super) credential_scheme: Option<CredentialScheme>,
    pub(super) is_insecure: bool,
    pub(super) is_private: bool,
    pub(super) signature_keys: Option<Spanned<String>>,
}

/// Reads everything below the root.
pub(super) fn read(mut root: TableReader<'_, '_>) -> Raw {
    let mut raw = Raw {
        policy_files: root.strings("policy").unwrap_or_default(),
        contact: root.string("contact"),
        ..Raw::default()
    };
    if let Some(table) = root.table("server") {
        raw.server = server(table);
    }
    if let Some(table) = root.table("identities") {
        raw.identities = askers::read_identities(table);
    }
    if let Some(table) = root.table("popular") {
        raw.popular = popular(table);
    }
    if let Some(table) = root.table("upstream") {
        raw.upstreams = upstreams(table);
    }
    if let Some(table) = root.table("limits") {
        raw.limits_at = table.bytes().clone();
        raw.limits = limits(table);
    }
    if let Some(table) = root.table("freshness") {
        raw.freshness_at = table.bytes().clone();
        raw.freshness = freshness(table);
    }
    if let Some(table) = root.table("feeds") {
        raw.feeds = feeds::read(table);
    }
    if let Some(table) = root.table("inspection") {
        raw.inspection = inspection::read(table);
    }
    if let Some(table) = root.table("indicators") {
        raw.indicators = indicators::read(table);
    }
    if let Some(table) = root.table("quarantine") {
        raw.quarantine = quarantine(table);
    }
    if let Some(table) = root.table("self_test") {
        raw.self_test = self_test(table);
    }
    if let Some(table) = root.table("log") {
        raw.log = log(table);
    }
    root.finish();
    raw
}

fn popular(mut table: TableReader<'_, '_>) -> Vec<(Ecosystem, Spanned<String>)> {
    let mut lists = Vec::new();
    for scheme in schemes() {
        let ecosystem = scheme.ecosystem();
        if let Some(file) = table.string(ecosystem.as_str()) {
            lists.push((ecosystem.clone(), file));
        }
    }
    table.finish();
    lists
}

fn server(mut table: TableReader<'_, '_>) -> RawServer {
    let server = RawServer {
        listen: address(&mut table, "listen"),
        admin_listen: address(&mut table, "admin_listen"),
        public_url: table.string("public_url"),
        data: table.string("data"),
        tls: RawTls {
            certificate: table.string("tls_certificate"),
            key: table.string("tls_key"),
        },
        admin_tls: RawTls {
            certificate: table.string("admin_tls_certificate"),
            key: table.string("admin_tls_key"),
        },
        admin_token: secret::read_source(&mut table, "admin_token"),
        routes: table.strings("routes").unwrap_or_default(),
    };
    table.finish();
    server
}

fn address(table: &mut TableReader<'_, '_>, key: &str) -> Option<Spanned<SocketAddr>> {
    table.parsed(
        key,
        "write an IP address and a port: \"127.0.0.1:4873\", \"[::1]:4873\", \"0.0.0.0:4873\"",
        str::parse::<SocketAddr>,
    )
}

fn upstreams(mut table: TableReader<'_, '_>) -> Vec<(Ecosystem, Vec<RawUpstream>)> {
    let mut all = Vec::new();
    for registry in &PUBLIC_REGISTRIES {
        let key = registry.ecosystem.as_str();
        let is_given = table.has(key);
        let entries = table.tables(key).into_iter().map(upstream).collect();
        if is_given {
            all.push((registry.ecosystem.clone(), entries));
        }
    }
    table.finish();
    all
}

fn upstream(mut table: TableReader<'_, '_>) -> RawUpstream {
    let is = |table: &mut TableReader<'_, '_>, key| table.boolean(key).is_some_and(|it| it.value);
    let upstream = RawUpstream {
        at: table.bytes().clone(),
        id: table.string("id"),
        url: table.string("url"),
        files: table.strings("files"),
        only: table.strings("only"),
        is_exclusive: is(&mut table, "exclusive"),
        credential: secret::read_source(&mut table, "credential"),
        credential_scheme: table
            .choice("credential_scheme", &CredentialScheme::CHOICES)
            .map(|scheme| scheme.value),
        is_insecure: is(&mut table, "insecure"),
        is_private: is(&mut table, "private"),
        signature_keys: table.string("signature_keys"),
    };
    table.finish();
    upstream
}

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const HOUR: Duration = Duration::from_secs(60 * 60);
pub(super) const DAY: Duration = Duration::from_secs(24 * 60 * 60);
pub(super) const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
pub(super) const KIB: u64 = 1 << 10;
pub(super) const MIB: u64 = 1 << 20;
pub(super) const GIB: u64 = 1 << 30;
pub(super) const TIB: u64 = 1 << 40;

fn limits(mut table: TableReader<'_, '_>) -> Limits {
    let mut l = Limits::default();
    let t = &mut table;
    count(t, "connections", 1..=1_000_000, &mut l.connections);
    duration(t, "header_timeout", SECOND..=HOUR, &mut l.header_timeout);
    duration(t, "write_timeout", SECOND..=HOUR, &mut l.write_timeout);
    duration(
        t,
        "drain_timeout",
        Duration::ZERO..=HOUR,
        &mut l.drain_timeout,
    );
    size(t, "document_size", MIB..=GIB, &mut l.document_bytes);
    size(
        t,
        "large_document_size",
        64 * KIB..=GIB,
        &mut l.large_document_bytes,
    );
    count(t, "documents_at_once", 1..=10_000, &mut l.documents_at_once);
    size(t, "artifact_size", MIB..=TIB, &mut l.artifact_bytes);
    size(t, "parsed_cache_size", 0..=TIB, &mut l.parsed_cache_bytes);
    size(
        t,
        "rendered_cache_size",
        0..=TIB,
        &mut l.rendered_cache_bytes,
    );
    size(
        t,
        "artifact_cache_size",
        0..=TIB,
        &mut l.artifact_cache_bytes,
    );
    size(
        t,
        "artifact_cache_each_size",
        0..=GIB,
        &mut l.artifact_cache_each_bytes,
    );
    count(t, "upstream_requests", 1..=10_000, &mut l.upstream_requests);
    duration(
        t,
        "upstream_connect_timeout",
        SECOND..=HOUR,
        &mut l.upstream_connect_timeout,
    );
    duration(
        t,
        "upstream_read_timeout",
        SECOND..=HOUR,
        &mut l.upstream_read_timeout,
    );
    size(
        t,
        "upstream_min_rate",
        0..=GIB,
        &mut l.upstream_min_rate_bytes,
    );
    duration(
        t,
        "document_timeout",
        SECOND..=HOUR,
        &mut l.document_timeout,
    );
    duration(
        t,
        "artifact_timeout",
        SECOND..=24 * HOUR,
        &mut l.artifact_timeout,
    );
    size(t, "store_size", MIB..=1024 * TIB, &mut l.store_bytes);
    table.finish();
    l
}

fn freshness(mut table: TableReader<'_, '_>) -> Freshness {
    let mut f = Freshness::default();
    let t = &mut table;
    duration(t, "max_age", Duration::ZERO..=YEAR, &mut f.max_age);
    duration(t, "min_age", Duration::ZERO..=YEAR, &mut f.min_age);
    duration(t, "max_stale", Duration::ZERO..=YEAR, &mut f.max_stale);
    duration(t, "negative", Duration::ZERO..=24 * HOUR, &mut f.negative);
    duration(t, "recheck", Duration::ZERO..=YEAR, &mut f.recheck);
    table.finish();
    f
}

fn quarantine(mut table: TableReader<'_, '_>) -> QuarantineConfig {
    let mut q = QuarantineConfig::default();
    let t = &mut table;
    count(t, "approvers", 1..=2, &mut q.approvers);
    duration(t, "release_for", HOUR..=YEAR, &mut q.release_for);
    size(t, "max_bytes", 0..=1024 * TIB, &mut q.max_bytes);
    duration(
        t,
        "expire_after",
        Duration::ZERO..=10 * YEAR,
        &mut q.expire_after,
    );
    count(t, "requests_per_hour", 0..=10_000, &mut q.requests_per_hour);
    table.finish();
    q
}

fn self_test(mut table: TableReader<'_, '_>) -> SelfTestConfig {
    let mut test = SelfTestConfig::default();
    let allowed = Duration::from_secs(60)..=7 * DAY;
    duration(&mut table, "every", allowed, &mut test.every);
    let choices = [("refuse-start", false), ("warn", true)];
    if let Some(on_failure) = table.choice("on_failure", &choices) {
        test.may_fail = on_failure.value;
    }
    table.finish();
    test
}

fn log(mut table: TableReader<'_, '_>) -> LogConfig {
    let mut log = LogConfig::default();
    let help = "write a level (\"info\") or targets with levels (\"info,cordon=debug\")";
    let checked = |text: &str| EnvFilter::try_new(text).map(|_| text.to_owned());
    if let Some(filter) = table.parsed("filter", help, checked) {
        log.filter = filter.value;
    }
    if let Some(format) = table.choice("format", &[("text", false), ("json", true)]) {
        log.is_json = format.value;
    }
    table.finish();
    log
}

pub(super) fn count(
    table: &mut TableReader<'_, '_>,
    key: &str,
    allowed: RangeInclusive<i64>,
    into: &mut usize,
) {
    let read = table.integer(key, allowed);
    if let Some(value) = read.and_then(|read| usize::try_from(read.value).ok()) {
        *into = value;
    }
}

pub(super) fn duration(
    table: &mut TableReader<'_, '_>,
    key: &str,
    allowed: RangeInclusive<Duration>,
    into: &mut Duration,
) {
    if let Some(read) = table.duration(key, allowed) {
        *into = read.value;
    }
}

pub(super) fn size(
    table: &mut TableReader<'_, '_>,
    key: &str,
    allowed: RangeInclusive<u64>,
    into: &mut u64,
) {
    if let Some(read) = table.size_bytes(key, allowed) {
        *into = read.value;
    }
}
