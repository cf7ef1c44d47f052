//! `cordon feeds`: advisory data brought by hand, and what there is of it.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::{Args, Subcommand};
use cordon_policy::ecosystem::schemes;
use cordon_policy::model::{Ecosystem, Timestamp};
use cordon_storage::generations::Generations;

use super::output::{self, Lines, printable};
use super::{Common, fail, unusable};
use crate::config::{Config, FeedConfig, FeedSource};
use crate::engine::{Clock as _, SystemClock};
use crate::feeds::Refused;
use crate::feeds::import::{Import, Imported, NewGeneration};
use crate::feeds::installed::{self, confirmed_at, folder};
use crate::feeds::manifest::Manifest;
use crate::feeds::notes::{Awaiting, Note, Notes};

#[derive(Debug, Subcommand)]
pub(super) enum Feeds {
    /// Put a dump in force: a zip of OSV records, a folder of them, or one
    Import(ImportArguments),
    /// Show what is in force, how old it is, and what went wrong last
    Status(Status),
    /// List the configured feeds and where they come from
    List(List),
    /// Put a block in force that waits to be confirmed
    Confirm(Confirm),
}

#[derive(Debug, Args)]
pub(super) struct ImportArguments {
    /// Whose packages it is about: npm, pypi, cargo
    #[arg(long, value_name = "ECOSYSTEM", value_parser = ecosystem)]
    ecosystem: Ecosystem,
    /// The dump
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// Which of the ecosystem's configured feeds it is; needed when there are several
    #[arg(long, value_name = "ID")]
    feed: Option<String>,
    /// Import a dump that lost many records, is older than what is there, or dated in the future. This
    /// is recorded
    #[arg(long)]
    force: bool,
}

