//! Questions, each answered from one connection on a blocking thread.

use std::collections::HashMap;

use bytes::Bytes;
use cordon_policy::decision::{Decision, DecisionId};
use cordon_policy::facts::{Removal, RemovalScope};
use cordon_policy::model::{
    ArtifactId, ArtifactKind, Digest, FileName, PackageName, Timestamp, Version,
};
use rusqlite::{Connection, OptionalExtension as _, Row, ToSql, params};
use tlog_tiles::record_hash;

use super::project::{find_artifact, find_package, kind_of_file, number, outcome_name};
use super::schema::sql;
use crate::evidence::encoding::{decode, kept_apart};
use crate::evidence::query::{MAX_PAGE, SERVINGS_PER_DECISION, page_size};
use crate::evidence::{
    Entry, EntryIndex, LogFilter, LoggedDecision, LoggedNotice, LoggedServing, Remembered, STORE,
    Seen, Served, ServingFilter,
};
use crate::{StorageError, StorageErrorKind};

pub(super) type Answer<T> = Result<T, StorageError>;

/// Bytes kept under a digest, checked.
pub(super) fn text(connection: &Connection, digest: &Digest) -> Answer<Option<Bytes>> {
    let operation = "reading a text";
    let bytes: Option<Vec<u8>> = connection
        .prepare_cached("SELECT bytes FROM texts WHERE digest = ?1")
        .and_then(|mut find| {
            find.query_row([digest.as_bytes()], |row| row.get(0))
                .optional()
        })
        .map_err(sql(operation))?;
    match bytes {
        Some(bytes) if Digest::of(&bytes) != *digest => Err(corrupt(
            operation,
            format!("the text {digest} has other bytes"),
        )),
        bytes => Ok(bytes.map(Bytes::from)),
    }
}

/// An entry as it was appended: the stored bytes must still have their leaf hash.
pub(super) fn entry_of(
    connection: &Connection,
    index: EntryIndex,
    leaf: &[u8],
    bytes: &[u8],
) -> Answer<Entry> {
    let operation = "reading an entry";
    if record_hash(bytes).0 != leaf {
        return Err(corrupt(
            operation,
            format!("entry {index} is not what was appended"),
        ));
    }
    let whole = match kept_apart(bytes) {
        None => None,
        Some(digest) => Some(text(connection, &digest)?.ok_or_else(|| {
            corrupt(
                operation,
                format!("the text {digest} of entry {index} is missing"),
            )
        })?),
    };
    decode(whole.as_deref().unwrap_or(bytes))
        .map_err(|error| corrupt(operation, format!("entry {index} is unreadable: {error}")))
}

pub(super) fn corrupt(operation: &'static str, cause: String) -> StorageError {
    StorageError::new(STORE, operation, StorageErrorKind::Corrupt, cause)
}

/// Entries from an index on.
pub(super) fn entries(
    connection: &Connection,
    from: EntryIndex,
    limit: usize,
) -> Answer<Vec<(EntryIndex, Entry)>> {
    let operation = "reading entries";
    let mut select = connection
        .prepare_cached(
            "SELECT idx, leaf, bytes FROM entries WHERE idx >= ?1 ORDER BY idx LIMIT ?2",
        )
        .map_err(sql(operation))?;
    let mut rows = select
        .query(params![number(from), number(page_size(limit) as u64)])
        .map_err(sql(operation))?;
    let mut page = Vec::new();
    while let Some(row) = rows.next().map_err(sql(operation))? {
        let (index, leaf, bytes) = stored(row).map_err(sql(operation))?;
        page.push((index, entry_of(connection, index, &leaf, &bytes)?));
    }
    Ok(page)
}

/// The columns `idx`, `leaf` and `bytes`, in this order.
fn stored(row: &Row<'_>) -> rusqlite::Result<(EntryIndex, Vec<u8>, Vec<u8>)> {
    Ok((row.get::<_, u64>(0)?, row.get(1)?, row.get(2)?))
}

