//! Questions that the database answers.

use std::collections::BTreeMap;

use aleph_component::{ComponentId, Digest, Kind, Linked, Manifest, PackageId, Source, StoreName};
use rusqlite::{Connection, OptionalExtension as _, types::Type};

use crate::{Origin, Store, StoreError, db::digest, error::Context, layout::META};

/// What the database says of a component in one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComponentRow {
    /// Its id.
    pub id: ComponentId,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its architecture.
    pub architecture: String,
    /// What it was made from.
    pub kind: Kind,
    /// The source package that it was built from.
    pub source: Source,
    /// The length of its files, in bytes.
    pub size: u64,
}

/// Totals of a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Info {
    /// Components.
    pub components: u64,
    /// Packages.
    pub packages: u64,
    /// Files in all components.
    pub files: u64,
    /// The length of all files of all components, in bytes.
    pub apparent_size: u64,
    /// Distinct contents.
    pub contents: u64,
    /// The length of the distinct contents, in bytes: what the files take.
    pub stored_size: u64,
}

impl Store {
    /// The component that an archive with this SHA-256 gave, if it is in the store.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn component_of_archive(&self, archive: &Digest) -> Result<Option<ComponentId>, StoreError> {
        let sql = "SELECT component FROM origin WHERE archive = ?";
        self.db.read(|db| {
            db.prepare_cached(sql)?
                .query_row([archive.as_bytes()], |row| Ok(ComponentId::from_bytes(row.get(0)?)))
                .optional()
        })
    }

    /// Where a component came from; several archives may have given the same one.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn origins(&self, id: &ComponentId) -> Result<Vec<Origin>, StoreError> {
        let sql = "SELECT record FROM origin WHERE component = ? ORDER BY archive";
        let texts: Vec<String> =
            self.db.read(|db| db.prepare_cached(sql)?.query_map([id.as_bytes()], |row| row.get(0))?.collect())?;
        Ok(texts.iter().filter_map(|text| serde_json::from_str(text).ok()).collect())
    }

    /// The row of one component.
    ///
    /// # Errors
    /// [`StoreError::NoComponent`] if it is not there.
    pub fn component_row(&self, id: &ComponentId) -> Result<ComponentRow, StoreError> {
        let rows = self.db.read(|db| component_rows(db, "WHERE id = ?", [id.as_bytes()]))?;
        rows.into_iter().next().ok_or(StoreError::NoComponent { id: *id })
    }

    /// The rows of all components, or of those with a name.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn component_rows(&self, name: Option<&str>) -> Result<Vec<ComponentRow>, StoreError> {
        self.db.read(|db| match name {
            Some(name) => component_rows(db, "WHERE name = ?", [name]),
            None => component_rows(db, "", []),
        })
    }

    /// The rows of all native components.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn native_rows(&self) -> Result<Vec<ComponentRow>, StoreError> {
        self.db.read(|db| component_rows(db, "WHERE kind = 'native'", []))
    }

    /// The manifest of a component, read from its directory.
    ///
    /// # Errors
    /// If it is not there or does not read.
    pub fn manifest(&self, id: &ComponentId) -> Result<Manifest, StoreError> {
        let row = self.component_row(id)?;
        self.manifest_named(&StoreName::new(id, &row.name))
    }

    /// The manifest of the component in the directory `name`.
    ///
    /// # Errors
    /// If it is not there or does not read.
    pub fn manifest_named(&self, name: &StoreName) -> Result<Manifest, StoreError> {
        let directory = self.layout().entry(name);
        let path = directory.join(META).join("manifest");
        let bytes = std::fs::read(&path).context("read", &path)?;
        Manifest::from_bytes(&bytes).map_err(|source| StoreError::Manifest { path: directory, source })
    }

    /// Every package with its component and bindings.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn packages(&self) -> Result<BTreeMap<PackageId, Linked>, StoreError> {
        self.db.read(|db| {
            let mut packages = BTreeMap::new();
            let mut rows = db.prepare_cached("SELECT id, component FROM package")?;
            let mut rows = rows.query([])?;
            while let Some(row) = rows.next()? {
                let id = PackageId::from_bytes(row.get(0)?);
                let component = ComponentId::from_bytes(row.get(1)?);
                packages.insert(id, Linked { id, component, bindings: BTreeMap::new() });
            }
            let mut rows = db.prepare_cached("SELECT package, slot, provider FROM binding")?;
            let mut rows = rows.query([])?;
            while let Some(row) = rows.next()? {
                if let Some(package) = packages.get_mut(&PackageId::from_bytes(row.get(0)?)) {
                    package.bindings.insert(row.get(1)?, PackageId::from_bytes(row.get(2)?));
                }
            }
            Ok(packages)
        })
    }

    /// The name that a package's directory bears: its component's.
    pub(crate) fn package_name(&self, id: &PackageId) -> Result<String, StoreError> {
        let sql = "SELECT name FROM package JOIN component ON component.id = package.component WHERE package.id = ?";
        self.db.read(|db| db.query_row(sql, [id.as_bytes()], |row| row.get(0)))
    }

    /// The components whose changelog mentions a CVE.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn components_mentioning(&self, cve: &str) -> Result<Vec<ComponentRow>, StoreError> {
        let clause = "WHERE id IN (SELECT component FROM advisory_mention WHERE cve = ?)";
        self.db.read(|db| component_rows(db, clause, [cve]))
    }

    /// Totals.
    ///
    /// # Errors
    /// If the database or the pool cannot be read.
    pub fn info(&self) -> Result<Info, StoreError> {
        let count = |db: &Connection, sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0));
        let (components, packages, files, apparent) = self.db.read(|db| {
            Ok((
                count(db, "SELECT COUNT(*) FROM component")?,
                count(db, "SELECT COUNT(*) FROM package")?,
                count(db, "SELECT COUNT(*) FROM file")?,
                count(db, "SELECT COALESCE(SUM(size), 0) FROM component")?,
            ))
        })?;
        let mut info = Info {
            components: components.unsigned_abs(),
            packages: packages.unsigned_abs(),
            files: files.unsigned_abs(),
            apparent_size: apparent.unsigned_abs(),
            ..Info::default()
        };
        (info.contents, info.stored_size) = self.objects().measure()?;
        Ok(info)
    }

    /// All archives known, with the component each gave.
    pub(crate) fn archives(&self) -> Result<Vec<(Digest, ComponentId)>, StoreError> {
        self.db.read(|db| {
            db.prepare("SELECT archive, component FROM origin")?
                .query_map([], |row| Ok((digest(row.get(0)?), ComponentId::from_bytes(row.get(1)?))))?
                .collect()
        })
    }
}

fn component_rows(
    db: &Connection,
    clause: &str,
    parameters: impl rusqlite::Params,
) -> rusqlite::Result<Vec<ComponentRow>> {
    let sql = format!(
        "SELECT id, name, version, architecture, kind, source_name, source_version, size FROM component {clause}
         ORDER BY name, version, id"
    );
    db.prepare_cached(&sql)?
        .query_map(parameters, |row| {
            Ok(ComponentRow {
                id: ComponentId::from_bytes(row.get(0)?),
                name: row.get(1)?,
                version: row.get(2)?,
                architecture: row.get(3)?,
                kind: serde_json::from_value(row.get::<_, String>(4)?.into())
                    .map_err(|error| rusqlite::Error::FromSqlConversionFailure(4, Type::Text, Box::new(error)))?,
                source: Source { name: row.get(5)?, version: row.get(6)? },
                size: row.get::<_, i64>(7)?.unsigned_abs(),
            })
        })?
        .collect()
}
