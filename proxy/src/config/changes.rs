//! What a configuration read again says differently, and cannot change while running.

use super::{Config, Freshness, Limits, LogConfig, QuarantineConfig, SelfTestConfig};

/// Notes the keys of fields that differ. Every field is named, so that a new one cannot be
/// forgotten.
macro_rules! note_changes {
    ($keys:ident, $old:expr, $new:expr, $type:ident {
        $($field:ident: $key:literal,)+
    } besides { $($other:ident),* }) => {{
        let $type { $($field: _,)+ $($other: _,)* } = $old;
        $(if $old.$field != $new.$field {
            $keys.push($key);
        })+
    }};
}

impl Config {
    /// The keys whose values differ in `fresh` and are looked at by a start only: all but
    /// `policy` and `indicators`. Secrets count by their value, certificates by their path.
    pub fn needing_restart(&self, fresh: &Self) -> Vec<&'static str> {
        let mut keys = Vec::new();
        note_changes!(keys, self, fresh, Config {
            listen: "server.listen",
            admin_listen: "server.admin_listen",
            admin_token: "server.admin_token_file or server.admin_token_env",
            public_url: "server.public_url",
            data: "server.data",
            tls: "server.tls_certificate or server.tls_key",
            admin_tls: "server.admin_tls_certificate or server.admin_tls_key",
            upstreams: "upstream",
            popular: "popular",
            routes: "server.routes",
            identities: "identities",
            feeds: "feeds",
            contact: "contact",
            inspection: "inspection",
        } besides { policy_files, indicators, limits, freshness, quarantine, self_test, log });
        note_limits(&mut keys, &self.limits, &fresh.limits);
        note_changes!(keys, &self.freshness, &fresh.freshness, Freshness {
            max_age: "freshness.max_age",
            min_age: "freshness.min_age",
            max_stale: "freshness.max_stale",
            negative: "freshness.negative",
            recheck: "freshness.recheck",
        } besides {});
        note_changes!(keys, &self.quarantine, &fresh.quarantine, QuarantineConfig {
            approvers: "quarantine.approvers",
            release_for: "quarantine.release_for",
            max_bytes: "quarantine.max_bytes",
            expire_after: "quarantine.expire_after",
            requests_per_hour: "quarantine.requests_per_hour",
        } besides {});
        note_changes!(keys, &self.self_test, &fresh.self_test, SelfTestConfig {
            every: "self_test.every",
            may_fail: "self_test.on_failure",
        } besides {});
        note_changes!(keys, &self.log, &fresh.log, LogConfig {
            filter: "log.filter",
            is_json: "log.format",
        } besides {});
        keys
    }
}

fn note_limits(keys: &mut Vec<&'static str>, old: &Limits, new: &Limits) {
    note_changes!(keys, old, new, Limits {
        connections: "limits.connections",
        header_timeout: "limits.header_timeout",
        write_timeout: "limits.write_timeout",
        drain_timeout: "limits.drain_timeout",
        document_bytes: "limits.document_size",
        large_document_bytes: "limits.large_document_size",
        documents_at_once: "limits.documents_at_once",
        artifact_bytes: "limits.artifact_size",
        parsed_cache_bytes: "limits.parsed_cache_size",
        rendered_cache_bytes: "limits.rendered_cache_size",
        artifact_cache_bytes: "limits.artifact_cache_size",
        artifact_cache_each_bytes: "limits.artifact_cache_each_size",
        upstream_requests: "limits.upstream_requests",
        upstream_connect_timeout: "limits.upstream_connect_timeout",
        upstream_read_timeout: "limits.upstream_read_timeout",
        upstream_min_rate_bytes: "limits.upstream_min_rate",
        document_timeout: "limits.document_timeout",
        artifact_timeout: "limits.artifact_timeout",
        store_bytes: "limits.store_size",
    } besides {});
}
