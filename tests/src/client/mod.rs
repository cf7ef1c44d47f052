//! Clients: plain sockets for exact bytes, and the real package managers.

pub mod http;
pub mod listing;
pub mod project;
pub mod sandbox;
pub mod tools;

pub use http::{Reply, get, request};
pub use sandbox::{Sandbox, Transcript};
pub use tools::Tool;
