//! HTTP as Cordon speaks it: strict targets, conditional and range requests, one place that makes
//! responses.

pub mod reply;
