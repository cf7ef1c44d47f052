//! The database against itself: is every row what its entry says?
//!
//! Verifying the published log shows that nobody changed the entries; this shows that the rows
//! made from them are still what they say. It reads everything, a page at a time, and is for an
//! operator's question (`cordon log verify`), not for every start (S-04, S-05).

use std::collections::BTreeSet;

use cordon_policy::decision::Decision;
use cordon_policy::facts::RemovalScope;
use cordon_policy::model::{ArtifactId, Timestamp};
use cordon_policy::verdict::Effect;
use rusqlite::{Connection, OptionalExtension as _, params};
use tlog_tiles::{Hash, record_hash};

use super::project::{find_artifact, find_package, identity, number, outcome_name};
use super::read::{entry_of, text};
use super::schema::sql;
use super::state::{corrupt, head};
use crate::StorageError;
use crate::evidence::encoding::kind_name;
use crate::evidence::holds::{holds, is_archive};
use crate::evidence::log::verify::Report;
use crate::evidence::memory::rules_of;
use crate::evidence::tree::Tree;
use crate::evidence::{
    Entry, EntryIndex, ExemptionChange, Exposure, Missed, Pin, QuarantineChange, Removal, Served,
    Sighting, sighted_from_text,
};

const OPERATION: &str = "auditing the evidence store";

/// Entries read at a time.
const PAGE: u64 = 1_000;

/// Rows that must be there for entries of each kind, counted along the way.
#[derive(Debug, Default)]
struct Counts {
    decisions: u64,
    rules: u64,
    servings: u64,
    pins: u64,
    first_allowed: u64,
    sightings: u64,
    exposures: u64,
    missed: u64,
    removals: u64,
    holds: u64,
    quarantine_changes: u64,
}

/// Checks everything, also that the published log is the beginning of it; the number of entries
/// when all is well.
pub(super) fn audit(
    connection: &Connection,
    published: Option<&Report>,
) -> Result<u64, StorageError> {
    let head = head(connection)?;
    if let Some(published) = published.filter(|published| published.entries > head.size) {
        return Err(corrupt(format!(
            "entry {} is missing: {} are published",
            head.size, published.entries
        )));
    }
    let mut tree = Tree::new();
    let mut counts = Counts::default();
    while tree.size() < head.size {
        let from = tree.size();
        let page = leaves(connection, from, head.size.min(from + PAGE))?;
        if page.is_empty() {
            return Err(corrupt(format!("entry {from} is missing")));
        }
        for Row {
            index,
            kind,
            leaf,
            bytes,
        } in page
        {
            if index != tree.size() {
                return Err(corrupt(format!("entry {} is missing", tree.size())));
            }
            let entry = entry_of(connection, index, &leaf, &bytes)?;
            if kind != kind_name(&entry) {
                let cause = format!("entry {index} is not of the kind `{kind}` it is listed as");
                return Err(corrupt(cause));
            }
            check(connection, index, &entry, &mut counts)?;
            push(connection, &mut tree, record_hash(&bytes))?;
            if let Some(published) = published.filter(|p| p.entries == tree.size())
                && tree.root().to_string() != published.root
            {
                return Err(corrupt(format!(
                    "the first {} entries are not those published",
                    published.entries
                )));
            }
        }
    }
    if tree.root() != head.root {
        return Err(corrupt(
            "the entries are not those that were appended".to_owned(),
        ));
    }
    check_counts(connection, &counts)?;
    Ok(head.size)
}

/// A row of the log.
struct Row {
    index: EntryIndex,
    kind: String,
    leaf: Vec<u8>,
    bytes: Vec<u8>,
}

fn leaves(connection: &Connection, from: u64, to: u64) -> Result<Vec<Row>, StorageError> {
    connection
        .prepare_cached(
            "SELECT idx, kind, leaf, bytes FROM entries WHERE idx >= ?1 AND idx < ?2 ORDER BY idx",
        )
        .and_then(|mut select| {
            select
                .query_map(params![number(from), number(to)], |row| {
                    Ok(Row {
                        index: row.get(0)?,
                        kind: row.get(1)?,
                        leaf: row.get(2)?,
                        bytes: row.get(3)?,
                    })
                })?
                .collect()
        })
        .map_err(sql(OPERATION))
}

