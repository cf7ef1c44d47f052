#![doc = include_str!("manifest.md")]

use std::collections::BTreeSet;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use super::parts::{read_each, subject};
use super::{Rule, RuleKind};
use crate::config::canonical::PolicyText;
use crate::config::reader::TableReader;
use crate::config::text::help_for;
use crate::evaluate::Findings;
use crate::facts::{Fact, FactKind, FactSet, VersionFacts};
use crate::finding::{FindingCode, RuleId};
use crate::inspect::manifest::{Disagreement, Field};
use crate::model::{ArtifactKind, Timestamp};
use crate::reason;
use crate::specimen::{Refusal, Specimen, Stage};
use crate::verdict::Effect;

const IDENTITY: FindingCode = FindingCode::from_static("manifest-identity");
const DEPENDENCIES: FindingCode = FindingCode::from_static("manifest-dependencies");
const SCRIPTS: FindingCode = FindingCode::from_static("manifest-scripts");
const BUNDLED: FindingCode = FindingCode::from_static("manifest-bundled");
const METADATA: FindingCode = FindingCode::from_static("manifest-metadata");
const OTHER: FindingCode = FindingCode::from_static("manifest-other");
const UNKNOWN: FindingCode = FindingCode::from_static("manifest-unknown");

/// How the rule is called, documented and read.
pub const KIND: RuleKind = RuleKind {
    id: RuleId::from_static("manifest"),
    page: include_str!("manifest.md"),
    codes: &[
        (
            "manifest-identity",
            "the archive says it is another package or version than the registry does",
        ),
        (
            "manifest-dependencies",
            "the archive requires other packages than the registry shows",
        ),
        (
            "manifest-scripts",
            "the archive runs other code at install than the registry shows",
        ),
        (
            "manifest-bundled",
            "the archive brings along other packages than the registry shows",
        ),
        (
            "manifest-metadata",
            "the core metadata the registry offers is not that of the archive",
        ),
        (
            "manifest-other",
            "programs, features or native libraries are not those the registry shows",
        ),
        (
            "manifest-unknown",
            "it could not be learned whether registry and archive say the same",
        ),
    ],
    default_effect: Effect::Quarantine,
    is_fixed: false,
    read,
};

/// Withholds archives that are not what the registry shows.
#[derive(Clone, Debug, Default)]
pub struct ManifestRule {
    /// What may differ.
    pub ignore: BTreeSet<Field>,
}

fn read(
    table: &mut TableReader<'_, '_>,
    overrides: &mut [TableReader<'_, '_>],
) -> Vec<Arc<dyn Rule>> {
    read_each(table, overrides, read_one)
}

fn read_one(inherited: &ManifestRule, table: &mut TableReader<'_, '_>) -> ManifestRule {
    let Some(written) = table.strings("ignore") else {
        return inherited.clone();
    };
    let mut ignore = BTreeSet::new();
    for text in &written {
        let known = Field::ALL
            .iter()
            .find(|(field, _)| field.name() == text.value);
        match known {
            Some((field, _)) => {
                ignore.insert(*field);
            }
            None => table.file().error(
                "unknown-value",
                &text.bytes,
                format!(
                    "`{}.ignore`: there is no field `{}`",
                    table.path(),
                    text.value
                ),
                help_for(
                    &text.value,
                    Field::ALL.iter().map(|(field, _)| field.name()),
                ),
            ),
        }
    }
    ManifestRule { ignore }
}

impl Rule for ManifestRule {
    fn needs(&self) -> FactSet {
        FactSet::of(FactKind::Agreement)
    }

    fn check(&self, facts: &VersionFacts, _now: Timestamp, out: &mut Findings<'_>) {
        // What derives from an archive is served under the archive's own verdict.
        if facts.artifact.kind != ArtifactKind::Archive {
            return;
        }
        match &facts.agreement {
            Fact::Absent => {}
            Fact::NotYet => out.await_fact(FactKind::Agreement),
            Fact::Known(disagreements) => self.report(facts, disagreements, out),
            Fact::Unavailable(cause) => {
                let reason = format!(
                    "it could not be learned whether {} is what the registry shows ({})",
                    subject(facts.subject()),
                    reason::ascii(cause, 60)
                );
                out.report_unavailable(UNKNOWN, FactKind::Agreement, reason);
            }
        }
    }

    fn specimen(&self, stage: &Stage<'_>) -> Specimen {
        // What the fixtures of the self-test differ in, by protocol.
        let differs = [Field::Identity, Field::Dependencies];
        if differs.iter().any(|field| self.ignore.contains(field)) {
            return Specimen::Nothing("it is told to overlook what the example would differ in");
        }
        let mut specimen = stage.spoiled_at(stage.long_ago(), |it| it.has_other_manifest = true);
        if let Specimen::Pair(pair) = &mut specimen {
            pair.refusal = Refusal::Bytes;
        }
        specimen
    }

    fn write_parameters(&self, out: &mut PolicyText) {
        out.texts("ignore", self.ignore.iter().map(|field| field.name()));
    }
}

impl ManifestRule {
    /// One finding for each kind of disagreement.
    fn report(&self, facts: &VersionFacts, all: &[Disagreement], out: &mut Findings<'_>) {
        let groups: [(FindingCode, &[Field], &str); 6] = [
            (IDENTITY, &[Field::Identity], "calls itself"),
            (SCRIPTS, &[Field::Scripts], "runs at install"),
            (DEPENDENCIES, &[Field::Dependencies], "requires"),
            (BUNDLED, &[Field::Bundled], "brings along"),
            (
                METADATA,
                &[Field::Metadata, Field::RequiresPython],
                "holds metadata",
            ),
            (
                OTHER,
                &[Field::Bin, Field::Features, Field::Links],
                "declares",
            ),
        ];
        for (code, fields, verb) in groups {
            let counts =
                |it: &&Disagreement| fields.contains(&it.field) && !self.ignore.contains(&it.field);
            let differing: Vec<&Disagreement> = all.iter().filter(counts).collect();
            // An archive that has more than the registry shows tells more of what is meant than one
            // that lacks something.
            let Some(first) = differing
                .iter()
                .max_by_key(|it| (it.found != "none", std::cmp::Reverse(**it)))
            else {
                continue;
            };
            let more = match differing.len() {
                1 => String::new(),
                several => format!(" and {} more", several - 1),
            };
            let reason = format!(
                "the archive of {} {verb} {}, the registry shows {}{more}",
                subject(facts.subject()),
                reason::ascii(&first.found, 60),
                reason::ascii(&first.declared, 60),
            );
            out.report(code, reason, &evidence(&differing), None);
        }
    }
}

/// The fields with the beginning of a digest of all that differs: another difference tomorrow is
/// another finding.
fn evidence(differing: &[&Disagreement]) -> String {
    let mut hash = Sha256::new();
    let mut fields: Vec<&str> = Vec::new();
    for Disagreement {
        field,
        declared,
        found,
    } in differing
    {
        if fields.last() != Some(&field.name()) {
            fields.push(field.name());
        }
        for text in [field.name(), declared, found] {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        }
    }
    let digest = HEXLOWER.encode(&hash.finalize());
    format!(
        "{}:{}",
        fields.join("+"),
        digest.get(..16).unwrap_or_default()
    )
}
