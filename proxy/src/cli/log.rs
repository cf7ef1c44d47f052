//! `cordon log`: the decisions, and the proof that none was changed.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use cordon_policy::ecosystem::schemes;
use cordon_policy::finding::RuleId;
use cordon_policy::model::{Timestamp, parse_purl};
use cordon_policy::verdict::Effect;
use cordon_storage::StorageError;
use cordon_storage::evidence::query::MAX_PAGE;
use cordon_storage::evidence::{Evidence, LogFilter, LoggedDecision};

use super::follow::Following;
use super::output::{self, Lines, printable};
use super::{Common, unusable};
use crate::data;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Log {
    #[command(subcommand)]
    command: Option<LogCommand>,
    #[command(flatten)]
    list: List,
}

#[derive(Debug, Subcommand)]
enum LogCommand {
    /// Check the published log with nothing but its files and the public key, and without
    /// `--folder` the local database against it
    Verify(super::verify::Verify),
    /// Say who received a package, a version of it, or was refused it
    Received(super::received::Received),
    /// List what was served and is refused by now, with who has it
    Exposures(super::exposures::Exposures),
    /// List what the log notes besides decisions: damage, gaps, collections
    Notices(super::notices::Notices),
    /// List names that were asked for and did not exist; packages registered under them later are
    /// held
    Missed(super::missed::MissedNames),
}

#[derive(Debug, Args)]
struct List {
    /// Only this package, as a purl: pkg:npm/left-pad
    #[arg(long, value_name = "PURL")]
    package: Option<String>,
    /// Only this verdict
    #[arg(long)]
    verdict: Option<Verdict>,
    /// Only decisions in which this rule found something
    #[arg(long)]
    rule: Option<String>,
    /// Only what this client address asked for
    #[arg(long, value_name = "ADDRESS")]
    client: Option<String>,
    /// Not before: an RFC 3339 time, or an age like `24h`
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Before: an RFC 3339 time, or an age like `24h`
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// At most so many, the newest; with --follow, as many to begin with
    #[arg(long, short = 'n', default_value_t = 50, value_parser = most)]
    limit: usize,
    /// All that match, the oldest first
    #[arg(long, conflicts_with_all = ["limit", "follow"])]
    all: bool,
    /// Go on printing new decisions until interrupted
    #[arg(long, short)]
    follow: bool,
    /// One JSON object a line instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Verdict {
    Allow,
    Hide,
    Quarantine,
    Block,
}

/// How often `--follow` looks for new decisions.
const FOLLOW_EVERY: Duration = Duration::from_millis(500);

impl Log {
    pub(super) fn run(&self, common: &Common) -> Result<ExitCode, ExitCode> {
        match &self.command {
            Some(LogCommand::Verify(verify)) => verify.run(common),
            Some(LogCommand::Received(received)) => received.run(common),
            Some(LogCommand::Exposures(exposures)) => exposures.run(common),
            Some(LogCommand::Notices(notices)) => notices.run(common),
            Some(LogCommand::Missed(missed)) => missed.run(common),
            None => self.list.run(common),
        }
    }
}

impl List {
    fn run(&self, common: &Common) -> Result<ExitCode, ExitCode> {
        let filter = self.filter().map_err(|message| {
            output::complain(message);
            unusable()
        })?;
        let config = common.load(&common.overrides())?;
        super::block_on(async {
            let evidence = data::open_reader(&config.data).map_err(|error| super::fail(&error))?;
            self.print(&evidence, filter).await
        })
    }

    async fn print(
        &self,
        evidence: &Arc<dyn Evidence>,
        filter: LogFilter,
    ) -> Result<ExitCode, ExitCode> {
        let failed = |error: StorageError| super::fail(&error);
        if self.all {
            let mut rest = Following::whole(&**evidence, filter);
            loop {
                let found = rest.next().await.map_err(failed)?;
                if found.is_empty() {
                    return Ok(ExitCode::SUCCESS);
                }
                self.show(&found)?;
            }
        }
        if !self.follow {
            self.show(&evidence.decisions(&filter).await.map_err(failed)?)?;
            return Ok(ExitCode::SUCCESS);
        }
        let (mut following, first) = Following::begin(&**evidence, filter)
            .await
            .map_err(failed)?;
        self.show(&first)?;
        loop {
            tokio::select! {
                () = tokio::time::sleep(FOLLOW_EVERY) => {}
                _ = tokio::signal::ctrl_c() => return Ok(ExitCode::SUCCESS),
            }
            loop {
                let found = following.next().await.map_err(failed)?;
                if found.is_empty() {
                    break;
                }
                self.show(&found)?;
            }
        }
    }

    fn show(&self, decisions: &[LoggedDecision]) -> Result<(), ExitCode> {
        if self.json {
            decisions
                .iter()
                .try_for_each(|logged| output::print(json_line(logged)))
        } else if self.follow || self.all {
            decisions
                .iter()
                .try_for_each(|logged| output::print(text_line(logged)))
        } else if decisions.is_empty() {
            output::print("no decision matches")
        } else {
            output::print(table(decisions))
        }
    }

