//! `cordon doctor`: what somebody looks at first when something is wrong.
//!
//! It changes nothing, and works beside a running Cordon as well as without one.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use cordon_policy::model::Timestamp;
use cordon_storage::Chain;
use cordon_storage::generations::Generations;
use serde::Serialize;

use super::output::{self, Lines, printable};
use super::{Common, admin_client, fail};
use crate::app;
use crate::config::Config;
use crate::data;
use crate::engine::{Clock as _, SystemClock};
use crate::feeds::installed::{self, folder};
use crate::inspection::{self, Inspector, Workers};
use crate::policy_files::LoadedPolicy;
use crate::registry;
use crate::selftest::{self, Report, Row};
use crate::server::tls;

/// How long a running Cordon may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);

#[derive(Debug, Args)]
pub(super) struct Doctor {
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// How one thing stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    Ok,
    /// Worth knowing, and nothing is broken.
    Note,
    Failed,
}

#[derive(Debug, Serialize)]
struct Check {
    what: String,
    state: State,
    detail: String,
}

impl Check {
    fn new(what: impl Into<String>, state: State, detail: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            state,
            detail: detail.into(),
        }
    }
}

/// Everything that was looked at.
#[derive(Serialize)]
struct Examined {
    checks: Vec<Check>,
    #[serde(skip_serializing_if = "Option::is_none")]
    self_test: Option<Report>,
}

impl Doctor {
    pub(super) fn run(&self, common: &Common) -> Result<ExitCode, ExitCode> {
        let config = common.load(&common.overrides())?;
        let policy = super::server_policy(&config)?;
        tls::install_crypto_provider();
        let now = SystemClock.now();
        let mut checks = vec![policy_check(&policy, now), data_check(&config)];
        checks.extend(feed_checks(&config, now));
        checks.push(inspection_check(&config));
        let lacking = policy.without_source(&config.feeds).into_iter();
        checks.extend(lacking.map(|it| Check::new("scores", State::Note, it.to_string())));
        let examined = super::block_on(async {
            checks.push(server_check(&config).await);
            let tested = self_test(&config, &policy, now).await;
            let self_test = match tested {
                Ok(report) => {
                    let state = match report.is_ok() {
                        true => State::Ok,
                        false => State::Failed,
                    };
                    let took = report.took.as_millis();
                    checks.push(Check::new(
                        "self-test",
                        state,
                        format!("{report}, in {took} ms"),
                    ));
                    Some(report)
                }
                Err(why) => {
                    checks.push(Check::new("self-test", State::Failed, why));
                    None
                }
            };
            Ok(Examined { checks, self_test })
        })?;
        match self.json {
            true => {
                let text = serde_json::to_string_pretty(&examined);
                output::print(text.map_err(|error| fail(&error))?)?;
            }
            false => output::print(in_words(&examined))?,
        }
        match examined
            .checks
            .iter()
            .any(|check| check.state == State::Failed)
        {
            true => Err(ExitCode::FAILURE),
            false => Ok(ExitCode::SUCCESS),
        }
    }
}

fn policy_check(policy: &LoadedPolicy, now: Timestamp) -> Check {
    let rules = policy.ruleset.rules();
    let is_on = |rule: &&cordon_policy::rules::ConfiguredRule| {
        rule.variants
            .iter()
            .any(|variant| variant.settings.is_enabled)
    };
    let ended = policy.ruleset.expired_exemptions(now).len();
    let warnings = policy.warnings.len();
    let detail = format!(
        "{} rules enabled, {warnings} warnings, {ended} exemptions that have ended; {}",
        rules.iter().filter(is_on).count(),
        policy.ruleset.hash()
    );
    let state = match warnings + ended {
        0 => State::Ok,
        _ => State::Note,
    };
    Check::new("policy", state, detail)
}

fn data_check(config: &Config) -> Check {
    let folder = config.data.display();
    match data::open_reader_if_any(&config.data) {
        Ok(Some(_)) => Check::new(
            "data folder",
            State::Ok,
            format!("{folder}: evidence is readable"),
        ),
        Ok(None) => Check::new(
            "data folder",
            State::Note,
            format!("{folder}: nothing kept so far"),
        ),
        Err(error) => {
            let why = format!("{folder}: {}", Chain(&error));
            Check::new("data folder", State::Failed, why)
        }
    }
}

/// Tests the policy with the workers that would serve. The error says why it could not be.
async fn self_test(
    config: &Config,
    policy: &LoadedPolicy,
    now: Timestamp,
) -> Result<Report, String> {
    let metrics = Arc::new(app::metrics());
    let workers = Workers::new(&config.inspection, metrics)
        .map_err(|error| format!("no inspection worker could be had: {error}"))?;
    let inspector: Arc<dyn Inspector> = Arc::new(workers);
    selftest::run(&policy.ruleset, &registry::all(), &inspector, now)
        .await
        .map_err(|error| Chain(&error).to_string())
}

