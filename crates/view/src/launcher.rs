//! Commands of a view as files on `PATH`, each run by aleph itself as its interpreter.

use std::path::{Path, PathBuf};

use aleph_component::{Entry, Node};
use serde::{Deserialize, Serialize};

/// The directories of a view that hold commands.
const DIRECTORIES: [&str; 6] = ["usr/local/bin", "usr/bin", "usr/games", "usr/local/sbin", "usr/sbin", "bin"];

/// What a launcher says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launcher {
    /// The store's root.
    pub store: PathBuf,
    /// The view's name.
    pub view: String,
    /// The command inside the view.
    pub command: String,
}

/// The file is no launcher.
#[derive(Debug, thiserror::Error)]
#[error("`{path}` is not a launcher")]
pub struct LauncherError {
    /// The file.
    pub path: String,
    /// How.
    pub source: toml::de::Error,
}

impl Launcher {
    /// The text of the file; `aleph` is the absolute path of the program.
    pub fn to_text(&self, aleph: &Path) -> String {
        let body = toml::to_string(self).expect("a launcher has only string keys");
        format!("#!{} launch\n{body}", aleph.display())
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// If it is no launcher.
    pub fn parse(path: &str, text: &str) -> Result<Self, LauncherError> {
        // The first line is a comment to TOML.
        toml::from_str(text).map_err(|source| LauncherError { path: path.to_owned(), source })
    }
}

/// The commands among `entries`: name and path. Of two with one name the one that a shell would find is taken.
pub fn commands(entries: &[std::borrow::Cow<'_, Entry>]) -> std::collections::BTreeMap<String, String> {
    let mut found = std::collections::BTreeMap::new();
    for directory in DIRECTORIES.iter().rev() {
        for entry in entries.iter().filter(|entry| entry.path.parent() == Some(directory)) {
            let runs = match &entry.node {
                Node::File { mode, .. } => mode & 0o111 != 0,
                Node::Symlink { .. } => true,
                Node::Directory { .. } | Node::Absent => false,
            };
            if runs {
                found.insert(entry.path.file_name().to_owned(), format!("/{}", entry.path));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use aleph_component::{Digest, Owner, TreePath};

    use super::*;

    #[test]
    fn a_launcher_round_trips() {
        let launcher =
            Launcher { store: "/home/a b/aleph".into(), view: "user-a".into(), command: "/usr/bin/[".into() };
        let text = launcher.to_text("/usr/bin/aleph".as_ref());
        assert!(text.starts_with("#!/usr/bin/aleph launch\n"));
        assert_eq!(Launcher::parse("x", &text).unwrap(), launcher);
    }

    #[test]
    fn only_what_runs_is_a_command() {
        let file = |path: &str, mode| Entry {
            path: TreePath::new(path).unwrap(),
            owner: Owner::default(),
            node: Node::File { digest: Digest::of(b""), size: 0, mode },
        };
        let entries =
            [file("usr/bin/a", 0o755), file("usr/bin/b", 0o644), file("usr/bin/d/c", 0o755), file("usr/sbin/a", 0o755)]
                .map(std::borrow::Cow::Owned);
        let found: Vec<_> = commands(&entries).into_iter().collect();
        assert_eq!(found, [("a".to_owned(), "/usr/bin/a".to_owned())]);
    }
}
