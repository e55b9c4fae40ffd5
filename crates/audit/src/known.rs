//! The advisories that a store knows, prepared for answering: who asks is one package among thousands, and what is known is a
//! hundred thousand records.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params};

use crate::Advisory;

const VERSION: i64 = 1;
const SCHEMA: &str = "
CREATE TABLE advisory (rowid INTEGER PRIMARY KEY, record TEXT NOT NULL);
CREATE TABLE id (id TEXT NOT NULL, advisory INTEGER NOT NULL, PRIMARY KEY (id, advisory)) WITHOUT ROWID;
CREATE TABLE affected (
    name TEXT NOT NULL, ecosystem TEXT NOT NULL, advisory INTEGER NOT NULL, PRIMARY KEY (name, ecosystem, advisory)) WITHOUT ROWID;
CREATE TABLE source (name TEXT PRIMARY KEY, read_at INTEGER NOT NULL, advisories INTEGER NOT NULL) WITHOUT ROWID;
PRAGMA user_version = 1;
";

/// Advisories, by id and by whom they are about.
pub struct Known {
    path: PathBuf,
    connection: Connection,
}

/// Where advisories came from.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Heard {
    /// The directory, archive or address.
    pub name: String,
    /// When it was read, in seconds since the epoch.
    pub read_at: i64,
    /// How many advisories it had.
    pub advisories: u64,
}

/// The database of advisories cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("what is known of advisories cannot be {what}: `{}`", path.display())]
pub struct KnownError {
    what: &'static str,
    path: PathBuf,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl Known {
    /// Where a store keeps them.
    pub fn path(root: &Path) -> PathBuf {
        root.join("audit/advisories.sqlite")
    }

    /// Opens what a store knows. `None`: it was never told anything.
    ///
    /// # Errors
    /// If it is there and cannot be read.
    pub fn open(root: &Path) -> Result<Option<Self>, KnownError> {
        let path = Self::path(root);
        if !path.exists() {
            return Ok(None);
        }
        let open = || {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let connection = Connection::open_with_flags(&path, flags)?;
            let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
            if version == VERSION { Ok(connection) } else { Err(rusqlite::Error::InvalidQuery) }
        };
        let connection = open().map_err(|error| failed("read", &path)(error))?;
        Ok(Some(Self { path, connection }))
    }

    /// The advisories about a package of an ecosystem, and of its releases: `Debian` has `Debian:12`, too.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn about(&self, ecosystem: &str, name: &str) -> Result<Vec<Advisory>, KnownError> {
        // `;` comes after `:`.
        let sql = "SELECT record FROM advisory WHERE rowid IN (SELECT advisory FROM affected
                   WHERE name = ?1 AND (ecosystem = ?2 OR (ecosystem >= ?2 || ':' AND ecosystem < ?2 || ';')))";
        self.records(sql, params![name, ecosystem])
    }

    /// The advisories with an id, among their own or others'.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn called(&self, id: &str) -> Result<Vec<Advisory>, KnownError> {
        self.records("SELECT record FROM advisory WHERE rowid IN (SELECT advisory FROM id WHERE id = ?1)", params![id])
    }

    /// Where they came from.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn heard(&self) -> Result<Vec<Heard>, KnownError> {
        let read = || {
            let mut statement =
                self.connection.prepare("SELECT name, read_at, advisories FROM source ORDER BY name")?;
            let row = |row: &rusqlite::Row<'_>| {
                Ok(Heard { name: row.get(0)?, read_at: row.get(1)?, advisories: row.get::<_, i64>(2)?.unsigned_abs() })
            };
            statement.query_map([], row)?.collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(|error: rusqlite::Error| failed("read", &self.path)(error))
    }

    fn records(&self, sql: &str, parameters: impl rusqlite::Params) -> Result<Vec<Advisory>, KnownError> {
        let read = || {
            let mut statement = self.connection.prepare_cached(sql)?;
            let texts = statement.query_map(parameters, |row| row.get::<_, String>(0))?;
            texts.collect::<Result<Vec<_>, _>>()
        };
        let texts = read().map_err(|error| failed("read", &self.path)(error))?;
        texts.iter().map(|text| serde_json::from_str(text).map_err(|error| failed("read", &self.path)(error))).collect()
    }
}

/// A database that is being made; it takes the place of the one before when it is done.
pub struct Learning {
    path: PathBuf,
    beside: PathBuf,
    connection: Connection,
}

