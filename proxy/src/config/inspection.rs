//! Inspection: how many look into archives, and what they may take.

use std::time::Duration;

use cordon_policy::config::reader::TableReader;

use super::raw::{GIB, HOUR, MIB, SECOND, count, duration, size};

/// How archives are looked into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InspectionConfig {
    /// Worker processes; 0 for half as many as there are processors.
    pub workers: usize,
    /// Bytes of memory each worker may have.
    pub memory_bytes: u64,
    /// Time for an archive, and once more for every 32 MiB of it, at most ten times.
    pub timeout: Duration,
    /// Whether a worker that cannot be confined does not work.
    pub is_sandbox_required: bool,
}

impl Default for InspectionConfig {
    fn default() -> Self {
        Self {
            workers: 0,
            memory_bytes: 512 * MIB,
            timeout: Duration::from_secs(60),
            is_sandbox_required: true,
        }
    }
}

impl InspectionConfig {
    /// Worker processes on this machine, at least one.
    pub fn worker_count(&self) -> usize {
        match self.workers {
            0 => {
                let processors = std::thread::available_parallelism();
                processors
                    .map_or(1, |processors| processors.get() / 2)
                    .max(1)
            }
            given => given,
        }
    }
}

/// Reads `[inspection]`.
pub(super) fn read(mut table: TableReader<'_, '_>) -> InspectionConfig {
    let mut config = InspectionConfig::default();
    let t = &mut table;
    count(t, "workers", 0..=256, &mut config.workers);
    size(t, "memory", 64 * MIB..=64 * GIB, &mut config.memory_bytes);
    duration(t, "timeout", SECOND..=HOUR, &mut config.timeout);
    let choices = [("required", true), ("best-effort", false)];
    if let Some(sandbox) = t.choice("sandbox", &choices) {
        config.is_sandbox_required = sandbox.value;
    }
    table.finish();
    config
}
