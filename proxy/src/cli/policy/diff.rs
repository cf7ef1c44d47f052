//! `cordon policy diff`: what another policy would have decided.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use cordon_storage::StorageError;
use serde_json::{Value, json};

use super::{Common, output, unusable};
use crate::cli::log::instant;
use crate::cli::output::{Lines, printable};
use crate::policy_files::{Granted, LoadedPolicy};
use crate::replay::{Difference, Direction, Group, Tally, replay};
use crate::{cli, data};

#[derive(Debug, Args)]
pub(in crate::cli) struct Diff {
    /// The policy in force: a file, a folder with `*.toml` files, or `built-in`
    old: PathBuf,
    /// The policy to compare with it
    new: PathBuf,
    /// Only decisions taken or served since: an RFC 3339 time, or an age like `30d`
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Fail (exit code 1) when the policies differ so
    #[arg(long, value_name = "WHAT")]
    fail_on: Option<FailOn>,
    /// One JSON object, with every package
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FailOn {
    NewlyBlocked,
    NewlyAllowed,
    Any,
}

/// Packages of each direction in the text; `--json` has them all.
const SHOWN_PACKAGES: usize = 100;

/// Versions, routes and clients named in a line of the text.
const SHOWN_NAMES: usize = 3;

impl Diff {
    pub(super) fn run(&self, common: &Common) -> Result<ExitCode, ExitCode> {
        let refuse = |message: String| {
            output::complain(message);
            unusable()
        };
        let old = load(&self.old)?;
        let new = load(&self.new)?;
        let since = match &self.since {
            None => None,
            Some(text) => Some(instant(text).map_err(refuse)?),
        };
        let config = common.load(&common.overrides())?;
        let (difference, old, new) = cli::block_on(async {
            let failed = |error: StorageError| cli::fail(&error);
            let evidence = data::open_reader(&config.data).map_err(failed)?;
            // What administrators granted would hold under either.
            let granted = Granted::of(&*evidence).await.map_err(failed)?;
            let (old, new) = (old.with_granted(&granted), new.with_granted(&granted));
            let difference = replay(&*evidence, &old.ruleset, &new.ruleset, since)
                .await
                .map_err(failed)?;
            Ok((difference, old, new))
        })?;
        match self.json {
            true => output::print(as_json(&difference, &old, &new))?,
            false => output::print(report(&difference, &old, &new))?,
        }
        let count = |direction| difference.count_of(direction);
        let fails = match self.fail_on {
            None => false,
            Some(FailOn::NewlyBlocked) => count(Direction::NewlyBlocked) > 0,
            Some(FailOn::NewlyAllowed) => count(Direction::NewlyAllowed) > 0,
            Some(FailOn::Any) => Direction::ALL.into_iter().any(|it| count(it) > 0),
        };
        Ok(ExitCode::from(u8::from(fails)))
    }
}

fn load(named: &Path) -> Result<LoadedPolicy, ExitCode> {
    super::load(&files_of(named)?)
}

/// The files a policy is made of.
fn files_of(named: &Path) -> Result<Vec<PathBuf>, ExitCode> {
    if named == Path::new(cordon_policy::config::BUILT_IN) {
        return Ok(Vec::new());
    }
    if !named.is_dir() {
        return Ok(vec![named.to_owned()]);
    }
    let refuse = |message: String| {
        output::complain(message);
        unusable()
    };
    let name = named.display();
    let listed = std::fs::read_dir(named)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
        .map_err(|error: std::io::Error| refuse(format!("reading the folder {name}: {error}")))?;
    let is_policy = |path: &PathBuf| path.extension().is_some_and(|it| it == "toml");
    let mut files: Vec<PathBuf> = Vec::into_iter(listed).filter(is_policy).collect();
    files.sort();
    if files.is_empty() {
        return Err(refuse(format!("no `*.toml` file in the folder {name}")));
    }
    Ok(files)
}

fn report(difference: &Difference, old: &LoadedPolicy, new: &LoadedPolicy) -> Lines {
    let mut lines = Lines::default();
    let span = difference.span.map_or_else(String::new, |(first, last)| {
        format!(", from {first} to {last}")
    });
    lines.add(format_args!(
        "{} decisions judged again, which answered {} requests{span}",
        difference.decisions, difference.servings
    ));
    if old.ruleset.hash() == new.ruleset.hash() {
        lines.add("the two policies mean the same");
    }
    for direction in Direction::ALL {
        let (name, count) = (direction.name(), difference.count_of(direction));
        lines.add("");
        if count == 0 {
            lines.add(format_args!("{name}: nothing"));
            continue;
        }
        let groups = difference.groups(direction);
        lines.add(format_args!(
            "{name}: {count} {}, {} {}",
            plural(count, "decision"),
            groups.len(),
            plural(groups.len() as u64, "package")
        ));
        let (routes, identities) = difference.audiences(direction);
        add_tally(&mut lines, "  by route: ", &routes);
        add_tally(&mut lines, "  by identity: ", &identities);
        for group in groups.iter().take(SHOWN_PACKAGES) {
            add_group(&mut lines, group);
        }
        let hidden = groups.len().saturating_sub(SHOWN_PACKAGES);
        if hidden > 0 {
            lines.add(format_args!("  and {hidden} more packages, see --json"));
        }
        let omitted = difference.omitted(direction);
        if omitted > 0 {
            lines.add(format_args!(
                "  and {omitted} decisions about further packages"
            ));
        }
    }
    if difference.unjoined > 0 {
        lines.add("");
        lines.add(format_args!(
            "for {} requests the decision they followed could not be told",
            difference.unjoined
        ));
    }
    lines
}

fn plural(count: u64, noun: &str) -> String {
    match count {
        1 => noun.to_owned(),
        _ => format!("{noun}s"),
    }
}

fn add_tally(lines: &mut Lines, title: &str, tally: &Tally) {
    if tally.named.is_empty() {
        return;
    }
    let all = tally.names().into_iter();
    let counted = all.map(|name| format!("{} {}", printable(name), tally.named[name]));
    lines.add(format_args!(
        "{title}{}",
        Vec::from_iter(counted).join(", ")
    ));
}

fn add_group(lines: &mut Lines, group: &Group) {
    lines.add(format_args!(
        "  {}  {}  {}, {} {}, {} {}",
        printable(&group.package.purl()),
        some(&group.versions),
        some(&group.verdicts),
        group.decisions,
        plural(group.decisions, "decision"),
        group.servings,
        plural(group.servings, "request"),
    ));
    let reason = printable(&group.reason);
    lines.add(format_args!("    {} ({reason})", some(&group.rules)));
    for (title, tally) in [
        ("routes", &group.routes),
        ("identities", &group.identities),
        ("clients", &group.clients),
    ] {
        if !tally.named.is_empty() {
            lines.add(format_args!("    {title}: {}", some(tally)));
        }
    }
}

/// The most frequent names, and how many there are besides.
fn some(tally: &Tally) -> String {
    let names = tally.names();
    let shown: Vec<String> = names
        .iter()
        .take(SHOWN_NAMES)
        .map(|it| printable(it))
        .collect();
    let more = names.len().saturating_sub(SHOWN_NAMES);
    match (more, tally.others) {
        (0, 0) => shown.join(", "),
        (more, 0) => format!("{} and {more} more", shown.join(", ")),
        (more, _) => format!("{} and more than {more} more", shown.join(", ")),
    }
}

fn as_json(difference: &Difference, old: &LoadedPolicy, new: &LoadedPolicy) -> Value {
    let side = |direction| {
        let (routes, identities) = difference.audiences(direction);
        json!({
            "decisions": difference.count_of(direction),
            "omitted_decisions": difference.omitted(direction),
            "routes": routes,
            "identities": identities,
            "packages": difference.groups(direction),
        })
    };
    json!({
        "old": old.ruleset.hash(),
        "new": new.ruleset.hash(),
        "from": difference.span.map(|(first, _)| first.to_string()),
        "to": difference.span.map(|(_, last)| last.to_string()),
        "decisions": difference.decisions,
        "requests": difference.servings,
        "unjoined_requests": difference.unjoined,
        "newly_blocked": side(Direction::NewlyBlocked),
        "newly_allowed": side(Direction::NewlyAllowed),
        "changed": side(Direction::Changed),
    })
}