fn logged(connection: &Connection, index: EntryIndex) -> Answer<LoggedDecision> {
    let decision = decision_at(connection, index)?;
    let servings = servings_of(connection, &decision.id)?;
    Ok(LoggedDecision {
        index,
        decision,
        servings,
    })
}

pub(super) fn decision_at(connection: &Connection, index: EntryIndex) -> Answer<Decision> {
    let operation = "reading a decision";
    let (_, leaf, bytes) = connection
        .prepare_cached("SELECT idx, leaf, bytes FROM entries WHERE idx = ?1")
        .and_then(|mut select| select.query_row([number(index)], stored).optional())
        .map_err(sql(operation))?
        .ok_or_else(|| corrupt(operation, format!("entry {index} is missing")))?;
    let Entry::Decision(decision) = entry_of(connection, index, &leaf, &bytes)? else {
        return Err(corrupt(
            operation,
            format!("entry {index} is not a decision"),
        ));
    };
    Ok(*decision)
}

fn servings_of(connection: &Connection, decision: &DecisionId) -> Answer<Vec<Served>> {
    let operation = "reading servings";
    let limit = number(SERVINGS_PER_DECISION as u64);
    let indexes = indexes(
        connection,
        operation,
        "SELECT idx FROM servings WHERE decision = ?1 ORDER BY idx DESC LIMIT ?2",
        &[&decision.as_str(), &limit],
    )?;
    indexes
        .into_iter()
        .map(|index| served(connection, index))
        .collect()
}

/// A serving from its entry, so that a changed row cannot tell another story than the log.
fn served(connection: &Connection, index: EntryIndex) -> Answer<Served> {
    let operation = "reading servings";
    let (_, leaf, bytes) = connection
        .prepare_cached("SELECT idx, leaf, bytes FROM entries WHERE idx = ?1")
        .and_then(|mut select| select.query_row([number(index)], stored).optional())
        .map_err(sql(operation))?
        .ok_or_else(|| corrupt(operation, format!("entry {index} is missing")))?;
    match entry_of(connection, index, &leaf, &bytes)? {
        Entry::Served(served) => Ok(served),
        _ => Err(corrupt(
            operation,
            format!("entry {index} is not a serving"),
        )),
    }
}

pub(super) fn indexes(
    connection: &Connection,
    operation: &'static str,
    statement: &str,
    values: &[&dyn ToSql],
) -> Answer<Vec<EntryIndex>> {
    let mut select = connection
        .prepare_cached(statement)
        .map_err(sql(operation))?;
    let rows = select
        .query_map(values, |row| row.get::<_, u64>(0))
        .map_err(sql(operation))?;
    rows.collect::<Result<_, _>>().map_err(sql(operation))
}

/// A decision by id.
pub(super) fn decision(connection: &Connection, id: &DecisionId) -> Answer<Option<LoggedDecision>> {
    let found = indexes(
        connection,
        "reading a decision",
        "SELECT idx FROM decisions WHERE id = ?1 ORDER BY idx LIMIT 1",
        &[&id.as_str()],
    )?;
    found
        .first()
        .map(|index| logged(connection, *index))
        .transpose()
}

/// The newest decision about an artifact, for an audience or any.
pub(super) fn latest(
    connection: &Connection,
    artifact: &ArtifactId,
    audience: Option<&str>,
) -> Answer<Option<LoggedDecision>> {
    let operation = "reading a decision";
    let Some(row) = find_artifact(connection, artifact).map_err(sql(operation))? else {
        return Ok(None);
    };
    let found = indexes(
        connection,
        operation,
        "SELECT idx FROM decisions WHERE artifact = ?1 AND (?2 IS NULL OR audience = ?2)
         ORDER BY idx DESC LIMIT 1",
        &[&row, &audience],
    )?;
    found
        .first()
        .map(|index| logged(connection, *index))
        .transpose()
}

