//! A project's manifest: `aleph.toml` beside the code.

use std::{
    fmt, fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};
use toml_edit::{Array, DocumentMut, Item, Table, value};

use crate::Request;

/// The name of the manifest.
const MANIFEST: &str = "aleph.toml";
/// The name of the lock file.
const LOCK: &str = "aleph.lock";

/// A project: a directory with a manifest.
#[derive(Clone, Debug)]
pub struct Project {
    directory: PathBuf,
    text: String,
    /// What it asks for.
    pub packages: Vec<Request>,
    /// Whether recommended packages come along.
    pub recommends: bool,
}

/// Why a project cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// The file system said no.
    #[error("cannot {action} `{}`", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The manifest is not what it should be.
    #[error("`{}` is not a project's manifest", path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// Where and how.
        source: toml::de::Error,
    },
    /// The manifest cannot be edited.
    #[error("`{}` cannot be edited", path.display())]
    Edit {
        /// The file.
        path: PathBuf,
        /// Where and how.
        source: toml_edit::TomlError,
    },
    /// It belongs to somebody else, who would decide what is run here.
    #[error("`{}` belongs to another user ({owner}), so it is not used", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
    },
    /// There is one already.
    #[error("`{}` exists already", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    #[serde(default, deserialize_with = "table")]
    view: WireView,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct WireView {
    #[serde(default)]
    packages: Vec<String>,
    #[serde(default)]
    recommends: bool,
}

/// Reads a table. Left to itself, serde takes an array of the values as well, which cannot be edited.
fn table<'de, D: Deserializer<'de>>(deserializer: D) -> Result<WireView, D::Error> {
    struct Table;
    impl<'de> Visitor<'de> for Table {
        type Value = WireView;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a table")
        }

        fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<WireView, M::Error> {
            WireView::deserialize(MapAccessDeserializer::new(map))
        }
    }
    deserializer.deserialize_map(Table)
}

impl Project {
    /// The project that `start` is in: the nearest directory upwards with a manifest. Its files must belong to `caller`, a
    /// user's id, or to root.
    ///
    /// # Errors
    /// If there is a manifest that does not read, or it or the lock file beside it belongs to somebody else.
    pub fn find(start: &Path, caller: u32) -> Result<Option<Self>, ProjectError> {
        let Some(directory) = start.ancestors().find(|directory| directory.join(MANIFEST).is_file()) else {
            return Ok(None);
        };
        for path in [directory.join(MANIFEST), directory.join(LOCK)] {
            // Who made a link decides what it leads to.
            for metadata in [path.symlink_metadata(), path.metadata()] {
                let owner = match metadata {
                    Ok(metadata) => metadata.uid(),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(source) => return Err(io_error("read", &path, source)),
                };
                if owner != caller && owner != 0 {
                    return Err(ProjectError::Foreign { path, owner });
                }
            }
        }
        Self::read(directory).map(Some)
    }

    /// The project at `directory`.
    ///
    /// # Errors
    /// If its manifest does not read.
    pub fn read(directory: &Path) -> Result<Self, ProjectError> {
        let path = directory.join(MANIFEST);
        let text = fs::read_to_string(&path).map_err(|source| io_error("read", &path, source))?;
        let wire: Wire = toml::from_str(&text).map_err(|source| ProjectError::Manifest { path, source })?;
        let packages = wire.view.packages.into_iter().map(Request).collect();
        Ok(Self { directory: directory.to_owned(), text, packages, recommends: wire.view.recommends })
    }

    /// Makes a project with an empty list at `directory`.
    ///
    /// # Errors
    /// If there is one, or the manifest cannot be written.
    pub fn create(directory: &Path) -> Result<Self, ProjectError> {
        let path = directory.join(MANIFEST);
        if path.exists() {
            return Err(ProjectError::Exists { path });
        }
        let text = "# What this project works with. `aleph add NAME` adds to it; `aleph.lock` pins it.\n[view]\npackages = []\n";
        fs::write(&path, text).map_err(|source| io_error("write", &path, source))?;
        Self::read(directory)
    }

    /// Where it is.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Its manifest.
    pub fn manifest(&self) -> PathBuf {
        self.directory.join(MANIFEST)
    }

    /// Its lock file.
    pub fn lock_file(&self) -> PathBuf {
        self.directory.join(LOCK)
    }