#[derive(Debug, Args)]
pub(super) struct Status {
    /// One JSON object for each ecosystem
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct List {}

#[derive(Debug, Args)]
pub(super) struct Confirm {
    /// Whose packages: npm, pypi, cargo
    #[arg(long, value_name = "ECOSYSTEM", value_parser = ecosystem)]
    ecosystem: Ecosystem,
}

/// An ecosystem by its purl type or by the name OSV gives it, in any case.
fn ecosystem(text: &str) -> Result<Ecosystem, String> {
    let found = schemes().into_iter().find(|scheme| {
        let names = [scheme.ecosystem().as_str(), scheme.osv_name()];
        names.iter().any(|name| name.eq_ignore_ascii_case(text))
    });
    found
        .map(|scheme| scheme.ecosystem().clone())
        .ok_or_else(|| "write npm, pypi or cargo".to_owned())
}

impl Feeds {
    pub(super) fn run(&self, common: &Common) -> Result<ExitCode, ExitCode> {
        let config = common.load(&common.overrides())?;
        match self {
            Self::Import(import) => import.run(&config),
            Self::Status(status) => status.run(&config),
            Self::List(_) => list(&config),
            Self::Confirm(confirm) => confirm.run(&config),
        }
    }
}

impl ImportArguments {
    fn run(&self, config: &Config) -> Result<ExitCode, ExitCode> {
        let feed = self.feed(config)?;
        let started = Instant::now();
        let refused = |refused: Refused| {
            output::complain(format_args!(
                "refused ({}); what was there before stays: {}",
                refused.cause(),
                cordon_storage::Chain(&refused)
            ));
            ExitCode::FAILURE
        };
        let at = folder(&config.data, &self.ecosystem);
        let generations = Generations::open(at).map_err(|error| fail(&error))?;
        let writing = generations
            .write()
            .map_err(|error| fail(&error))?
            .ok_or_else(|| refused(Refused::Busy))?;
        let now = SystemClock.now();
        let import = Import {
            writing: &writing,
            ecosystem: &self.ecosystem,
            bounds: &config.feeds,
            now,
            is_forced: self.force,
        };
        let imported = import.from_path(feed, &self.path).map_err(refused)?;
        let mut notes = Notes::read(&generations);
        let manifest = installed::manifest_of(&generations);
        if let Some(kept) = manifest.as_ref().and_then(|it| it.feed(&feed.id)) {
            notes.of(&feed.id).confirmed(now, &kept.part);
            notes.write(&generations).map_err(|error| fail(&error))?;
        }
        match imported {
            Imported::Unchanged => output::print(format_args!(
                "{}/{}: this is in force already; it counts as the newest again",
                self.ecosystem, feed.id
            ))?,
            Imported::New(new) => {
                output::print(summary(&new, started))?;
                if let Some(forced) = &new.forced {
                    output::complain(format_args!("imported all the same, by --force: {forced}"));
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    fn feed<'c>(&self, config: &'c Config) -> Result<&'c FeedConfig, ExitCode> {
        let all: Vec<&FeedConfig> = config.feeds.of(&self.ecosystem).collect();
        let found = match &self.feed {
            Some(id) => all.iter().find(|feed| feed.id == *id),
            None => {
                let mut dumps = all.iter().filter(|feed| feed.content.has_records());
                dumps.next().filter(|_| dumps.next().is_none())
            }
        };
        found.copied().ok_or_else(|| {
            let ids: Vec<&str> = all.iter().map(|feed| feed.id.as_str()).collect();
            let asked = self.feed.clone().unwrap_or_default();
            match (ids.is_empty(), &self.feed) {
                (true, _) => output::complain(format_args!(
                    "the configuration names no feed for {}",
                    self.ecosystem
                )),
                (false, None) => output::complain(format_args!(
                    "say by --feed which one it is: {}",
                    ids.join(", ")
                )),
                (false, Some(_)) => {
                    output::complain(Refused::UnknownFeed(asked, ids.join(", ")));
                }
            }
            unusable()
        })
    }
}

fn summary(new: &NewGeneration, started: Instant) -> String {
    let NewGeneration {
        generation,
        manifest,
        report,
        ..
    } = new;
    let newest = manifest
        .newest_modified
        .map_or_else(|| "unknown".to_owned(), |at| at.to_string());
    let mut text = format!(
        "{}: generation {} is in force: {} records, {} taken back, {} packages, newest of {newest}; \
         an index of {} bytes, in {} ms",
        manifest.ecosystem,
        generation.number,
        manifest.records,
        manifest.withdrawn,
        manifest.packages,
        generation.size_bytes,
        started.elapsed().as_millis(),
    );
    let unusable: u64 = manifest.feeds.iter().map(|feed| feed.unusable).sum();
    for (count, what) in [
        (unusable, "records could not be used"),
        (report.ignored as u64, "records are about other ecosystems"),
        (report.released as u64, "malware records were released"),
        (
            report.impossible_names as u64,
            "names no package can have were left out",
        ),
        (
            report.unknown_ranges as u64,
            "ranges of unknown types were left out",
        ),
        (
            report.unreadable_ranges as u64,
            "ranges could not be read and were taken for wider",
        ),
        (
            report.purl_disagreements as u64,
            "package URLs name another package than their records; both were taken",
        ),
    ] {
        if count > 0 {
            text.push_str(&format!("\n  {count} {what}"));
        }
    }
    text
}

impl Status {
    fn run(&self, config: &Config) -> Result<ExitCode, ExitCode> {
        let now = SystemClock.now();
        let mut lines = Lines::default();
        for ecosystem in config.feeds.ecosystems() {
            let generations = Generations::at(folder(&config.data, &ecosystem));
            let notes = Notes::read(&generations);
            let opened = installed::open(&generations, &ecosystem, &config.feeds);
            let (state, manifest) = match &opened {
                Ok(None) => ("never loaded".to_owned(), None),
                Ok(Some(found)) => {
                    let what = format!("generation {}", found.generation.number);
                    let damage = found.damage.as_ref();
                    let state = damage.map_or(what.clone(), |damage| format!("{what}; {damage}"));
                    (state, Some(&found.manifest))
                }
                Err(error) => (cordon_storage::Chain(error).to_string(), None),
            };
            if self.json {
                lines.add(serde_json::json!({
                    "ecosystem": ecosystem, "state": state, "manifest": manifest,
                    "believed_until": opened.as_ref().ok().and_then(Option::as_ref)
                        .map(|found| found.belief.until()),
                    "notes": notes, "awaiting": Awaiting::read(&generations),
                }));
                continue;
            }
            lines.add(format_args!("{ecosystem}: {}", printable(&state)));
            if let Ok(Some(found)) = &opened {
                lines.append(Totals { found, now });
            }
            for feed in config.feeds.of(&ecosystem) {
                lines.append(feed_lines(feed, manifest, &notes, now));
            }
            if let Some(awaiting) = Awaiting::read(&generations) {
                lines.add(format_args!(
                    "  {} packages in use would be refused by generation {}; until {} they are \
                     not: cordon feeds confirm --ecosystem {ecosystem}",
                    awaiting.packages.len(),
                    awaiting.generation,
                    awaiting.until
                ));
                for package in awaiting.packages.iter().take(20) {
                    lines.add(format_args!("    {package}"));
                }
            }
        }
        if config.feeds.advisories.is_empty() {
            output::print("no feeds are configured: advisory rules find nothing")?;
            return Ok(ExitCode::SUCCESS);
        }
        output::print(lines)?;
        Ok(ExitCode::SUCCESS)
    }
}

struct Totals<'a> {
    found: &'a installed::Installed,
    now: Timestamp,
}

impl std::fmt::Display for Totals<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { found, now } = self;
        let manifest = &found.manifest;
        writeln!(
            f,
            "  {} records hold, {} were taken back, {} packages; an index of {} bytes; in force since {}",
            manifest.records,
            manifest.withdrawn,
            manifest.packages,
            found.generation.size_bytes,
            manifest.imported_at
        )?;
        let until = found.belief.until();
        match until > *now && found.gap.is_none() {
            true => writeln!(f, "  believed until {until}"),
            false => writeln!(
                f,
                "  NOT BELIEVED: {}",
                found.gap.as_deref().unwrap_or("too old")
            ),
        }
    }
}

