//! One package of a view, with what dpkg keeps of it.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, Read},
};

use aleph_component::{Digest, Entry, Manifest, Node, TreePath};
use aleph_store::Store;
use md5::Digest as _;

use super::{
    Content, Diversion, Placement, divert,
    triggers::{Directive, parse_triggers},
    usr_merged,
};
use crate::deb::{import::parse_conffiles, md5sums::format_md5};

/// The longest control member that is read here, in bytes.
const LONGEST_MEMBER: u64 = 64 << 20;

/// Gives the content with a digest and a recorded mode.
pub type Contents<'a> = dyn Fn(&Digest, u16) -> io::Result<Box<dyn Read>> + 'a;

/// The contents of a store's pool, as [`Contents`].
pub fn store_contents(store: &Store) -> impl Fn(&Digest, u16) -> io::Result<Box<dyn Read>> + '_ {
    |digest, mode| Ok(Box::new(File::open(store.objects().path(digest, mode))?))
}

/// One package of a view.
#[derive(Clone, Debug)]
pub struct Package<'a> {
    /// Its manifest.
    pub manifest: &'a Manifest,
    /// What it asks of triggers.
    pub(super) triggers: Vec<Directive>,
    /// The diversions that its scripts make.
    pub(super) diversions: Vec<Diversion>,
    /// A list of MD5 sums, made because it brings none.
    pub(super) md5sums: Option<String>,
}

/// Why a package's control members cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// Content is not in the store.
    #[error("`{member}` of {package} cannot be read")]
    Read {
        /// The package.
        package: String,
        /// The control member, or a path in its tree.
        member: String,
        /// Why.
        source: io::Error,
    },
    /// It has no control file: it is no Debian package.
    #[error("{package} has no control file")]
    NoControl {
        /// The package.
        package: String,
    },
}

impl<'a> Package<'a> {
    /// Reads what is needed of every package of a view; what only one that comes or goes has to tell is read then.
    ///
    /// # Errors
    /// If it has no control file, or `contents` does not give what the manifest lists.
    pub fn read(manifest: &'a Manifest, contents: &Contents<'_>) -> Result<Self, PackageError> {
        let mut package = Self { manifest, triggers: Vec::new(), diversions: Vec::new(), md5sums: None };
        if !package.has_member("control") {
            return Err(PackageError::NoControl { package: manifest.name.clone() });
        }
        package.triggers = package.member("triggers", contents)?.map_or_else(Vec::new, |text| parse_triggers(&text));
        for script in ["preinst", "postinst"] {
            if let Some(text) = package.member(script, contents)? {
                package.diversions.extend(divert::made(&manifest.name, &text));
            }
        }
        if !package.has_member("md5sums") {
            package.md5sums = Some(package.sums_of_files(contents)?);
        }
        Ok(package)
    }

    /// Its control file, as it goes into a status file.
    pub(super) fn stanza(&self, contents: &Contents<'_>) -> Result<String, PackageError> {
        let control = self.member("control", contents)?.unwrap_or_default();
        Ok(stanza(&String::from_utf8_lossy(&control)))
    }

    /// One of its control members.
    pub(super) fn member(&self, name: &str, contents: &Contents<'_>) -> Result<Option<Vec<u8>>, PackageError> {
        let entry = self.manifest.control.iter().find(|entry| entry.path.as_str() == name);
        entry.map(|entry| read_content(self.manifest, entry, contents)).transpose()
    }

    fn has_member(&self, name: &str) -> bool {
        self.manifest.control.iter().any(|entry| entry.path.as_str() == name)
    }

    /// The name that dpkg uses for it where several architectures may be: with the architecture only if it can be
    /// there for several.
    pub fn qualified_name(&self) -> String {
        let Manifest { name, architecture, .. } = self.manifest;
        if self.manifest.field("Multi-Arch") == "same" { format!("{name}:{architecture}") } else { name.clone() }
    }

    /// Whether it has this maintainer script.
    pub fn has_script(&self, name: &str) -> bool {
        self.has_member(name)
    }

    /// The node at an absolute path of its tree.
    fn node(&self, path: &str) -> Option<&Entry> {
        let path = path.strip_prefix('/')?;
        let index = self.manifest.tree.binary_search_by(|entry| entry.path.as_str().cmp(path)).ok()?;
        self.manifest.tree.get(index)
    }

