//! The names of a generation: where a path leads, and where its dynamic linker looks for libraries.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use aleph_component::{Digest, Node, StoreName, native::LINKS};
use aleph_store::Store;
use aleph_view::{Generation, Pinned, overlay};

use crate::failure::Outcome;

/// The most links that are followed for one path, as Linux has it.
const MOST_LINKS: usize = 40;
/// Where a dynamic linker looks in the end, without any configuration.
const DEFAULT: [&str; 4] = ["lib64", "usr/lib64", "lib", "usr/lib"];

/// What a path names.
enum Name {
    Directory,
    File(Digest, u16),
    Link(String),
}

/// The names of a generation.
pub(super) struct Tree {
    names: BTreeMap<String, Name>,
    /// Where libraries are looked for, in this order.
    pub(super) directories: Vec<String>,
    /// Libraries that the host brings.
    pub(super) host: BTreeSet<String>,
}

impl Tree {
    pub(super) fn read(store: &Store, generation: &Generation) -> Outcome<Self> {
        let listing = generation.layers.listing(store)?;
        let captured = match generation.capture {
            Some(capture) => store.tree_entries(&capture.tree)?,
            None => Vec::new(),
        };
        let layers = [listing.base.as_slice(), &listing.delta, &captured];
        let names = overlay(layers).into_iter().filter_map(|(path, node)| {
            let name = match node {
                Node::Directory { .. } => Name::Directory,
                Node::File { digest, mode, .. } => Name::File(*digest, *mode),
                Node::Symlink { target } => Name::Link(target.to_string()),
                Node::Absent => return None,
            };
            Some((path.to_owned(), name))
        });
        let mut tree = Self { names: names.collect(), directories: Vec::new(), host: BTreeSet::new() };
        tree.directories = tree.find_directories(store);
        Ok(tree)
    }

    /// The names of native packages, where they are in the store, with their links; and the interpreter, which programs
    /// have in a hole, where it is on every system and where it was when they were built.
    pub(super) fn of_natives(store: &Store, generation: &Generation) -> Outcome<Self> {
        let natives: Vec<&Pinned> = generation.packages.iter().filter(|package| package.is_native()).collect();
        let root = |package: &Pinned| {
            let path = store.layout().entry(&StoreName::new(package.id, &package.name));
            path.to_string_lossy().trim_start_matches('/').to_owned()
        };
        let roots: BTreeMap<String, String> = natives.iter().map(|package| (package.key(), root(package))).collect();
        let mut tree = Self { names: BTreeMap::new(), directories: Vec::new(), host: BTreeSet::new() };
        for package in natives {
            let root = &roots[&package.key()];
            let manifest = store.manifest_named(&StoreName::new(package.component, &package.name))?;
            for entry in &manifest.tree {
                let name = match &entry.node {
                    Node::Directory { .. } => Name::Directory,
                    Node::File { digest, mode, .. } => Name::File(*digest, *mode),
                    Node::Symlink { target } => Name::Link(target.to_string()),
                    Node::Absent => continue,
                };
                tree.add(format!("{root}/{}", entry.path), name);
            }
            for (slot, provider) in &package.slots {
                let target = roots.get(provider).map(|provider| Name::Link(format!("/{provider}")));
                tree.add(format!("{root}/{LINKS}/{slot}"), target.unwrap_or(Name::Directory));
            }
            let native = manifest.native.unwrap_or_default();
            tree.host.extend(native.host.iter().cloned());
            for (soname, path) in native.offers.iter().filter(|(soname, _)| soname.starts_with("ld-linux")) {
                let real = format!("/{root}/{path}");
                tree.directories.extend(real.rsplit_once('/').map(|(directory, _)| directory.to_owned()));
                let prefix = native.prefix.trim_matches('/');
                let built = format!("{prefix}/{path}");
                for place in
                    ["lib64", "lib"].map(|directory| format!("{directory}/{soname}")).into_iter().chain([built])
                {
                    tree.add(place, Name::Link(real.clone()));
                }
            }
        }
        Ok(tree)
    }

