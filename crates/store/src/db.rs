//! The database: what is known, for answering quickly. Everything in it can be rebuilt from the directory.

use std::{
    fs::{File, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    sync::Mutex,
};

use aleph_component::{Digest, Linked, Manifest, Node};
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, params};

use crate::{Origin, StoreError, error::Context, layout::Layout};

const SCHEMA_VERSION: i64 = 2;

const SCHEMA: &str = "
CREATE TABLE component (
    rowid INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, kind TEXT NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL,
    architecture TEXT NOT NULL, source_name TEXT NOT NULL, source_version TEXT NOT NULL, size INTEGER NOT NULL);
CREATE INDEX component_name ON component (name);
CREATE TABLE origin (archive BLOB PRIMARY KEY, component BLOB NOT NULL, record TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX origin_component ON origin (component);
CREATE TABLE file (
    component INTEGER NOT NULL, path TEXT NOT NULL, PRIMARY KEY (component, path)) WITHOUT ROWID;
CREATE TABLE advisory_mention (cve TEXT NOT NULL, component BLOB NOT NULL, PRIMARY KEY (cve, component)) WITHOUT ROWID;
CREATE TABLE package (id BLOB PRIMARY KEY, component BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX package_component ON package (component);
CREATE TABLE binding (
    package BLOB NOT NULL, slot TEXT NOT NULL, provider BLOB NOT NULL, PRIMARY KEY (package, slot)) WITHOUT ROWID;
CREATE INDEX binding_provider ON binding (provider);
";

/// The open database.
pub(crate) struct Db {
    path: PathBuf,
    connection: Mutex<Connection>,
}

impl Db {
    /// Opens the database for writing, making it if there is none.
    pub(crate) fn open(layout: &Layout) -> Result<Self, StoreError> {
        let path = layout.db();
        // Whatever the umask: its log takes after it. Why it cannot be made is better said by the database itself.
        if let Ok(file) = File::create_new(&path) {
            file.set_permissions(Permissions::from_mode(0o644)).context("set the mode of", path)?;
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Self::open_with(layout, flags, |connection| {
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", "FULL")?;
            let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
            if version == SCHEMA_VERSION {
                return Ok(());
            }
            match bring_up_to_date(connection) {
                // With the old tables there is still all that is needed for making room.
                Err(error) if version != 0 && error.sqlite_error_code() == Some(ErrorCode::DiskFull) => Ok(()),
                result => result,
            }
        })
    }

    /// Opens the database for reading only.
    pub(crate) fn open_read_only(layout: &Layout) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let probe = |connection: &mut Connection| connection.pragma_query_value(None, "user_version", |_| Ok(()));
        Self::open_with(layout, flags, probe).or_else(|error| {
            // Where no file may be made beside it, a database without a log is read as if nobody could change it.
            let log = layout.db().with_extension("sqlite-wal");
            if log.metadata().is_ok_and(|metadata| metadata.len() > 0) {
                return Err(error);
            }
            let path = layout.db();
            let escaped = escaped(&path);
            let flags = flags | OpenFlags::SQLITE_OPEN_URI;
            let connection = Connection::open_with_flags(format!("file:{escaped}?immutable=1"), flags);
            let connection = connection.and_then(|mut connection| probe(&mut connection).map(|()| connection));
            connection.map(|connection| Self { path, connection: Mutex::new(connection) }).map_err(|_| error)
        })
    }

    /// Whether there is a database that does not read as one.
    pub(crate) fn is_damaged(layout: &Layout) -> bool {
        let look = || -> Result<bool, StoreError> {
            let check = |db: &Connection| db.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
            Ok(Self::open(layout)?.read(check)? != "ok")
        };
        match look() {
            Ok(damaged) => damaged,
            Err(error) => error.is_damaged_database(),
        }
    }

    /// Removes the database.
    pub(crate) fn remove(layout: &Layout) -> Result<(), StoreError> {
        for suffix in ["sqlite-wal", "sqlite-shm", "sqlite"] {
            crate::remove_tree(&layout.db().with_extension(suffix))?;
        }
        Ok(())
    }

    fn open_with(
        layout: &Layout,
        flags: OpenFlags,
        prepare: impl Fn(&mut Connection) -> rusqlite::Result<()>,
    ) -> Result<Self, StoreError> {
        let path = layout.db();
        let open = |alone: bool| {
            let mut connection = Connection::open_with_flags(&path, flags)?;
            connection.busy_timeout(std::time::Duration::from_secs(30))?;
            connection.set_prepared_statement_cache_capacity(32);
            if alone {
                connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
            }
            prepare(&mut connection)?;
            Ok(connection)
        };
        let full = |error: &rusqlite::Error| {
            matches!(error.sqlite_error_code(), Some(ErrorCode::SystemIoFailure | ErrorCode::DiskFull))
        };
        // On a full disk there may be no room for what connections share. One that is alone needs none.
        match open(false).or_else(|error| if full(&error) { open(true) } else { Err(error) }) {
            Ok(connection) => Ok(Self { path, connection: Mutex::new(connection) }),
            Err(source) => Err(StoreError::Database { path, source }),
        }
    }

    /// Runs `read` on the connection.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let connection = self.connection.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        read(&connection).map_err(|source| self.error(source))
    }

    /// Runs `write` in a transaction.
    pub(crate) fn write<T>(
        &self,
        write: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let mut connection = self.connection.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let run = || {
            let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            let value = write(&transaction)?;
            transaction.commit()?;
            Ok(value)
        };
        run().map_err(|source| self.error(source))
    }

    fn error(&self, source: rusqlite::Error) -> StoreError {
        StoreError::Database { path: self.path.clone(), source }
    }
}

/// Makes the tables of this version.
fn bring_up_to_date(connection: &mut Connection) -> rusqlite::Result<()> {
    // Taken at once, so that two first openers do not both make them.
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    match transaction.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))? {
        0 => transaction.execute_batch(SCHEMA)?,
        1 => transaction.execute_batch("ALTER TABLE file DROP COLUMN digest")?,
        _ => return Ok(()),
    }
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    transaction.commit()
}

