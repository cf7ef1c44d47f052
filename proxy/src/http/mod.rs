//! HTTP as Cordon speaks it: strict targets, conditional and range requests, one place that makes
//! responses.
//!
//! A request line becomes a [`target::Target`] once; a [`service::Service`] answers it with a
//! [`reply::Reply`]; [`respond`] alone turns that into a response.

pub mod body;
pub mod coding;
pub mod conditional;
pub mod range;
pub mod reply;
pub mod respond;
pub mod service;
pub mod target;
pub mod why;
