//! Prints what the typosquat detector measures about the names of a labelled set, for
//! `data/typosquat/train.py`.
//!
//! ```text
//! typosquat_features ECOSYSTEM < dev-npm.tsv
//! ```
//!
//! One line for each name and popular name it was compared with: name, label, target, tier,
//! technique of the set, the popular name, and `feature=sixteenths` for each feature. A name
//! compared with none has one line, without a popular name.
#![expect(
    clippy::disallowed_methods,
    reason = "a program of its own, which has arguments"
)]

use std::io::{Read as _, Write as _};

use cordon_policy::ecosystem::schemes;
use cordon_policy::typosquat::Detector;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let ecosystem = std::env::args().nth(1).ok_or("name an ecosystem")?;
    let scheme = schemes()
        .into_iter()
        .find(|scheme| scheme.ecosystem().as_str() == ecosystem)
        .ok_or("no such ecosystem")?;
    let detector = Detector::built_in(scheme).ok_or("no list of popular names")?;
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for line in text.lines().skip(1) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [name, label, target, technique, _, tier, ..] = fields[..] else {
            return Err(format!("not a line of a labelled set: {line}").into());
        };
        let target = scheme.package(target).map_or_else(
            |_| target.to_owned(),
            |target| target.normalized().to_owned(),
        );
        let start = format!("{name}\t{label}\t{target}\t{tier}\t{technique}");
        let normalized = scheme
            .package(name)
            .map_or_else(|_| name.to_lowercase(), |name| name.normalized().to_owned());
        let candidates = detector.candidates(&normalized);
        if candidates.is_empty() {
            writeln!(out, "{start}\t\t")?;
        }
        for candidate in candidates {
            let features: Vec<String> = candidate
                .features
                .iter()
                .map(|(feature, value)| format!("{feature}={value}"))
                .collect();
            let found = &candidate.similarity.target;
            writeln!(out, "{start}\t{found}\t{}", features.join(" "))?;
        }
    }
    Ok(())
}
