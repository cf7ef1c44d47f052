//! `cordon explain`: what would be decided, and from which facts.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use cordon_policy::ecosystem::schemes;
use cordon_policy::facts::{AdvisoryMatch, Change, ExoticDependency, Fact, VersionFacts};
use cordon_policy::model::{PurlTarget, Timestamp, parse_purl};
use cordon_storage::StorageError;

use super::output::{self, Lines, printable};
use super::{Common, recorded, unusable};
use crate::config::Config;
use crate::engine::{Asker, Clock as _, Explanation, SystemClock};
use crate::{app, data, policy_files, registry};

#[derive(Debug, Args)]
pub(super) struct Explain {
    /// A package or version: pkg:npm/left-pad@1.3.0
    purl: String,
    /// Judge for this instant (RFC 3339) instead of now
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// Judge for who asks by this route
    #[arg(long, value_name = "NAME")]
    route: Option<String>,
    /// Judge for whom shows the token of this identity
    #[arg(long, value_name = "NAME")]
    identity: Option<String>,
    /// Judge the facts that were recorded last instead of asking the registry
    #[arg(long)]
    recorded: bool,
    /// Facts and evaluation as JSON
    #[arg(long)]
    json: bool,
}

impl Explain {
    pub(super) fn run(&self, common: &Common) -> Result<ExitCode, ExitCode> {
        let refuse = |message: String| {
            output::complain(message);
            unusable()
        };
        let target =
            parse_purl(&self.purl, &schemes()).map_err(|error| refuse(error.to_string()))?;
        let at = match &self.at {
            None => None,
            Some(text) => Some(Timestamp::parse(text).map_err(|error| refuse(error.to_string()))?),
        };
        if self.recorded {
            return self.run_recorded(common, &target, at.unwrap_or_else(|| SystemClock.now()));
        }
        let config = common.load(&common.overrides())?;
        let policy = super::server_policy(&config)?;
        let asker = self.asker(&config).map_err(refuse)?;
        let ecosystem = target.name.ecosystem().clone();
        let registry = registry::all()
            .into_iter()
            .find(|registry| *registry.scheme().ecosystem() == ecosystem)
            .ok_or_else(|| refuse(format!("no registry serves {ecosystem}")))?;
        super::block_on(async {
            let ruleset = Arc::clone(&policy.ruleset);
            let engine = app::observing_engine(config, ruleset).map_err(|e| super::fail(&e))?;
            let explanation = engine
                .explain(registry, &target.name, target.version.as_ref(), at, &asker)
                .await
                .map_err(|error| super::fail(&error))?;
            self.print(&explanation, &target)
        })
    }

    /// Looks at the record alone: beside a running Cordon, or in a copy of its data folder.
    fn run_recorded(
        &self,
        common: &Common,
        target: &PurlTarget,
        at: Timestamp,
    ) -> Result<ExitCode, ExitCode> {
        let config = common.load(&common.overrides())?;
        let policy = super::server_policy(&config)?;
        let asker = self.asker(&config).map_err(|message| {
            output::complain(message);
            unusable()
        })?;
        super::block_on(async {
            let failed = |error: StorageError| super::fail(&error);
            let evidence = data::open_reader(&config.data).map_err(failed)?;
            let granted = policy_files::Granted::of(&*evidence)
                .await
                .map_err(failed)?;
            let policy = policy.with_granted(&granted);
            let explanation = recorded::explain(&*evidence, target, &policy.ruleset, &asker, at)
                .await
                .map_err(failed)?;
            if explanation.candidates.is_empty() {
                output::complain(format_args!("nothing is recorded about {}", self.purl));
                return Err(ExitCode::FAILURE);
            }
            self.print(&explanation, target)
        })
    }

    /// Who it is judged for; refused when the configuration does not know them.
    fn asker(&self, config: &Config) -> Result<Asker, String> {
        if let Some(route) = &self.route
            && !config.routes.iter().any(|known| known == route)
        {
            return Err(format!(
                "the configuration has no route `{}`",
                printable(route)
            ));
        }
        let mut identities = config.identities.iter();
        if let Some(name) = &self.identity
            && !identities.any(|known| known.name == *name)
        {
            return Err(format!(
                "the configuration has no identity `{}`",
                printable(name)
            ));
        }
        Ok(Asker {
            route: self.route.as_deref().map(Into::into),
            identity: self.identity.as_deref().map(Into::into),
        })
    }

