//! The database file: settings of a connection, and the schema with its version.

use std::fs::OpenOptions;
use std::io;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use crate::evidence::STORE;
use crate::{Chain, StorageError, StorageErrorKind};

/// The migrations, in order; the n-th brings a database from version n to n + 1. What has been
/// released is never edited.
const MIGRATIONS: [&str; 7] = [
    include_str!("../../../migrations/0001_evidence.sql"),
    include_str!("../../../migrations/0002_notices.sql"),
    include_str!("../../../migrations/0003_exposures.sql"),
    include_str!("../../../migrations/0004_names_and_exemptions.sql"),
    include_str!("../../../migrations/0005_removals.sql"),
    include_str!("../../../migrations/0006_audiences.sql"),
    include_str!("../../../migrations/0007_quarantine.sql"),
];

/// "Crdn": marks the file as ours (SQLite `application_id`).
const APPLICATION_ID: i32 = 0x4372_646e;

/// Bytes of a page. An entry has about 2 KiB: larger pages waste less of each, smaller ones make
/// a commit of one entry cheaper.
const PAGE_BYTES: u32 = 8192;

/// Pages of write-ahead log after which a commit moves them into the database file (32 MiB).
const CHECKPOINT_PAGES: u32 = 4096;

/// Statements each connection keeps prepared.
const STATEMENTS: usize = 64;

/// Opens the database for writing, makes it when it is not there, and brings its schema up to
/// date.
pub(super) fn open_writer(path: &Path) -> Result<Connection, StorageError> {
    make_private(path).map_err(|error| StorageError::io(STORE, "making the database", error))?;
    let mut connection = Connection::open(path).map_err(sql("opening the database"))?;
    connection
        .execute_batch(&format!(
            "PRAGMA page_size = {PAGE_BYTES};
             PRAGMA journal_mode = WAL;
             PRAGMA synchronous = FULL;
             PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES};"
        ))
        .map_err(sql("opening the database"))?;
    configure(&connection)?;
    migrate(&mut connection)?;
    Ok(connection)
}

/// Makes the file for its owner alone: it says who asked for what. SQLite would leave it to the
/// umask; it gives the files it makes beside it the same rights.
fn make_private(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Opens the database for reading only.
pub(super) fn open_reader(path: &Path) -> Result<Connection, StorageError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection =
        Connection::open_with_flags(path, flags).map_err(sql("opening the database"))?;
    configure(&connection)?;
    match version(&connection)? {
        found if found == MIGRATIONS.len() => Ok(connection),
        found => Err(unknown_version(found)),
    }
}

/// Moves the write-ahead log into the database file, so that a store at rest is one file. Readers
/// in the middle of a question may prevent it; then the next opening does it.
pub(super) fn settle(connection: &Connection) {
    let settled = connection
        .busy_timeout(std::time::Duration::from_millis(100))
        .and_then(|()| connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())));
    if let Err(error) = settled {
        tracing::warn!(error = %Chain(&error), "the write-ahead log was not moved into the database");
    }
}

/// Foreign keys are declared for the reader: the writer inserts what it has just looked up or
/// written, so checking it again finds nothing and costs time.
fn configure(connection: &Connection) -> Result<(), StorageError> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection
        .busy_timeout(std::time::Duration::from_secs(5))
        .and_then(|()| {
            connection.execute_batch(
                "PRAGMA foreign_keys = OFF; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY;",
            )
        })
        .map_err(sql("opening the database"))
}

/// Each migration is one transaction with its version number, so that a kill in between leaves
/// the version before or the version after.
fn migrate(connection: &mut Connection) -> Result<(), StorageError> {
    let operation = "bringing the schema up to date";
    loop {
        let found = version(connection)?;
        let Some(migration) = MIGRATIONS.get(found) else {
            return if found == MIGRATIONS.len() {
                Ok(())
            } else {
                Err(unknown_version(found))
            };
        };
        let transaction = connection.transaction().map_err(sql(operation))?;
        transaction
            .execute_batch(migration)
            .and_then(|()| transaction.pragma_update(None, "application_id", APPLICATION_ID))
            .and_then(|()| transaction.pragma_update(None, "user_version", found as i64 + 1))
            .and_then(|()| transaction.commit())
            .map_err(sql(operation))?;
    }
}

/// The schema version, 0 for a new file; refuses a file that is not ours.
fn version(connection: &Connection) -> Result<usize, StorageError> {
    let operation = "reading the schema version";
    let read = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let version = read("user_version").map_err(sql(operation))?;
    let application = read("application_id").map_err(sql(operation))?;
    if version != 0 && application != i64::from(APPLICATION_ID) {
        let cause = "the file is a database of another program";
        return Err(StorageError::new(
            STORE,
            operation,
            StorageErrorKind::Format,
            cause,
        ));
    }
    usize::try_from(version).map_err(|_| unknown_version(usize::MAX))
}

fn unknown_version(found: usize) -> StorageError {
    let known = MIGRATIONS.len();
    let cause = format!(
        "the database has schema {found}, this version of Cordon knows {known}: run the version that wrote it, or a newer one"
    );
    StorageError::new(
        STORE,
        "reading the schema version",
        StorageErrorKind::Format,
        cause,
    )
}

/// Turns an error of SQLite into ours, for `map_err`.
pub(super) fn sql(operation: &'static str) -> impl FnOnce(rusqlite::Error) -> StorageError {
    move |error| StorageError::new(STORE, operation, kind_of(&error), error)
}

/// What an error of SQLite means to a caller.
pub(super) fn kind_of(error: &rusqlite::Error) -> StorageErrorKind {
    use rusqlite::ErrorCode;
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StorageErrorKind::Full,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StorageErrorKind::Corrupt,
        Some(
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::ReadOnly
            | ErrorCode::CannotOpen
            | ErrorCode::PermissionDenied,
        ) => StorageErrorKind::Unavailable,
        _ => StorageErrorKind::Io,
    }
}
