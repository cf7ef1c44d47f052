//! Reads archives as inspection does and prints what is wrong with them, for measurements and for
//! comparisons with other readers.
//!
//! ```text
//! inspect_archives [--entries] [--quiet] FILE...
//! inspect_archives [--entries] -            (paths from standard input, one a line)
//! ```
//!
//! One line for each archive: path, `ok` or its fault codes, files, unpacked bytes. A path is taken
//! for `ECOSYSTEM/NAME/VERSION/FILE`, or for a file of no known package whose format its name tells
//! (`.crate`, `.whl`, `.tgz`, else a source distribution). `--entries` prints every file that was
//! shown with its digest and its path as JSON. At the end, megabytes unpacked a second on standard error.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a program of its own, which has arguments, reads files and measures"
)]

use std::io::{self, BufRead as _, Write as _};
use std::path::Path;
use std::time::Instant;

use cordon_policy::ecosystem::schemes;
use cordon_policy::inspect::Limits;
use cordon_policy::inspect::archive::{Looked, Member, Sink, read};
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

fn main() -> Result<(), Failure> {
    let mut with_entries = false;
    let mut is_quiet = false;
    let mut paths = Vec::new();
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--entries" => with_entries = true,
            "--quiet" => is_quiet = true,
            "-" => paths.extend(io::stdin().lock().lines().collect::<Result<Vec<_>, _>>()?),
            _ => paths.push(argument),
        }
    }
    let mut out = io::BufWriter::new(io::stdout().lock());
    let (mut bytes, mut faulty) = (0, 0_usize);
    let start = Instant::now();
    for path in &paths {
        let mut shown = Shown {
            entries: with_entries.then(Vec::new),
        };
        let mut file = std::fs::File::open(path)?;
        let artifact = artifact(Path::new(path))?;
        let reading = read(&artifact, &mut file, &Limits::default(), &mut shown)?;
        bytes += reading.unpacked_bytes;
        faulty += usize::from(!reading.faults.is_empty());
        let codes: Vec<&str> = reading
            .faults
            .first()
            .iter()
            .map(|it| it.code.name())
            .collect();
        let verdict = if codes.is_empty() {
            "ok".to_owned()
        } else {
            codes.join(",")
        };
        if !is_quiet || verdict != "ok" {
            writeln!(
                out,
                "{path}\t{verdict}\t{}\t{}",
                reading.files, reading.unpacked_bytes
            )?;
        }
        if !with_entries {
            for fault in reading.faults.first() {
                writeln!(out, "    {fault}")?;
            }
        }
        for entry in shown.entries.iter().flatten() {
            writeln!(out, "  {entry}")?;
        }
    }
    out.flush()?;
    let seconds = start.elapsed().as_secs_f64();
    let rate = bytes as f64 / 1e6 / seconds;
    let count = paths.len();
    let summary = format!("{count} archives, {faulty} faulty, {bytes} bytes, {rate:.0} MB/s\n");
    io::stderr().write_all(summary.as_bytes())?;
    Ok(())
}
