//! Archives of any entries: what is accepted is, in the tree and on disk, what was put in; what leads out is refused.

use std::{collections::BTreeMap, fs, path::Path};

use aleph_component::{Digest, Node};
use proptest::prelude::*;

use super::{
    BENCH,
    build::{Tar, with_data},
};
use crate::deb::Limits;

/// One entry of an archive.
#[derive(Clone, Debug)]
enum Piece {
    Directory { name: String },
    File { name: String, text: String },
    Symlink { name: String, target: String },
    HardLink { name: String, target: String },
}

impl Piece {
    fn name(&self) -> &str {
        match self {
            Self::Directory { name }
            | Self::File { name, .. }
            | Self::Symlink { name, .. }
            | Self::HardLink { name, .. } => name,
        }
    }
}

/// Names of few parts, so that they meet; seldom one that is not allowed.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        20 => "(\\./)?[ab](/[abc]){0,2}",
        1 => "(\\./|/|\\.\\./|[ab]/)?(\\.\\.|\\.|[ab]//[ab]|\\.aleph/x|\\.link)(/[ab])?",
    ]
}

fn piece() -> impl Strategy<Value = Piece> {
    let target = prop_oneof![name(), Just("/etc/passwd".to_owned()), Just("../../../x".to_owned())];
    prop_oneof![
        1 => (name(), "/?").prop_map(|(name, end)| Piece::Directory { name: name + &end }),
        3 => (name(), "[xy]{0,3}").prop_map(|(name, text)| Piece::File { name, text }),
        1 => (name(), target).prop_map(|(name, target)| Piece::Symlink { name, target }),
        1 => (name(), name()).prop_map(|(name, target)| Piece::HardLink { name, target }),
    ]
}

fn archive(pieces: &[Piece]) -> Vec<u8> {
    with_data(pieces.iter().fold(Tar::default(), |tar, piece| match piece {
        Piece::Directory { name } => tar.directory(name),
        Piece::File { name, text } => tar.file(name, text),
        Piece::Symlink { name, target } => tar.symlink(name, target),
        Piece::HardLink { name, target } => tar.hard_link(name, target),
    }))
}

/// What an archive should become: paths with nothing for a directory, or whether it is a link, and content or target.
type Tree = BTreeMap<String, Option<(bool, String)>>;

/// Whether this is the directory that all others are in: allowed, and no entry of the tree.
fn is_root(piece: &Piece) -> bool {
    matches!(piece, Piece::Directory { name } if [".", "./"].contains(&name.as_str()))
}

fn plain(name: &str) -> String {
    name.trim_start_matches("./").trim_end_matches('/').to_owned()
}

/// The tree that the entries describe, whether or not it can be allowed.
fn expected(pieces: &[Piece]) -> Tree {
    let mut tree = Tree::new();
    for piece in pieces.iter().filter(|piece| !is_root(piece)) {
        let path = plain(piece.name());
        for (at, _) in path.match_indices('/') {
            tree.entry(path[..at].to_owned()).or_insert(None);
        }
        let node = match piece {
            Piece::Directory { .. } => None,
            Piece::File { text, .. } => Some((false, text.clone())),
            Piece::Symlink { target, .. } => Some((true, target.clone())),
            Piece::HardLink { target, .. } => tree.get(&plain(target)).cloned().flatten(),
        };
        tree.insert(path, node);
    }
    tree
}

/// The tree at `root`, without the directory that says what is known of it.
fn on_disk(root: &Path, below: &str, tree: &mut Tree) {
    for entry in fs::read_dir(root.join(below)).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        let path = if below.is_empty() { name } else { format!("{below}/{name}") };
        let kind = entry.file_type().unwrap();
        if kind.is_dir() && path != ".aleph" {
            tree.insert(path.clone(), None);
            on_disk(root, &path, tree);
        } else if kind.is_symlink() {
            let target = fs::read_link(entry.path()).unwrap().into_os_string().into_string().unwrap();
            tree.insert(path, Some((true, target)));
        } else if kind.is_file() {
            tree.insert(path, Some((false, fs::read_to_string(entry.path()).unwrap())));
        }
    }
}

proptest! {
    #[test]
    fn what_is_accepted_is_what_was_put_in(pieces in prop::collection::vec(piece(), 0..7)) {
        let bench = BENCH.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let Ok(manifest) = bench.import(&archive(&pieces), None, &Limits::default()) else { return Ok(()) };
        for piece in pieces.iter().filter(|piece| !is_root(piece)) {
            let path = plain(piece.name());
            let parts: Vec<&str> = path.split('/').collect();
            prop_assert!(!parts.iter().any(|part| ["", ".", ".."].contains(part)), "{}", path);
            prop_assert!(![".aleph", ".link"].contains(&parts[0]), "{}", path);
        }
        let (expected, mut found) = (expected(&pieces), Tree::new());
        on_disk(&bench.place(&manifest), "", &mut found);
        prop_assert_eq!(&found, &expected);
        let listed = manifest.tree.iter().map(|entry| (entry.path.as_str(), &entry.node));
        let (mut paths, mut wrong) = (Vec::new(), Vec::new());
        for (path, node) in listed {
            paths.push(path);
            let fits = match (&expected[path], node) {
                (None, Node::Directory { .. }) => true,
                (Some((true, target)), Node::Symlink { target: found }) => **target == **found,
                (Some((false, text)), Node::File { digest, size, .. }) => {
                    *digest == Digest::of(text.as_bytes()) && *size == text.len() as u64
                }
                _ => false,
            };
            wrong.extend((!fits).then_some(path));
        }
        prop_assert!(wrong.is_empty(), "{:?}", wrong);
        prop_assert_eq!(paths, expected.keys().collect::<Vec<_>>());
    }
}
