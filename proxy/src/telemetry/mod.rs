//! What operators see: logs and metrics.

pub mod escape;
pub mod fields;
pub mod log;
pub mod metrics;

pub use metrics::Metrics;