fn push(connection: &Connection, tree: &mut Tree, hash: Hash) -> Result<(), StorageError> {
    let mut full = Vec::new();
    tree.push(hash, |tile| {
        full.push((tile.level + 1, tile.number, tile.root))
    });
    for (level, position, root) in full {
        let is_kept = exists(
            connection,
            "SELECT 1 FROM nodes WHERE level = ?1 AND number = ?2 AND hash = ?3",
            params![level, number(position), root.0],
        )?;
        if !is_kept {
            return Err(corrupt(format!(
                "node {position} of level {level} is wrong"
            )));
        }
    }
    Ok(())
}

fn exists(
    connection: &Connection,
    statement: &str,
    values: impl rusqlite::Params,
) -> Result<bool, StorageError> {
    connection
        .prepare_cached(statement)
        .and_then(|mut select| select.exists(values))
        .map_err(sql(OPERATION))
}

/// The rows of one entry.
fn check(
    connection: &Connection,
    index: EntryIndex,
    entry: &Entry,
    counts: &mut Counts,
) -> Result<(), StorageError> {
    let at = number(index);
    let is_right = match entry {
        Entry::Decision(decision) => check_decision(connection, at, decision, counts)?,
        Entry::Served(served) => check_serving(connection, at, served, counts)?,
        Entry::Pin(pin) => check_pin(connection, at, pin, counts)?,
        Entry::Sighting(sighting) => check_sighting(connection, at, sighting, counts)?,
        Entry::Exposure(exposure) => check_exposure(connection, at, exposure, counts)?,
        Entry::Missed(missed) => check_missed(connection, at, missed, counts)?,
        Entry::Exemption(change) => check_exemption(connection, at, change)?,
        Entry::Removal(removal) => check_removal(connection, at, removal, counts)?,
        Entry::Quarantine(change) => check_quarantine(connection, at, change, counts)?,
        Entry::Policy(_) | Entry::Listing(_) | Entry::Notice(_) => true,
    };
    if is_right {
        return Ok(());
    }
    Err(corrupt(format!(
        "what is remembered of entry {index} is not what it says"
    )))
}

fn check_decision(
    connection: &Connection,
    at: i64,
    decision: &Decision,
    counts: &mut Counts,
) -> Result<bool, StorageError> {
    counts.decisions += 1;
    let rules: BTreeSet<String> = rules_of(decision).map(ToString::to_string).collect();
    counts.rules += rules.len() as u64;
    for rule in rules {
        let listed = "SELECT 1 FROM decision_rules WHERE rule = ?1 AND idx = ?2";
        if !exists(connection, listed, params![rule, at])? {
            return Ok(false);
        }
    }
    let artifact = artifact(connection, decision.evaluation.artifact())?;
    if !check_hold(connection, at, artifact, decision, counts)? {
        return Ok(false);
    }
    let effect = decision.evaluation.effect();
    if effect == Effect::Allow && decision.sha256().is_some() {
        let by = written_by(connection, "first_allowed_by", artifact)?;
        counts.first_allowed += u64::from(by == Some(at));
        if by.is_none_or(|by| by > at) {
            return Ok(false);
        }
    }
    exists(
        connection,
        "SELECT 1 FROM decisions JOIN artifacts ON artifacts.id = decisions.artifact
         WHERE idx = ?1 AND decisions.id = ?2 AND at = ?3 AND artifact = ?4 AND effect = ?5
           AND audience = ?6 AND decisions.package = artifacts.package
           AND (first_allowed_by IS NOT ?1 OR first_allowed_at = at)",
        params![
            at,
            decision.id.as_str(),
            decision.at.as_millis(),
            artifact,
            effect.name(),
            decision.facts.audience.key()
        ],
    )
}

/// The first decision that held an archive made its row, and the newest of each audience stands.
fn check_hold(
    connection: &Connection,
    at: i64,
    artifact: Option<i64>,
    decision: &Decision,
    counts: &mut Counts,
) -> Result<bool, StorageError> {
    if holds(decision) {
        let first: Option<i64> = connection
            .prepare_cached("SELECT first FROM holds WHERE artifact = ?1")
            .and_then(|mut select| select.query_row([artifact], |row| row.get(0)).optional())
            .map_err(sql(OPERATION))?;
        let is_first = first == Some(at);
        counts.holds += u64::from(is_first);
        let written = "SELECT 1 FROM holds WHERE artifact = ?1 AND ticket = ?2 AND since = ?3";
        let values = params![artifact, decision.id.as_str(), decision.at.as_millis()];
        if first.is_none_or(|first| first > at) || is_first && !exists(connection, written, values)?
        {
            return Ok(false);
        }
    }
    let is_held = "SELECT 1 FROM holds WHERE artifact = ?1";
    if !is_archive(decision) || !exists(connection, is_held, [artifact])? {
        return Ok(true);
    }
    exists(
        connection,
        "SELECT 1 FROM hold_standing WHERE artifact = ?1 AND audience = ?2
           AND (idx > ?3 OR (idx = ?3 AND effect = ?4))
           AND EXISTS (SELECT 1 FROM decisions WHERE decisions.idx = hold_standing.idx
                       AND decisions.artifact = ?1 AND decisions.audience = ?2)",
        params![
            artifact,
            decision.facts.audience.key(),
            at,
            decision.evaluation.effect().name()
        ],
    )
}

