//! `cordon quarantine files | cat | diff`: looking into held archives.

use std::fs::File;
use std::process::ExitCode;

use clap::Args;
use cordon_policy::ecosystem::scheme_for;
use cordon_policy::model::{ArtifactId, ArtifactKind, Digest, Version};
use cordon_storage::blob::FilesystemBlobs;
use cordon_storage::evidence::{Evidence, Hold};

use super::Asking;
use crate::cli::output::{self, Lines, printable};
use crate::cli::{fail, unusable};
use crate::data;
use crate::quarantine::contents::{Contents, MOST_FILES, contents, difference, shown, shown_name};
use crate::quarantine::{self, Refused};

#[derive(Debug, Args)]
pub(super) struct Files {
    /// The id of a ticket, or of any decision about it
    id: String,
}

#[derive(Debug, Args)]
pub(super) struct Cat {
    /// The id of a ticket, or of any decision about it
    id: String,
    /// The file, as `files` names it
    path: String,
}

#[derive(Debug, Args)]
pub(super) struct Diff {
    /// The id of a ticket, or of any decision about it
    id: String,
    /// The version to compare with; without it the one before
    previous: Option<String>,
    /// Only files whose path holds this
    #[arg(long, value_name = "TEXT")]
    path: Option<String>,
}

/// A held archive and what it may be compared with.
struct Found {
    artifact: ArtifactId,
    sha256: Option<Digest>,
    /// Other versions whose bytes were seen: that it was compared with, then the nearest below.
    others: Vec<(ArtifactId, Digest)>,
}

impl Files {
    pub(super) fn run(&self, asking: &Asking<'_>) -> Result<ExitCode, ExitCode> {
        let found = find(asking, &self.id)?;
        let held = open(asking, &found, &self.id)?;
        let read = read(asking, &found.artifact, held, &|_| false)?;
        let mut lines = Lines::default();
        for file in &read.files {
            lines.add(format_args!(
                "{:>12}  {:04o}  {}",
                file.size_bytes,
                file.mode & 0o7777,
                shown_name(&file.path)
            ));
        }
        if read.count > MOST_FILES as u64 {
            let more = read.count - MOST_FILES as u64;
            lines.add(format_args!("and {more} more"));
        }
        lines.add(format_args!(
            "{} files, {} bytes",
            read.count, read.reading.unpacked_bytes
        ));
        faults(&read, &mut lines);
        output::print(lines).map(|()| ExitCode::SUCCESS)
    }
}

