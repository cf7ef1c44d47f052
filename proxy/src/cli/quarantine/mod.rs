//! `cordon quarantine`: what is held, and what to do about it.
//!
//! Looking is done in the data folder, beside a running Cordon or without one (with `--admin` it is
//! the running one that is asked); deciding is always done by the running one.

mod contents;
mod show;

use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use cordon_policy::config::quantity::parse_duration;
use cordon_policy::ecosystem::schemes;
use cordon_policy::finding::RuleId;
use cordon_policy::model::{Timestamp, parse_purl};
use cordon_storage::evidence::{Evidence, HoldFilter, HoldState};
use reqwest::Method;
use serde::de::DeserializeOwned;

use super::exempt::name_of;
use super::output::{self, printable};
use super::{Common, admin_client, fail, unusable};
use crate::engine::{Clock as _, SystemClock};
use crate::policy_files::Granted;
use crate::quarantine::{Judge, Page, Plan, Query, Refused, Reviewed, Ticket};
use crate::{data, quarantine};

/// The exit code when something stands otherwise than whoever asks believes.
const CONFLICT: u8 = 3;

#[derive(Debug, Args)]
pub(super) struct Quarantine {
    #[command(subcommand)]
    action: Action,
    /// Where the running Cordon's admin listener is, when it is not where the configuration says
    #[arg(long, global = true, env = "CORDON_ADMIN", value_name = "URL")]
    admin: Option<url::Url>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List what is held, the latest first
    List(List),
    /// Show one: what was found, who asked for it, what people did
    Show(Show),
    /// List the files of its archive
    Files(contents::Files),
    /// Print one file of its archive, with everything a terminal would act on made visible
    Cat(contents::Cat),
    /// Compare its archive with that of another version
    Diff(contents::Diff),
    /// Let it through, as long as nothing else is found
    Release(Release),
    /// Refuse it for good
    Reject(Settle),
    /// Take a release or a rejection back
    Undo(Settle),
    /// Release or reject many at once; shows a plan first
    Bulk(Bulk),
    /// Fetch, check and keep its bytes for review, without serving them
    Fetch(Fetch),
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum State {
    Held,
    Released,
    Rejected,
    Cleared,
    All,
}

impl State {
    fn wanted(self) -> Option<HoldState> {
        match self {
            Self::Held => Some(HoldState::Held),
            Self::Released => Some(HoldState::Released),
            Self::Rejected => Some(HoldState::Rejected),
            Self::Cleared => Some(HoldState::Cleared),
            Self::All => None,
        }
    }
}

#[derive(Debug, Args)]
struct Narrow {
    /// Only packages of this ecosystem
    #[arg(long, value_name = "NAME")]
    ecosystem: Option<String>,
    /// Only this package, as a package URL
    #[arg(long, value_name = "PURL")]
    package: Option<String>,
    /// Only where this rule found something
    #[arg(long, value_name = "RULE")]
    rule: Option<String>,
    /// Only first held since then: an RFC 3339 time or an age like `24h`
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
}

#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    narrow: Narrow,
    /// Where it stands
    #[arg(long, value_enum, default_value = "held")]
    state: State,
    /// At most so many
    #[arg(long, short = 'n', default_value_t = 50)]
    limit: usize,
    /// Only those after this place, as the end of a page tells it
    #[arg(long, value_name = "PLACE")]
    before: Option<u64>,
    /// JSON instead of a list
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Show {
    /// The id of a ticket, or of any decision about it
    id: String,
    /// JSON instead of text
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Release {
    /// The id of the decision you looked at, as `list` and `show` print it
    id: String,
    /// Why
    #[arg(long)]
    reason: String,
    /// When it ends: an RFC 3339 time, or a length like `7d`
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Who releases it; the user of this process, if left out
    #[arg(long)]
    by: Option<String>,
}

#[derive(Debug, Args)]
struct Settle {
    /// The id of the decision you looked at, as `list` and `show` print it
    id: String,
    /// Why
    #[arg(long)]
    reason: String,
    /// Who does it; the user of this process, if left out
    #[arg(long)]
    by: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Act {
    Release,
    Reject,
}

#[derive(Debug, Args)]
struct Bulk {
    /// What to do
    #[arg(value_enum)]
    act: Act,
    #[command(flatten)]
    narrow: Narrow,
    /// Only packages whose name matches: `*` and `?`
    #[arg(long, value_name = "PATTERN")]
    names: Option<String>,
    /// Only where this finding stands against it
    #[arg(long, value_name = "FINGERPRINT")]
    fingerprint: Option<String>,
    /// Why
    #[arg(long)]
    reason: String,
    /// When releases end: an RFC 3339 time, or a length like `7d`
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Who does it; the user of this process, if left out
    #[arg(long)]
    by: Option<String>,
    /// Carry out the plan that was shown
    #[arg(long, value_name = "PLAN")]
    plan: Option<String>,
}

#[derive(Debug, Args)]
struct Fetch {
    /// The id of a ticket, or of any decision about it
    id: String,
}

impl Quarantine {
    pub(super) fn run(&self, common: &Common) -> Result<ExitCode, ExitCode> {
        let asking = Asking {
            common,
            admin: self.admin.as_ref(),
        };
        match &self.action {
            Action::List(list) => list.run(&asking),
            Action::Show(show) => show.run(&asking),
            Action::Files(files) => files.run(&asking),
            Action::Cat(cat) => cat.run(&asking),
            Action::Diff(diff) => diff.run(&asking),
            Action::Release(release) => release.run(&asking),
            Action::Reject(settle) => settle.run(&asking, "reject"),
            Action::Undo(settle) => settle.run(&asking, "undo"),
            Action::Bulk(bulk) => bulk.run(&asking),
            Action::Fetch(fetch) => fetch.run(&asking),
        }
    }
}

impl Narrow {
    fn filter(&self) -> Result<HoldFilter, String> {
        let package = match &self.package {
            None => None,
            Some(purl) => {
                let target = parse_purl(purl, &schemes()).map_err(|error| error.to_string())?;
                Some(target.name)
            }
        };
        let ecosystem = match &self.ecosystem {
            None => None,
            Some(name) => {
                let known = schemes().map(|scheme| scheme.ecosystem().clone());
                let found = known.into_iter().find(|it| it.as_str() == name);
                Some(found.ok_or_else(|| format!("there is no ecosystem `{name}`"))?)
            }
        };
        let since = self.since.as_deref().map(super::log::instant).transpose()?;
        Ok(HoldFilter {
            ecosystem,
            package,
            rule: self.rule.as_deref().map(RuleId::parse),
            since,
            ..HoldFilter::default()
        })
    }

    fn query(&self) -> Result<Vec<(&'static str, String)>, String> {
        let since = self.since.as_deref().map(super::log::instant).transpose()?;
        let given = [
            ("ecosystem", self.ecosystem.clone()),
            ("package", self.package.clone()),
            ("rule", self.rule.clone()),
            ("since", since.map(|at| at.to_string())),
        ];
        let given = given.into_iter();
        Ok(given.filter_map(|(key, it)| Some((key, it?))).collect())
    }
}

impl List {
    fn run(&self, asking: &Asking<'_>) -> Result<ExitCode, ExitCode> {
        let page: Page = match asking.admin {
            Some(_) => {
                let mut query = self.narrow.query().map_err(refuse)?;
                let state = self.state.wanted().map_or("all", HoldState::name);
                query.push(("state", state.to_owned()));
                query.push(("limit", self.limit.to_string()));
                query.extend(self.before.map(|before| ("before", before.to_string())));
                asking.ask(Method::GET, "", &query)?
            }
            None => {
                let query = Query {
                    filter: HoldFilter {
                        before: self.before,
                        limit: self.limit,
                        ..self.narrow.filter().map_err(refuse)?
                    },
                    state: self.state.wanted(),
                };
                asking.locally(async |evidence, judge| {
                    Ok(quarantine::list(evidence, &query, judge).await?)
                })?
            }
        };
        if self.json {
            let text = serde_json::to_string_pretty(&page).map_err(|error| fail(&error))?;
            return output::print(text).map(|()| ExitCode::SUCCESS);
        }
        output::print(show::list(&page)).map(|()| ExitCode::SUCCESS)
    }
}

impl Show {
    fn run(&self, asking: &Asking<'_>) -> Result<ExitCode, ExitCode> {
        let ticket = asking.ticket(&self.id)?;
        if self.json {
            let text = serde_json::to_string_pretty(&ticket).map_err(|error| fail(&error))?;
            return output::print(text).map(|()| ExitCode::SUCCESS);
        }
        output::print(show::whole(&ticket)).map(|()| ExitCode::SUCCESS)
    }
}

/// When something ends, as the admin listener wants it.
fn end(until: Option<&str>) -> Result<Option<(&'static str, String)>, ExitCode> {
    let Some(text) = until else {
        return Ok(None);
    };
    let at = match parse_duration(text) {
        Ok(length) => SystemClock.now().saturating_add(length),
        Err(_) => Timestamp::parse(text).map_err(|_| {
            refuse(format!(
                "`--until {text}` is neither a time (2026-12-31T00:00:00Z) nor a length (7d)"
            ))
        })?,
    };
    Ok(Some(("until", at.to_string())))
}

impl Release {
    fn run(&self, asking: &Asking<'_>) -> Result<ExitCode, ExitCode> {
        let mut query = vec![
            ("by", name_of(self.by.as_deref())),
            ("reason", self.reason.clone()),
        ];
        query.extend(end(self.until.as_deref())?);
        let path = format!("/{}/release", encoded(&self.id));
        let done: Reviewed = asking.ask(Method::POST, &path, &query)?;
        output::print(printable(&done.said)).map(|()| ExitCode::SUCCESS)
    }
}

impl Settle {
    fn run(&self, asking: &Asking<'_>, act: &str) -> Result<ExitCode, ExitCode> {
        let query = [
            ("by", name_of(self.by.as_deref())),
            ("reason", self.reason.clone()),
        ];
        let path = format!("/{}/{act}", encoded(&self.id));
        let done: Reviewed = asking.ask(Method::POST, &path, &query)?;
        output::print(printable(&done.said)).map(|()| ExitCode::SUCCESS)
    }
}

impl Bulk {
    fn run(&self, asking: &Asking<'_>) -> Result<ExitCode, ExitCode> {
        let act = match self.act {
            Act::Release => "release",
            Act::Reject => "reject",
        };
        let mut query = self.narrow.query().map_err(refuse)?;
        query.push(("act", act.to_owned()));
        query.push(("by", name_of(self.by.as_deref())));
        query.push(("reason", self.reason.clone()));
        query.extend(end(self.until.as_deref())?);
        for (key, value) in [
            ("names", &self.names),
            ("fingerprint", &self.fingerprint),
            ("plan", &self.plan),
        ] {
            query.extend(value.clone().map(|value| (key, value)));
        }
        let plan: Plan = asking.ask(Method::POST, "", &query)?;
        output::print(show::plan(&plan, act)).map(|()| ExitCode::SUCCESS)
    }
}

impl Fetch {
    fn run(&self, asking: &Asking<'_>) -> Result<ExitCode, ExitCode> {
        let path = format!("/{}/fetch", encoded(&self.id));
        let ticket: Ticket = asking.ask(Method::POST, &path, &[])?;
        output::print(show::whole(&ticket)).map(|()| ExitCode::SUCCESS)
    }
}

fn encoded(id: &str) -> String {
    percent_encoding::utf8_percent_encode(id, percent_encoding::NON_ALPHANUMERIC).to_string()
}

fn refuse(message: String) -> ExitCode {
    output::complain(message);
    unusable()
}

/// Where to look, and whom to ask.
struct Asking<'a> {
    common: &'a Common,
    admin: Option<&'a url::Url>,
}

impl Asking<'_> {
    /// A ticket by the id of any decision about it.
    fn ticket(&self, id: &str) -> Result<Ticket, ExitCode> {
        match self.admin {
            Some(_) => self.ask(Method::GET, &format!("/{}", encoded(id)), &[]),
            None => self.locally(async |evidence, judge| {
                Ok(quarantine::show(evidence, id, judge).await?.0)
            }),
        }
    }

    /// Looks in the data folder, judging by the policy of the configuration and what was decided by
    /// hand.
    fn locally<T>(
        &self,
        look: impl AsyncFnOnce(&dyn Evidence, Judge<'_>) -> Result<T, Refused>,
    ) -> Result<T, ExitCode> {
        let config = self.common.load(&self.common.overrides())?;
        let policy = super::server_policy(&config)?;
        super::block_on(async {
            let evidence = data::open_reader(&config.data).map_err(|error| fail(&error))?;
            let granted = Granted::of(&*evidence)
                .await
                .map_err(|error| fail(&error))?;
            let policy = policy.with_granted(&granted);
            let judge = Judge {
                ruleset: &policy.ruleset,
                advisories: None,
                now: SystemClock.now(),
            };
            look(&*evidence, judge).await.map_err(|refused| {
                output::complain(&refused);
                code_of(&refused)
            })
        })
    }

    /// Asks the running Cordon; what it refuses is printed.
    fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<T, ExitCode> {
        let config = self.common.load(&self.common.overrides())?;
        let mut encoded = url::form_urlencoded::Serializer::new(String::new());
        encoded.extend_pairs(query);
        let path = format!("/quarantine{path}?{}", encoded.finish());
        let request = admin_client::request(&config, self.admin, method, &path)?;
        super::block_on(async {
            let response = request.send().await.map_err(|error| fail(&error))?;
            let status = response.status();
            let text = response.text().await.map_err(|error| fail(&error))?;
            if status.is_success() {
                return serde_json::from_str(&text).map_err(|error| fail(&error));
            }
            let said: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
            let message = said["message"].as_str().unwrap_or(&text);
            for line in message.lines() {
                output::complain(line);
            }
            Err(match status {
                reqwest::StatusCode::CONFLICT => ExitCode::from(CONFLICT),
                _ => ExitCode::FAILURE,
            })
        })
    }
}

fn code_of(refused: &Refused) -> ExitCode {
    match refused {
        Refused::Conflict(_) => ExitCode::from(CONFLICT),
        Refused::Unknown(_) | Refused::Unsound(_) | Refused::Failed(_) => ExitCode::FAILURE,
    }
}
