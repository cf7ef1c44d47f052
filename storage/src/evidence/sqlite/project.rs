//! From entries to rows, inside the writer's transaction.

use std::collections::HashMap;

use cordon_policy::decision::Decision;
use cordon_policy::facts::RemovalScope;
use cordon_policy::model::{ArtifactId, ArtifactKind, PackageName};
use cordon_policy::verdict::Effect;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::holds;
use crate::evidence::encoding::{Encoded, kind_name};
use crate::evidence::entry::{
    Entry, EntryIndex, ExemptionChange, Exposure, Missed, Outcome, Pin, Removal, Served, Sighted,
    Sighting,
};
use crate::evidence::holds::is_archive;
use crate::evidence::memory::rules_of;

/// Row numbers found during one transaction. A cold listing brings thousands of decisions about
/// one package; it lives no longer than the batch, which bounds it.
#[derive(Debug, Default)]
pub(super) struct KnownRows {
    packages: HashMap<PackageName, i64>,
    artifacts: HashMap<ArtifactId, i64>,
}

/// Writes one entry and its projection. `sighted` is the candidate list of a sighting.
pub(super) fn insert(
    connection: &Connection,
    known: &mut KnownRows,
    index: EntryIndex,
    encoded: &Encoded,
    sighted: &[Sighted],
) -> rusqlite::Result<()> {
    let Encoded {
        entry,
        leaf,
        hash,
        apart,
    } = encoded;
    if let Some((digest, whole)) = apart {
        insert_text(connection, digest.as_bytes(), whole)?;
    }
    connection
        .prepare_cached("INSERT INTO entries (idx, kind, leaf, bytes) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![number(index), kind_name(entry), hash.0, leaf])?;
    match entry {
        Entry::Decision(decision) => insert_decision(connection, known, index, decision),
        Entry::Served(served) => insert_serving(connection, index, served),
        Entry::Pin(pin) => insert_pin(connection, known, index, pin),
        Entry::Sighting(sighting) => insert_sighting(connection, known, index, sighting, sighted),
        Entry::Exposure(exposure) => insert_exposure(connection, known, index, exposure),
        Entry::Missed(missed) => insert_missed(connection, known, index, missed),
        Entry::Exemption(change) => insert_exemption(connection, index, change),
        Entry::Removal(removal) => insert_removal(connection, known, index, removal),
        Entry::Quarantine(change) => {
            let artifact = artifact_row(connection, known, &change.artifact)?;
            holds::insert_change(connection, index, artifact, change)
        }
        Entry::Policy(_) | Entry::Listing(_) | Entry::Notice(_) => Ok(()),
    }
}

/// Keeps a text; keeping it again is fine.
pub(super) fn insert_text(
    connection: &Connection,
    digest: &[u8],
    bytes: &[u8],
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO texts (digest, bytes) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?
        .execute(params![digest, bytes])?;
    Ok(())
}

fn insert_decision(
    connection: &Connection,
    known: &mut KnownRows,
    index: EntryIndex,
    decision: &Decision,
) -> rusqlite::Result<()> {
    let evaluation = &decision.evaluation;
    let package = package_row(connection, known, &evaluation.subject().name)?;
    let artifact = artifact_row(connection, known, evaluation.artifact())?;
    let effect = evaluation.effect();
    connection
        .prepare_cached(
            "INSERT INTO decisions (idx, id, at, package, artifact, effect, audience)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            number(index),
            decision.id.as_str(),
            decision.at.as_millis(),
            package,
            artifact,
            effect.name(),
            decision.facts.audience.key(),
        ])?;
    for rule in rules_of(decision) {
        connection
            .prepare_cached(
                "INSERT INTO decision_rules (rule, idx) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
            )?
            .execute(params![rule.as_str(), number(index)])?;
    }
    if is_archive(decision) {
        holds::insert_standing(connection, index, artifact, decision)?;
    }
    if effect == Effect::Allow && decision.sha256().is_some() {
        connection
            .prepare_cached(
                "UPDATE artifacts SET first_allowed_at = ?2, first_allowed_by = ?3
                 WHERE id = ?1 AND first_allowed_at IS NULL",
            )?
            .execute(params![artifact, decision.at.as_millis(), number(index)])?;
    }
    Ok(())
}

fn insert_serving(
    connection: &Connection,
    index: EntryIndex,
    served: &Served,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO servings (idx, decision, client, agent, outcome, count, first_at, last_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            number(index),
            served.decision.as_str(),
            served.client.address.as_str(),
            served.client.agent.as_str(),
            outcome_name(served.outcome),
            served.count,
            served.first_at.as_millis(),
            served.last_at.as_millis(),
        ])?;
    Ok(())
}

/// The pin of an artifact is written by the first entry and by no later one (INV-6).
fn insert_pin(
    connection: &Connection,
    known: &mut KnownRows,
    index: EntryIndex,
    pin: &Pin,
) -> rusqlite::Result<()> {
    let artifact = artifact_row(connection, known, &pin.artifact)?;
    connection
        .prepare_cached(
            "UPDATE artifacts SET pinned = ?2, pinned_by = ?3 WHERE id = ?1 AND pinned IS NULL",
        )?
        .execute(params![artifact, pin.sha256.to_string(), number(index)])?;
    Ok(())
}

fn insert_sighting(
    connection: &Connection,
    known: &mut KnownRows,
    index: EntryIndex,
    sighting: &Sighting,
    sighted: &[Sighted],
) -> rusqlite::Result<()> {
    let package = package_row(connection, known, &sighting.package)?;
    let mut insert = connection.prepare_cached(
        "INSERT INTO sightings (package, version, file, first_seen_at, published_at, seen_by)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
    )?;
    for candidate in sighted {
        insert.execute(params![
            package,
            candidate.version.as_str(),
            candidate.file.as_str(),
            sighting.at.as_millis(),
            candidate
                .published_at
                .map(cordon_policy::model::Timestamp::as_millis),
            number(index),
        ])?;
    }
    Ok(())
}

