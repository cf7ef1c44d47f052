//! What is held: its rows, and questions about them.

use std::collections::BTreeMap;

use cordon_policy::decision::{Decision, DecisionId};
use cordon_policy::model::{ArtifactId, Digest, Ecosystem, Timestamp};
use cordon_policy::verdict::Effect;
use rusqlite::{Connection, OptionalExtension as _, ToSql, params};

use super::project::{find_artifact, find_package, number};
use super::read::{Answer, corrupt, decision_at, entries, indexes};
use super::schema::sql;
use crate::evidence::entry::{Entry, EntryIndex, QuarantineAct, QuarantineChange};
use crate::evidence::holds::{
    HeldBytes, Hold, HoldFilter, MAX_HISTORY, REQUESTS_PER_HOLD, holds as is_hold,
};
use crate::evidence::query::page_size;

const OPERATION: &str = "reading what is held";

/// Notes a decision about an archive: the first that holds it makes its row, and from then on the
/// newest of each audience stands.
pub(super) fn insert_standing(
    connection: &Connection,
    index: EntryIndex,
    artifact: i64,
    decision: &Decision,
) -> rusqlite::Result<()> {
    if is_hold(decision) {
        let made = connection
            .prepare_cached(
                "INSERT INTO holds (artifact, package, first, ticket, since)
                 SELECT id, package, ?2, ?3, ?4 FROM artifacts WHERE id = ?1
                 ON CONFLICT (artifact) DO NOTHING",
            )?
            .execute(params![
                artifact,
                number(index),
                decision.id.as_str(),
                decision.at.as_millis(),
            ])?;
        if made > 0 {
            // What was decided for others before stands too.
            connection
                .prepare_cached(
                    "INSERT INTO hold_standing (artifact, audience, idx, effect)
                     SELECT artifact, audience, max(idx), effect FROM decisions
                     WHERE artifact = ?1 GROUP BY audience",
                )?
                .execute([artifact])?;
            return Ok(());
        }
    }
    connection
        .prepare_cached(
            "INSERT INTO hold_standing (artifact, audience, idx, effect)
             SELECT artifact, ?2, ?3, ?4 FROM holds WHERE artifact = ?1
             ON CONFLICT (artifact, audience) DO UPDATE SET idx = ?3, effect = ?4",
        )?
        .execute(params![
            artifact,
            decision.facts.audience.key(),
            number(index),
            decision.evaluation.effect().name(),
        ])?;
    Ok(())
}

/// Notes what somebody did.
pub(super) fn insert_change(
    connection: &Connection,
    index: EntryIndex,
    artifact: i64,
    change: &QuarantineChange,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO quarantine_changes (idx, artifact, act, settles) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![
            number(index),
            artifact,
            change.act.name(),
            change.act.is_review(),
        ])?;
    Ok(())
}

/// The newest review of `holds.artifact`, as a condition's subject.
const REVIEW: &str = "(SELECT act FROM quarantine_changes AS c
      WHERE c.artifact = holds.artifact AND settles ORDER BY c.idx DESC LIMIT 1)";

/// Whether a standing decision refuses `holds.artifact` until a person does something.
const IS_STRICT: &str = "EXISTS (SELECT 1 FROM hold_standing AS s
      WHERE s.artifact = holds.artifact AND s.effect IN ('quarantine', 'block'))";

