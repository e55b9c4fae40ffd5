//! Trees as the protocol has them: a message for each directory, named by its digest, that names what is in it.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    sync::Arc,
};

use aleph_component::{Entry, Node};
use bazel_remote_apis::build::bazel::remote::execution::v2::{Directory, DirectoryNode, FileNode, SymlinkNode};
use prost::Message as _;

use crate::{Blob, Content};

/// A tree and where its contents are.
#[derive(Clone, Debug)]
pub struct Tree {
    /// The message of its topmost directory.
    pub root: Blob,
    own: Vec<(Blob, Content)>,
    parts: Vec<Arc<Tree>>,
}

/// What a name in a directory stands for.
#[derive(Clone, Debug)]
pub enum Child {
    /// Another tree.
    Tree(Arc<Tree>),
    /// A file.
    File {
        /// What is in it.
        blob: Blob,
        /// Where that is.
        content: Content,
        /// Whether it is a program.
        is_executable: bool,
    },
}

impl Child {
    /// A file with these bytes, which is no program.
    pub fn bytes(bytes: Vec<u8>) -> Self {
        Self::File { blob: Blob::of(&bytes), content: Content::Bytes(bytes), is_executable: false }
    }
}

impl Tree {
    /// The tree that `entries` describe, whose files are below `root`. Their digests are taken from there: no file is read.
    ///
    /// A cluster keeps no owners and of a mode only whether something can be executed; it need not take a link that leads
    /// out of the tree or begins at `/`, nor know of a name that hides another. Such links and names are left out: who needs
    /// them sends the entries along.
    pub fn of(entries: &[Entry], root: &Path) -> Self {
        let mut top = Draft::default();
        let mut own = Vec::new();
        for entry in entries {
            let name = entry.path.file_name();
            let parent = top.directory(entry.path.parent().unwrap_or_default());
            match &entry.node {
                Node::Directory { .. } => drop(parent.directory(name)),
                Node::File { digest, size, mode } => {
                    let blob = Blob { digest: *digest, size: *size };
                    parent.files.insert(name.to_owned(), (blob, Node::stored_mode(*mode) & 0o111 != 0));
                    own.push((blob, Content::File(root.join(entry.path.as_str()))));
                }
                Node::Symlink { target } if stays_inside(entry.path.parent(), target) => {
                    parent.links.insert(name.to_owned(), target.to_string());
                }
                Node::Symlink { .. } | Node::Absent => {}
            }
        }
        let root = top.finish(&mut own);
        Self { root, own, parts: Vec::new() }
    }

    /// A tree of one directory, with these names in it.
    pub fn directory(children: impl IntoIterator<Item = (String, Child)>) -> Self {
        let (mut files, mut directories, mut own, mut parts) =
            (BTreeMap::new(), BTreeMap::new(), Vec::new(), Vec::new());
        for (name, child) in children {
            match child {
                Child::Tree(tree) => {
                    directories.insert(name, tree.root);
                    parts.push(tree);
                }
                Child::File { blob, content, is_executable } => {
                    files.insert(name, (blob, is_executable));
                    own.push((blob, content));
                }
            }
        }
        let root = message(files, directories, BTreeMap::new(), &mut own);
        Self { root, own, parts }
    }

    /// Everything in it, each content once, with where it is.
    pub fn contents(&self) -> HashMap<Blob, &Content> {
        let mut all: HashMap<Blob, &Content> = self.own.iter().map(|(blob, content)| (*blob, content)).collect();
        for part in &self.parts {
            all.extend(part.contents());
        }
        all
    }
}

/// A directory that is being put together.
#[derive(Default)]
struct Draft {
    files: BTreeMap<String, (Blob, bool)>,
    links: BTreeMap<String, String>,
    directories: BTreeMap<String, Draft>,
}

impl Draft {
    fn directory(&mut self, path: &str) -> &mut Self {
        let names = path.split('/').filter(|name| !name.is_empty());
        names.fold(self, |draft, name| draft.directories.entry(name.to_owned()).or_default())
    }

    fn finish(self, own: &mut Vec<(Blob, Content)>) -> Blob {
        let directories = self.directories.into_iter().map(|(name, draft)| (name, draft.finish(own))).collect();
        message(self.files, directories, self.links, own)
    }
}

/// Puts a directory's message to the contents, and gives its name. All names are sorted, as the protocol wants them.
fn message(
    files: BTreeMap<String, (Blob, bool)>,
    directories: BTreeMap<String, Blob>,
    links: BTreeMap<String, String>,
    own: &mut Vec<(Blob, Content)>,
) -> Blob {
    let file = |(name, (blob, is_executable)): (String, (Blob, bool))| FileNode {
        name,
        digest: Some(blob.to_proto()),
        is_executable,
        node_properties: None,
    };
    let directory = |(name, blob): (String, Blob)| DirectoryNode { name, digest: Some(blob.to_proto()) };
    let link = |(name, target)| SymlinkNode { name, target, node_properties: None };
    let bytes = Directory {
        files: files.into_iter().map(file).collect(),
        directories: directories.into_iter().map(directory).collect(),
        symlinks: links.into_iter().map(link).collect(),
        node_properties: None,
    }
    .encode_to_vec();
    let blob = Blob::of(&bytes);
    own.push((blob, Content::Bytes(bytes)));
    blob
}

