//! What every adapter must satisfy.
