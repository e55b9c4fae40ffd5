//! What of the host shows inside a view, and who the host says the caller is.

use std::ffi::{CStr, CString};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags};

use crate::layers::Stack;
use crate::mount::{MountError, clone_tree};

/// Directories that a distribution fills: the view's own show, never the host's.
const DISTRIBUTION: &[&str] = &["bin", "sbin", "usr", "etc", "var", "boot", "lost+found"];

/// A host directory that shows in the view, at the same path.
pub(crate) struct Passage {
    /// Where, absolute.
    pub(crate) path: PathBuf,
    /// The host's mounts there, detached.
    pub(crate) mount: OwnedFd,
}

/// Everything that passes from the host: mounts, and symlinks directly below `/`.
#[derive(Default)]
pub(crate) struct Passages {
    pub(crate) mounts: Vec<Passage>,
    pub(crate) links: Vec<(CString, CString)>,
}

/// Collects what passes: every top-level directory that is no part of a distribution's tree (so `/home`, `/tmp`,
/// `/run`, `/dev`, `/mnt`, and also `/data` or `/nix`), `/var/tmp`, and the home and working directories where they lie
/// elsewhere. `/opt` belongs to the view when the view has something there, and `/root` shows to those who may read it.
pub(crate) fn collect(stack: &Stack, home: &Path, cwd: &Path) -> Result<Passages, MountError> {
    let mut passages = Passages::default();
    for (name, kind) in top_level()? {
        let path = Path::new("/").join(std::ffi::OsStr::from_bytes(name.to_bytes()));
        match kind {
            FileType::Directory if name.as_c_str() == c"opt" && !stack.is_empty_dir(&path) => {}
            FileType::Directory => passages.add(path)?,
            FileType::Symlink if !stack.has(&path) => {
                if let Ok(target) = rustix::fs::readlink(&path, Vec::new()) {
                    passages.links.push((name, target));
                }
            }
            _ => {}
        }
    }
    passages.add(PathBuf::from("/var/tmp"))?;
    // Where both have a directory of that name, standing in it means the view's; but a home is the user's own.
    for (path, wins) in [(home, is_own_home(home)), (cwd, false)] {
        let shown = passages.mounts.iter().any(|p| path.starts_with(&p.path));
        if !shown && path.is_absolute() && path != Path::new("/") && (wins || !stack.has(path)) {
            passages.add(path.to_path_buf())?;
        }
    }
    Ok(passages)
}

impl Passages {
    fn add(&mut self, path: PathBuf) -> Result<(), MountError> {
        if let Some(mount) = clone_tree(&path)? {
            self.mounts.push(Passage { path, mount });
        }
        Ok(())
    }

    /// Makes the places to mount on, and the links, in the directory `root`.
    pub(crate) fn make_places(&self, root: BorrowedFd<'_>) -> Result<(), MountError> {
        for passage in &self.mounts {
            make_path(root, &passage.path)?;
        }
        for (name, target) in &self.links {
            // A link is a convenience: one that cannot be made is left out.
            let _ = rustix::fs::symlinkat(target.as_c_str(), root, name.as_c_str());
        }
        Ok(())
    }
}

/// Makes every directory of the absolute `path` below `root`.
fn make_path(root: BorrowedFd<'_>, path: &Path) -> Result<(), MountError> {
    let mut relative = PathBuf::new();
    for part in path.components().skip(1) {
        relative.push(part);
        match rustix::fs::mkdirat(root, &relative, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(e) => return Err(MountError::new("make a directory for", path, e)),
        }
    }
    Ok(())
}

/// Names and types directly below the host's `/` that are no part of a distribution's tree.
fn top_level() -> Result<Vec<(CString, FileType)>, MountError> {
    let fail = |e| MountError::new("list", "/", e);
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::openat(CWD, c"/", flags, Mode::empty()).map_err(fail)?;
    let mut found = Vec::with_capacity(32);
    for entry in rustix::fs::Dir::new(root).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        if passes(entry.file_name()) {
            found.push((entry.file_name().to_owned(), entry.file_type()));
        }
    }
    Ok(found)
}

/// Whether a home directory is one of its own, such as `/var/lib/jenkins`: system users have `/bin` or `/var/mail`.
fn is_own_home(home: &Path) -> bool {
    home.starts_with("/var") && home.components().count() > 3
}

/// Whether a host entry directly below `/` may show in a view.
fn passes(name: &CStr) -> bool {
    let name = name.to_bytes();
    let library = name.strip_prefix(b"lib").is_some_and(|rest| rest.iter().all(|b| b.is_ascii_alphanumeric()));
    !name.starts_with(b".") && !library && !DISTRIBUTION.iter().any(|d| d.as_bytes() == name)
}

/// The caller's passwd line from the host's name service (directory services, not only files).
pub(crate) fn name_service_line(uid: u32) -> Option<Vec<u8>> {
    let mut record = std::mem::MaybeUninit::<libc::passwd>::uninit();
    let mut buffer = vec![0u8; 16 << 10];
    let mut found = std::ptr::null_mut();
    // SAFETY: all pointers are valid for the call, the buffer's length is its own.
    let answer =
        unsafe { libc::getpwuid_r(uid, record.as_mut_ptr(), buffer.as_mut_ptr().cast(), buffer.len(), &raw mut found) };
    if answer != 0 || found.is_null() {
        return None;
    }
    // SAFETY: the call succeeded, so `found` is `record`, and its strings lie in `buffer`, which is alive.
    let (name, gid, home, shell) = unsafe {
        let r = &*found;
        let text = |p: *const libc::c_char| if p.is_null() { c"" } else { CStr::from_ptr(p) };
        (text(r.pw_name), r.pw_gid, text(r.pw_dir), text(r.pw_shell))
    };
    let ids = format!(":x:{uid}:{gid}::");
    Some([name.to_bytes(), ids.as_bytes(), home.to_bytes(), b":", shell.to_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distributions_own_directories_stay_out() {
        let check = |name: &CStr, expected: bool| assert_eq!(passes(name), expected, "{name:?}");
        for name in [c"usr", c"bin", c"lib", c"lib64", c"libx32", c"etc", c"var", c".snapshots", c".", c".."] {
            check(name, false);
        }
        for name in [c"home", c"proc", c"data", c"nix", c"lib-data", c"library.d"] {
            check(name, true);
        }
    }

    #[test]
    fn homes_of_system_users_are_not_their_own() {
        let check = |home: &str, expected: bool| assert_eq!(is_own_home(Path::new(home)), expected, "{home}");
        check("/var/lib/jenkins", true);
        for home in ["/bin", "/usr/sbin", "/var/mail", "/var", "/", "/usr/share/x", "lib"] {
            check(home, false);
        }
    }
}