/// A page of what was held once.
pub(super) fn holds(connection: &Connection, filter: &HoldFilter) -> Answer<Vec<Hold>> {
    let HoldFilter {
        ecosystem,
        package,
        rule,
        since,
        only_open,
        before,
        limit,
    } = filter;
    let mut conditions = String::from("1");
    let mut values: Vec<Box<dyn ToSql>> = Vec::new();
    let mut all = |condition: &str, value: Option<Box<dyn ToSql>>| {
        conditions.push_str(" AND ");
        conditions.push_str(condition);
        values.extend(value);
    };
    if let Some(ecosystem) = ecosystem {
        let condition = "holds.package IN (SELECT id FROM packages WHERE ecosystem = ?)";
        all(condition, Some(Box::new(ecosystem.as_str().to_owned())));
    }
    if let Some(package) = package {
        let Some(row) = find_package(connection, package).map_err(sql(OPERATION))? else {
            return Ok(Vec::new());
        };
        all("holds.package = ?", Some(Box::new(row)));
    }
    if let Some(rule) = rule {
        let condition = "EXISTS (SELECT 1 FROM hold_standing AS s
              JOIN decision_rules AS r ON r.idx = s.idx
              WHERE s.artifact = holds.artifact AND r.rule = ?)";
        all(condition, Some(Box::new(rule.to_string())));
    }
    if let Some(since) = since {
        all("since >= ?", Some(Box::new(since.as_millis())));
    }
    if let Some(before) = before {
        all("first < ?", Some(Box::new(number(*before))));
    }
    if *only_open {
        let open = format!(
            "ifnull({REVIEW}, '') != 'rejected' AND ({REVIEW} = 'released' OR {IS_STRICT})"
        );
        all(&open, None);
    }
    let statement =
        format!("SELECT artifact FROM holds WHERE {conditions} ORDER BY first DESC LIMIT ?");
    values.push(Box::new(number(page_size(*limit) as u64)));
    let values: Vec<&dyn ToSql> = values.iter().map(|value| &**value).collect();
    let rows = indexes(connection, OPERATION, &statement, &values)?;
    rows.into_iter()
        .filter_map(|row| of(connection, number(row)).transpose())
        .collect()
}

/// An artifact, if it was held once.
pub(super) fn hold(connection: &Connection, artifact: &ArtifactId) -> Answer<Option<Hold>> {
    match find_artifact(connection, artifact).map_err(sql(OPERATION))? {
        Some(row) => of(connection, row),
        None => Ok(None),
    }
}

fn of(connection: &Connection, artifact: i64) -> Answer<Option<Hold>> {
    let found: Option<(EntryIndex, String, i64)> = connection
        .prepare_cached("SELECT first, ticket, since FROM holds WHERE artifact = ?1")
        .and_then(|mut select| {
            let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
            select.query_row([artifact], row).optional()
        })
        .map_err(sql(OPERATION))?;
    let Some((index, ticket, since)) = found else {
        return Ok(None);
    };
    let ticket = DecisionId::parse(&ticket)
        .ok_or_else(|| corrupt(OPERATION, format!("`{ticket}` is no ticket")))?;
    let standing = "SELECT idx FROM hold_standing WHERE artifact = ?1 ORDER BY audience";
    let standing: Vec<Decision> = indexes(connection, OPERATION, standing, &[&artifact])?
        .into_iter()
        .map(|index| decision_at(connection, index))
        .collect::<Answer<_>>()?;
    let Some(identity) = standing.first().map(|it| it.evaluation.artifact().clone()) else {
        let cause = format!("nothing stands about the held artifact of entry {index}");
        return Err(corrupt(OPERATION, cause));
    };
    let review = newest(connection, artifact, "settles", -1, 1)?.pop();
    let settled = match &review {
        Some((at, _)) => number(*at),
        None => -1,
    };
    let mut approval = newest(connection, artifact, "act = 'approved'", settled, 1)?;
    let asked = newest(
        connection,
        artifact,
        "act = 'asked'",
        settled,
        REQUESTS_PER_HOLD,
    )?;
    Ok(Some(Hold {
        index,
        ticket,
        since: Timestamp::from_millis(since),
        artifact: identity,
        standing,
        review: review.map(|(_, change)| change),
        approval: approval.pop().map(|(_, change)| change),
        requests: asked.into_iter().map(|(_, change)| change).collect(),
    }))
}