    fn print(&self, explanation: &Explanation, target: &PurlTarget) -> Result<ExitCode, ExitCode> {
        if self.json {
            output::print(json(explanation))?;
        } else if target.version.is_some() {
            output::print(full(explanation))?;
        } else {
            output::print(list(explanation))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn json(explanation: &Explanation) -> String {
    let candidates: Vec<serde_json::Value> = explanation
        .candidates
        .iter()
        .map(|one| serde_json::json!({ "facts": one.facts, "evaluation": one.evaluation }))
        .collect();
    serde_json::json!({
        "at": explanation.at.to_string(),
        "upstream": explanation.upstream,
        "is_stale": explanation.is_stale,
        "best_allowed": explanation.best_allowed,
        "candidates": candidates,
    })
    .to_string()
}

fn list(explanation: &Explanation) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(["version", "file", "published", "verdict", "reason"]);
    for one in &explanation.candidates {
        let id = &one.facts.artifact;
        let reason = one
            .evaluation
            .deciding()
            .map_or("", |finding| finding.reason.as_str());
        table.add_row([
            printable(id.subject.version.as_str()),
            printable(id.file.as_str()),
            fact(&one.facts.published_at, ToString::to_string),
            one.evaluation.effect().to_string(),
            printable(reason),
        ]);
    }
    format!("{table}\n{}", best(explanation))
}

fn full(explanation: &Explanation) -> Lines {
    let mut lines = Lines::default();
    for one in &explanation.candidates {
        lines.add(printable(&one.facts.artifact.subject.to_string()));
        lines.add(format_args!("  file       {}", one.facts.artifact.file));
        lines.add(format_args!(
            "  upstream   {}{}",
            explanation.upstream,
            stale(explanation)
        ));
        lines.add(format_args!("  judged for {}", explanation.at));
        add_facts(&mut lines, &one.facts);
        lines.add(format_args!("  verdict    {}", one.evaluation.effect()));
        lines.append(output::Findings(&one.evaluation));
    }
    lines.add(best(explanation));
    lines
}

fn stale(explanation: &Explanation) -> &'static str {
    if explanation.is_stale {
        " (an old document: upstream does not answer)"
    } else {
        ""
    }
}

fn best(explanation: &Explanation) -> String {
    match &explanation.best_allowed {
        Some(version) => format!("newest allowed version: {}", printable(version)),
        None => "no version of it is allowed".to_owned(),
    }
}

fn add_facts(lines: &mut Lines, facts: &VersionFacts) {
    let mut row = |name: &str, value: String| lines.add(format_args!("  {name:10} {value}"));
    row("published", fact(&facts.published_at, ToString::to_string));
    row(
        "name since",
        fact(&facts.package.first_published_at, ToString::to_string),
    );
    let digests = |digests: &cordon_policy::model::Digests| {
        let all: Vec<String> = digests.iter().map(ToString::to_string).collect();
        all.join(", ")
    };
    row("declared", fact(&facts.declared, digests));
    let yanked = |reason: &Option<smol_str::SmolStr>| match reason {
        None => "no".to_owned(),
        Some(reason) => format!("yes ({})", printable(reason)),
    };
    row("yanked", fact(&facts.is_yanked, yanked));
    row(
        "deprecated",
        fact(&facts.deprecated, |text| printable(text)),
    );
    row("licence", fact(&facts.license, |text| printable(text)));
    row(
        "at install",
        fact(&facts.install_hooks, |hooks| printable(&hooks.join(", "))),
    );
    row("publisher", fact(&facts.publisher, |text| printable(text)));
    if let Some(seen) = facts.history.first_seen_at {
        row("first seen", seen.to_string());
    }
    if let Some(removal) = facts.history.removal {
        let (what, at) = (removal.scope.name(), removal.at);
        row("removed upstream", format!("{what}, found out {at}"));
    }
    let mut told = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            row(name, value);
        }
    };
    let advisory = |it: &AdvisoryMatch| printable(&format!("{} ({:?})", it.id, it.kind));
    told(
        "advisories",
        noted(&facts.advisories, |all| joined(all.iter().map(advisory))),
    );
    told("change", noted(&facts.change, |change| in_words(change)));
    let exotic = |it: &ExoticDependency| printable(&format!("{} {}", it.name, it.written));
    let outside = noted(&facts.exotic_dependencies, |all| {
        joined(all.iter().map(exotic))
    });
    told("from afar", outside);
    told(
        "burst",
        noted(&facts.burst, |it| {
            format!("{} versions at once, mostly {}", it.versions, it.habit)
        }),
    );
    told(
        "resembles",
        noted(&facts.package.similarity, |it| {
            printable(&format!("{} ({}, {})", it.target, it.score, it.technique))
        }),
    );
    told(
        "status",
        noted(&facts.package.status, |status| printable(status)),
    );
    told(
        "rank",
        facts.package.popularity.map(|it| it.rank.to_string()),
    );
}

fn joined(texts: impl Iterator<Item = String>) -> String {
    Vec::from_iter(texts).join(", ")
}

/// A fact worth a line: there is something, or it could not be learned.
fn noted<T>(value: &Fact<T>, show: impl FnOnce(&T) -> String) -> Option<String> {
    match value {
        Fact::Known(_) | Fact::Unavailable(_) => Some(fact(value, show)),
        Fact::Absent | Fact::NotYet => None,
    }
}

/// What a version changes, in one line.
fn in_words(change: &Change) -> String {
    let mut parts = vec![format!("since {}", change.since)];
    let mut add = |what: &str, names: Vec<String>| {
        if !names.is_empty() {
            parts.push(format!("{what} {}", names.join(" ")));
        }
    };
    let dependencies = change.added_dependencies.iter().map(|it| it.package.purl());
    add("depends on", dependencies.collect());
    add(
        "at install",
        change.added_hooks.iter().map(ToString::to_string).collect(),
    );
    add(
        "from afar",
        change
            .added_exotic
            .iter()
            .map(|it| it.name.to_string())
            .collect(),
    );
    add(
        "published by",
        change
            .new_publisher
            .iter()
            .map(ToString::to_string)
            .collect(),
    );
    add(
        "maintained by",
        change
            .new_maintainers
            .iter()
            .map(ToString::to_string)
            .collect(),
    );
    if let Some(lost) = &change.trust_lost {
        parts.push(format!("trust {:?} to {:?}", lost.from, lost.to).to_lowercase());
    }
    if let Some(license) = &change.license {
        parts.push(format!("licence `{}` to `{}`", license.from, license.to));
    }
    if let Some((from, to)) = change.size_bytes {
        parts.push(format!("{from} to {to} bytes"));
    }
    printable(&parts.join("; "))
}

fn fact<T>(fact: &Fact<T>, show: impl FnOnce(&T) -> String) -> String {
    match fact {
        Fact::Known(value) => show(value),
        Fact::Absent => "none".to_owned(),
        Fact::Unavailable(why) => format!("unavailable: {}", printable(why)),
        Fact::NotYet => "not asked".to_owned(),
    }
}
