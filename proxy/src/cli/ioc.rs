//! `cordon ioc scan`: which of everything stored has it, and who received that.
//!
//! It reads the data folder beside a running Cordon or without one, changes nothing, and looks into
//! archives in the same confined workers the server has.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand};
use cordon_policy::config::PolicySource;
use cordon_policy::inspect::Depth;
use cordon_policy::inspect::indicators::{
    IndicatorFacts, IndicatorFile, IndicatorHit, IndicatorSet, IndicatorSource,
};
use cordon_policy::model::{ArtifactId, ArtifactKind, Digest, DigestAlgorithm, PackageVersion};
use cordon_storage::blob::FilesystemBlobs;
use cordon_storage::evidence::{Evidence, Receivers};
use cordon_storage::{Chain, StorageError};

use super::exposures::add_receivers;
use super::output::{self, Lines, printable};
use super::{Common, fail, unusable};
use crate::config::Config;
use crate::inspection::{Inspector, Job, Source, Workers};
use crate::{app, data, indicators};

/// Packages read at a time.
const PAGE: usize = 256;

/// Receivers named of one archive.
const RECEIVERS: usize = 20;

#[derive(Debug, Subcommand)]
pub(super) enum Ioc {
    /// Search every stored archive, and name who received what has it
    Scan(Scan),
}

