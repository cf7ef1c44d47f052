//! Compares the content of two versions of a package, unpacked into folders:
//! `content_change <ecosystem> <before> <after> [<before> <after>]…`. With one folder alone (`-` in
//! place of the one before) its own signs are told. For measuring false alarms and speed.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    reason = "a measurement reads files and a clock, and prints"
)]

use std::fs;
use std::path::Path;
use std::time::Instant;

use cordon_policy::ecosystem::scheme_for;
use cordon_policy::inspect::Limits;
use cordon_policy::inspect::archive::{Looked, Member, Sink};
use cordon_policy::inspect::content::{ContentChange, ContentFacts, KnownFiles, Looker};
use cordon_policy::model::{
    ArtifactId, ArtifactKind, Ecosystem, FileName, PackageVersion, Version,
};
use sha2::{Digest, Sha256};

fn artifact(ecosystem: &str) -> ArtifactId {
    let known: Ecosystem = [
        cordon_policy::ecosystem::NPM,
        cordon_policy::ecosystem::PYPI,
        cordon_policy::ecosystem::CARGO,
    ]
    .into_iter()
    .find(|it| it.as_str() == ecosystem)
    .expect("npm, pypi or cargo");
    let scheme = scheme_for(&known).expect("a scheme for each of them");
    let file = match ecosystem {
        "pypi" => "x-1.0-py3-none-any.whl",
        "npm" => "x-1.0.0.tgz",
        _ => "x-1.0.0.crate",
    };
    ArtifactId {
        subject: PackageVersion {
            name: scheme.package("x").expect("a name"),
            version: scheme.version("1.0.0").expect("a version"),
        },
        file: FileName::new(file).expect("a file name"),
        kind: ArtifactKind::Archive,
    }
}

/// Files below a folder, in the order of their names.
fn files(folder: &Path, into: &mut Vec<std::path::PathBuf>) {
    let mut entries: Vec<_> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .collect();
    entries.sort();
    for path in entries {
        let is_nested = path.file_name().is_some_and(|it| it == "node_modules");
        if path.is_symlink() || is_nested {
            continue;
        }
        match path.is_dir() {
            true => files(&path, into),
            false => into.push(path),
        }
    }
}

fn look(ecosystem: &str, folder: &str) -> (ContentFacts, u64) {
    let artifact = artifact(ecosystem);
    let limits = Limits::default();
    let known = &mut KnownFiles::default();
    let mut looker = Looker::new(&artifact, &limits, known);
    let root = Path::new(folder);
    let mut paths = Vec::new();
    files(root, &mut paths);
    let mut total = 0;
    for path in paths {
        let Ok(bytes) = fs::read(&path) else {
            continue;
        };
        let inside = path.strip_prefix(root).expect("below the folder");
        let inside = inside.to_string_lossy();
        let stored = match ecosystem {
            "pypi" => inside.to_string(),
            _ => format!("package/{inside}"),
        };
        let member = Member {
            path: &stored,
            size_bytes: bytes.len() as u64,
            mode: 0o644,
        };
        let wanted = usize::try_from(looker.wants(&member)).unwrap_or(usize::MAX);
        total += bytes.len() as u64;
        looker.file(Looked {
            member: &member,
            sha256: Sha256::digest(&bytes).into(),
            bytes: &bytes[..bytes.len().min(wanted)],
        });
    }
    (looker.finish(None, &mut Vec::new()), total)
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (ecosystem, pairs) = arguments.split_first().expect("an ecosystem");
    for pair in pairs.chunks_exact(2) {
        let [before, after] = pair else {
            continue;
        };
        let start = Instant::now();
        let (new, bytes) = look(ecosystem, after);
        let milliseconds = start.elapsed().as_millis();
        println!("== {after} bytes={bytes} ms={milliseconds}");
        if before == "-" {
            for signal in &new.signals {
                println!(
                    "S {} {:?} {}:{} {}",
                    signal.kind.name(),
                    signal.when,
                    signal.file,
                    signal.line,
                    signal.excerpt
                );
            }
            continue;
        }
        let (old, _) = look(ecosystem, before);
        let change = ContentChange::between(Version::verbatim("before"), &old, &new);
        for it in &change.signals {
            println!(
                "  signal {} {:?} {}:{} {}",
                it.kind.name(),
                it.when,
                it.file,
                it.line,
                it.excerpt
            );
        }
        for it in &change.install {
            println!(
                "  install {:?} {}:{} {}",
                it.kind, it.file, it.line, it.text
            );
        }
        for it in &change.binaries {
            println!("  binary {} {}", it.format.name(), it.file);
        }
        for it in &change.destinations {
            println!(
                "  destination {} {}:{} {}",
                it.host, it.file, it.line, it.excerpt
            );
        }
        if !change.capabilities.is_empty() {
            println!("  capabilities {:?}", change.capabilities);
        }
    }
}