    /// What it brings to a path of the merged tree.
    pub(super) fn in_view(&self, path: &str) -> Option<&Entry> {
        let find = |path: &str| {
            let found = self.manifest.tree.binary_search_by(|entry| entry.path.as_str().cmp(path));
            found.ok().map(|index| &self.manifest.tree[index])
        };
        let unmerged =
            path.strip_prefix("usr/").and_then(find).filter(|entry| usr_merged(&entry.path).as_str() == path);
        find(path).or(unmerged)
    }

    /// A file of its tree, placed beside itself under a longer name.
    pub(super) fn place_beside(&self, path: &str, suffix: &str) -> Option<Placement> {
        let entry = self.node(path)?;
        let Node::File { digest, size, mode } = entry.node else { return None };
        let path = usr_merged(&TreePath::new(&format!("{}{suffix}", entry.path)).ok()?).into_owned();
        Some(Placement { path, content: Content::Pool { digest, size }, mode, replaces: true })
    }

    /// Paths of conffiles that it brings, with the MD5 sum of what it brings.
    pub(super) fn conffiles(&self, contents: &Contents<'_>) -> Result<Vec<(String, String)>, PackageError> {
        let paths = self.member("conffiles", contents)?.map_or_else(Vec::new, |text| parse_conffiles(&text));
        // A file that a list names a million times is read once.
        let mut known = BTreeSet::new();
        let files = paths.into_iter().filter(|path| known.insert(path.clone())).filter_map(|path| {
            let entry = self.node(&path).filter(|entry| matches!(entry.node, Node::File { .. }))?;
            Some((path, entry))
        });
        files.map(|(path, entry)| Ok((path, md5_of(self.manifest, entry, contents)?))).collect()
    }

    fn sums_of_files(&self, contents: &Contents<'_>) -> Result<String, PackageError> {
        let mut text = String::new();
        for entry in self.manifest.tree.iter().filter(|entry| matches!(entry.node, Node::File { .. })) {
            text.push_str(&format!("{}  {}\n", md5_of(self.manifest, entry, contents)?, entry.path));
        }
        Ok(text)
    }
}

/// The fields that dpkg itself writes into a status file.
const INTERNAL: [&str; 5] = ["status", "config-version", "conffiles", "triggers-awaited", "triggers-pending"];

/// A control file's fields, verbatim, `Package` first, without empty lines and without what is dpkg's own to write.
fn stanza(control: &str) -> String {
    let (mut first, mut rest) = (String::new(), String::new());
    let mut field = String::new();
    for line in control.lines().map(str::trim_end).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if !line.starts_with([' ', '\t']) {
            field = line.split(':').next().unwrap_or_default().trim().to_ascii_lowercase();
        }
        if !INTERNAL.contains(&field.as_str()) {
            let text = if field == "package" { &mut first } else { &mut rest };
            text.push_str(line);
            text.push('\n');
        }
    }
    first + &rest
}

fn open(manifest: &Manifest, entry: &Entry, contents: &Contents<'_>) -> Result<Box<dyn Read>, PackageError> {
    let opened = match &entry.node {
        Node::File { digest, mode, .. } => contents(digest, *mode),
        _ => Err(io::Error::from(io::ErrorKind::InvalidInput)),
    };
    opened.map_err(|source| failed(manifest, entry, source))
}

fn failed(manifest: &Manifest, entry: &Entry, source: io::Error) -> PackageError {
    PackageError::Read { package: manifest.name.clone(), member: entry.path.to_string(), source }
}

fn read_content(manifest: &Manifest, entry: &Entry, contents: &Contents<'_>) -> Result<Vec<u8>, PackageError> {
    let mut bytes = Vec::new();
    let read = open(manifest, entry, contents)?.take(LONGEST_MEMBER).read_to_end(&mut bytes);
    read.map_err(|source| failed(manifest, entry, source))?;
    Ok(bytes)
}

fn md5_of(manifest: &Manifest, entry: &Entry, contents: &Contents<'_>) -> Result<String, PackageError> {
    let mut reader = open(manifest, entry, contents)?;
    let (mut hasher, mut buffer) = (md5::Md5::new(), vec![0; 1 << 16]);
    loop {
        match reader.read(&mut buffer).map_err(|source| failed(manifest, entry, source))? {
            0 => return Ok(format_md5(&hasher.finalize().into())),
            read => hasher.update(&buffer[..read]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_file_cannot_speak_for_dpkg() {
        let control = "Source: a\n (1)\nStatus: install ok installed\nPackage: b\nConffiles:\n /etc/x 1\n \nX: y\n";
        assert_eq!(stanza(control), "Package: b\nSource: a\n (1)\nX: y\n");
    }
}
