//! `cordon exempt`: what is set aside, for a while, by somebody who answers for it.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use cordon_policy::config::canonical::PolicyText;
use cordon_policy::config::quantity::parse_duration;
use cordon_policy::model::Timestamp;
use reqwest::Method;

use super::output::{Lines, printable};
use super::{Common, admin_client, fail, output, unusable};
use crate::engine::{Clock as _, SystemClock};

#[derive(Debug, Args)]
pub(super) struct Exempt {
    #[command(subcommand)]
    action: Action,
    /// Where the running Cordon's admin listener is, when it is not where the configuration says
    #[arg(long, global = true, env = "CORDON_ADMIN", value_name = "URL")]
    admin: Option<url::Url>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the exemptions of the policy in force, with when each ends and was last used
    List(List),
    /// Grant an exemption on the running Cordon, without touching a policy file
    Add(Box<Add>),
    /// End an exemption that was granted
    End(End),
}

#[derive(Debug, Args)]
struct List {
    /// Only those that hold now and have set nothing aside, as far as the log tells
    #[arg(long)]
    unused: bool,
    /// JSON instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Add {
    /// What it is called in records
    #[arg(long)]
    id: String,
    /// The version, as a purl, or with --versions the package
    #[arg(long, value_name = "PURL")]
    package: String,
    /// Versions of the package, as a range; `*` is every one
    #[arg(long, value_name = "RANGE")]
    versions: Option<String>,
    /// Only this file, with --sha256
    #[arg(long, requires = "sha256")]
    file: Option<String>,
    /// Only these bytes
    #[arg(long, requires = "file")]
    sha256: Option<String>,
    /// A rule whose findings are set aside; may be given several times
    #[arg(long = "rule", value_name = "RULE", conflicts_with = "fingerprints")]
    rules: Vec<String>,
    /// A finding that is set aside, as a decision prints it; may be given several times
    #[arg(long = "fingerprint", value_name = "FINGERPRINT")]
    fingerprints: Vec<String>,
    /// Why
    #[arg(long)]
    reason: String,
    /// Who answers for it
    #[arg(long)]
    owner: String,
    /// Another person who agrees; overriding a malware verdict needs one
    #[arg(long)]
    approved_by: Option<String>,
    /// Where it was agreed
    #[arg(long)]
    ticket: String,
    /// When it ends, within 365 days, or 90 for malware: an RFC 3339 time, or a length like `7d`
    #[arg(long, value_name = "TIME")]
    until: String,
    /// Who grants it; the user of this process, if left out
    #[arg(long)]
    by: Option<String>,
    /// An emergency: at most 24 hours, told loudly
    #[arg(long)]
    break_glass: bool,
}

#[derive(Debug, Args)]
struct End {
    /// Its id
    id: String,
    /// Who ends it; the user of this process, if left out
    #[arg(long)]
    by: Option<String>,
}

impl Exempt {
    pub(super) fn run(&self, common: &Common) -> Result<ExitCode, ExitCode> {
        let asking = Asking {
            common,
            admin: self.admin.as_ref(),
        };
        match &self.action {
            Action::List(list) => list.run(&asking),
            Action::Add(add) => add.run(&asking),
            Action::End(end) => end.run(&asking),
        }
    }
}

impl List {
    fn run(&self, asking: &Asking<'_>) -> Result<ExitCode, ExitCode> {
        let text = ask(asking, Method::GET, "/exemptions", &[])?;
        let all: Vec<serde_json::Value> =
            serde_json::from_str(&text).map_err(|error| fail(&error))?;
        let is_unused =
            |it: &serde_json::Value| it["is_active"] == true && it["last_used_at"].is_null();
        let shown = all.iter().filter(|it| !self.unused || is_unused(it));
        let mut lines = Lines::default();
        if self.json {
            lines.add(serde_json::Value::from_iter(shown.cloned()));
            return output::print(lines).map(|()| ExitCode::SUCCESS);
        }
        let mut count = 0;
        for it in shown {
            count += 1;
            let said = |key: &str| printable(it[key].as_str().unwrap_or("never"));
            let state = match it["is_active"] == true {
                true => "until",
                false => "ended",
            };
            let waives: Vec<&str> = it["waives"].as_array().map_or_else(Vec::new, |waives| {
                waives.iter().filter_map(|it| it.as_str()).collect()
            });
            let emergency = match it["is_break_glass"] == true {
                true => "  BREAK GLASS",
                false => "",
            };
            lines.add(format_args!(
                "{}  {}  {state} {}{emergency}\n  sets aside {} because {}\n  owner {}, {}; last used {}",
                said("id"),
                said("package"),
                said("until"),
                printable(&waives.join(", ")),
                said("reason"),
                said("owner"),
                said("source"),
                said("last_used_at"),
            ));
        }
        if count == 0 {
            lines.add("no exemption");
        }
        output::print(lines).map(|()| ExitCode::SUCCESS)
    }
}

