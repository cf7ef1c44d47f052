//! The engine: fetches, decides, records, answers. Placeholder of the public face.

pub mod gate;

pub use gate::{Cleared, ClearedBytes};
