//! `cordon why`: the record behind a refusal, and asking for the release of what is held.

use std::process::ExitCode;

use clap::Args;
use cordon_policy::decision::DecisionId;
use url::Url;

use super::output::printable;
use super::{Common, fail, output, unusable};
use crate::config::Config;
use crate::data;

/// How long an answer may take.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

#[derive(Debug, Args)]
pub(super) struct Why {
    /// The id a refusal names, 12 characters
    id: String,
    /// The record as JSON
    #[arg(long, conflicts_with = "ask")]
    json: bool,
    /// Ask for its release, with why you need it
    #[arg(long, value_name = "REASON")]
    ask: Option<String>,
    /// How to reach you
    #[arg(long, value_name = "WHO", requires = "ask")]
    contact: Option<String>,
    /// Where Cordon is, when it is not where the configuration says
    #[arg(long, value_name = "URL", requires = "ask")]
    server: Option<Url>,
}

impl Why {
    pub(super) fn run(&self, common: &Common) -> Result<ExitCode, ExitCode> {
        let Some(id) = DecisionId::parse(&self.id) else {
            output::complain(format_args!(
                "`{}` is not a decision id; it has 12 letters and digits and stands in the \
                 refusal's text",
                self.id
            ));
            return Err(unusable());
        };
        let config = common.load(&common.overrides())?;
        if let Some(reason) = &self.ask {
            return super::block_on(self.ask(&config, &id, reason));
        }
        super::block_on(async {
            let evidence = data::open_reader(&config.data).map_err(|error| fail(&error))?;
            match evidence.decision(&id).await.map_err(|error| fail(&error))? {
                Some(logged) if self.json => {
                    output::print(super::log::json_line(&logged))?;
                    Ok(ExitCode::SUCCESS)
                }
                Some(logged) => {
                    output::print(super::log::whole(&logged))?;
                    Ok(ExitCode::SUCCESS)
                }
                None => {
                    let folder = config.data.display();
                    output::complain(format_args!("no decision {id} in {folder}"));
                    Err(ExitCode::FAILURE)
                }
            }
        })
    }

    /// Does what the form of the page does.
    async fn ask(
        &self,
        config: &Config,
        id: &DecisionId,
        reason: &str,
    ) -> Result<ExitCode, ExitCode> {
        let base = self
            .server
            .clone()
            .unwrap_or_else(|| config.public_url(config.listen));
        let page = format!("{}/why/{id}", base.as_str().trim_end_matches('/'));
        let client = reqwest::Client::builder().timeout(PATIENCE);
        let client = client.user_agent(concat!("cordon/", env!("CARGO_PKG_VERSION")));
        let client = client.build().map_err(|error| fail(&error))?;
        let shown = client.get(format!("{page}.json")).send().await;
        let shown = shown.map_err(|error| fail(&error))?;
        let shown = shown.text().await.map_err(|error| fail(&error))?;
        let shown: serde_json::Value =
            serde_json::from_str(&shown).map_err(|error| fail(&error))?;
        let hold = &shown["hold"];
        let Some(proof) = hold["form"]["proof"].as_str() else {
            let because = match (shown["error"].as_str(), hold["state"].as_str()) {
                (Some(error), _) => error.to_owned(),
                (None, Some("held")) => "its release is asked for already".to_owned(),
                (None, Some(state)) => {
                    let why = hold["because"].as_str().unwrap_or_default();
                    format!("it is not held: it is {state}, {why}")
                }
                (None, None) => "it was never held; only what is held can be released".to_owned(),
            };
            output::complain(format_args!("{because}"));
            return Err(ExitCode::FAILURE);
        };
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("reason", reason)
            .append_pair("proof", proof);
        if let Some(contact) = &self.contact {
            form.append_pair("contact", contact);
        }
        let sent = client
            .post(format!("{page}/request"))
            .header("content-type", "application/x-www-form-urlencoded")
            .header("accept", "application/json")
            .body(form.finish())
            .send();
        let answer = sent.await.map_err(|error| fail(&error))?;
        let is_done = answer.status().is_success();
        let text = answer.text().await.map_err(|error| fail(&error))?;
        let said: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        let said = said["said"]
            .as_str()
            .or(said["error"].as_str())
            .unwrap_or(&text);
        if is_done {
            return output::print(printable(said)).map(|()| ExitCode::SUCCESS);
        }
        output::complain(said);
        Err(ExitCode::FAILURE)
    }
}