fn check_quarantine(
    connection: &Connection,
    at: i64,
    change: &QuarantineChange,
    counts: &mut Counts,
) -> Result<bool, StorageError> {
    counts.quarantine_changes += 1;
    exists(
        connection,
        "SELECT 1 FROM quarantine_changes
         WHERE idx = ?1 AND artifact = ?2 AND act = ?3 AND settles = ?4",
        params![
            at,
            artifact(connection, &change.artifact)?,
            change.act.name(),
            change.act.is_review(),
        ],
    )
}

fn check_serving(
    connection: &Connection,
    at: i64,
    served: &Served,
    counts: &mut Counts,
) -> Result<bool, StorageError> {
    counts.servings += 1;
    exists(
        connection,
        "SELECT 1 FROM servings WHERE idx = ?1 AND decision = ?2 AND client = ?3
           AND agent = ?4 AND outcome = ?5 AND count = ?6 AND first_at = ?7 AND last_at = ?8",
        params![
            at,
            served.decision.as_str(),
            served.client.address.as_str(),
            served.client.agent.as_str(),
            outcome_name(served.outcome),
            served.count,
            served.first_at.as_millis(),
            served.last_at.as_millis(),
        ],
    )
}

fn check_pin(
    connection: &Connection,
    at: i64,
    pin: &Pin,
    counts: &mut Counts,
) -> Result<bool, StorageError> {
    let artifact = artifact(connection, &pin.artifact)?;
    let by = written_by(connection, "pinned_by", artifact)?;
    if by != Some(at) {
        return Ok(by.is_some_and(|by| by < at));
    }
    counts.pins += 1;
    exists(
        connection,
        "SELECT 1 FROM artifacts WHERE id = ?1 AND pinned = ?2",
        params![artifact, pin.sha256.to_string()],
    )
}

fn check_sighting(
    connection: &Connection,
    at: i64,
    sighting: &Sighting,
    counts: &mut Counts,
) -> Result<bool, StorageError> {
    let list =
        text(connection, &sighting.candidates)?.and_then(|text| sighted_from_text(&text).ok());
    let Some(list) = list else { return Ok(false) };
    let package = find_package(connection, &sighting.package).map_err(sql(OPERATION))?;
    for candidate in &list {
        let is_kept = exists(
            connection,
            "SELECT 1 FROM sightings WHERE package = ?1 AND version = ?2 AND file = ?3
               AND (seen_by < ?4
                    OR (seen_by = ?4 AND first_seen_at = ?5 AND published_at IS ?6))",
            params![
                package,
                candidate.version.as_str(),
                candidate.file.as_str(),
                at,
                sighting.at.as_millis(),
                candidate.published_at.map(Timestamp::as_millis),
            ],
        )?;
        if !is_kept {
            return Ok(false);
        }
    }
    counts.sightings += connection
        .prepare_cached("SELECT count(*) FROM sightings WHERE package = ?1 AND seen_by = ?2")
        .and_then(|mut count| count.query_row(params![package, at], |row| row.get::<_, u64>(0)))
        .map_err(sql(OPERATION))?;
    Ok(true)
}

fn check_exposure(
    connection: &Connection,
    at: i64,
    exposure: &Exposure,
    counts: &mut Counts,
) -> Result<bool, StorageError> {
    counts.exposures += 1;
    let artifact = artifact(connection, &exposure.artifact)?;
    exists(
        connection,
        "SELECT 1 FROM exposures JOIN artifacts ON artifacts.id = exposures.artifact
         WHERE idx = ?1 AND at = ?2 AND artifact = ?3 AND decision = ?4
           AND exposures.package = artifacts.package",
        params![
            at,
            exposure.at.as_millis(),
            artifact,
            exposure.decision.as_str(),
        ],
    )
}