/// The newest decision about each of a package's archives, for each audience.
pub(super) fn standing(connection: &Connection, package: &PackageName) -> Answer<Vec<Decision>> {
    let operation = "reading standing decisions";
    let Some(row) = find_package(connection, package).map_err(sql(operation))? else {
        return Ok(Vec::new());
    };
    let found = indexes(
        connection,
        operation,
        "SELECT max(idx) FROM decisions
         WHERE artifact IN (SELECT id FROM artifacts WHERE package = ?1 AND kind = ?2)
         GROUP BY artifact, audience",
        &[&row, &kind_of_file(ArtifactKind::Archive)],
    )?;
    let decisions = found.into_iter();
    decisions
        .map(|index| decision_at(connection, index))
        .collect()
}

/// A page of decisions.
pub(super) fn decisions(
    connection: &Connection,
    filter: &LogFilter,
) -> Answer<Vec<LoggedDecision>> {
    let operation = "reading decisions";
    let LogFilter {
        package,
        effect,
        rule,
        client,
        since,
        until,
        after,
        limit,
    } = filter;
    let mut conditions = String::from("1");
    let mut values: Vec<Box<dyn ToSql>> = Vec::new();
    let mut all = |condition: &str, value: Box<dyn ToSql>| {
        conditions.push_str(" AND ");
        conditions.push_str(condition);
        values.push(value);
    };
    if let Some(package) = package {
        let Some(row) = find_package(connection, package).map_err(sql(operation))? else {
            return Ok(Vec::new());
        };
        all("package = ?", Box::new(row));
    }
    if let Some(effect) = effect {
        all("effect = ?", Box::new(effect.name()));
    }
    if let Some(rule) = rule {
        all(
            "idx IN (SELECT idx FROM decision_rules WHERE rule = ?)",
            Box::new(rule.to_string()),
        );
    }
    if let Some(client) = client {
        let condition = "EXISTS (SELECT 1 FROM servings WHERE client = ? AND decision = id)";
        all(condition, Box::new(client.to_string()));
    }
    if let Some(since) = since {
        all("at >= ?", Box::new(since.as_millis()));
    }
    if let Some(until) = until {
        all("at < ?", Box::new(until.as_millis()));
    }
    if let Some(after) = after {
        all("idx > ?", Box::new(number(*after)));
    }
    let order = if after.is_some() { "ASC" } else { "DESC" };
    let statement =
        format!("SELECT idx FROM decisions WHERE {conditions} ORDER BY idx {order} LIMIT ?");
    values.push(Box::new(number(page_size(*limit) as u64)));
    let values: Vec<&dyn ToSql> = values.iter().map(|value| &**value).collect();
    let mut found = indexes(connection, operation, &statement, &values)?;
    found.sort_unstable();
    found
        .into_iter()
        .map(|index| logged(connection, index))
        .collect()
}

/// The newest notices.
pub(super) fn notices(connection: &Connection, limit: usize) -> Answer<Vec<LoggedNotice>> {
    let operation = "reading notices";
    let mut select = connection
        .prepare_cached(
            "SELECT idx, leaf, bytes FROM entries WHERE kind = 'notice'
             ORDER BY idx DESC LIMIT ?1",
        )
        .map_err(sql(operation))?;
    let mut rows = select
        .query([number(limit.min(MAX_PAGE) as u64)])
        .map_err(sql(operation))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(sql(operation))? {
        let (index, leaf, bytes) = stored(row).map_err(sql(operation))?;
        let Entry::Notice(notice) = entry_of(connection, index, &leaf, &bytes)? else {
            let cause = format!("entry {index} is not a notice");
            return Err(corrupt(operation, cause));
        };
        found.push(LoggedNotice { index, notice });
    }
    found.reverse();
    Ok(found)
}