    fn filter(&self) -> Result<LogFilter, String> {
        let package = match &self.package {
            None => None,
            Some(text) => {
                let target = parse_purl(text, &schemes()).map_err(|error| error.to_string())?;
                Some(target.name)
            }
        };
        Ok(LogFilter {
            package,
            effect: self.verdict.map(|verdict| match verdict {
                Verdict::Allow => Effect::Allow,
                Verdict::Hide => Effect::Hide,
                Verdict::Quarantine => Effect::Quarantine,
                Verdict::Block => Effect::Block,
            }),
            rule: self.rule.as_deref().map(RuleId::parse),
            client: self.client.as_deref().map(Into::into),
            since: self.since.as_deref().map(instant).transpose()?,
            until: self.until.as_deref().map(instant).transpose()?,
            after: None,
            limit: self.limit,
        })
    }
}

/// How many decisions one answer may hold.
fn most(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if (1..=MAX_PAGE).contains(&count) => Ok(count),
        _ => Err(format!("give 1 to {MAX_PAGE}, or --all for all that match")),
    }
}

/// An RFC 3339 time, or an age before now.
pub(super) fn instant(text: &str) -> Result<Timestamp, String> {
    use crate::engine::{Clock as _, SystemClock};
    if let Ok(at) = Timestamp::parse(text) {
        return Ok(at);
    }
    let age: jiff::Span = text
        .parse()
        .map_err(|_| format!("`{text}` is neither an RFC 3339 time nor an age like `24h`"))?;
    let age = age
        .to_duration(jiff::SpanRelativeTo::days_are_24_hours())
        .ok()
        .and_then(|age| Duration::try_from(age).ok())
        .ok_or_else(|| format!("`{text}` is not an age"))?;
    Ok(SystemClock.now().saturating_sub(age))
}

fn deciding(logged: &LoggedDecision) -> String {
    let evaluation = &logged.decision.evaluation;
    evaluation
        .deciding()
        .map_or_else(String::new, |f| format!("{}/{}", f.rule, f.code))
}

fn clients(logged: &LoggedDecision) -> String {
    let mut names: Vec<String> = logged
        .servings
        .iter()
        .map(|served| format!("{} {}", served.client.address, served.client.agent))
        .collect();
    names.sort();
    names.dedup();
    let more = names.len().saturating_sub(2);
    names.truncate(2);
    let tail = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    printable(&format!("{}{tail}", names.join(", ")))
}

fn table(decisions: &[LoggedDecision]) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(["time", "id", "verdict", "what", "rule", "clients"]);
    for logged in decisions {
        let evaluation = &logged.decision.evaluation;
        table.add_row([
            logged.decision.at.to_string(),
            logged.decision.id.to_string(),
            evaluation.effect().to_string(),
            printable(&evaluation.subject().to_string()),
            deciding(logged),
            clients(logged),
        ]);
    }
    table
}

fn text_line(logged: &LoggedDecision) -> String {
    let evaluation = &logged.decision.evaluation;
    let reason = evaluation
        .deciding()
        .map_or("", |finding| finding.reason.as_str());
    printable(&format!(
        "{}  {}  {:10}  {}  {}",
        logged.decision.at,
        logged.decision.id,
        evaluation.effect().name(),
        evaluation.subject(),
        reason
    ))
}

/// The record as kept, with its place and who was affected.
pub(super) fn json_line(logged: &LoggedDecision) -> String {
    serde_json::json!({
        "index": logged.index,
        "decision": logged.decision,
        "servings": logged.servings,
    })
    .to_string()
}

/// A decision with everything kept about it.
pub(super) fn whole(logged: &LoggedDecision) -> Lines {
    let decision = &logged.decision;
    let evaluation = &decision.evaluation;
    let mut lines = Lines::default();
    lines.add(format_args!(
        "{}  {}  {}",
        decision.id,
        evaluation.effect(),
        printable(&evaluation.subject().to_string())
    ));
    lines.add(format_args!(
        "  decided    {} (log entry {})",
        decision.at, logged.index
    ));
    lines.add(format_args!("  file       {}", evaluation.artifact().file));
    if let Some(sha256) = evaluation.sha256() {
        lines.add(format_args!("  bytes      {sha256}"));
    }
    lines.append(output::Findings(evaluation));
    if let Some(nearest) = &decision.nearest_allowed {
        lines.add(format_args!("  use        {nearest} instead"));
    }
    lines.add(format_args!("  ruleset    {}", decision.ruleset));
    for served in &logged.servings {
        lines.add(format_args!(
            "  {:9}  {} x by {} {} ({} to {})",
            format!("{:?}", served.outcome).to_lowercase(),
            served.count,
            served.client.address,
            printable(&served.client.agent),
            served.first_at,
            served.last_at
        ));
    }
    lines
}
