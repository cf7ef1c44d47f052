//! Tests inside policy files: what a policy is meant to do, beside what it says.
//!
//! ```toml
//! [[test]]
//! name = "a young release waits"
//! package = "pkg:npm/left-pad@1.3.1"
//! at = "2026-03-31T01:00:00Z"
//! expect = "hide"
//! rule = "minimum-age"
//! code = "too-young"
//!
//! [test.facts]
//! published_at = "2026-03-31T00:21:00Z"
//! ```
//!
//! A test is judged by the whole policy, exemptions included, at its own instant. Facts it does
//! not mention are known to be fine: published years ago, bytes as declared, no advisory, nothing
//! changed, nothing found in the archive. What is found there is named by the words policies use for it
//! (`archive_faults`, `disagreements`, `content`, `content_change`, `indicators`). What could not be
//! learned is listed under `unavailable`. Instead of facts a
//! test may name a recorded decision (`recorded = "…"`, or `"newest"` for the newest one about the
//! version): whoever runs it looks that up.
//!
//! Tests are read with the policy and checked as strictly, but are no part of what it means: the
//! hash of the ruleset does not know them, and nothing runs them but `cordon policy test`.

mod facts;
mod read;
mod read_archive;
mod read_parts;

use std::fmt;

use crate::decision::DecisionId;
use crate::evaluate::Ruleset;
use crate::facts::{Audience, VersionFacts};
use crate::finding::{ConfigSpan, Finding, FindingCode, Mode, RuleId};
use crate::model::{PackageVersion, Timestamp};
use crate::verdict::{Effect, Evaluation};

pub(crate) use read::read_test;

/// One test of a policy.
#[derive(Clone, Debug)]
pub struct PolicyTest {
    /// What it is called, if anything.
    pub name: Option<String>,
    /// The version judged.
    pub subject: PackageVersion,
    /// The instant it is judged at; `None` means that of the recorded decision.
    pub at: Option<Timestamp>,
    /// Who asks.
    pub audience: Audience,
    /// The facts it is judged by.
    pub facts: TestFacts,
    /// What must come out.
    pub expected: Expected,
    /// Where it is written.
    pub source: ConfigSpan,
}

/// Where the facts of a test come from.
#[derive(Clone, Debug)]
pub enum TestFacts {
    /// The test tells them.
    Given(Box<VersionFacts>),
    /// Those of a recorded decision.
    Recorded(DecisionId),
    /// Those of the newest recorded decision about the version.
    Newest,
}

/// What a test expects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The verdict.
    pub effect: Effect,
    /// A rule that must have found something that asks for this verdict; with the verdict `allow`,
    /// something that was set aside or only recorded.
    pub rule: Option<RuleId>,
    /// The code of that finding.
    pub code: Option<FindingCode>,
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.effect.name())?;
        match (&self.rule, &self.code) {
            (None, None) => Ok(()),
            (Some(rule), None) => write!(f, " by {rule}"),
            (None, Some(code)) => write!(f, " by {code}"),
            (Some(rule), Some(code)) => write!(f, " by {rule}/{code}"),
        }
    }
}

impl Expected {
    /// Whether the evaluation is what was expected.
    pub fn is_met_by(&self, evaluation: &Evaluation) -> bool {
        if evaluation.effect() != self.effect {
            return false;
        }
        if self.rule.is_none() && self.code.is_none() {
            return true;
        }
        let is_named = |finding: &Finding| {
            self.rule.as_ref().is_none_or(|rule| *rule == finding.rule)
                && self.code.as_ref().is_none_or(|code| *code == finding.code)
        };
        let counts = |finding: &&Finding| match self.effect {
            Effect::Allow => finding.mode == Mode::Monitor,
            effect => finding.mode == Mode::Enforce && finding.effect == effect,
        };
        let set_aside = evaluation.waived().iter().map(|(finding, _)| finding);
        let let_pass = set_aside.filter(|_| self.effect == Effect::Allow);
        let mut findings = evaluation.findings().iter().filter(counts).chain(let_pass);
        findings.any(is_named)
    }
}

impl PolicyTest {
    /// Judges the test by a policy. `recorded` holds the facts and the instant of the decision it
    /// names; it is not looked at where the test tells its facts. `None` when they are needed and
    /// missing.
    pub fn judge(
        &self,
        ruleset: &Ruleset,
        recorded: Option<(VersionFacts, Timestamp)>,
    ) -> Option<Evaluation> {
        let (mut facts, at) = match &self.facts {
            TestFacts::Given(facts) => (facts.as_ref().clone(), None),
            TestFacts::Recorded(_) | TestFacts::Newest => {
                let (facts, at) = recorded?;
                (facts, Some(at))
            }
        };
        if self.audience != Audience::default() {
            facts.audience = self.audience.clone();
        }
        Some(ruleset.evaluate(&facts, self.at.or(at)?))
    }
}