/// Records a component and where it came from.
pub(crate) fn insert_component(db: &Transaction<'_>, id: &[u8; 20], manifest: &Manifest) -> rusqlite::Result<()> {
    let changed = db
        .prepare_cached(
            "INSERT OR IGNORE INTO component
             (id, kind, name, version, architecture, source_name, source_version, size) VALUES (?,?,?,?,?,?,?,?)",
        )?
        .execute(params![
            id,
            serde_json::to_value(manifest.kind).ok().and_then(|kind| kind.as_str().map(str::to_owned)),
            manifest.name,
            manifest.version,
            manifest.architecture,
            manifest.source.name,
            manifest.source.version,
            i64::try_from(manifest.size()).unwrap_or(i64::MAX),
        ])?;
    if changed == 0 {
        return Ok(());
    }
    let row = db.last_insert_rowid();
    let mut insert = db.prepare_cached("INSERT INTO file (component, path) VALUES (?,?)")?;
    for entry in manifest.tree.iter().filter(|entry| matches!(entry.node, Node::File { .. })) {
        insert.execute(params![row, entry.path.as_str()])?;
    }
    let mut mention = db.prepare_cached("INSERT OR IGNORE INTO advisory_mention (cve, component) VALUES (?,?)")?;
    for cve in &manifest.cves {
        mention.execute(params![cve, id])?;
    }
    Ok(())
}

/// Records that an archive gives a component.
pub(crate) fn insert_origin(db: &Transaction<'_>, component: &[u8; 20], origin: &Origin) -> rusqlite::Result<()> {
    let record = serde_json::to_string(origin).expect("an origin serialises");
    db.prepare_cached("INSERT OR REPLACE INTO origin (archive, component, record) VALUES (?,?,?)")?
        .execute(params![origin.archive.as_bytes(), component, record])?;
    Ok(())
}

/// Records a package and its bindings.
pub(crate) fn insert_package(db: &Transaction<'_>, package: &Linked) -> rusqlite::Result<()> {
    let id = package.id.as_bytes();
    db.prepare_cached("INSERT OR IGNORE INTO package (id, component) VALUES (?,?)")?
        .execute(params![id, package.component.as_bytes()])?;
    let mut insert = db.prepare_cached("INSERT OR IGNORE INTO binding (package, slot, provider) VALUES (?,?,?)")?;
    for (slot, provider) in &package.bindings {
        insert.execute(params![id, slot, provider.as_bytes()])?;
    }
    Ok(())
}

/// Forgets everything, before a rebuild.
pub(crate) fn clear(db: &Transaction<'_>) -> rusqlite::Result<()> {
    db.execute_batch(
        "DELETE FROM component; DELETE FROM origin; DELETE FROM file; DELETE FROM advisory_mention;
         DELETE FROM package; DELETE FROM binding;",
    )
}

/// Forgets one component.
pub(crate) fn delete_component(db: &Transaction<'_>, id: &[u8; 20]) -> rusqlite::Result<()> {
    db.execute("DELETE FROM file WHERE component = (SELECT rowid FROM component WHERE id = ?)", [id])?;
    db.execute("DELETE FROM advisory_mention WHERE component = ?", [id])?;
    db.execute("DELETE FROM origin WHERE component = ?", [id])?;
    db.execute("DELETE FROM component WHERE id = ?", [id])?;
    Ok(())
}

/// Forgets one package.
pub(crate) fn delete_package(db: &Transaction<'_>, id: &[u8; 20]) -> rusqlite::Result<()> {
    db.execute("DELETE FROM binding WHERE package = ?", [id])?;
    db.execute("DELETE FROM package WHERE id = ?", [id])?;
    Ok(())
}

/// The digest in a column.
pub(crate) fn digest(bytes: [u8; 32]) -> Digest {
    Digest::from_bytes(bytes)
}

/// A path as it is written in an address, byte by byte.
fn escaped(path: &std::path::Path) -> String {
    use std::os::unix::ffi::OsStrExt as _;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-~".contains(&byte);
    let escape = |byte: &u8| if plain(*byte) { char::from(*byte).to_string() } else { format!("%{byte:02X}") };
    path.as_os_str().as_bytes().iter().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_of_the_first_schema_is_brought_up_to_date() {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::new(directory.path());
        let old = Connection::open(layout.db()).unwrap();
        old.execute_batch(&SCHEMA.replace("path TEXT NOT NULL,", "path TEXT NOT NULL, digest BLOB NOT NULL,")).unwrap();
        old.execute_batch("INSERT INTO file VALUES (1, 'a', x'00'); PRAGMA user_version = 1").unwrap();
        drop(old);
        for _ in 0..2 {
            let db = Db::open(&layout).unwrap();
            let row = db.write(|db| {
                db.execute("INSERT OR IGNORE INTO file (component, path) VALUES (1, 'b')", [])?;
                db.query_row("SELECT COUNT(*), MIN(path) FROM file", [], |row| Ok((row.get(0)?, row.get(1)?)))
            });
            assert_eq!(row.unwrap(), (2, "a".to_owned()));
        }
    }
}
