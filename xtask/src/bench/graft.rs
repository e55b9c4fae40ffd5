//! What others do to move a dependent to another library: copy every file, look for store paths in its bytes and write new
//! ones over them, as Guix grafts and Nix's replaceDependencies do; here in one tight loop on all processors.

use std::{
    collections::HashSet,
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use crate::tool::Outcome;

/// The length of the part of a store path that is looked for.
const HASH: usize = 32;

/// What becomes of a file in which there is nothing to write.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Untouched {
    Copied,
    Linked,
}

/// A file that is to be made again.
struct Work {
    from: PathBuf,
    to: PathBuf,
    mode: u32,
    /// Whether its dependents' paths would be in it, were they baked in.
    is_touched: bool,
}

/// Makes the trees again below `to`. In `touched` are the files that would hold the paths of what they are linked to.
pub(super) fn graft(trees: &[PathBuf], touched: &HashSet<PathBuf>, to: &Path, untouched: Untouched) -> Outcome {
    let hashes: HashSet<Vec<u8>> = trees
        .iter()
        .filter_map(|tree| tree.file_name()?.to_str()?.as_bytes().get(..HASH).map(<[u8]>::to_vec))
        .collect();
    let mut files = Vec::new();
    for tree in trees {
        let name = tree.file_name().ok_or("a tree has a name")?;
        walk(tree, &to.join(name), touched, &mut files)?;
    }
    let next = AtomicUsize::new(0);
    let work = || -> Result<(), std::io::Error> {
        while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            if untouched == Untouched::Linked && !file.is_touched {
                fs::hard_link(&file.from, &file.to)?;
                continue;
            }
            let mut bytes = fs::read(&file.from)?;
            rewrite(&mut bytes, &hashes);
            fs::write(&file.to, bytes)?;
            fs::set_permissions(&file.to, fs::Permissions::from_mode(file.mode))?;
        }
        Ok(())
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("no worker panics"))
    })?;
    Ok(())
}

/// Makes directories and links, and lists files.
fn walk(from: &Path, to: &Path, touched: &HashSet<PathBuf>, files: &mut Vec<Work>) -> Outcome {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_dir() {
            walk(&path, &target, touched, files)?;
        } else if kind.is_symlink() {
            symlink(fs::read_link(&path)?, &target)?;
        } else {
            let mode = entry.metadata()?.permissions().mode();
            let is_touched = touched.contains(&path);
            files.push(Work { from: path, to: target, mode, is_touched });
        }
    }
    Ok(())
}

/// Writes another hash over each that is known: here the same one, which costs as much.
fn rewrite(bytes: &mut [u8], hashes: &HashSet<Vec<u8>>) {
    let is_digit = |byte: u8| byte.is_ascii_lowercase() || (b'2'..=b'7').contains(&byte);
    let mut at = 0;
    while at + HASH <= bytes.len() {
        match bytes[at..at + HASH].iter().rposition(|byte| !is_digit(*byte)) {
            Some(other) => at += other + 1,
            None if hashes.contains(&bytes[at..at + HASH]) => {
                let hash = bytes[at..at + HASH].to_vec();
                bytes[at..at + HASH].copy_from_slice(&hash);
                at += HASH;
            }
            None => at += 1,
        }
    }
}
