//! What was found out about contents: kept, so that it is found out once. All of it can be lost without harm, so nothing
//! here is synced, and what does not read is forgotten.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params};

use crate::{Store, StoreError, layout::Layout};

/// Records of another version are forgotten.
const VERSION: i64 = 1;
const SCHEMA: &str = "BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS derived (
    kind TEXT NOT NULL, key BLOB NOT NULL, head BLOB NOT NULL, rest BLOB NOT NULL, PRIMARY KEY (kind, key));
PRAGMA user_version = 1;
COMMIT;";

/// Records by kind and key: what a record says follows from what its key names, a content or a component. A record has
/// two parts, of which the second costs nothing until it is asked for.
pub struct Derived {
    connection: Mutex<Connection>,
    /// Whether what is put here is there for the next one, too.
    is_kept: bool,
}

impl Store {
    /// The records of this store, to be read and added to; where none can be kept, such as in the store of another user, to
    /// be read only.
    pub fn derived(&self) -> Derived {
        let path = self.layout().derived();
        let writable = || {
            let connection = open(&path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
            match version(&connection)? {
                VERSION => {}
                0 => {
                    connection.execute_batch(SCHEMA)?;
                    // Whatever the umask: who may read the store may read this.
                    let _ = fs::set_permissions(&path, fs::Permissions::from_mode(0o644));
                }
                _ => return Err(rusqlite::Error::InvalidQuery),
            }
            Ok(connection)
        };
        let anew = |error| if is_useless(&error) && remove(self.layout()).is_ok() { writable() } else { Err(error) };
        if let Ok(connection) = writable().or_else(anew) {
            return Derived { connection: Mutex::new(connection), is_kept: true };
        }
        self.derived_to_read()
    }

    /// The records that are there, or none; new ones are not kept.
    pub fn derived_to_read(&self) -> Derived {
        let there = open(&self.layout().derived(), OpenFlags::SQLITE_OPEN_READ_ONLY).ok();
        let there = there.filter(|connection| version(connection).is_ok_and(|version| version == VERSION));
        let connection = there.unwrap_or_else(|| Connection::open_in_memory().expect("memory can be had"));
        Derived { connection: Mutex::new(connection), is_kept: false }
    }
}

fn open(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.pragma_update(None, "synchronous", "OFF")?;
    // Records are read by the thousand; a map saves a copy of each page.
    connection.pragma_update(None, "mmap_size", 1_i64 << 30)?;
    version(&connection)?;
    Ok(connection)
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

fn is_useless(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    matches!(error, rusqlite::Error::InvalidQuery)
        || matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
}

/// Bytes with their checksum after them: what is read here decides, and a page of the database that rots is not told.
fn sealed(bytes: &[u8]) -> Vec<u8> {
    [bytes, &crc32fast::hash(bytes).to_le_bytes()].concat()
}

/// The bytes that were sealed, if they are still those.
fn opened(mut sealed: Vec<u8>) -> Option<Vec<u8>> {
    let (bytes, sum) = sealed.split_last_chunk()?;
    if crc32fast::hash(bytes).to_le_bytes() != *sum {
        return None;
    }
    sealed.truncate(sealed.len() - sum.len());
    Some(sealed)
}

/// Forgets all records.
pub(crate) fn remove(layout: &Layout) -> Result<(), StoreError> {
    for suffix in ["sqlite-journal", "sqlite"] {
        crate::remove_tree(&layout.derived().with_extension(suffix))?;
    }
    Ok(())
}

impl Derived {
    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first parts of the records of a kind with these keys, in their order; nothing where there is none, or it does
    /// not read.
    pub fn get<K: AsRef<[u8]>>(&self, kind: &str, keys: &[K]) -> Vec<Option<Vec<u8>>> {
        let connection = self.connection();
        let Ok(mut statement) = connection.prepare_cached("SELECT head FROM derived WHERE kind = ? AND key = ?") else {
            return keys.iter().map(|_| None).collect();
        };
        // One transaction for all: a lock for each would cost more than the reading.
        let _all = connection.unchecked_transaction();
        let mut one = |key: &K| statement.query_row(params![kind, key.as_ref()], |row| row.get(0)).optional();
        keys.iter().map(|key| one(key).ok().flatten().and_then(opened)).collect()
    }

    /// The second part of a record.
    pub fn rest(&self, kind: &str, key: &[u8]) -> Option<Vec<u8>> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached("SELECT rest FROM derived WHERE kind = ? AND key = ?").ok()?;
        statement.query_row(params![kind, key], |row| row.get(0)).ok().and_then(opened)
    }

    /// Keeps records (key and both parts), if they can be kept.
    pub fn put<K: AsRef<[u8]>>(&self, kind: &str, records: &[(K, Vec<u8>, Vec<u8>)]) {
        let mut connection = self.connection();
        if !self.is_kept || records.is_empty() {
            return;
        }
        let mut put = || {
            let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            let mut insert = transaction
                .prepare_cached("INSERT OR REPLACE INTO derived (kind, key, head, rest) VALUES (?, ?, ?, ?)")?;
            for (key, head, rest) in records {
                insert.execute(params![kind, key.as_ref(), sealed(head), sealed(rest)])?;
            }
            drop(insert);
            transaction.commit()
        };
        // A full disk is no reason not to answer.
        let _ = put();
    }

    /// Forgets the records whose keys do not count any more.
    pub(crate) fn retain(&self, counts: impl Fn(&[u8]) -> bool) {
        let mut connection = self.connection();
        let mut retain = || {
            let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            let mut select = transaction.prepare("SELECT rowid, key FROM derived")?;
            let all: Vec<(i64, Vec<u8>)> =
                select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
            let mut delete = transaction.prepare("DELETE FROM derived WHERE rowid = ?")?;
            for (row, _) in all.iter().filter(|(_, key)| !counts(key)) {
                delete.execute([row])?;
            }
            drop((select, delete));
            transaction.commit()
        };
        // They only take room.
        let _: rusqlite::Result<()> = retain();
    }
}
