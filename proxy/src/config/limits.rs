//! Every bound has a name here.

use std::time::Duration;

/// Bounds on memory, disk, time and counts.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Open client connections of each listener; one client address gets at most half of them.
    pub connections: usize,
    /// Time a client has for sending its request head.
    pub header_timeout: Duration,
    /// Time a client may let a response stall.
    pub write_timeout: Duration,
    /// Time running requests get at shutdown.
    pub drain_timeout: Duration,
    /// Bytes of one upstream document, decoded.
    pub document_bytes: u64,
    /// Size from which a document counts as large: only one large document is decoded, parsed or
    /// rendered at a time, and two are fetched from one upstream, so that memory stays bounded.
    pub large_document_bytes: u64,
    /// Packages whose documents are fetched from one upstream at once, and parsed at once overall.
    pub documents_at_once: usize,
    /// Bytes of one artifact.
    pub artifact_bytes: u64,
    /// Bytes of parsed documents kept.
    pub parsed_cache_bytes: u64,
    /// Bytes of rendered documents kept.
    pub rendered_cache_bytes: u64,
    /// Bytes of small artifacts kept in memory.
    pub artifact_cache_bytes: u64,
    /// Size up to which an artifact is kept in memory.
    pub artifact_cache_each_bytes: u64,
    /// Artifacts fetched from one upstream at once.
    pub upstream_requests: usize,
    /// Time to connect to an upstream.
    pub upstream_connect_timeout: Duration,
    /// Time an upstream may be silent in an answer.
    pub upstream_read_timeout: Duration,
    /// Least bytes a second an upstream must send, averaged over the read time-out.
    pub upstream_min_rate_bytes: u64,
    /// Time for one document as a whole.
    pub document_timeout: Duration,
    /// Time for one artifact as a whole.
    pub artifact_timeout: Duration,
    /// Bytes the blob store may hold; collection frees the least recently used artifacts.
    pub store_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        const MIB: u64 = 1024 * 1024;
        Self {
            connections: 4096,
            header_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(60),
            drain_timeout: Duration::from_secs(30),
            document_bytes: 128 * MIB,
            large_document_bytes: 4 * MIB,
            documents_at_once: 64,
            artifact_bytes: 2048 * MIB,
            parsed_cache_bytes: 32 * MIB,
            rendered_cache_bytes: 64 * MIB,
            artifact_cache_bytes: 32 * MIB,
            artifact_cache_each_bytes: 256 * 1024,
            upstream_requests: 64,
            upstream_connect_timeout: Duration::from_secs(5),
            upstream_read_timeout: Duration::from_secs(30),
            upstream_min_rate_bytes: 1024,
            document_timeout: Duration::from_secs(60),
            artifact_timeout: Duration::from_secs(900),
            store_bytes: 50 * 1024 * MIB,
        }
    }
}