fn check_removal(
    connection: &Connection,
    at: i64,
    removal: &Removal,
    counts: &mut Counts,
) -> Result<bool, StorageError> {
    counts.removals += 1;
    let artifact = artifact(connection, &removal.artifact)?;
    exists(
        connection,
        "SELECT 1 FROM removals JOIN artifacts ON artifacts.id = removals.artifact
         WHERE idx = ?1 AND at = ?2 AND artifact = ?3 AND scope IS ?4
           AND removals.package = artifacts.package",
        params![
            at,
            removal.at.as_millis(),
            artifact,
            removal.scope.map(RemovalScope::name),
        ],
    )
}

/// The first entry of a name made its row; later ones find it.
fn check_missed(
    connection: &Connection,
    at: i64,
    missed: &Missed,
    counts: &mut Counts,
) -> Result<bool, StorageError> {
    let found = connection
        .prepare_cached(
            "SELECT missed.at, missed_by, missed.name FROM missed
             JOIN packages ON packages.id = missed.package
             WHERE packages.ecosystem = ?1 AND packages.name = ?2",
        )
        .and_then(|mut select| {
            let name = &missed.package;
            let key = params![name.ecosystem().as_str(), name.normalized()];
            select
                .query_row(key, |row| {
                    Ok((
                        row.get::<_, i64>(0)?,
                        row.get::<_, i64>(1)?,
                        row.get::<_, String>(2)?,
                    ))
                })
                .optional()
        })
        .map_err(sql(OPERATION))?;
    let Some((first_at, missed_by, name)) = found else {
        return Ok(false);
    };
    if missed_by < at {
        return Ok(true);
    }
    counts.missed += 1;
    Ok((first_at, missed_by) == (missed.at.as_millis(), at) && name == identity(&missed.package))
}

/// The newest entry of an exemption made its row.
fn check_exemption(
    connection: &Connection,
    at: i64,
    change: &ExemptionChange,
) -> Result<bool, StorageError> {
    exists(
        connection,
        "SELECT 1 FROM exemptions
         WHERE id = ?1 AND (changed_by > ?2 OR (changed_by = ?2 AND text IS ?3))",
        params![change.id.as_str(), at, change.text],
    )
}

fn artifact(connection: &Connection, artifact: &ArtifactId) -> Result<Option<i64>, StorageError> {
    find_artifact(connection, artifact).map_err(sql(OPERATION))
}

/// The entry that wrote a write-once column of an artifact.
fn written_by(
    connection: &Connection,
    column: &'static str,
    artifact: Option<i64>,
) -> Result<Option<i64>, StorageError> {
    connection
        .prepare_cached(&format!("SELECT {column} FROM artifacts WHERE id = ?1"))
        .and_then(|mut select| select.query_row([artifact], |row| row.get(0)).optional())
        .map(Option::flatten)
        .map_err(sql(OPERATION))
}

/// No row without an entry.
fn check_counts(connection: &Connection, counts: &Counts) -> Result<(), StorageError> {
    let Counts {
        decisions,
        rules,
        servings,
        pins,
        first_allowed,
        sightings,
        exposures,
        missed,
        removals,
        holds,
        quarantine_changes,
    } = counts;
    for (statement, expected) in [
        ("SELECT count(*) FROM decisions", decisions),
        ("SELECT count(*) FROM decision_rules", rules),
        ("SELECT count(*) FROM servings", servings),
        ("SELECT count(pinned) FROM artifacts", pins),
        (
            "SELECT count(first_allowed_at) FROM artifacts",
            first_allowed,
        ),
        ("SELECT count(*) FROM sightings", sightings),
        ("SELECT count(*) FROM exposures", exposures),
        ("SELECT count(*) FROM missed", missed),
        ("SELECT count(*) FROM removals", removals),
        ("SELECT count(*) FROM holds", holds),
        ("SELECT count(DISTINCT artifact) FROM hold_standing", holds),
        (
            "SELECT count(*) FROM quarantine_changes",
            quarantine_changes,
        ),
    ] {
        let found: u64 = connection
            .query_row(statement, [], |row| row.get(0))
            .map_err(sql(OPERATION))?;
        if found != *expected {
            let cause = format!("`{statement}` gives {found}, the entries give {expected}");
            return Err(corrupt(cause));
        }
    }
    Ok(())
}
