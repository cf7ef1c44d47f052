//! Reads archives as inspection does and prints what is wrong with them, for measurements and for
//! comparisons with other readers.
//!
//! ```text
//! inspect_archives [--depth archive|structure|content] [--entries] [--quiet] FILE...
//! inspect_archives [..] -            (paths from standard input, one a line)
//! ```
//!
//! One line for each archive: path, `ok` or its fault codes, files, unpacked bytes. A path is taken
//! for `ECOSYSTEM/NAME/VERSION/FILE`. `--depth` says how far it is looked at: `archive` (when not
//! given) reads the archive alone, `structure` its manifest as well, `content` all its files.
//! `--entries` prints every file that was shown with its digest and its path as JSON. At the end, for
//! every form of archive, how many megabytes were looked at a second, on standard error: of the
//! processor's time where the system tells it, so that others at work do not count.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a program of its own, which has arguments, reads files and measures"
)]

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use cordon_policy::ecosystem::schemes;
use cordon_policy::inspect::archive::{Looked, Member, Sink, read};
use cordon_policy::inspect::{Depth, Faults, Limits, inspect};
use cordon_policy::model::{ArtifactId, ArtifactKind, FileName, PackageVersion, Version};

type Failure = Box<dyn std::error::Error>;

/// Keeps what was shown, if it is to be printed.
struct Shown {
    entries: Option<Vec<String>>,
}

impl Sink for Shown {
    fn wants(&mut self, member: &Member<'_>) -> u64 {
        // As much as looking at source files takes.
        member.size_bytes.min(1 << 20)
    }

    fn file(&mut self, looked: Looked<'_>) {
        if let Some(entries) = &mut self.entries {
            let digest: String = looked.sha256.iter().map(|it| format!("{it:02x}")).collect();
            let path = serde_json::Value::from(looked.member.path);
            entries.push(format!("{digest} {path}"));
        }
    }
}

fn artifact(path: &Path) -> Result<ArtifactId, Failure> {
    let parts: Vec<&str> = path.iter().filter_map(|it| it.to_str()).collect();
    let [.., ecosystem, name, version, file] = parts[..] else {
        return Err("give ECOSYSTEM/NAME/VERSION/FILE".into());
    };
    let known = schemes();
    let scheme = known.iter().find(|it| it.ecosystem().as_str() == ecosystem);
    let scheme = scheme.ok_or_else(|| format!("{ecosystem} is no ecosystem"))?;
    Ok(ArtifactId {
        subject: PackageVersion {
            name: scheme.package(&name.replace("%2f", "/"))?,
            version: Version::verbatim(version),
        },
        file: FileName::new(file)?,
        kind: ArtifactKind::Archive,
    })
}

/// What was asked for.
#[derive(Default)]
struct Options {
    depth: Option<Depth>,
    with_entries: bool,
    is_quiet: bool,
    paths: Vec<String>,
}

fn options() -> Result<Options, Failure> {
    let mut options = Options::default();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--depth" => {
                options.depth = match arguments.next().as_deref() {
                    Some("archive") => None,
                    Some("structure") => Some(Depth::Structure),
                    Some("content") => Some(Depth::Content),
                    _ => return Err("--depth is archive, structure or content".into()),
                }
            }
            "--entries" => options.with_entries = true,
            "--quiet" => options.is_quiet = true,
            "-" => {
                let lines: Result<Vec<_>, _> = io::stdin().lock().lines().collect();
                options.paths.extend(lines?);
            }
            _ => options.paths.push(argument),
        }
    }
    Ok(options)
}

/// What was found in one archive.
struct Found {
    faults: Faults,
    files: u64,
    unpacked_bytes: u64,
    entries: Vec<String>,
}

fn look(path: &Path, options: &Options) -> Result<Found, Failure> {
    let mut file = std::fs::File::open(path)?;
    let (artifact, limits) = (artifact(path)?, Limits::default());
    if let Some(depth) = options.depth {
        let sheet = inspect(&artifact, depth, &mut file, &limits)?;
        return Ok(Found {
            faults: sheet.faults,
            files: sheet.files,
            unpacked_bytes: sheet.unpacked_bytes,
            entries: Vec::new(),
        });
    }
    let mut shown = Shown {
        entries: options.with_entries.then(Vec::new),
    };
    let reading = read(&artifact, &mut file, &limits, &mut shown)?;
    Ok(Found {
        faults: reading.faults,
        files: reading.files,
        unpacked_bytes: reading.unpacked_bytes,
        entries: shown.entries.unwrap_or_default(),
    })
}

/// Time this thread had of a processor; where that is not told, time that passed.
fn used(since: Instant) -> Duration {
    let told = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let nanoseconds = told.split(' ').next().and_then(|it| it.parse().ok());
    nanoseconds.map_or_else(|| since.elapsed(), Duration::from_nanos)
}

/// How the archives of one form did.
#[derive(Default)]
struct Tally {
    archives: u64,
    faulty: u64,
    packed_bytes: u64,
    unpacked_bytes: u64,
    took: Duration,
    longest: Duration,
}

impl Tally {
    fn write(&self, form: &str, out: &mut impl Write) -> io::Result<()> {
        let seconds = self.took.as_secs_f64();
        let rate = |bytes: u64| bytes as f64 / 1e6 / seconds;
        writeln!(
            out,
            "{form}: {} archives, {} faulty, {} bytes packed, {} unpacked, {seconds:.2} s, \
             {:.1} MB/s packed, {:.1} MB/s unpacked, longest {:.2} s",
            self.archives,
            self.faulty,
            self.packed_bytes,
            self.unpacked_bytes,
            rate(self.packed_bytes),
            rate(self.unpacked_bytes),
            self.longest.as_secs_f64(),
        )
    }
}

/// The ecosystem and the end of the file's name.
fn form(path: &str) -> String {
    const ENDS: [&str; 7] = [
        ".whl", ".crate", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz", ".zip",
    ];
    let end = ENDS.into_iter().find(|end| path.ends_with(end));
    let mut parts = path.rsplit('/');
    let ecosystem = parts.nth(3).unwrap_or_default();
    format!("{ecosystem} {}", end.unwrap_or("other"))
}

fn main() -> Result<(), Failure> {
    let options = options()?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
    let began = Instant::now();
    for path in &options.paths {
        let before = used(began);
        let found = look(Path::new(path), &options)?;
        let took = used(began).saturating_sub(before);
        let tally = tallies.entry(form(path)).or_default();
        tally.archives += 1;
        tally.faulty += u64::from(!found.faults.is_empty());
        tally.packed_bytes += std::fs::metadata(path)?.len();
        tally.unpacked_bytes += found.unpacked_bytes;
        tally.took += took;
        tally.longest = tally.longest.max(took);
        let faults = found.faults.first();
        let codes: Vec<&str> = faults.iter().map(|it| it.code.name()).collect();
        let verdict = match codes.is_empty() {
            true => "ok".to_owned(),
            false => codes.join(","),
        };
        if !options.is_quiet || verdict != "ok" {
            let (files, bytes) = (found.files, found.unpacked_bytes);
            writeln!(out, "{path}\t{verdict}\t{files}\t{bytes}")?;
        }
        if !options.with_entries {
            for fault in faults {
                writeln!(out, "    {fault}")?;
            }
        }
        for entry in &found.entries {
            writeln!(out, "  {entry}")?;
        }
    }
    out.flush()?;
    let mut told = io::stderr();
    for (form, tally) in &tallies {
        tally.write(form, &mut told)?;
    }
    Ok(())
}
