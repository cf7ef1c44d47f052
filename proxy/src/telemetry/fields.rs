//! The spelling of every log field: one thing has one name everywhere. Names end in their unit.
//!
//! Used as `tracing::info!({ fields::PACKAGE } = %name, "…")`. The message says what happened and
//! reads alone; the fields are for searching.

/// Identity of what is talked about, a purl.
pub const PACKAGE: &str = "package";
/// Registry family, by mount.
pub const ECOSYSTEM: &str = "ecosystem";
/// Id of a configured upstream.
pub const UPSTREAM: &str = "upstream";
/// Id of a decision.
pub const DECISION: &str = "decision";
/// A verdict: `allow`, `hide`, `quarantine`, `block`.
pub const EFFECT: &str = "effect";
/// Rule and code that decided: `minimum-age/too-young`.
pub const RULE: &str = "rule";
/// Peer address without port.
pub const CLIENT: &str = "client";
/// First product of the client's `User-Agent`.
pub const AGENT: &str = "agent";
/// Request method.
pub const METHOD: &str = "method";
/// Canonical request path, without the query.
pub const PATH: &str = "path";
/// HTTP status answered or received.
pub const STATUS: &str = "status";
/// What kind of answer was given.
pub const OUTCOME: &str = "outcome";
/// How long it took, in milliseconds.
pub const DURATION_MS: &str = "duration_ms";
/// A size in bytes.
pub const SIZE_BYTES: &str = "size_bytes";
/// An error with its causes.
pub const ERROR: &str = "error";
/// Generation of policy and data in force.
pub const GENERATION: &str = "generation";
/// Identity of a ruleset.
pub const RULESET: &str = "ruleset";
/// A local address or file.
pub const LISTENER: &str = "listener";
/// A digest, `sha256:<hex>`.
pub const DIGEST: &str = "digest";
/// A number of things.
pub const COUNT: &str = "count";

/// All of them, for tests and documentation.
pub const ALL: [&str; 20] = [
    PACKAGE,
    ECOSYSTEM,
    UPSTREAM,
    DECISION,
    EFFECT,
    RULE,
    CLIENT,
    AGENT,
    METHOD,
    PATH,
    STATUS,
    OUTCOME,
    DURATION_MS,
    SIZE_BYTES,
    ERROR,
    GENERATION,
    RULESET,
    LISTENER,
    DIGEST,
    COUNT,
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    #[test]
    fn every_name_is_snake_case_and_used_once() {
        let names: BTreeSet<&str> = super::ALL.into_iter().collect();
        assert_eq!(names.len(), super::ALL.len());
        for name in names {
            assert!(
                name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
                "{name}"
            );
        }
    }
}
