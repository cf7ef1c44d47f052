//! Which indicators archives have: the measurement of false alarms and of speed.
//!
//! `indicators <ecosystem> <archive>…` searches each for the rules Cordon comes with, prints what it
//! finds with file and line, and at the end how many archives have what and how fast that was. A file
//! name tells name and version of the package, as far as they matter here.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measurement reads files and a clock, and prints"
)]

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use cordon_policy::ecosystem::{CARGO, NPM, PYPI, scheme_for};
use cordon_policy::inspect::content::KnownFiles;
use cordon_policy::inspect::indicators::IndicatorSet;
use cordon_policy::inspect::{Depth, Limits, inspect_for};
use cordon_policy::model::{
    ArtifactId, ArtifactKind, Ecosystem, FileName, PackageVersion, Version,
};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let Some(ecosystem) = arguments.next() else {
        eprintln!("indicators <ecosystem> <archive>…");
        return;
    };
    let known: [Ecosystem; 3] = [NPM, PYPI, CARGO];
    let known = known.into_iter().find(|it| it.as_str() == ecosystem);
    let known = known.expect("npm, pypi or cargo");
    let scheme = scheme_for(&known).expect("a scheme for each of them");
    let set = IndicatorSet::built_in();
    let mut of_rule: BTreeMap<String, u32> = BTreeMap::new();
    let (mut archives, mut bytes, mut took, mut plain) = (0, 0, Duration::ZERO, Duration::ZERO);
    for path in arguments {
        let file_name = Path::new(&path).file_name().and_then(|it| it.to_str());
        let Some(file) = file_name.and_then(|it| FileName::new(it).ok()) else {
            continue;
        };
        let artifact = ArtifactId {
            subject: PackageVersion {
                name: scheme.package("measured").expect("a name"),
                version: Version::verbatim("0"),
            },
            file,
            kind: ArtifactKind::Archive,
        };
        let run = |set| {
            let mut input = File::open(&path).expect("it is there");
            let limits = Limits::default();
            let started = Instant::now();
            let known = &mut KnownFiles::default();
            let sheet = inspect_for(&artifact, Depth::Structure, &mut input, &limits, set, known);
            (sheet.expect("it can be read"), started.elapsed())
        };
        let (sheet, with) = run(Some(&*set));
        plain += run(None).1;
        took += with;
        archives += 1;
        bytes += sheet.unpacked_bytes;
        let found = sheet.indicators.expect("it was searched");
        let mut rules: Vec<String> = Vec::new();
        for hit in &found.hits {
            let (rule, grade) = (hit.name(), hit.grade.name());
            println!(
                "{path}\t{grade}\t{rule}\t{}:{}\t{}",
                hit.file, hit.line, hit.excerpt
            );
            rules.push(format!("{grade} {rule}"));
        }
        rules.sort();
        rules.dedup();
        for rule in rules {
            *of_rule.entry(rule).or_default() += 1;
        }
    }
    for (rule, archives) in of_rule {
        println!("{archives}\t{rule}");
    }
    let mebibytes = bytes as f64 / f64::from(1 << 20);
    println!(
        "{archives} archives, {mebibytes:.0} MiB: {:.1} s with indicators, {:.1} s without",
        took.as_secs_f64(),
        plain.as_secs_f64()
    );
}
