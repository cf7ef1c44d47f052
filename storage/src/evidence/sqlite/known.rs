//! Questions about names that did not exist and exemptions that were granted.

use cordon_policy::model::{PackageName, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::project::{find_package, number};
use super::read::{Answer, corrupt, entries, indexes};
use super::schema::sql;
use crate::evidence::query::page_size;
use crate::evidence::{Entry, ExemptionChange, Missed};

/// When a name was first missed.
pub(super) fn missed(connection: &Connection, package: &PackageName) -> Answer<Option<Timestamp>> {
    let operation = "reading whether a name was missed";
    let Some(row) = find_package(connection, package).map_err(sql(operation))? else {
        return Ok(None);
    };
    let at: Option<i64> = connection
        .prepare_cached("SELECT at FROM missed WHERE package = ?1")
        .and_then(|mut select| select.query_row([row], |row| row.get(0)).optional())
        .map_err(sql(operation))?;
    Ok(at.map(Timestamp::from_millis))
}

/// The newest missed names.
pub(super) fn missed_names(connection: &Connection, limit: usize) -> Answer<Vec<Missed>> {
    let operation = "listing missed names";
    let mut select = connection
        .prepare_cached("SELECT at, name FROM missed ORDER BY missed_by DESC LIMIT ?1")
        .map_err(sql(operation))?;
    let mut found: Vec<Missed> = select
        .query_map(params![number(page_size(limit) as u64)], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
        })
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(sql(operation))?
        .into_iter()
        .map(|(at, name)| {
            let package = serde_json::from_str(&name)
                .map_err(|error| corrupt(operation, format!("a name is unreadable: {error}")))?;
            Ok(Missed {
                at: Timestamp::from_millis(at),
                package,
            })
        })
        .collect::<Answer<_>>()?;
    found.reverse();
    Ok(found)
}

/// How many names were missed.
pub(super) fn missed_count(connection: &Connection) -> Answer<u64> {
    connection
        .prepare_cached("SELECT count(*) FROM missed")
        .and_then(|mut select| select.query_row([], |row| row.get(0)))
        .map_err(sql("counting missed names"))
}

/// The exemptions that were granted and not ended.
pub(super) fn exemptions(connection: &Connection) -> Answer<Vec<ExemptionChange>> {
    let operation = "reading exemptions";
    let statement = "SELECT changed_by FROM exemptions WHERE text IS NOT NULL ORDER BY id";
    indexes(connection, operation, statement, &[])?
        .into_iter()
        .map(|index| match entries(connection, index, 1)?.pop() {
            Some((at, Entry::Exemption(change))) if at == index => Ok(change),
            _ => Err(corrupt(
                operation,
                format!("entry {index} is not an exemption"),
            )),
        })
        .collect()
}