/// The newest changes of an artifact that meet a condition and come after an entry, oldest first.
fn newest(
    connection: &Connection,
    artifact: i64,
    condition: &'static str,
    after: i64,
    limit: usize,
) -> Answer<Vec<(EntryIndex, QuarantineChange)>> {
    let statement = format!(
        "SELECT idx FROM quarantine_changes WHERE artifact = ?1 AND {condition} AND idx > ?2
         ORDER BY idx DESC LIMIT ?3"
    );
    let limit = number(limit as u64);
    let mut found = indexes(
        connection,
        OPERATION,
        &statement,
        &[&artifact, &after, &limit],
    )?;
    found.reverse();
    let read = found.into_iter();
    read.map(|index| Ok((index, change_at(connection, index)?)))
        .collect()
}

fn change_at(connection: &Connection, index: EntryIndex) -> Answer<QuarantineChange> {
    match entries(connection, index, 1)?.pop() {
        Some((at, Entry::Quarantine(change))) if at == index => Ok(*change),
        _ => Err(corrupt(
            OPERATION,
            format!("entry {index} is no change of something held"),
        )),
    }
}

/// What people did about an artifact.
pub(super) fn history(
    connection: &Connection,
    artifact: &ArtifactId,
) -> Answer<Vec<QuarantineChange>> {
    let Some(row) = find_artifact(connection, artifact).map_err(sql(OPERATION))? else {
        return Ok(Vec::new());
    };
    let found = newest(connection, row, "1", -1, MAX_HISTORY)?;
    Ok(found.into_iter().map(|(_, change)| change).collect())
}

/// The reviews in force.
pub(super) fn reviews(connection: &Connection) -> Answer<Vec<QuarantineChange>> {
    let statement = "SELECT max(idx) AS newest FROM quarantine_changes WHERE settles
         GROUP BY artifact HAVING act != ?1 ORDER BY newest";
    let undone = QuarantineAct::Undone.name();
    indexes(connection, OPERATION, statement, &[&undone])?
        .into_iter()
        .map(|index| change_at(connection, index))
        .collect()
}

/// The bytes of what is held.
pub(super) fn held_bytes(connection: &Connection, limit: usize) -> Answer<Vec<HeldBytes>> {
    let rows: Vec<(String, i64)> = connection
        .prepare_cached(
            "SELECT pinned, since FROM holds JOIN artifacts ON artifacts.id = holds.artifact
             WHERE pinned IS NOT NULL AND EXISTS (
                 SELECT 1 FROM hold_standing AS s
                 WHERE s.artifact = holds.artifact AND s.effect = ?1)
             ORDER BY first DESC LIMIT ?2",
        )
        .and_then(|mut select| {
            let values = params![Effect::Quarantine.name(), number(limit as u64)];
            let rows = select.query_map(values, |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect()
        })
        .map_err(sql(OPERATION))?;
    rows.into_iter()
        .map(|(pinned, since)| {
            let sha256: Digest = pinned
                .parse()
                .map_err(|error| corrupt(OPERATION, format!("a pin is unreadable: {error}")))?;
            Ok(HeldBytes {
                sha256,
                since: Timestamp::from_millis(since),
            })
        })
        .collect()
}

/// How much is refused until a person looks.
pub(super) fn counts(connection: &Connection) -> Answer<BTreeMap<Ecosystem, u64>> {
    let statement = format!(
        "SELECT ecosystem, count(*) FROM holds JOIN packages ON packages.id = holds.package
         WHERE ifnull({REVIEW}, '') != 'rejected' AND {IS_STRICT} GROUP BY ecosystem"
    );
    let rows: Vec<(String, u64)> = connection
        .prepare_cached(&statement)
        .and_then(|mut select| {
            let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect()
        })
        .map_err(sql(OPERATION))?;
    let named = |(name, count): (String, u64)| {
        let ecosystem = serde_json::from_value::<Ecosystem>(name.into());
        ecosystem
            .map(|ecosystem| (ecosystem, count))
            .map_err(|error| corrupt(OPERATION, format!("an ecosystem is unreadable: {error}")))
    };
    rows.into_iter().map(named).collect()
}