impl Learning {
    /// Begins one in a store, whose lock the caller holds.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn begin(root: &Path) -> Result<Self, KnownError> {
        let path = Known::path(root);
        let beside = path.with_extension("new");
        let begin = || -> Result<Connection, Box<dyn std::error::Error + Send + Sync>> {
            if let Some(directory) = path.parent() {
                fs::create_dir_all(directory)?;
            }
            if let Err(error) = fs::remove_file(&beside)
                && error.kind() != std::io::ErrorKind::NotFound
            {
                return Err(error.into());
            }
            let connection = Connection::open(&beside)?;
            connection.pragma_update(None, "journal_mode", "OFF")?;
            connection.pragma_update(None, "synchronous", "OFF")?;
            connection.execute_batch(SCHEMA)?;
            connection.execute_batch("BEGIN")?;
            Ok(connection)
        };
        let connection = begin().map_err(|source| KnownError { what: "written", path: path.clone(), source })?;
        Ok(Self { path, beside, connection })
    }

    /// Adds an advisory. One with the id of another takes its place.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn add(&self, advisory: &Advisory) -> Result<(), KnownError> {
        let add = || -> rusqlite::Result<()> {
            let connection = &self.connection;
            let known = connection
                .prepare_cached("SELECT rowid FROM advisory WHERE rowid IN (SELECT advisory FROM id WHERE id = ?1) AND json_extract(record, '$.id') = ?1")?
                .query_row([&advisory.id], |row| row.get::<_, i64>(0))
                .optional()?;
            if let Some(known) = known {
                for sql in [
                    "DELETE FROM advisory WHERE rowid = ?",
                    "DELETE FROM id WHERE advisory = ?",
                    "DELETE FROM affected WHERE advisory = ?",
                ] {
                    connection.prepare_cached(sql)?.execute([known])?;
                }
            }
            let record = serde_json::to_string(advisory).expect("an advisory serialises");
            connection.prepare_cached("INSERT INTO advisory (record) VALUES (?)")?.execute([record])?;
            let row = connection.last_insert_rowid();
            let mut id = connection.prepare_cached("INSERT OR IGNORE INTO id (id, advisory) VALUES (?,?)")?;
            for name in std::iter::once(&advisory.id).chain(&advisory.aliases) {
                id.execute(params![name, row])?;
            }
            let mut affected = connection
                .prepare_cached("INSERT OR IGNORE INTO affected (name, ecosystem, advisory) VALUES (?,?,?)")?;
            for one in &advisory.affected {
                affected.execute(params![one.name, one.ecosystem, row])?;
            }
            Ok(())
        };
        add().map_err(|error| failed("written", &self.path)(error))
    }

    /// Records where advisories came from.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn heard(&self, heard: &Heard) -> Result<(), KnownError> {
        let count = i64::try_from(heard.advisories).unwrap_or(i64::MAX);
        let sql = "INSERT OR REPLACE INTO source (name, read_at, advisories) VALUES (?,?,?)";
        let written = self.connection.execute(sql, params![heard.name, heard.read_at, count]);
        written.map(drop).map_err(|error| failed("written", &self.path)(error))
    }

    /// Puts it in the place of the one before.
    ///
    /// # Errors
    /// If it cannot be written; the one before stays.
    pub fn finish(self) -> Result<(), KnownError> {
        let Self { path, beside, connection } = self;
        let finish = || -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
            connection.execute_batch("COMMIT")?;
            connection.close().map_err(|(_, error)| error)?;
            // Whatever the umask: who may read the store may read this.
            fs::set_permissions(&beside, fs::Permissions::from_mode(0o644))?;
            fs::File::open(&beside)?.sync_all()?;
            Ok(fs::rename(&beside, &path)?)
        };
        finish().map_err(|source| KnownError { what: "written", path: path.clone(), source })
    }
}

fn failed<E: std::error::Error + Send + Sync + 'static>(
    what: &'static str,
    path: &Path,
) -> impl FnOnce(E) -> KnownError {
    let path = path.to_owned();
    move |error| KnownError { what, path, source: Box::new(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advisory(id: &str, alias: &str, ecosystem: &str) -> Advisory {
        let text = format!(
            r#"{{"id": "{id}", "aliases": ["{alias}"], "summary": "{ecosystem}", "affected": [{{"package": {{"ecosystem": "{ecosystem}", "name": "n"}}}}]}}"#
        );
        Advisory::from_osv(text.as_bytes()).unwrap().unwrap()
    }

    #[test]
    fn what_was_learnt_is_found_by_name_and_id() {
        let root = tempfile::tempdir().unwrap();
        assert!(Known::open(root.path()).unwrap().is_none());
        let learning = Learning::begin(root.path()).unwrap();
        for (id, ecosystem) in [("A", "Debian:12"), ("B", "Debian"), ("C", "DebianX"), ("A", "Debian:13")] {
            learning.add(&advisory(id, "CVE-2024-1", ecosystem)).unwrap();
        }
        let heard = Heard { name: "here".to_owned(), read_at: 1, advisories: 3 };
        learning.heard(&heard).unwrap();
        assert!(Known::open(root.path()).unwrap().is_none());
        learning.finish().unwrap();

        let known = Known::open(root.path()).unwrap().unwrap();
        let ids = |found: Vec<Advisory>| found.into_iter().map(|one| (one.id, one.summary)).collect::<Vec<_>>();
        let pair = |id: &str, summary: &str| (id.to_owned(), summary.to_owned());
        let mut about = ids(known.about("Debian", "n").unwrap());
        about.sort();
        assert_eq!(about, [pair("A", "Debian:13"), pair("B", "Debian")]);
        assert_eq!(known.called("CVE-2024-1").unwrap().len(), 3);
        assert_eq!((known.about("Debian", "m").unwrap(), known.called("D").unwrap()), (Vec::new(), Vec::new()));
        assert_eq!(known.heard().unwrap(), [heard]);
    }

    #[test]
    fn what_is_no_database_is_an_error() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("audit")).unwrap();
        fs::write(Known::path(root.path()), "no database").unwrap();
        assert!(Known::open(root.path()).is_err());
        Learning::begin(root.path()).unwrap().finish().unwrap();
        assert!(Known::open(root.path()).is_ok());
    }
}