/// The pin of an artifact. The row must say what its entry in the log says (S-04).
pub(super) fn pin(connection: &Connection, artifact: &ArtifactId) -> Answer<Option<Digest>> {
    let operation = "reading a pin";
    let Some(row) = find_artifact(connection, artifact).map_err(sql(operation))? else {
        return Ok(None);
    };
    let (pinned, by): (Option<String>, Option<u64>) = connection
        .prepare_cached("SELECT pinned, pinned_by FROM artifacts WHERE id = ?1")
        .and_then(|mut select| select.query_row([row], |row| Ok((row.get(0)?, row.get(1)?))))
        .map_err(sql(operation))?;
    let (pinned, by) = match (pinned, by) {
        (None, None) => return Ok(None),
        (Some(pinned), Some(by)) => (digest(operation, &pinned)?, by),
        _ => {
            return Err(corrupt(
                operation,
                format!("the pin of {artifact} names no entry"),
            ));
        }
    };
    match entries(connection, by, 1)?.pop() {
        Some((index, Entry::Pin(pin)))
            if index == by && pin.artifact == *artifact && pin.sha256 == pinned =>
        {
            Ok(Some(pinned))
        }
        _ => Err(corrupt(
            operation,
            format!("the pin of {artifact} is not that of entry {by}"),
        )),
    }
}

fn digest(operation: &'static str, text: &str) -> Answer<Digest> {
    text.parse()
        .map_err(|_| corrupt(operation, "a stored digest is not one".to_owned()))
}

/// Pins, first-allowed times and removals of a package's archives.
pub(super) fn remembered(
    connection: &Connection,
    package: &PackageName,
) -> Answer<HashMap<(Version, FileName), Remembered>> {
    let operation = "reading what is remembered of a package";
    let Some(package_row) = find_package(connection, package).map_err(sql(operation))? else {
        return Ok(HashMap::new());
    };
    let mut select = connection
        .prepare_cached(
            "SELECT version, file, pinned, first_allowed_at FROM artifacts
             WHERE package = ?1 AND kind = ?2
               AND (pinned IS NOT NULL OR first_allowed_at IS NOT NULL)",
        )
        .map_err(sql(operation))?;
    let mut rows = select
        .query(params![package_row, kind_of_file(ArtifactKind::Archive)])
        .map_err(sql(operation))?;
    let mut remembered = HashMap::new();
    while let Some(row) = rows.next().map_err(sql(operation))? {
        let key = candidate(row, operation)?;
        let pinned: Option<String> = row.get(2).map_err(sql(operation))?;
        let first_allowed_at: Option<i64> = row.get(3).map_err(sql(operation))?;
        let value = Remembered {
            pinned: pinned.map(|text| digest(operation, &text)).transpose()?,
            first_allowed_at: first_allowed_at.map(Timestamp::from_millis),
            removal: None,
        };
        remembered.insert(key, value);
    }
    add_removals(connection, package_row, &mut remembered)?;
    Ok(remembered)
}

/// The newest word on each file that was ever removed.
fn add_removals(
    connection: &Connection,
    package: i64,
    remembered: &mut HashMap<(Version, FileName), Remembered>,
) -> Answer<()> {
    let operation = "reading what was removed of a package";
    let mut select = connection
        .prepare_cached(
            "SELECT version, file, at, scope FROM removals
             JOIN artifacts ON artifacts.id = removals.artifact
             WHERE removals.package = ?1 AND kind = ?2 ORDER BY idx",
        )
        .map_err(sql(operation))?;
    let mut rows = select
        .query(params![package, kind_of_file(ArtifactKind::Archive)])
        .map_err(sql(operation))?;
    while let Some(row) = rows.next().map_err(sql(operation))? {
        let key = candidate(row, operation)?;
        let at = Timestamp::from_millis(row.get(2).map_err(sql(operation))?);
        let scope: Option<String> = row.get(3).map_err(sql(operation))?;
        let scope = match scope.as_deref() {
            None => None,
            Some("project") => Some(RemovalScope::Project),
            Some("version") => Some(RemovalScope::Version),
            Some(other) => {
                let cause = format!("`{other}` is not the scope of a removal");
                return Err(corrupt(operation, cause));
            }
        };
        remembered.entry(key).or_default().removal = scope.map(|scope| Removal { at, scope });
    }
    Ok(())
}