fn insert_exposure(
    connection: &Connection,
    known: &mut KnownRows,
    index: EntryIndex,
    exposure: &Exposure,
) -> rusqlite::Result<()> {
    let package = package_row(connection, known, &exposure.artifact.subject.name)?;
    let artifact = artifact_row(connection, known, &exposure.artifact)?;
    connection
        .prepare_cached(
            "INSERT INTO exposures (idx, at, package, artifact, decision)
             VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            number(index),
            exposure.at.as_millis(),
            package,
            artifact,
            exposure.decision.as_str(),
        ])?;
    Ok(())
}

/// A name as the log has it.
pub(super) fn identity(package: &PackageName) -> String {
    serde_json::to_string(package).expect("a name is text")
}

fn insert_missed(
    connection: &Connection,
    known: &mut KnownRows,
    index: EntryIndex,
    missed: &Missed,
) -> rusqlite::Result<()> {
    let package = package_row(connection, known, &missed.package)?;
    connection
        .prepare_cached(
            "INSERT INTO missed (package, at, missed_by, name) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (package) DO NOTHING",
        )?
        .execute(params![
            package,
            missed.at.as_millis(),
            number(index),
            identity(&missed.package),
        ])?;
    Ok(())
}

fn insert_exemption(
    connection: &Connection,
    index: EntryIndex,
    change: &ExemptionChange,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO exemptions (id, text, changed_by) VALUES (?1, ?2, ?3)
             ON CONFLICT (id) DO UPDATE SET text = ?2, changed_by = ?3",
        )?
        .execute(params![change.id.as_str(), change.text, number(index)])?;
    Ok(())
}

fn insert_removal(
    connection: &Connection,
    known: &mut KnownRows,
    index: EntryIndex,
    removal: &Removal,
) -> rusqlite::Result<()> {
    let package = package_row(connection, known, &removal.artifact.subject.name)?;
    let artifact = artifact_row(connection, known, &removal.artifact)?;
    connection
        .prepare_cached(
            "INSERT INTO removals (idx, at, package, artifact, scope) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            number(index),
            removal.at.as_millis(),
            package,
            artifact,
            removal.scope.map(RemovalScope::name),
        ])?;
    Ok(())
}

fn package_row(
    connection: &Connection,
    known: &mut KnownRows,
    name: &PackageName,
) -> rusqlite::Result<i64> {
    if let Some(&row) = known.packages.get(name) {
        return Ok(row);
    }
    let row = match find_package(connection, name)? {
        Some(row) => row,
        None => {
            connection
                .prepare_cached("INSERT INTO packages (ecosystem, name) VALUES (?1, ?2)")?
                .execute(params![name.ecosystem().as_str(), name.normalized()])?;
            connection.last_insert_rowid()
        }
    };
    known.packages.insert(name.clone(), row);
    Ok(row)
}

/// The row of a package, if it has one.
pub(super) fn find_package(
    connection: &Connection,
    name: &PackageName,
) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("SELECT id FROM packages WHERE ecosystem = ?1 AND name = ?2")?
        .query_row(
            params![name.ecosystem().as_str(), name.normalized()],
            |row| row.get(0),
        )
        .optional()
}

fn artifact_row(
    connection: &Connection,
    known: &mut KnownRows,
    artifact: &ArtifactId,
) -> rusqlite::Result<i64> {
    if let Some(&row) = known.artifacts.get(artifact) {
        return Ok(row);
    }
    let row = match find_artifact(connection, artifact)? {
        Some(row) => row,
        None => {
            let package = package_row(connection, known, &artifact.subject.name)?;
            let identity = serde_json::to_string(artifact)
                .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
            connection
                .prepare_cached(
                    "INSERT INTO artifacts (package, version, file, kind, identity)
                     VALUES (?1, ?2, ?3, ?4, ?5)",
                )?
                .execute(params![
                    package,
                    artifact.subject.version.as_str(),
                    artifact.file.as_str(),
                    kind_of_file(artifact.kind),
                    identity,
                ])?;
            connection.last_insert_rowid()
        }
    };
    known.artifacts.insert(artifact.clone(), row);
    Ok(row)
}

/// The row of an artifact, if it has one.
pub(super) fn find_artifact(
    connection: &Connection,
    artifact: &ArtifactId,
) -> rusqlite::Result<Option<i64>> {
    let name = &artifact.subject.name;
    connection
        .prepare_cached(
            "SELECT artifacts.id FROM artifacts JOIN packages ON packages.id = package
             WHERE ecosystem = ?1 AND name = ?2 AND version = ?3 AND file = ?4 AND kind = ?5",
        )?
        .query_row(
            params![
                name.ecosystem().as_str(),
                name.normalized(),
                artifact.subject.version.as_str(),
                artifact.file.as_str(),
                kind_of_file(artifact.kind),
            ],
            |row| row.get(0),
        )
        .optional()
}

/// How the kind of a file stands in the database.
pub(super) const fn kind_of_file(kind: ArtifactKind) -> &'static str {
    match kind {
        ArtifactKind::Archive => "archive",
        ArtifactKind::CoreMetadata => "core-metadata",
        ArtifactKind::Provenance => "provenance",
    }
}

/// How an outcome stands in the database.
pub(super) const fn outcome_name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Served => "served",
        Outcome::Refused => "refused",
    }
}

/// SQLite's integers are signed; the log would have to outgrow every disk to matter.
pub(super) fn number(index: EntryIndex) -> i64 {
    i64::try_from(index).unwrap_or(i64::MAX)
}