/// Whether a link in this directory of a tree leads nowhere outside of it, whatever is there.
fn stays_inside(parent: Option<&str>, target: &str) -> bool {
    let mut depth = parent.map_or(0, |parent| parent.split('/').count());
    !target.is_empty()
        && !target.starts_with('/')
        && target.split('/').all(|part| match part {
            ".." => depth.checked_sub(1).map(|up| depth = up).is_some(),
            "" | "." => true,
            _ => {
                depth += 1;
                true
            }
        })
}

#[cfg(test)]
mod tests {
    use aleph_component::{Digest, Owner, TreePath};

    use super::*;

    fn entry(path: &str, node: Node) -> Entry {
        Entry { path: TreePath::new(path).unwrap(), owner: Owner::default(), node }
    }

    fn file(path: &str, text: &str, mode: u16) -> Entry {
        entry(path, Node::File { digest: Digest::of(text.as_bytes()), size: text.len() as u64, mode })
    }

    /// What Python's protobuf library makes of the same directories.
    const SUB: &str = "9d378835ef33bee3b854336240c614ac3e2469dad5bccf754a00b483eaf85543/260";
    const ROOT: &str = "7d8ee0d23eab28ea15ccd69b6485f95d93c5e158c629fec806a4a333714aa3e3/307";

    fn sample() -> Vec<Entry> {
        let link = |path, target: &str| entry(path, Node::Symlink { target: target.into() });
        let directory = |path| entry(path, Node::Directory { mode: 0o755 });
        let mut entries = vec![
            directory("empty"),
            directory("sub"),
            directory("sub-x"),
            file("sub/a.h", "int a;\n", 0o644),
            link("sub/b.h", "a.h"),
            directory("sub/deep"),
            file("sub/deep/z.txt", "deep\n", 0o4640),
            file("sub/run", "#!/bin/sh\n", 0o755),
            link("sub/up", "../top"),
            file("top", "", 0o444),
        ];
        // These a cluster need not take.
        entries.extend([link("sub/outside", "../../top"), link("sub/absolute", "/top"), entry("gone", Node::Absent)]);
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        entries
    }

    #[test]
    fn trees_are_those_of_another_implementation() {
        let tree = Tree::of(&sample(), Path::new("/x"));
        assert_eq!(tree.root.to_string(), ROOT);
        let contents = tree.contents();
        let sub = contents.keys().find(|blob| blob.to_string() == SUB).expect("the directory is one of the contents");
        assert!(matches!(contents[sub], Content::Bytes(_)));
        let deep = Blob::of(b"deep\n");
        assert_eq!(*contents[&deep], Content::File("/x/sub/deep/z.txt".into()));
        // Four files of which one is empty, as is the message of an empty directory; and three messages more.
        assert_eq!(contents.len(), 7);
    }

    #[test]
    fn trees_that_are_put_together_are_the_same_trees() {
        let below: Vec<Entry> = sample()
            .into_iter()
            .filter_map(|entry| {
                Some(Entry { path: TreePath::new(entry.path.as_str().strip_prefix("sub/")?).ok()?, ..entry })
            })
            .filter(|entry| entry.path.as_str() != "up")
            .collect();
        let mut whole = sample();
        whole.retain(|entry| entry.path.as_str() != "sub/up");
        let empty = || Child::Tree(Arc::new(Tree::of(&[], Path::new("/x"))));
        let children = [
            ("sub", Child::Tree(Arc::new(Tree::of(&below, Path::new("/x/sub"))))),
            ("top", Child::bytes(Vec::new())),
            ("sub-x", empty()),
            ("empty", empty()),
        ];
        let together = Tree::directory(children.map(|(name, child)| (name.to_owned(), child)));
        let whole = Tree::of(&whole, Path::new("/x"));
        assert_eq!(together.root, whole.root);
        let names = |tree: &Tree| tree.contents().into_keys().collect::<std::collections::BTreeSet<_>>();
        assert_eq!(names(&together), names(&whole));
    }

    #[test]
    fn links_stay_inside_or_do_not_travel() {
        let check = |parent: &str, target, expected| {
            assert_eq!(stays_inside(Some(parent).filter(|p| !p.is_empty()), target), expected, "{parent} {target}");
        };
        check("", "a", true);
        check("", "../a", false);
        check("a/b", "../../c", true);
        check("a/b", "../../../c", false);
        check("a/b", "x/../../../c", true);
        check("a", "/c", false);
        check("a", "", false);
    }
}