/// The columns `version` and `file`, in this order.
fn candidate(row: &Row<'_>, operation: &'static str) -> Answer<(Version, FileName)> {
    let version: String = row.get(0).map_err(sql(operation))?;
    let file: String = row.get(1).map_err(sql(operation))?;
    let file = FileName::new(file)
        .map_err(|_| corrupt(operation, "a stored file name is not one".to_owned()))?;
    Ok((Version::verbatim(version), file))
}

/// What a package's candidates were at first sight.
pub(super) fn sightings(
    connection: &Connection,
    package: &PackageName,
) -> Answer<HashMap<(Version, FileName), Seen>> {
    let operation = "reading sightings";
    let Some(row) = find_package(connection, package).map_err(sql(operation))? else {
        return Ok(HashMap::new());
    };
    let mut select = connection
        .prepare_cached(
            "SELECT version, file, first_seen_at, published_at FROM sightings WHERE package = ?1",
        )
        .map_err(sql(operation))?;
    let mut rows = select.query([row]).map_err(sql(operation))?;
    let mut seen = HashMap::new();
    while let Some(row) = rows.next().map_err(sql(operation))? {
        let key = candidate(row, operation)?;
        let first_seen_at: i64 = row.get(2).map_err(sql(operation))?;
        let published_at: Option<i64> = row.get(3).map_err(sql(operation))?;
        let value = Seen {
            first_seen_at: Timestamp::from_millis(first_seen_at),
            published_at: published_at.map(Timestamp::from_millis),
        };
        seen.insert(key, value);
    }
    Ok(seen)
}

/// Who received or was refused what, newest first.
pub(super) fn servings(
    connection: &Connection,
    filter: &ServingFilter,
) -> Answer<Vec<LoggedServing>> {
    let operation = "reading servings";
    let Some(package) = find_package(connection, &filter.package).map_err(sql(operation))? else {
        return Ok(Vec::new());
    };
    // The first decision of an id is the one that counts, as in `decision`.
    let mut select = connection
        .prepare_cached(
            "SELECT servings.idx, identity
             FROM decisions
             JOIN artifacts ON artifacts.id = decisions.artifact
             JOIN servings ON servings.decision = decisions.id
             WHERE decisions.package = ?1
               AND (?2 IS NULL OR version = ?2)
               AND (?3 IS NULL OR file = ?3)
               AND (?4 IS NULL OR outcome = ?4)
               AND NOT EXISTS (SELECT 1 FROM decisions AS earlier
                               WHERE earlier.id = decisions.id AND earlier.idx < decisions.idx)
             ORDER BY servings.idx DESC LIMIT ?5",
        )
        .map_err(sql(operation))?;
    let values = params![
        package,
        filter.version.as_ref().map(Version::as_str),
        filter.file.as_ref().map(FileName::as_str),
        filter.outcome.map(outcome_name),
        number(page_size(filter.limit) as u64),
    ];
    let mut rows = select.query(values).map_err(sql(operation))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(sql(operation))? {
        let index: u64 = row.get(0).map_err(sql(operation))?;
        let identity: String = row.get(1).map_err(sql(operation))?;
        let artifact: ArtifactId = serde_json::from_str(&identity)
            .map_err(|error| corrupt(operation, format!("an artifact is unreadable: {error}")))?;
        found.push(LoggedServing {
            index,
            artifact,
            served: served(connection, index)?,
        });
    }
    Ok(found)
}