    /// Adds a library that the host brings: its path, absolute.
    pub(super) fn add_hosts(&mut self, path: &Path) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("ld-linux") {
            self.add(format!("lib64/{name}"), Name::Link(path.to_string_lossy().into_owned()));
        }
        // Its content is not the store's.
        self.add(path.to_string_lossy().trim_start_matches('/').to_owned(), Name::File(Digest::of(b""), 0));
        let directory = path.parent().unwrap_or(path).to_string_lossy().into_owned();
        if !self.directories.contains(&directory) {
            self.directories.push(directory);
        }
    }

    /// Adds a name and the directories that it is in.
    fn add(&mut self, path: String, name: Name) {
        for (at, _) in path.match_indices('/') {
            self.names.entry(path[..at].to_owned()).or_insert(Name::Directory);
        }
        self.names.insert(path, name);
    }

    /// All files, with path, digest and mode.
    pub(super) fn files(&self) -> impl Iterator<Item = (&String, (Digest, u16))> {
        self.names.iter().filter_map(|(path, name)| match name {
            Name::File(digest, mode) => Some((path, (*digest, *mode))),
            Name::Directory | Name::Link(_) => None,
        })
    }

    /// The path of the file that `path` leads to, links followed; relative to the root, as all names are.
    pub(super) fn resolve(&self, path: &str) -> Option<String> {
        let mut rest: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
        let mut at: Vec<String> = Vec::new();
        let mut links = 0;
        while let Some(part) = rest.pop() {
            match part.as_str() {
                "" | "." => continue,
                ".." => {
                    at.pop();
                    continue;
                }
                _ => at.push(part),
            }
            match self.names.get(&at.join("/"))? {
                Name::Link(target) => {
                    links += 1;
                    if links > MOST_LINKS {
                        return None;
                    }
                    at.pop();
                    if target.starts_with('/') {
                        at.clear();
                    }
                    rest.extend(target.split('/').rev().map(str::to_owned));
                }
                Name::File(..) if rest.is_empty() => return Some(at.join("/")),
                Name::File(..) => return None,
                Name::Directory => {}
            }
        }
        None
    }

    /// As `ld.so.conf` and the defaults say, those of several machines included.
    fn find_directories(&self, store: &Store) -> Vec<String> {
        let mut directories = Vec::new();
        self.read_configuration("etc/ld.so.conf", store, &mut directories, 0);
        let of_machine = |path: &&String| {
            let parent = path.strip_prefix("usr/lib/").or_else(|| path.strip_prefix("lib/"));
            parent.is_some_and(|name| !name.contains('/') && name.ends_with("-linux-gnu"))
        };
        directories.extend(self.names.keys().filter(of_machine).map(|path| format!("/{path}")));
        directories.extend(DEFAULT.map(|path| format!("/{path}")));
        directories
    }

    /// A directory a line; `include PATTERN` for other files. Source: ldconfig(8), `elf/ldconfig.c`.
    fn read_configuration(&self, path: &str, store: &Store, directories: &mut Vec<String>, depth: usize) {
        let file = self.resolve(path).and_then(|path| self.names.get(&path));
        let Some(Name::File(digest, mode)) = file.filter(|_| depth < 8) else { return };
        let text = std::fs::read_to_string(store.objects().path(digest, *mode)).unwrap_or_default();
        for line in text.lines().map(|line| line.split('#').next().unwrap_or_default().trim()) {
            match line.split_once(char::is_whitespace) {
                Some(("include", pattern)) => {
                    for path in self.matching(pattern.trim()) {
                        self.read_configuration(&path, store, directories, depth + 1);
                    }
                }
                _ if line.starts_with('/') => directories.push(line.trim_end_matches('/').to_owned()),
                _ => {}
            }
        }
    }

    /// The names that a pattern stands for, of which only the last part has a `*`.
    fn matching(&self, pattern: &str) -> Vec<String> {
        let pattern = pattern.trim_start_matches('/');
        let Some((start, end)) = pattern.split_once('*') else { return vec![pattern.to_owned()] };
        let fits = |path: &&String| {
            let rest = path.strip_prefix(start).and_then(|rest| rest.strip_suffix(end));
            rest.is_some_and(|rest| !rest.contains('/'))
        };
        self.names.keys().filter(fits).cloned().collect()
    }
}