impl Ioc {
    pub(super) fn run(&self, common: &Common) -> Result<ExitCode, ExitCode> {
        match self {
            Self::Scan(scan) => scan.run(common),
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct Scan {
    /// A file of indicators (`.toml` a pack, `.yar` YARA rules, any other a list of digests and
    /// texts), a SHA-256 digest, or a text; without any, the indicators in force
    #[arg(value_name = "WHAT")]
    what: Option<String>,
    /// A host; those below it are meant as well. May be given several times
    #[arg(long = "domain", value_name = "HOST")]
    domains: Vec<String>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

impl Scan {
    fn run(&self, common: &Common) -> Result<ExitCode, ExitCode> {
        let config = common.load(&common.overrides())?;
        let set = self.set(&config)?;
        super::block_on(async {
            let evidence = data::open_reader(&config.data).map_err(|error| fail(&error))?;
            let workers = Workers::new(&config.inspection, Arc::new(app::metrics()))
                .map_err(|error| fail(&error))?;
            let scanning = Scanning {
                evidence: &*evidence,
                blobs: data::blob_folder(&config.data),
                workers: &workers,
                set,
                is_json: self.json,
            };
            let done = scanning.all().await?;
            if !self.json {
                output::print(done)?;
            }
            match done.found + done.failed {
                0 => Ok(ExitCode::SUCCESS),
                _ => Err(ExitCode::FAILURE),
            }
        })
    }

    /// What is looked for.
    fn set(&self, config: &Config) -> Result<Arc<IndicatorSet>, ExitCode> {
        if self.what.is_none() && self.domains.is_empty() {
            return indicators::read(&config.indicators).map_err(|error| {
                output::complain(&error);
                unusable()
            });
        }
        let mut source = IndicatorSource::none();
        if !self.domains.is_empty() {
            source.domains.push(given(self.domains.join("\n")));
        }
        if let Some(what) = &self.what {
            let path = Path::new(what);
            match path.is_file() {
                true => add_file(path, &mut source)?,
                false => add_lines(given(what.clone()), &mut source),
            }
        }
        let texts = texts(&source);
        let set = IndicatorSet::build(source).map_err(|problems| {
            output::diagnostics(&problems, &texts);
            unusable()
        })?;
        Ok(Arc::new(set))
    }
}

/// What was written on the command line, as a file.
fn given(text: String) -> IndicatorFile {
    IndicatorFile {
        name: "command-line".to_owned(),
        text,
    }
}

fn add_file(path: &Path, source: &mut IndicatorSource) -> Result<(), ExitCode> {
    let file = indicators::file(path).map_err(|error| {
        output::complain(&error);
        unusable()
    })?;
    let extension = path.extension().and_then(|it| it.to_str());
    match extension {
        Some("toml") => source.packs.push(file),
        Some("yar" | "yara") => source.yara.push(file),
        _ => add_lines(file, source),
    }
    Ok(())
}

/// Tells digests from texts. Every line keeps its number, for what is wrong with it.
fn add_lines(file: IndicatorFile, source: &mut IndicatorSource) {
    let is_digest = |line: &str| {
        let word = line.split_ascii_whitespace().next().unwrap_or_default();
        word.len() == 64 && word.bytes().all(|it| it.is_ascii_hexdigit())
    };
    let only = |wanted: bool| -> String {
        let kept = file
            .text
            .lines()
            .map(|line| match is_digest(line) == wanted {
                true => line,
                false => "",
            });
        kept.collect::<Vec<_>>().join("\n")
    };
    for (is_wanted, list) in [(true, &mut source.hashes), (false, &mut source.strings)] {
        let text = only(is_wanted);
        if !text.trim().is_empty() {
            list.push(IndicatorFile {
                name: file.name.clone(),
                text,
            });
        }
    }
}

/// The files, for drawing what is wrong with them.
fn texts(source: &IndicatorSource) -> Vec<PolicySource> {
    let kinds = [
        &source.packs,
        &source.hashes,
        &source.domains,
        &source.strings,
        &source.yara,
    ];
    let all = kinds.into_iter().flatten().map(|file| PolicySource {
        name: file.name.clone(),
        text: file.text.clone(),
    });
    all.collect()
}

/// A search under way.
struct Scanning<'a> {
    evidence: &'a dyn Evidence,
    blobs: PathBuf,
    workers: &'a Workers,
    set: Arc<IndicatorSet>,
    is_json: bool,
}

/// What was done.
#[derive(Clone, Copy, Debug, Default)]
struct Done {
    searched: u64,
    found: u64,
    failed: u64,
    /// Known, and their bytes are not kept any more.
    gone: u64,
}

impl std::fmt::Display for Done {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            searched,
            found,
            failed,
            gone,
        } = self;
        write!(
            f,
            "{searched} archives searched, {found} have it, {failed} could not be searched, {gone} \
             are not kept any more"
        )
    }
}

/// What came of one archive.
enum Outcome {
    Searched(IndicatorFacts),
    Failed(String),
    Gone,
}

impl Scanning<'_> {
    async fn all(&self) -> Result<Done, ExitCode> {
        let mut done = Done::default();
        let mut after = None;
        loop {
            let names = self.evidence.packages(after.as_ref(), PAGE).await;
            let names = names.map_err(|error| fail(&error))?;
            let Some(last) = names.last().cloned() else {
                return Ok(done);
            };
            for name in names {
                let remembered = self.evidence.remembered(&name).await;
                let remembered = remembered.map_err(|error| fail(&error))?;
                let pinned: BTreeMap<_, Digest> = remembered
                    .into_iter()
                    .filter_map(|(key, it)| Some((key, it.pinned?)))
                    .collect();
                for ((version, file), sha256) in pinned {
                    let subject = PackageVersion {
                        name: name.clone(),
                        version,
                    };
                    let artifact = ArtifactId {
                        subject,
                        file,
                        kind: ArtifactKind::Archive,
                    };
                    // Files beside archives (`.metadata`, `.provenance`) were looked into with those.
                    let is_beside = [".metadata", ".provenance"];
                    if is_beside
                        .iter()
                        .any(|it| artifact.file.as_str().ends_with(it))
                    {
                        continue;
                    }
                    self.one(&artifact, &sha256, &mut done).await?;
                }
            }
            after = Some(last);
        }
    }

    async fn one(
        &self,
        artifact: &ArtifactId,
        sha256: &Digest,
        done: &mut Done,
    ) -> Result<(), ExitCode> {
        match self.search(artifact, sha256).await {
            Outcome::Gone => done.gone += 1,
            Outcome::Failed(why) => {
                done.failed += 1;
                output::complain(format_args!("{}: {why}", artifact.subject));
            }
            Outcome::Searched(facts) => {
                done.searched += 1;
                if !facts.hits.is_empty() {
                    done.found += 1;
                    self.tell(artifact, sha256, &facts).await?;
                }
            }
        }
        Ok(())
    }

