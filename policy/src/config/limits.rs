//! Bounds on what is read from configuration and policy files.

use std::time::Duration;

/// Longest policy file, in bytes: a million package URLs fit.
pub const MAX_POLICY_BYTES: usize = 64 * 1024 * 1024;

/// Most problems kept for one file; the rest are counted.
pub const MAX_DIAGNOSTICS: usize = 200;

/// Longest duration a setting may have: ten years. Longer is a typing error.
pub const MAX_DURATION: Duration = Duration::from_secs(3_660 * 24 * 60 * 60);

/// Most characters of a foreign value repeated in a message.
pub const MAX_SHOWN_CHARS: usize = 60;

/// Longest name pattern, in bytes: the longest npm name has 214.
pub const MAX_PATTERN_BYTES: usize = 214;

/// Most name patterns (not exact names, which cost nothing) in one place of a policy.
pub const MAX_PATTERNS: usize = 2_000;

/// Longest reason an author may give, in characters: it travels in a status line.
pub const MAX_REASON_CHARS: usize = 200;