fn feed_lines(
    feed: &FeedConfig,
    manifest: Option<&Manifest>,
    notes: &Notes,
    now: Timestamp,
) -> String {
    let mut lines = Lines::default();
    lines.add(format_args!("  {}  {}", feed.id, source(feed)));
    if let Some(kept) = manifest.and_then(|manifest| manifest.feed(&feed.id)) {
        let confirmed = confirmed_at(kept, notes);
        let newest = kept.newest_modified;
        let newest = newest.map_or_else(|| "unknown".to_owned(), |at| at.to_string());
        lines.add(format_args!(
            "    {} records, newest of {newest}; confirmed {} ago ({confirmed}); {} bytes, {}",
            kept.records,
            span(now, confirmed),
            kept.size_bytes,
            kept.part
        ));
        if let Some(forced) = &kept.forced {
            lines.add(format_args!("    imported by --force: {forced}"));
        }
    } else {
        lines.add("    never loaded");
    }
    if let Some(Note {
        failure: Some(failure),
        ..
    }) = notes.feeds.get(&feed.id)
    {
        lines.add(format_args!(
            "    FAILING since {} ({}): {}",
            failure.since,
            failure.cause,
            printable(&failure.text)
        ));
    }
    format!("{lines}\n")
}

fn span(now: Timestamp, then: Timestamp) -> String {
    let seconds = now.since(then).as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

fn source(feed: &FeedConfig) -> String {
    match &feed.source {
        FeedSource::Url(from) => from.url.to_string(),
        FeedSource::File(path) | FeedSource::Folder(path) => path.display().to_string(),
        FeedSource::Imported => "imported by hand".to_owned(),
    }
}

fn list(config: &Config) -> Result<ExitCode, ExitCode> {
    if config.feeds.advisories.is_empty() {
        return output::print("no feeds are configured").map(|()| ExitCode::SUCCESS);
    }
    let mut lines = Lines::default();
    for feed in &config.feeds.advisories {
        let content = format!("{:?}", feed.content).to_lowercase();
        lines.add(format_args!(
            "{:6} {:16} {content:5} {}",
            feed.ecosystem.as_str(),
            feed.id,
            printable(&source(feed))
        ));
    }
    output::print(lines)?;
    Ok(ExitCode::SUCCESS)
}

impl Confirm {
    fn run(&self, config: &Config) -> Result<ExitCode, ExitCode> {
        let generations = Generations::at(folder(&config.data, &self.ecosystem));
        let Some(awaiting) = Awaiting::read(&generations) else {
            output::print("nothing waits to be confirmed")?;
            return Ok(ExitCode::SUCCESS);
        };
        Awaiting::write(None, &generations).map_err(|error| fail(&error))?;
        output::print(format_args!(
            "confirmed: generation {} refuses {} packages that were served; a running Cordon does \
             so within seconds",
            awaiting.generation,
            awaiting.packages.len()
        ))?;
        Ok(ExitCode::SUCCESS)
    }
}