    /// Writes another list of packages into the manifest, keeping comments and everything else as it is.
    ///
    /// # Errors
    /// If the manifest cannot be edited or written.
    pub fn set_packages(&mut self, packages: &[Request]) -> Result<(), ProjectError> {
        let path = self.manifest();
        let edit = |source| ProjectError::Edit { path: path.clone(), source };
        let mut document: DocumentMut = self.text.parse().map_err(edit)?;
        let view = document.entry("view").or_insert(Item::Table(Table::new()));
        if view.get("packages").is_none_or(|item| item.as_array().is_none()) {
            view["packages"] = value(Array::new());
        }
        if let Some(array) = view["packages"].as_array_mut() {
            array.retain(|item| packages.iter().any(|request| item.as_str() == Some(&request.0)));
            for request in packages {
                if !array.iter().any(|item| item.as_str() == Some(&request.0)) {
                    array.push(request.0.as_str());
                }
            }
        }
        let text = document.to_string();
        if text != self.text {
            write_beside(&path, &text)?;
            self.text = text;
        }
        self.packages = packages.to_vec();
        Ok(())
    }
}

/// Writes `text` to a file beside `path` and renames it.
pub(crate) fn write_beside(path: &Path, text: &str) -> Result<(), ProjectError> {
    let beside = path.with_extension(format!("{}.new", std::process::id()));
    let write = || {
        let mut file = fs::File::create(&beside)?;
        io::Write::write_all(&mut file, text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    write().map_err(|source| io_error("write", path, source))
}

pub(crate) fn io_error(action: &'static str, path: &Path, source: io::Error) -> ProjectError {
    ProjectError::Io { action, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn me() -> u32 {
        rustix::process::geteuid().as_raw()
    }

    #[test]
    fn what_belongs_to_somebody_else_is_not_used() {
        use std::os::unix::fs::chown;

        let directory = tempfile::TempDir::new().unwrap();
        let project = Project::create(directory.path()).unwrap();
        let find = |caller| Project::find(directory.path(), caller);
        let foreign = |path: &Path, caller| match find(caller) {
            Err(ProjectError::Foreign { path: found, .. }) => assert_eq!(found, path),
            other => panic!("{other:?}"),
        };
        if me() != 0 {
            return foreign(&project.manifest(), me() + 1);
        }
        assert!(find(47_011).unwrap().is_some());
        chown(project.manifest(), Some(47_011), None).unwrap();
        assert!(find(47_011).unwrap().is_some());
        foreign(&project.manifest(), 0);
        foreign(&project.manifest(), 47_012);
        chown(project.manifest(), Some(0), None).unwrap();
        fs::write(project.lock_file(), "").unwrap();
        chown(project.lock_file(), Some(47_011), None).unwrap();
        foreign(&project.lock_file(), 0);
        fs::remove_file(project.lock_file()).unwrap();
        std::os::unix::fs::symlink(MANIFEST, project.lock_file()).unwrap();
        std::os::unix::fs::lchown(project.lock_file(), Some(47_011), None).unwrap();
        foreign(&project.lock_file(), 0);
    }

    #[test]
    fn a_project_is_found_from_below_and_edited_in_place() {
        let directory = tempfile::TempDir::new().unwrap();
        let deep = directory.path().join("a/b");
        fs::create_dir_all(&deep).unwrap();
        assert!(Project::find(&deep, me()).unwrap().is_none());
        Project::create(directory.path()).unwrap();
        assert!(matches!(Project::create(directory.path()), Err(ProjectError::Exists { .. })));
        fs::write(directory.path().join(MANIFEST), "# mine\n[view]\npackages = [\n  \"jq\", # json\n  \"git\"\n]\n")
            .unwrap();
        let mut project = Project::find(&deep, me()).unwrap().unwrap();
        project.set_packages(&[Request("jq".into()), Request("curl=1".into())]).unwrap();
        let text = fs::read_to_string(project.manifest()).unwrap();
        assert!(text.starts_with("# mine\n") && text.contains("\"curl=1\"") && !text.contains("git"), "{text}");
        assert_eq!(Project::find(&deep, me()).unwrap().unwrap().packages, project.packages);
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_place() {
        let directory = tempfile::TempDir::new().unwrap();
        fs::write(directory.path().join(MANIFEST), "[view]\npackges = []\n").unwrap();
        let error = Project::read(directory.path()).unwrap_err();
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.contains("packges") && source.contains("line 2"), "{source}");
    }

    #[test]
    fn what_reads_can_be_edited() {
        let directory = tempfile::TempDir::new().unwrap();
        let check = |text: &str, reads: bool| {
            fs::write(directory.path().join(MANIFEST), text).unwrap();
            match Project::read(directory.path()) {
                Ok(mut project) => {
                    assert!(reads, "{text}");
                    project.set_packages(&[Request("new".into())]).unwrap();
                    assert_eq!(Project::read(directory.path()).unwrap().packages, [Request("new".into())], "{text}");
                }
                Err(_) => assert!(!reads, "{text}"),
            }
        };
        for text in
            ["", "view = {}", "view.packages = [\"a\"]", "[view]\nrecommends = true", "view = { packages = [] }"]
        {
            check(text, true);
        }
        // Who clones a project is not made to run its commands.
        for text in ["view = []", "view = [[\"a\"], true]", "view = 1", "[[view]]", "view.checks = [\"a\"]"] {
            check(text, false);
        }
    }
}