/// Starts a worker as the server would.
fn inspection_check(config: &Config) -> Check {
    let count = config.inspection.worker_count();
    let set = match crate::indicators::read(&config.indicators) {
        Ok(set) => set,
        Err(error) => return Check::new("inspection", State::Failed, error.lines().join("; ")),
    };
    let (state, detail) = match inspection::probe(&config.inspection, Some(&set)) {
        Err(failure) => (State::Failed, failure.to_string()),
        Ok((took, lacks)) => {
            let took = took.as_millis();
            let found = set.summary();
            let ready =
                format!("indicators: {found}; workers: {count}, one was ready in {took} ms");
            match lacks {
                None => (State::Ok, format!("{ready} and is confined")),
                Some(lacks) => (State::Note, format!("{ready}, not fully confined: {lacks}")),
            }
        }
    };
    Check::new("inspection", state, detail)
}

fn feed_checks(config: &Config, now: Timestamp) -> Vec<Check> {
    let check = |ecosystem: &cordon_policy::model::Ecosystem| {
        let what = format!("advisories of {ecosystem}");
        let generations = Generations::at(folder(&config.data, ecosystem));
        match installed::open(&generations, ecosystem, &config.feeds) {
            Ok(None) => Check::new(what, State::Note, "no data was ever loaded"),
            Err(error) => Check::new(what, State::Failed, Chain(&error).to_string()),
            Ok(Some(found)) => {
                let confirmed = found.belief.confirmed_at();
                let hours = now.since(confirmed).as_secs() / 3_600;
                let mut detail = format!(
                    "generation {} of {} records, confirmed {hours} h ago",
                    found.generation.number, found.manifest.records
                );
                let is_old = now >= found.belief.until();
                for more in [
                    is_old.then(|| "too old to be believed".to_owned()),
                    found.gap.as_ref().map(ToString::to_string),
                    found.damage.clone(),
                ]
                .into_iter()
                .flatten()
                {
                    detail.push_str("; ");
                    detail.push_str(&more);
                }
                let state = match (is_old || found.gap.is_some(), found.damage.is_some()) {
                    (_, true) => State::Failed,
                    (true, false) => State::Note,
                    (false, false) => State::Ok,
                };
                Check::new(what, state, detail)
            }
        }
    };
    config.feeds.ecosystems().iter().map(check).collect()
}

/// Asks a running Cordon how it is. That none runs is no failure: this works without one.
async fn server_check(config: &Config) -> Check {
    let what = "running server";
    let Ok(request) = admin_client::request(config, None, reqwest::Method::GET, "/healthz") else {
        return Check::new(what, State::Failed, "the admin listener cannot be asked");
    };
    let Ok(response) = request.timeout(PATIENCE).send().await else {
        let detail = format!("nothing answers at {}", config.admin_listen);
        return Check::new(what, State::Note, detail);
    };
    let status = response.status();
    let text = response.text().await.unwrap_or_default();
    let lines: Vec<String> = text.lines().map(printable).collect();
    let is_failed = lines
        .iter()
        .any(|line| line.starts_with("self-test: ") && line.contains(" failed at "));
    let state = match (status.is_success(), is_failed, lines.len()) {
        (false, ..) | (_, true, _) => State::Failed,
        (true, false, 0..=2) => State::Ok,
        (true, false, _) => State::Note,
    };
    Check::new(what, state, lines.join("; "))
}

fn in_words(examined: &Examined) -> Lines {
    let mut lines = Lines::default();
    for check in &examined.checks {
        let word = match check.state {
            State::Ok => "ok",
            State::Note => "note",
            State::Failed => "FAILED",
        };
        lines.add(format_args!(
            "{word:7} {}: {}",
            check.what,
            printable(&check.detail)
        ));
    }
    let Some(report) = &examined.self_test else {
        return lines;
    };
    lines.add("");
    lines.add(table(&report.rows));
    let whys: Vec<String> = whys(&report.rows);
    if !whys.is_empty() {
        lines.add("");
    }
    for why in whys {
        lines.add(why);
    }
    lines
}

fn table(rows: &[Row]) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(["RULE", "PROTOCOL", "METADATA", "ARTIFACT", "POLICY"]);
    for row in rows {
        table.add_row([
            row.rule.as_str(),
            row.ecosystem.as_str(),
            row.metadata.word(),
            row.artifact.word(),
            &printable(&row.place),
        ]);
    }
    table
}

/// What there is to say besides the words of the table, each rule's sentence once.
fn whys(rows: &[Row]) -> Vec<String> {
    let mut whys: Vec<String> = Vec::new();
    for row in rows {
        let mut planes = row.planes().to_vec();
        planes.dedup_by(|later, first| later.1 == first.1);
        for (plane, outcome) in planes {
            if let Some(detail) = outcome.detail() {
                let why = match outcome.is_failure() {
                    true => format!("{} on {} ({plane}): {detail}", row.rule, row.ecosystem),
                    false => format!("{} on {}: {detail}", row.rule, row.ecosystem),
                };
                whys.push(printable(&why));
            }
        }
    }
    whys
}
