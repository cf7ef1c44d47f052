//! Cordon.
fn main() {}