impl Cat {
    pub(super) fn run(&self, asking: &Asking<'_>) -> Result<ExitCode, ExitCode> {
        let found = find(asking, &self.id)?;
        let held = open(asking, &found, &self.id)?;
        let is_meant = |path: &str| path == self.path || shown_name(path) == self.path;
        let read = read(asking, &found.artifact, held, &is_meant)?;
        let files = read.files.iter().filter(|file| is_meant(&file.path));
        let mut count = 0;
        for file in files {
            count += 1;
            let Some(text) = file.text() else {
                output::complain(format_args!(
                    "`{}` is no text ({} bytes)",
                    self.path, file.size_bytes
                ));
                return Err(ExitCode::FAILURE);
            };
            output::print(shown(&text))?;
            if !file.is_whole() {
                output::complain(format_args!(
                    "this is the beginning of {} bytes",
                    file.size_bytes
                ));
            }
        }
        if count == 0 {
            output::complain(format_args!("the archive has no file `{}`", self.path));
            return Err(ExitCode::FAILURE);
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Diff {
    pub(super) fn run(&self, asking: &Asking<'_>) -> Result<ExitCode, ExitCode> {
        let found = find(asking, &self.id)?;
        let held = open(asking, &found, &self.id)?;
        let wanted = self.previous.as_deref();
        let mut others = found.others.iter();
        let before = others.find(|(artifact, _)| {
            wanted.is_none_or(|wanted| artifact.subject.version.as_str() == wanted)
        });
        let Some((before, sha256)) = before else {
            let which = wanted.map_or("an earlier version".to_owned(), |it| {
                format!("version {it}")
            });
            output::complain(format_args!(
                "no bytes of {which} are known here; install it once through Cordon, then ask again"
            ));
            return Err(ExitCode::FAILURE);
        };
        let Some(old) = blob(asking, sha256)? else {
            output::complain(format_args!(
                "the bytes of {} are not kept any more; install it once through Cordon, then ask \
                 again",
                before.subject
            ));
            return Err(ExitCode::FAILURE);
        };
        let is_wanted = |path: &str| self.path.as_deref().is_none_or(|it| path.contains(it));
        let mut old = read(asking, before, old, &is_wanted)?;
        let mut new = read(asking, &found.artifact, held, &is_wanted)?;
        old.files.retain(|file| is_wanted(&file.path));
        new.files.retain(|file| is_wanted(&file.path));
        let told = difference(&old, &new);
        let mut lines = Lines::default();
        lines.add(format_args!(
            "from {} to {}",
            printable(&before.subject.to_string()),
            printable(&found.artifact.subject.to_string())
        ));
        faults(&new, &mut lines);
        match told.is_empty() {
            true => lines.add("no file differs"),
            false => lines.append(told),
        }
        output::print(lines).map(|()| ExitCode::SUCCESS)
    }
}

fn faults(read: &Contents, lines: &mut Lines) {
    for fault in read.reading.faults.first() {
        lines.add(format_args!("! {}", printable(&fault.to_string())));
    }
}

fn find(asking: &Asking<'_>, id: &str) -> Result<Found, ExitCode> {
    if asking.admin.is_some() {
        output::complain("archives are read from the data folder; leave out --admin");
        return Err(unusable());
    }
    asking.locally(async |evidence, _| {
        let hold = quarantine::find(evidence, id).await?;
        let known = hold
            .standing
            .iter()
            .rev()
            .find_map(|it| it.sha256().cloned());
        let pinned = evidence.pin(&hold.artifact).await?;
        let mut all: Vec<_> = compared_with(&hold).into_iter().collect();
        all.extend(others(evidence, &hold.artifact).await?);
        Ok(Found {
            sha256: known.or(pinned),
            others: all,
            artifact: hold.artifact,
        })
    })
}

/// The archive it was compared with when it was judged. Nobody need have asked for that one.
fn compared_with(hold: &Hold) -> Option<(ArtifactId, Digest)> {
    let mut changes = hold.standing.iter().rev();
    let change = changes.find_map(|it| it.facts.content_change.known())?;
    let archive = change.archive_before.as_ref()?;
    let mut artifact = hold.artifact.clone();
    artifact.subject.version = change.since.clone();
    artifact.file = archive.file.clone();
    Some((artifact, archive.sha256.clone()))
}

/// Archives of other versions whose bytes were seen: of the same kind of file, the nearest version
/// below first, then those above.
async fn others(
    evidence: &dyn Evidence,
    held: &ArtifactId,
) -> Result<Vec<(ArtifactId, Digest)>, Refused> {
    let name = &held.subject.name;
    let scheme = scheme_for(name.ecosystem());
    let order =
        |a: &Version, b: &Version| scheme.map_or_else(|| a.cmp(b), |scheme| scheme.compare(a, b));
    let remembered = evidence.remembered(name).await?;
    let own = (&held.subject.version, &held.file);
    let form = |file: &str| file.rsplit('.').next().map(str::to_owned);
    let mut found: Vec<(ArtifactId, Digest)> = remembered
        .into_iter()
        .filter(|((version, file), _)| {
            (version, file) != own && form(file.as_str()) == form(held.file.as_str())
        })
        .filter_map(|((version, file), known)| {
            let mut artifact = held.clone();
            artifact.subject.version = version;
            artifact.file = file;
            artifact.kind = ArtifactKind::Archive;
            Some((artifact, known.pinned?))
        })
        .collect();
    let is_above =
        |it: &(ArtifactId, Digest)| order(&it.0.subject.version, &held.subject.version).is_gt();
    found.sort_by(|a, b| {
        let (one, other) = (&a.0.subject.version, &b.0.subject.version);
        is_above(a)
            .cmp(&is_above(b))
            .then_with(|| order(other, one))
    });
    Ok(found)
}

fn open(asking: &Asking<'_>, found: &Found, id: &str) -> Result<File, ExitCode> {
    let file = match &found.sha256 {
        Some(sha256) => blob(asking, sha256)?,
        None => None,
    };
    file.ok_or_else(|| {
        output::complain(format_args!(
            "the bytes of {} are not kept here; `cordon quarantine fetch {id}` has the running \
             Cordon fetch and check them without serving them",
            found.artifact.subject
        ));
        ExitCode::FAILURE
    })
}

/// A stored blob, verified whole, beside a running Cordon or without one.
fn blob(asking: &Asking<'_>, sha256: &Digest) -> Result<Option<File>, ExitCode> {
    let config = asking.common.load(&asking.common.overrides())?;
    let folder = data::blob_folder(&config.data);
    FilesystemBlobs::file_beside(&folder, sha256).map_err(|error| fail(&error))
}

/// Reads an archive in this process, as far as inspection would: whoever looks at it asked for that.
fn read(
    asking: &Asking<'_>,
    artifact: &ArtifactId,
    mut file: File,
    wants: &dyn Fn(&str) -> bool,
) -> Result<Contents, ExitCode> {
    let config = asking.common.load(&asking.common.overrides())?;
    let limits = &config.inspection.limits;
    contents(artifact, &mut file, limits, wants).map_err(|error| fail(&error))
}
