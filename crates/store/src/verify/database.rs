//! The database against the directory.

use std::collections::BTreeMap;

use aleph_component::StoreName;

use super::Damage;
use crate::{Store, StoreError};

impl Store {
    /// What is wrong between the database and the directory, which holds `names`.
    pub(super) fn verify_database(&self, names: &[String]) -> Result<Vec<Damage>, StoreError> {
        match self.compare_database(names) {
            Err(error @ StoreError::Database { .. }) if error.is_damaged_database() => {
                let why = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                Ok(vec![Damage::Database { what: why }])
            }
            result => result,
        }
    }

    fn compare_database(&self, names: &[String]) -> Result<Vec<Damage>, StoreError> {
        let mut damage = Vec::new();
        let database = |what: String| Damage::Database { what };
        let check: String = self.db.read(|db| db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)))?;
        if check != "ok" {
            damage.push(database(check));
        }
        let mut on_disk: BTreeMap<&str, &String> =
            names.iter().filter_map(|name| Some((StoreName::split(name)?.0, name))).collect();
        let components: BTreeMap<String, String> =
            self.component_rows(None)?.into_iter().map(|row| (row.id.to_string(), row.name)).collect();
        for (id, name) in &components {
            if on_disk.remove(id.as_str()).is_none() {
                damage.push(Damage::Name { path: self.layout().entry(&StoreName::new(id, name)) });
            }
        }
        for package in self.packages()?.into_keys() {
            if on_disk.remove(package.to_string().as_str()).is_none() {
                damage.push(match self.package_name(&package) {
                    Ok(name) => Damage::Name { path: self.layout().entry(&StoreName::new(package, &name)) },
                    Err(_) => {
                        database(format!("package {package} is recorded, and neither it nor its component is there"))
                    }
                });
            }
        }
        damage.extend(on_disk.into_values().map(|name| database(format!("`{name}` is in the store and not in it"))));
        for (archive, component) in self.archives()? {
            if !components.contains_key(&component.to_string()) {
                damage
                    .push(database(format!("archive {archive} is recorded as giving {component}, which is not there")));
            }
        }
        Ok(damage)
    }
}
