//! Reading labelled sets of names.

use std::collections::BTreeSet;
use std::error::Error;
use std::path::Path;

use cordon_policy::ecosystem::{Cargo, Npm, PyPi};
use cordon_policy::model::Scheme;

/// What a row says of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Label {
    Squat,
    /// Honest, and within two edits of a more popular name.
    Hard,
    Honest,
}

/// A labelled name.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) normalized: String,
    pub(crate) label: Label,
    pub(crate) target: String,
    pub(crate) tier: String,
}

/// A set, with the honest names it is measured against.
pub(crate) struct Set {
    pub(crate) name: String,
    pub(crate) scheme: &'static dyn Scheme,
    rows: Vec<Row>,
    pub(crate) honest: Vec<Row>,
}

impl Set {
    pub(crate) fn squats(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| row.label == Label::Squat)
    }

    pub(crate) fn targets(&self) -> usize {
        let targets: BTreeSet<&str> = self.squats().map(|row| row.target.as_str()).collect();
        targets.len()
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter()
    }
}

/// Every set of a folder. One without honest names is measured against those of the other set of its
/// ecosystem.
pub(crate) fn read(folder: &Path) -> Result<Vec<Set>, Box<dyn Error>> {
    let kinds: [(&str, &'static dyn Scheme); 4] = [
        ("-npm.tsv", &Npm),
        ("-pypi.tsv", &PyPi),
        ("-crates.tsv", &Cargo),
        ("-crates-synthetic.tsv", &Cargo),
    ];
    let mut sets: Vec<Set> = Vec::new();
    for (end, scheme) in kinds {
        let mut files: Vec<_> = std::fs::read_dir(folder)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<_, _>>()?;
        files.sort();
        for file in files {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            if !name.ends_with(end) {
                continue;
            }
            let rows = rows(scheme, &std::fs::read_to_string(&file)?)?;
            let mut honest: Vec<Row> = rows.clone();
            honest.retain(|row| row.label != Label::Squat);
            let other = |set: &&Set| set.scheme.ecosystem() == scheme.ecosystem();
            if let (true, Some(other)) = (honest.is_empty(), sets.iter().find(other)) {
                honest = other.honest.clone();
            }
            sets.push(Set {
                name: name.into_owned(),
                scheme,
                rows,
                honest,
            });
        }
    }
    Ok(sets)
}

fn rows(scheme: &dyn Scheme, text: &str) -> Result<Vec<Row>, Box<dyn Error>> {
    let normalized = |name: &str| {
        scheme
            .package(name)
            .map_or_else(|_| name.to_lowercase(), |name| name.normalized().to_owned())
    };
    let mut rows = Vec::new();
    for line in text.lines().skip(1) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [name, label, target, technique, _, tier, ..] = fields[..] else {
            return Err(format!("not a line of a labelled set: {line}").into());
        };
        rows.push(Row {
            normalized: normalized(name),
            label: match label {
                "squat" => Label::Squat,
                _ if technique.starts_with("near:") => Label::Hard,
                _ => Label::Honest,
            },
            target: normalized(target),
            tier: tier.to_owned(),
        });
    }
    Ok(rows)
}
