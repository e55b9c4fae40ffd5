//! Directories as sources: what they hold, and a copy of it.

use std::{
    fs, io,
    os::unix::{
        ffi::OsStrExt as _,
        fs::{PermissionsExt as _, symlink},
    },
    path::{Path, PathBuf},
};

use aleph_component::{Digest, Hasher};

/// What is no part of a source.
const LEFT_OUT: &str = ".git";

/// A directory cannot be read, or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot read `{}`", path.display())]
pub struct DigestError {
    path: PathBuf,
    source: io::Error,
}

/// A digest over names, executable bits and contents of everything in a directory, but `.git`.
///
/// # Errors
/// If something in it cannot be read.
pub fn digest_directory(directory: &Path) -> Result<Digest, DigestError> {
    let mut hasher = Hasher::new();
    walk(directory, &mut |path, relative, kind| {
        hasher.field(relative.as_os_str().as_bytes());
        match kind {
            Found::Directory => hasher.field(b"d"),
            Found::Link => {
                hasher.field(b"l");
                hasher.field(fs::read_link(path)?.as_os_str().as_bytes());
            }
            Found::File { is_executable } => {
                hasher.field(if is_executable { b"x" } else { b"f" });
                hasher.field(&fs::read(path)?);
            }
        }
        Ok(())
    })?;
    Ok(hasher.finish())
}

/// Copies everything in a directory, but `.git`, with modes of 644 and 755.
///
/// # Errors
/// If something cannot be read or written.
pub fn copy_directory(from: &Path, to: &Path) -> Result<(), DigestError> {
    fs::create_dir_all(to).map_err(|source| DigestError { path: to.to_owned(), source })?;
    walk(from, &mut |path, relative, kind| {
        let target = to.join(relative);
        match kind {
            Found::Directory => fs::create_dir_all(&target)
                .and_then(|()| fs::set_permissions(&target, fs::Permissions::from_mode(0o755))),
            Found::Link => symlink(fs::read_link(path)?, &target),
            Found::File { is_executable } => {
                fs::copy(path, &target)?;
                let mode = if is_executable { 0o755 } else { 0o644 };
                fs::set_permissions(&target, fs::Permissions::from_mode(mode))
            }
        }
    })
}

#[derive(Clone, Copy)]
enum Found {
    Directory,
    Link,
    File { is_executable: bool },
}

/// Tells of everything in a directory, sorted, a directory before what is in it.
fn walk(root: &Path, tell: &mut dyn FnMut(&Path, &Path, Found) -> io::Result<()>) -> Result<(), DigestError> {
    let mut todo = vec![PathBuf::new()];
    while let Some(relative) = todo.pop() {
        let path = root.join(&relative);
        let failed = |source| DigestError { path: path.clone(), source };
        let meta = if relative.as_os_str().is_empty() { fs::metadata(&path) } else { fs::symlink_metadata(&path) };
        let meta = meta.map_err(failed)?;
        let kind = match meta.file_type() {
            kind if kind.is_dir() => Found::Directory,
            kind if kind.is_symlink() => Found::Link,
            kind if kind.is_file() => Found::File { is_executable: meta.permissions().mode() & 0o100 != 0 },
            _ => return Err(failed(io::Error::other("it is neither a file nor a directory nor a link"))),
        };
        if !relative.as_os_str().is_empty() {
            tell(&path, &relative, kind).map_err(failed)?;
        }
        if let Found::Directory = kind {
            let entries = fs::read_dir(&path).and_then(Iterator::collect::<io::Result<Vec<_>>>).map_err(failed)?;
            let mut names: Vec<_> = entries.into_iter().map(|entry| entry.file_name()).collect();
            names.retain(|name| name != LEFT_OUT);
            names.sort_unstable_by(|a, b| b.cmp(a));
            todo.extend(names.into_iter().map(|name| relative.join(name)));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_the_same_source_and_a_change_is_another() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::create_dir_all(path("a/sub")).unwrap();
        fs::create_dir_all(path("a/.git")).unwrap();
        fs::write(path("a/sub/file"), "text").unwrap();
        fs::write(path("a/run"), "#!/bin/sh").unwrap();
        fs::set_permissions(path("a/run"), fs::Permissions::from_mode(0o700)).unwrap();
        symlink("sub/file", path("a/link")).unwrap();
        let digest = digest_directory(&path("a")).unwrap();
        copy_directory(&path("a"), &path("b")).unwrap();
        assert_eq!(digest_directory(&path("b")).unwrap(), digest);
        assert!(!path("b/.git").exists());
        fs::write(path("a/.git/config"), "x").unwrap();
        assert_eq!(digest_directory(&path("a")).unwrap(), digest);
        for change in [
            &|| fs::write(path("b/sub/file"), "test") as io::Result<()>,
            &|| fs::set_permissions(path("b/sub/file"), fs::Permissions::from_mode(0o755)),
            &|| fs::rename(path("b/run"), path("b/sub/run")),
        ] as [&dyn Fn() -> io::Result<()>; 3]
        {
            let before = digest_directory(&path("b")).unwrap();
            change().unwrap();
            assert_ne!(digest_directory(&path("b")).unwrap(), before);
        }
    }
}
