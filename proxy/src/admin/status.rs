//! What the process tells about itself.

use std::future::Future;

use serde::Serialize;

use crate::exemptions::{Asked, Listed};
use crate::quarantine::{Bulk, Order, Page, Plan, Query, Refused, Reviewed, Ticket};
use crate::selftest::Report;

/// What the admin listener needs of the rest.
pub trait AdminState: Send + Sync + 'static {
    /// What has to work before requests should be sent here. Asked every few seconds.
    fn readiness(&self) -> impl Future<Output = Readiness> + Send;

    /// Everything an operator asks first.
    fn status(&self) -> impl Future<Output = Status> + Send;

    /// The outcome of the last self-test in one line, and what it found wrong.
    fn self_test(&self) -> Vec<String>;

    /// What an operator must know before relying on this: `advisory rules: inactive, …`.
    fn notices(&self) -> Vec<String>;

    /// Reads configuration and policy files again. The answer is a sentence: what is in force now, or every
    /// problem that kept the old policy in force.
    fn reload(&self) -> impl Future<Output = Result<String, String>> + Send;

    /// Every exemption of the policy in force.
    fn exemptions(&self) -> impl Future<Output = Result<Vec<Listed>, String>> + Send;

    /// Grants an exemption; answers its id.
    fn grant(&self, asked: Asked) -> impl Future<Output = Result<String, String>> + Send;

    /// Ends a granted exemption.
    fn end_exemption(&self, id: &str, by: &str) -> impl Future<Output = Result<(), String>> + Send;

    /// A page of tickets.
    fn tickets(&self, query: Query) -> impl Future<Output = Result<Page, Refused>> + Send;

    /// One ticket, by the id of any decision about it.
    fn ticket(&self, id: &str) -> impl Future<Output = Result<Ticket, Refused>> + Send;

    /// Does what somebody wants done about a ticket.
    fn review(&self, order: Order) -> impl Future<Output = Result<Reviewed, Refused>> + Send;

    /// The same for many; without a plan it only shows one.
    fn review_many(&self, bulk: Bulk) -> impl Future<Output = Result<Plan, Refused>> + Send;

    /// Has the bytes of something held fetched and kept for review.
    fn fetch_held(&self, id: &str) -> impl Future<Output = Result<Ticket, Refused>> + Send;
}

/// Whether requests should be sent here: all checks hold.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    /// What was looked at.
    pub checks: Vec<Check>,
}

/// One thing that has to work.
#[derive(Clone, Debug)]
pub struct Check {
    /// What: `evidence`, `policy`.
    pub name: &'static str,
    /// Whether it does.
    pub is_ok: bool,
    /// One line about it.
    pub detail: String,
}

/// The state of the process.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Status {
    /// Generation of policy and data; moves with each change of either.
    pub generation: u64,
    /// Identity of the policy in force.
    pub ruleset: String,
    /// Why the last attempt to reload the policy failed; empty if it did not.
    pub policy_problems: Vec<String>,
    /// Keys of the configuration that were changed and wait for a restart.
    pub needs_restart: Vec<&'static str>,
    /// The rules.
    pub rules: Vec<RuleStatus>,
    /// The upstreams.
    pub upstreams: Vec<UpstreamStatus>,
    /// The stores.
    pub stores: Vec<StoreStatus>,
    /// The last self-test; `None` before the first, or when it could not be made.
    pub self_test: Option<Report>,
}

/// A rule.
#[derive(Clone, Debug, Serialize)]
pub struct RuleStatus {
    /// Its id.
    pub id: String,
    /// `enforce`, `monitor` or `off`, where no override says otherwise.
    pub mode: &'static str,
    /// What its findings ask for, where no override says otherwise.
    pub effect: &'static str,
    /// How many overrides it has.
    pub overrides: usize,
}

/// An upstream.
#[derive(Clone, Debug, Serialize)]
pub struct UpstreamStatus {
    /// Its registry family.
    pub ecosystem: String,
    /// Its id.
    pub id: String,
    /// Its address, without credentials.
    pub url: String,
    /// Whether it failed so often that it is asked only once in a while.
    pub is_resting: bool,
}

/// A store.
#[derive(Clone, Debug, Serialize)]
pub struct StoreStatus {
    /// `blob`, `cache`, `evidence`.
    pub name: &'static str,
    /// Why it does not answer; `None` if it does.
    pub problem: Option<String>,
}
