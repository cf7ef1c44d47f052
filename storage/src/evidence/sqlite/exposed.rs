//! Questions about what went out: who has it, and what of it is refused by now.

use cordon_policy::model::{ArtifactId, PackageName, Timestamp};
use rusqlite::{Connection, ToSql, params};

use super::project::{find_artifact, find_package, number, outcome_name};
use super::read::{Answer, corrupt, entries, indexes};
use super::schema::sql;
use crate::evidence::query::{ExposureFilter, LoggedExposure, MAX_PAGE, Receivers, page_size};
use crate::evidence::{Client, Entry, Outcome, Receiver};

/// Who received an artifact. Counted over the rows, which an audit compares with the entries.
pub(super) fn receivers(
    connection: &Connection,
    artifact: &ArtifactId,
    audience: Option<&str>,
    limit: usize,
) -> Answer<Receivers> {
    const OF_ARTIFACT: &str = "FROM servings WHERE outcome = ?1
         AND decision IN (SELECT id FROM decisions WHERE artifact = ?2
                          AND (?3 IS NULL OR audience = ?3))";
    let operation = "reading who received an artifact";
    let Some(row) = find_artifact(connection, artifact).map_err(sql(operation))? else {
        return Ok(Receivers::default());
    };
    let served = outcome_name(Outcome::Served);
    let (clients, total, newest) = connection
        .prepare_cached(&format!(
            "SELECT count(*), coalesce(sum(count), 0), max(newest) FROM
                 (SELECT sum(count) AS count, max(idx) AS newest {OF_ARTIFACT}
                  GROUP BY client, agent)"
        ))
        .and_then(|mut select| {
            select.query_row(params![served, row, audience], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
        })
        .map_err(sql(operation))?;
    let mut select = connection
        .prepare_cached(&format!(
            "SELECT client, agent, min(first_at), max(last_at), sum(count) {OF_ARTIFACT}
             GROUP BY client, agent ORDER BY max(idx) DESC LIMIT ?4"
        ))
        .map_err(sql(operation))?;
    let limit = number(limit.min(MAX_PAGE) as u64);
    let list = select
        .query_map(params![served, row, audience, limit], |row| {
            let client = Client {
                address: row.get::<_, String>(0)?.into(),
                agent: row.get::<_, String>(1)?.into(),
            };
            Ok(Receiver {
                client,
                first_at: Timestamp::from_millis(row.get(2)?),
                last_at: Timestamp::from_millis(row.get(3)?),
                count: row.get(4)?,
            })
        })
        .and_then(Iterator::collect)
        .map_err(sql(operation))?;
    Ok(Receivers {
        list,
        clients,
        total,
        newest,
    })
}

/// A page of exposures.
pub(super) fn exposures(
    connection: &Connection,
    filter: &ExposureFilter,
) -> Answer<Vec<LoggedExposure>> {
    let operation = "reading exposures";
    let mut conditions = String::from("1");
    let mut values: Vec<Box<dyn ToSql>> = Vec::new();
    let mut all = |condition: &str, value: i64| {
        conditions.push_str(" AND ");
        conditions.push_str(condition);
        values.push(Box::new(value));
    };
    if let Some(package) = &filter.package {
        match find_package(connection, package).map_err(sql(operation))? {
            Some(row) => all("package = ?", row),
            None => return Ok(Vec::new()),
        }
    }
    if let Some(artifact) = &filter.artifact {
        match find_artifact(connection, artifact).map_err(sql(operation))? {
            Some(row) => all("artifact = ?", row),
            None => return Ok(Vec::new()),
        }
    }
    if let Some(since) = filter.since {
        all("at >= ?", since.as_millis());
    }
    let statement =
        format!("SELECT idx FROM exposures WHERE {conditions} ORDER BY idx DESC LIMIT ?");
    values.push(Box::new(number(page_size(filter.limit) as u64)));
    let values: Vec<&dyn ToSql> = values.iter().map(|value| &**value).collect();
    let mut found = indexes(connection, operation, &statement, &values)?;
    found.reverse();
    found
        .into_iter()
        .map(|index| match entries(connection, index, 1)?.pop() {
            Some((at, Entry::Exposure(exposure))) if at == index => Ok(LoggedExposure {
                index,
                exposure: *exposure,
            }),
            _ => Err(corrupt(
                operation,
                format!("entry {index} is not an exposure"),
            )),
        })
        .collect()
}

/// A page of the packages something was decided about.
pub(super) fn packages(
    connection: &Connection,
    after: Option<&PackageName>,
    limit: usize,
) -> Answer<Vec<PackageName>> {
    let operation = "listing packages";
    let mut select = connection
        .prepare_cached(
            "SELECT (SELECT identity FROM artifacts WHERE package = packages.id LIMIT 1)
             FROM packages
             WHERE (ecosystem, name) > (?1, ?2)
               AND EXISTS (SELECT 1 FROM decisions WHERE package = packages.id)
             ORDER BY ecosystem, name LIMIT ?3",
        )
        .map_err(sql(operation))?;
    let (ecosystem, name) = after.map_or(("", ""), |name| {
        (name.ecosystem().as_str(), name.normalized())
    });
    let limit = number(limit.min(MAX_PAGE) as u64);
    let identities: Vec<Option<String>> = select
        .query_map(params![ecosystem, name, limit], |row| row.get(0))
        .and_then(Iterator::collect)
        .map_err(sql(operation))?;
    identities
        .into_iter()
        .flatten()
        .map(|identity| {
            serde_json::from_str(&identity)
                .map(|artifact: ArtifactId| artifact.subject.name)
                .map_err(|error| corrupt(operation, format!("an artifact is unreadable: {error}")))
        })
        .collect()
}
