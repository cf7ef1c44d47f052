//! What a self-test found.

use std::fmt;
use std::time::Duration;

use cordon_policy::model::Timestamp;
use serde::Serialize;

/// The outcome of one self-test.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// When it was made.
    #[serde(serialize_with = "as_text")]
    pub at: Timestamp,
    /// How long it took.
    #[serde(rename = "took_seconds", serialize_with = "as_seconds")]
    pub took: Duration,
    /// Identity of the policy tested.
    pub ruleset: String,
    /// One row for each table of a rule and each protocol it applies to, by rule and protocol.
    pub rows: Vec<Row>,
}

fn as_text<S: serde::Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(at)
}

fn as_seconds<S: serde::Serializer>(took: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(took.as_secs_f64())
}

/// One table of a rule for one protocol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The rule.
    pub rule: String,
    /// Where the table is written.
    pub place: String,
    /// The protocol.
    pub ecosystem: String,
    /// What documents do.
    pub metadata: Outcome,
    /// What files do.
    pub artifact: Outcome,
}

/// What became of one question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", content = "detail", rename_all = "kebab-case")]
pub enum Outcome {
    /// What is bad is refused by this rule, and what is good is not.
    Refused,
    /// The rule is monitored: it reports what is bad, and stops nothing.
    Reported,
    /// Only the bytes can tell; documents cannot know.
    BytesTell,
    /// As configured there is nothing it would refuse; why.
    Nothing(String),
    /// The protocol never tells what the rule looks at; why. No failure: the rule is written for
    /// several protocols, and where it needs a fact never told the policy is refused when it is read.
    CannotWork(String),
    /// It did not do what it is there for.
    Failed(String),
}

impl Outcome {
    /// Whether somebody has to look.
    pub fn is_failure(&self) -> bool {
        matches!(self, Self::Failed(_))
    }

    /// One word for a table.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Refused => "ok",
            Self::Reported => "reports",
            Self::BytesTell => "bytes tell",
            Self::Nothing(_) => "nothing",
            Self::CannotWork(_) => "cannot",
            Self::Failed(_) => "FAILED",
        }
    }

    /// What there is to say besides.
    pub fn detail(&self) -> Option<&str> {
        match self {
            Self::Refused | Self::Reported | Self::BytesTell => None,
            Self::Nothing(why) | Self::CannotWork(why) | Self::Failed(why) => Some(why),
        }
    }
}

impl Row {
    /// Its planes with their names.
    pub fn planes(&self) -> [(&'static str, &Outcome); 2] {
        [("metadata", &self.metadata), ("artifact", &self.artifact)]
    }
}

impl Report {
    /// How many questions had an answer: planes of rules that refused or reported, or failed to.
    pub fn checks(&self) -> usize {
        let is_check = |outcome: &Outcome| {
            !matches!(
                outcome,
                Outcome::Nothing(_) | Outcome::CannotWork(_) | Outcome::BytesTell
            )
        };
        let outcomes = self.rows.iter().flat_map(Row::planes);
        outcomes.filter(|(_, outcome)| is_check(outcome)).count()
    }

    /// One sentence for each failure, naming rule, place, protocol and plane.
    pub fn failures(&self) -> Vec<String> {
        let mut failures = Vec::new();
        for row in &self.rows {
            for (plane, outcome) in row.planes() {
                let Some(why) = outcome.detail().filter(|_| outcome.is_failure()) else {
                    continue;
                };
                failures.push(format!(
                    "rule `{}` ({}) on the {plane} of {}: {why}",
                    row.rule, row.place, row.ecosystem
                ));
            }
        }
        failures
    }

    /// Whether every rule does what it is there for.
    pub fn is_ok(&self) -> bool {
        self.rows
            .iter()
            .flat_map(Row::planes)
            .all(|(_, outcome)| !outcome.is_failure())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failures = self.failures();
        let checks = self.checks();
        match failures.len() {
            0 => write!(f, "ok, {checks} checks at {}", self.at),
            failed => write!(f, "{failed} of {checks} checks failed at {}", self.at),
        }
    }
}
