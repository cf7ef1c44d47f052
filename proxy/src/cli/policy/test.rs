//! `cordon policy test`: what the policy is meant to do, and whether it does.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use cordon_policy::facts::VersionFacts;
use cordon_policy::model::Timestamp;
use cordon_policy::policy_test::{PolicyTest, TestFacts};
use cordon_policy::verdict::Evaluation;
use cordon_storage::StorageError;
use cordon_storage::evidence::Evidence;

use super::{Common, name_of, output, unusable};
use crate::cli::output::{Lines, printable};
use crate::data;

#[derive(Debug, Args)]
pub(in crate::cli) struct Test {
    /// The files of one policy; without any, the configured ones
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// One JSON object a test
    #[arg(long)]
    json: bool,
}

/// A test and what came of it; `None` when the recorded facts it names are not there.
struct Judged<'a> {
    test: &'a PolicyTest,
    evaluation: Option<Evaluation>,
}

impl Judged<'_> {
    fn has_passed(&self) -> bool {
        let evaluation = self.evaluation.as_ref();
        evaluation.is_some_and(|it| self.test.expected.is_met_by(it))
    }
}

impl Test {
    pub(super) fn run(&self, common: &Common) -> Result<ExitCode, ExitCode> {
        let files = super::chosen(common, &self.files)?;
        let policy = super::load(&files)?;
        if policy.tests.is_empty() {
            let name = name_of(&files);
            output::complain(format_args!(
                "no `[[test]]` in {name}; a run without tests shows nothing"
            ));
            return Err(unusable());
        }
        let evidence = match policy.tests.iter().any(wants_record) {
            true => Some(open(common)?),
            false => None,
        };
        let judged = super::super::block_on(async {
            let mut judged = Vec::with_capacity(policy.tests.len());
            for test in &policy.tests {
                let recorded = match &evidence {
                    Some(evidence) => recorded(&**evidence, test)
                        .await
                        .map_err(|error| super::super::fail(&error))?,
                    None => None,
                };
                let evaluation = test.judge(&policy.ruleset, recorded);
                judged.push(Judged { test, evaluation });
            }
            Ok(judged)
        })?;
        let failed = judged.iter().filter(|one| !one.has_passed()).count();
        match self.json {
            true => judged.iter().map(json_line).try_for_each(output::print)?,
            false => output::print(report(&judged, failed))?,
        }
        Ok(ExitCode::from(u8::from(failed > 0)))
    }
}

fn wants_record(test: &PolicyTest) -> bool {
    match test.facts {
        TestFacts::Given(_) => false,
        TestFacts::Recorded(_) | TestFacts::Newest => true,
    }
}

fn open(common: &Common) -> Result<Arc<dyn Evidence>, ExitCode> {
    let config = common.load(&common.overrides())?;
    data::open_reader(&config.data).map_err(|error| super::super::fail(&error))
}

/// The facts a test takes from the record, with the instant they were judged at.
async fn recorded(
    evidence: &dyn Evidence,
    test: &PolicyTest,
) -> Result<Option<(VersionFacts, Timestamp)>, StorageError> {
    let decision = match &test.facts {
        TestFacts::Given(_) => None,
        TestFacts::Recorded(id) => evidence.decision(id).await?.map(|logged| logged.decision),
        TestFacts::Newest => {
            let standing = evidence.standing(&test.subject.name).await?;
            standing
                .into_iter()
                .filter(|decision| *decision.evaluation.subject() == test.subject)
                .max_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)))
        }
    };
    let is_about_it = |facts: &VersionFacts| *facts.subject() == test.subject;
    Ok(decision
        .map(|decision| (decision.facts, decision.at))
        .filter(|(facts, _)| is_about_it(facts)))
}

fn report(judged: &[Judged<'_>], failed: usize) -> Lines {
    let mut lines = Lines::default();
    for one in judged.iter().filter(|one| !one.has_passed()) {
        let test = one.test;
        let name = test.name.as_deref().unwrap_or("(without a name)");
        lines.add(format_args!("FAILED  {}  {}", test.source, printable(name)));
        let at = test.at.map(|at| format!(" at {at}")).unwrap_or_default();
        lines.add(format_args!("  package    {}{at}", test.subject));
        lines.add(format_args!("  expected   {}", test.expected));
        match &one.evaluation {
            Some(evaluation) => {
                lines.add(format_args!("  got        {}", evaluation.effect()));
                lines.append(output::Findings(evaluation));
            }
            None => lines.add(
                "  got        nothing: no such decision about this version is recorded; name the \
                 data folder with --data",
            ),
        }
    }
    let count = judged.len();
    lines.add(format_args!(
        "{count} {}, {} passed, {failed} failed",
        if count == 1 { "test" } else { "tests" },
        count - failed
    ));
    lines
}

fn json_line(one: &Judged<'_>) -> String {
    let Judged { test, evaluation } = one;
    serde_json::json!({
        "name": test.name,
        "source": test.source.to_string(),
        "package": test.subject.to_string(),
        "at": test.at.map(|at| at.to_string()),
        "expected": test.expected.to_string(),
        "got": evaluation.as_ref().map(|it| it.effect().name()),
        "has_passed": one.has_passed(),
        "findings": evaluation.as_ref().map(Evaluation::findings),
    })
    .to_string()
}
