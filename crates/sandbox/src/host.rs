//! What of the host shows inside a view, and who the host says the caller is.

use std::ffi::{CStr, CString, OsStr};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags};

use crate::layers::Stack;
use crate::mount::{MountError, clone_tree};

/// Directories that a distribution fills: the view's own show, never the host's.
const DISTRIBUTION: &[&str] = &["usr", "etc", "var", "boot", "lost+found"];

/// Where running programs keep sockets, locks and process ids. The view has its own, with links to the host's entries,
/// which are all in a directory of it. One mount for each would make entering slow.
const RUN: &str = "/run";
const HOSTS_RUN: &str = "/run/host";

/// A host directory that shows in the view.
pub(crate) struct Passage {
    /// Where in the view, absolute.
    pub(crate) path: PathBuf,
    /// The host's mounts there, detached.
    pub(crate) mount: OwnedFd,
}

/// Everything that passes from the host: mounts, and symlinks directly below `/` and `/run` (path, target).
#[derive(Default)]
pub(crate) struct Passages {
    pub(crate) mounts: Vec<Passage>,
    links: Vec<(PathBuf, CString)>,
}

/// Collects what passes: every top-level directory that is no part of a distribution's tree (so `/home`, `/tmp`,
/// `/dev`, `/mnt`, and also `/data` or `/nix`), `/var/tmp`, and the home and working directories where they lie
/// elsewhere. `/opt` belongs to the view when the view has something there, and `/root` shows to those who may read it.
///
/// Of `/run` its entries pass, those that the view has none of and that are no plain files, as links into `/run/host`: so
/// the host's daemons can be reached, and a program that puts a process id there neither needs root nor overwrites the
/// host's.
///
/// Where programs lie `outside` shows in any case.
pub(crate) fn collect(stack: &Stack, home: &Path, cwd: &Path, outside: Option<&Path>) -> Result<Passages, MountError> {
    let mut passages = Passages::default();
    for (path, kind) in list(Path::new("/"))? {
        match kind {
            _ if !passes(&path) || path == Path::new(RUN) => {}
            FileType::Directory if path == Path::new("/opt") && !stack.is_empty_dir(&path) => {}
            FileType::Directory => passages.add(path)?,
            FileType::Symlink if !stack.has(&path) => passages.link(path),
            _ => {}
        }
    }
    passages.add_run(stack)?;
    passages.add(PathBuf::from("/var/tmp"))?;
    // Where both have a directory of that name, standing in it means the view's; but a home is the user's own.
    let outside = outside.map(|outside| (outside, true));
    for (path, wins) in [(home, is_own_home(home)), (cwd, false)].into_iter().chain(outside) {
        let shown = path.starts_with(RUN) || passages.mounts.iter().any(|p| path.starts_with(&p.path));
        // A directory in the place of `/lib` would hide the view's own.
        let top = path.components().nth(1).map(|top| top.as_os_str().as_bytes());
        let may = path.is_absolute() && top.is_some_and(|top| !is_link(top));
        if !shown && may && (wins || !stack.has(path)) {
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

    /// The host's `/run`, and links to what the view has nothing of.
    fn add_run(&mut self, stack: &Stack) -> Result<(), MountError> {
        let Some(mount) = clone_tree(Path::new(RUN))? else { return Ok(()) };
        self.mounts.push(Passage { path: PathBuf::from(HOSTS_RUN), mount });
        // Most views have nothing there: then there is no need to look for every name in every layer.
        let is_bare = stack.is_empty_dir(Path::new(RUN));
        for (path, kind) in list(Path::new(RUN)).unwrap_or_default() {
            let passes = matches!(kind, FileType::Directory | FileType::Socket | FileType::Symlink);
            if let (true, Some(name)) = (passes && path != Path::new(HOSTS_RUN), path.file_name())
                && (is_bare || !stack.has(&path))
                && let Ok(target) = CString::new([b"host/", name.as_bytes()].concat())
            {
                self.links.push((path, target));
            }
        }
        Ok(())
    }

    fn link(&mut self, path: PathBuf) {
        if let Ok(target) = rustix::fs::readlink(&path, Vec::new()) {
            self.links.push((path, target));
        }
    }

    /// Makes the places to mount on, and the links, in the directory `root`.
    pub(crate) fn make_places(&self, root: BorrowedFd<'_>) -> Result<(), MountError> {
        make_path(root, Path::new(RUN))?;
        for Passage { path, .. } in &self.mounts {
            make_path(root, path)?;
        }
        for (path, target) in &self.links {
            // A link is a convenience: one that cannot be made is left out.
            let _ = rustix::fs::symlinkat(target.as_c_str(), root, relative(path));
        }
        Ok(())
    }
}

/// The absolute `path`, from the root directory.
pub(crate) fn relative(path: &Path) -> &Path {
    path.strip_prefix("/").unwrap_or(path)
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

/// Paths and types of what is directly below a directory of the host.
fn list(directory: &Path) -> Result<Vec<(PathBuf, FileType)>, MountError> {
    let fail = |e| MountError::new("list", directory, e);
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = rustix::fs::openat(CWD, directory, flags, Mode::empty()).map_err(fail)?;
    let mut found = Vec::with_capacity(32);
    for entry in rustix::fs::Dir::new(opened).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        let name = entry.file_name().to_bytes();
        if !matches!(name, b"." | b"..") {
            found.push((directory.join(OsStr::from_bytes(name)), entry.file_type()));
        }
    }
    Ok(found)
}

/// Whether a home directory is one of its own, such as `/var/lib/jenkins`: system users have `/bin` or `/var/mail`.
fn is_own_home(home: &Path) -> bool {
    home.starts_with("/var") && home.components().count() > 3
}

/// Whether what lies directly below `/` under this name is a link into `/usr` in views: `bin`, `sbin`, `lib`, `lib64`.
fn is_link(name: &[u8]) -> bool {
    let library = name.strip_prefix(b"lib").is_some_and(|rest| rest.iter().all(|b| b.is_ascii_alphanumeric()));
    library || matches!(name, b"bin" | b"sbin")
}

/// Whether a host entry directly below `/` may show in a view.
fn passes(path: &Path) -> bool {
    let name = relative(path).as_os_str().as_bytes();
    !name.starts_with(b".") && !is_link(name) && !DISTRIBUTION.iter().any(|d| d.as_bytes() == name)
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
        let check = |name: &str, expected: bool| assert_eq!(passes(&Path::new("/").join(name)), expected, "{name}");
        for name in ["usr", "bin", "lib", "lib64", "libx32", "etc", "var", ".snapshots"] {
            check(name, false);
        }
        for name in ["home", "proc", "data", "nix", "lib-data", "library.d"] {
            check(name, true);
        }
    }

    #[test]
    fn what_is_a_link_in_views_stays_one() {
        let check = |name: &str, expected: bool| assert_eq!(is_link(name.as_bytes()), expected, "{name}");
        for name in ["bin", "sbin", "lib", "lib64", "libx32"] {
            check(name, true);
        }
        for name in ["usr", "home", ".snapshots", "lib-data", "bind"] {
            check(name, false);
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