    async fn search(&self, artifact: &ArtifactId, sha256: &Digest) -> Outcome {
        let (folder, digest) = (self.blobs.clone(), sha256.clone());
        let opening = move || FilesystemBlobs::file_beside(&folder, &digest);
        let opened = tokio::task::spawn_blocking(opening).await;
        // Its own digest is known whether or not its bytes still are.
        let mut facts = IndicatorFacts::of(self.set.id());
        if sha256.algorithm() == DigestAlgorithm::Sha256
            && let Ok(digest) = sha256.as_bytes().try_into()
        {
            self.set.search_archive(digest, &mut facts);
        }
        let file = match opened {
            Ok(Ok(Some(file))) => file,
            Ok(Ok(None)) if facts.hits.is_empty() => return Outcome::Gone,
            Ok(Ok(None)) => return Outcome::Searched(facts),
            Ok(Err(error)) => return Outcome::Failed(Chain(&error).to_string()),
            Err(error) => return Outcome::Failed(error.to_string()),
        };
        let job = Job {
            artifact: artifact.clone(),
            depth: match self.set.has_domains() {
                true => Depth::Content,
                false => Depth::Structure,
            },
            indicators: Some(Arc::clone(&self.set)),
            source: Source::File(file),
        };
        match self.workers.inspect(job).await {
            Ok(sheet) => {
                let found = sheet.indicators.map(|it| *it).unwrap_or_default();
                found.hits.into_iter().for_each(|hit| facts.push(hit));
                if let (Some(why), true) = (found.failed, facts.hits.is_empty()) {
                    return Outcome::Failed(why.into());
                }
                // What could not be read to its end was not searched to its end.
                match sheet.faults.first().first() {
                    Some(fault) if facts.hits.is_empty() => {
                        Outcome::Failed(format!("not searched to its end: {fault}"))
                    }
                    _ => Outcome::Searched(facts),
                }
            }
            Err(failure) => Outcome::Failed(failure.to_string()),
        }
    }

    async fn tell(
        &self,
        artifact: &ArtifactId,
        sha256: &Digest,
        facts: &IndicatorFacts,
    ) -> Result<(), ExitCode> {
        let received: Result<Receivers, StorageError> =
            self.evidence.receivers(artifact, None, RECEIVERS).await;
        let received = received.map_err(|error| fail(&error))?;
        match self.is_json {
            true => output::print(serde_json::json!({
                "purl": artifact.subject.to_string(),
                "file": artifact.file,
                "sha256": sha256.hex(),
                "hits": facts.hits,
                "hit_count": facts.hit_count,
                "received_by": received.list,
                "clients": received.clients,
                "total": received.total,
            })),
            false => output::print(
                text(artifact, sha256, facts, &received)
                    .to_string()
                    .trim_end(),
            ),
        }
    }
}

/// An archive, a line for each place and one for each who received it.
fn text(
    artifact: &ArtifactId,
    sha256: &Digest,
    facts: &IndicatorFacts,
    received: &Receivers,
) -> Lines {
    let mut lines = Lines::default();
    lines.add(format_args!(
        "{}  {}  {sha256}",
        artifact.subject,
        printable(artifact.file.as_str())
    ));
    for hit in &facts.hits {
        lines.add(format_args!("    {}", place(hit)));
    }
    if facts.hit_count > facts.hits.len() as u64 {
        let more = facts.hit_count - facts.hits.len() as u64;
        lines.add(format_args!("    and {more} more"));
    }
    match received.list.is_empty() {
        true => lines.add("  received by nobody, as far as the log says"),
        false => lines.add(format_args!(
            "  received {} times by {} clients:",
            received.total, received.clients
        )),
    }
    add_receivers(&mut lines, &received.list);
    lines
}

fn place(hit: &IndicatorHit) -> String {
    let file = printable(&hit.file);
    let place = match (file.as_str(), hit.line) {
        ("", _) => String::new(),
        (file, 0) => format!("  {file}"),
        (file, line) => format!("  {file}:{line}"),
    };
    format!(
        "{} ({}){place}  {}",
        printable(&hit.name()),
        hit.grade.name(),
        printable(&hit.excerpt)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_and_texts_of_a_list_are_told_apart_and_keep_their_lines() {
        let digest = "a".repeat(64);
        let mut source = IndicatorSource::none();
        add_lines(
            given(format!("# c\n{digest}  x.js\nsome text\n")),
            &mut source,
        );
        assert_eq!(source.hashes[0].text, format!("\n{digest}  x.js\n"));
        assert_eq!(source.strings[0].text, "# c\n\nsome text");
        let mut source = IndicatorSource::none();
        add_lines(given(digest), &mut source);
        assert!(source.strings.is_empty());
    }
}