impl Add {
    fn run(&self, asking: &Asking<'_>) -> Result<ExitCode, ExitCode> {
        let by = name_of(self.by.as_deref());
        let mut query = vec![("text", self.text()?), ("by", by)];
        if self.break_glass {
            query.push(("break_glass", "true".to_owned()));
        }
        let said = ask(asking, Method::POST, "/exemptions", &query)?;
        output::print(printable(said.trim_end())).map(|()| ExitCode::SUCCESS)
    }

    /// The exemption as a policy file has it; the running Cordon checks it as it checks those.
    fn text(&self) -> Result<String, ExitCode> {
        let mut out = PolicyText::default();
        out.array_table("exempt");
        out.text("id", &self.id);
        out.text("package", &self.package);
        for (key, value) in [
            ("versions", &self.versions),
            ("file", &self.file),
            ("sha256", &self.sha256),
            ("approved_by", &self.approved_by),
        ] {
            if let Some(value) = value {
                out.text(key, value);
            }
        }
        for (key, values) in [("rules", &self.rules), ("fingerprints", &self.fingerprints)] {
            if !values.is_empty() {
                out.texts(key, values.iter().map(String::as_str));
            }
        }
        out.text("reason", &self.reason);
        out.text("owner", &self.owner);
        out.text("ticket", &self.ticket);
        out.text("until", &self.end()?.to_string());
        Ok(out.as_str().to_owned())
    }

    fn end(&self) -> Result<Timestamp, ExitCode> {
        if let Ok(length) = parse_duration(&self.until) {
            return Ok(SystemClock.now().saturating_add(length));
        }
        Timestamp::parse(&self.until).map_err(|_| {
            output::complain(format_args!(
                "`--until {}` is neither a time (2026-12-31T00:00:00Z) nor a length (7d)",
                printable(&self.until)
            ));
            unusable()
        })
    }
}

impl End {
    fn run(&self, asking: &Asking<'_>) -> Result<ExitCode, ExitCode> {
        let id =
            percent_encoding::utf8_percent_encode(&self.id, percent_encoding::NON_ALPHANUMERIC);
        let query = [("by", name_of(self.by.as_deref()))];
        let said = ask(asking, Method::DELETE, &format!("/exemptions/{id}"), &query)?;
        output::print(printable(said.trim_end())).map(|()| ExitCode::SUCCESS)
    }
}

/// Who does it, as far as this process knows.
pub(super) fn name_of(given: Option<&str>) -> String {
    let user = || std::env::var("USER").or_else(|_| std::env::var("LOGNAME"));
    given.map_or_else(
        || user().unwrap_or_else(|_| "somebody with the admin token".to_owned()),
        str::to_owned,
    )
}

/// Whom to ask, and how.
struct Asking<'a> {
    common: &'a Common,
    admin: Option<&'a url::Url>,
}

/// Asks the running Cordon; what it refuses is printed.
fn ask(
    asking: &Asking<'_>,
    method: Method,
    path: &str,
    query: &[(&str, String)],
) -> Result<String, ExitCode> {
    let config = asking.common.load(&asking.common.overrides())?;
    let mut encoded = url::form_urlencoded::Serializer::new(String::new());
    encoded.extend_pairs(query);
    let path = match query {
        [] => path.to_owned(),
        _ => format!("{path}?{}", encoded.finish()),
    };
    let request = admin_client::request(&config, asking.admin, method, &path)?;
    super::block_on(async {
        let response = request.send().await.map_err(|error| fail(&error))?;
        let is_done = response.status().is_success();
        let text = response.text().await.map_err(|error| fail(&error))?;
        if is_done {
            return Ok(text);
        }
        for line in text.lines() {
            output::complain(printable(line));
        }
        Err(ExitCode::FAILURE)
    })
}
