//! The few files of the host's `/etc` that a view shows, so that names resolve and the user has one.

use std::ffi::{CStr, OsStr, OsString};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;

use crate::layers::{Stack, read_all};

/// Larger files than this are not copied into a view.
const LIMIT: usize = 4 << 20;

/// One file or symlink to be placed in the view's `/etc`, or in a directory of it.
#[derive(Debug)]
pub(crate) enum EtcFile {
    /// A regular file with these bytes, mode 0644.
    Bytes(Vec<u8>),
    /// A regular file with what another has and these bytes after it, mode 0644.
    Longer {
        /// The other, open at its beginning.
        file: OwnedFd,
        /// What comes after it.
        added: Vec<u8>,
    },
    /// A symlink with this target.
    Link(PathBuf),
}

/// The calling user and his primary group, as account files know them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    /// A line of `passwd`, without the newline.
    pub(crate) passwd: Vec<u8>,
    /// Lines of `group` for the primary and supplementary groups, without newlines.
    pub(crate) groups: Vec<Vec<u8>>,
}

/// Fetches what a view shows of the host's `/etc`.
pub(crate) fn collect(stack: &Stack, caller: &Caller) -> Vec<(&'static CStr, EtcFile)> {
    let mut files = Vec::with_capacity(8);
    let mut copy = |name: &'static CStr, path: &str| {
        if let Some(bytes) = read_host(path) {
            files.push((name, EtcFile::Bytes(bytes)));
        }
    };
    copy(c"hosts", "/etc/hosts");
    copy(c"hostname", "/etc/hostname");
    copy(c"machine-id", "/etc/machine-id");
    copy(c"timezone", "/etc/timezone");
    files.extend(resolver().map(|f| (c"resolv.conf", f)));
    files.extend(local_time(stack).map(|f| (c"localtime", f)));
    files.extend(crate::trust::bundle(stack).map(|f| (c"ssl/certs/ca-certificates.crt", f)));
    files.extend(accounts(stack, caller));
    files
}

/// The view's account files with the caller in them, where he is missing.
pub(crate) fn accounts(stack: &Stack, caller: &Caller) -> Vec<(&'static CStr, EtcFile)> {
    let mut files = Vec::new();
    let view = stack.read(Path::new("/etc/passwd"), LIMIT).unwrap_or_default();
    let line = with_known_shell(&caller.passwd, |shell| stack.has(shell));
    if let Some(bytes) = merge_accounts(&view, std::slice::from_ref(&line)) {
        files.push((c"passwd", EtcFile::Bytes(bytes)));
    }
    let view = stack.read(Path::new("/etc/group"), LIMIT).unwrap_or_default();
    if let Some(bytes) = merge_accounts(&view, &caller.groups) {
        files.push((c"group", EtcFile::Bytes(bytes)));
    }
    files
}

/// Writes the files into the directory `etc`.
pub(crate) fn place(etc: BorrowedFd<'_>, files: &[(&'static CStr, EtcFile)]) -> Result<(), Errno> {
    for (name, file) in files {
        make_parents(etc, name)?;
        match file {
            EtcFile::Link(target) => rustix::fs::symlinkat(target, etc, *name)?,
            EtcFile::Bytes(bytes) => write_all(&create(etc, name)?, bytes)?,
            EtcFile::Longer { file, added } => {
                let fd = create(etc, name)?;
                while rustix::fs::sendfile(&fd, file, None, LIMIT)? > 0 {}
                write_all(&fd, added)?;
            }
        }
    }
    Ok(())
}

fn create(etc: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    rustix::fs::openat(etc, name, flags, Mode::from_raw_mode(0o644))
}

fn write_all(fd: &OwnedFd, mut rest: &[u8]) -> Result<(), Errno> {
    while !rest.is_empty() {
        rest = &rest[rustix::io::write(fd, rest)?..];
    }
    Ok(())
}

/// Makes the directories below `etc` that `name` is in.
fn make_parents(etc: BorrowedFd<'_>, name: &CStr) -> Result<(), Errno> {
    let path = Path::new(OsStr::from_bytes(name.to_bytes()));
    let parents: Vec<&Path> = path.ancestors().skip(1).filter(|p| !p.as_os_str().is_empty()).collect();
    for parent in parents.iter().rev() {
        match rustix::fs::mkdirat(etc, *parent, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Puts account lines that the view does not have before the view's own; `None` when it has them all. A line is had
/// when the view has one of the same name and the same id.
pub(crate) fn merge_accounts(view: &[u8], lines: &[Vec<u8>]) -> Option<Vec<u8>> {
    let key = |line: &[u8]| -> (Vec<u8>, Vec<u8>) {
        let mut fields = line.split(|b| *b == b':');
        let name = fields.next().unwrap_or_default().to_vec();
        (name, fields.nth(1).unwrap_or_default().to_vec())
    };
    let had: Vec<_> = view.split(|b| *b == b'\n').map(key).collect();
    let mut merged = Vec::with_capacity(view.len() + 256);
    for line in lines.iter().filter(|l| !had.contains(&key(l))) {
        merged.extend_from_slice(line);
        merged.push(b'\n');
    }
    if merged.is_empty() {
        return None;
    }
    merged.extend_from_slice(view);
    Some(merged)
}

/// Replaces the shell of a passwd line by one that the view has.
fn with_known_shell(line: &[u8], has: impl Fn(&Path) -> bool) -> Vec<u8> {
    let Some(at) = line.iter().rposition(|b| *b == b':') else { return line.to_vec() };
    let shell = String::from_utf8_lossy(&line[at + 1..]).into_owned();
    if has(Path::new(&shell)) {
        return line.to_vec();
    }
    let other = if has(Path::new("/bin/bash")) { "/bin/bash" } else { "/bin/sh" };
    [&line[..=at], other.as_bytes()].concat()
}

/// Finds the caller in the host's account files, or through its name service, or makes him up.
pub(crate) fn find_caller(uid: u32, gid: u32, groups: &[u32], home: &Path) -> Caller {
    let passwd = read_host("/etc/passwd").unwrap_or_default();
    let group = read_host("/etc/group").unwrap_or_default();
    let passwd = line_of(&passwd, uid).or_else(|| crate::host::name_service_line(uid)).unwrap_or_else(|| {
        let home = home.as_os_str().as_encoded_bytes();
        [format!("user{uid}:x:{uid}:{gid}::").as_bytes(), home, b":/bin/sh"].concat()
    });
    let mut lines: Vec<_> = std::iter::once(&gid).chain(groups).filter_map(|g| line_of(&group, *g)).collect();
    lines.dedup();
    if line_of(&group, gid).is_none() {
        lines.insert(0, format!("group{gid}:x:{gid}:").into_bytes());
    }
    Caller { passwd, groups: lines }
}

/// The first line of an account file whose third field is `id`.
pub(crate) fn line_of(file: &[u8], id: u32) -> Option<Vec<u8>> {
    let id = id.to_string();
    let is = |line: &&[u8]| line.split(|b| *b == b':').nth(2) == Some(id.as_bytes());
    file.split(|b| *b == b'\n').find(is).map(<[u8]>::to_vec)
}

/// The host's resolver configuration: a link when it lives in `/run`, so that it stays current.
fn resolver() -> Option<EtcFile> {
    let path = "/etc/resolv.conf";
    if let Ok(target) = rustix::fs::readlink(path, Vec::new()) {
        let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
        // Files directly in `/run` do not show in a view.
        if from_etc(&target).is_some_and(|p| p.starts_with("/run") && p.components().count() > 3) {
            return Some(EtcFile::Link(target));
        }
    }
    read_host(path).map(EtcFile::Bytes)
}

/// The host's time zone: a link when the view has that zone, so that programs can read its name.
fn local_time(stack: &Stack) -> Option<EtcFile> {
    let path = "/etc/localtime";
    if let Ok(target) = rustix::fs::readlink(path, Vec::new()) {
        let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
        if let Some(absolute) = from_etc(&target)
            && stack.has(&absolute)
        {
            return Some(EtcFile::Link(absolute));
        }
    }
    read_host(path).map(EtcFile::Bytes)
}

/// The absolute path that a link in `/etc` with this target names; `None` when it climbs out of the root.
fn from_etc(target: &Path) -> Option<PathBuf> {
    let mut path = PathBuf::from("/");
    for part in Path::new("/etc").join(target).components() {
        match part {
            Component::Normal(name) => path.push(name),
            Component::ParentDir if !path.pop() => return None,
            _ => {}
        }
    }
    Some(path)
}

/// Reads a file of the host, if it is there and of sensible size.
pub(crate) fn read_host(path: &str) -> Option<Vec<u8>> {
    read_all(&open_host(path)?, LIMIT)
}

/// Opens a file of the host for reading.
pub(crate) fn open_host(path: &str) -> Option<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    rustix::fs::openat(CWD, path, flags, Mode::empty()).ok()
}

/// Reads a file that the kernel makes up, whose size is not known beforehand.
pub(crate) fn read_kernel(path: &str) -> Option<String> {
    use std::io::Read;
    let mut text = String::new();
    std::fs::File::open(path).ok()?.take(LIMIT as u64).read_to_string(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_merge(view: &str, lines: &[&str], expected: Option<&str>) {
        let lines: Vec<_> = lines.iter().map(|l| l.as_bytes().to_vec()).collect();
        let merged = merge_accounts(view.as_bytes(), &lines);
        assert_eq!(merged.map(|m| String::from_utf8(m).expect("text")).as_deref(), expected);
    }

    #[test]
    fn callers_are_merged_into_account_files() {
        let root = "root:x:0:0:root:/root:/bin/bash\n";
        check_merge(root, &["root:x:0:0:me:/root:/bin/zsh"], None);
        check_merge(root, &["al:x:7:7::/h:/bin/sh"], Some(&format!("al:x:7:7::/h:/bin/sh\n{root}")));
        // The same id under another name: the caller's own line is found first.
        check_merge("www:x:7:7::/w:/x\n", &["al:x:7:7::/h:/s"], Some("al:x:7:7::/h:/s\nwww:x:7:7::/w:/x\n"));
        check_merge("", &["al:x:7:7::/h:/s"], Some("al:x:7:7::/h:/s\n"));
        check_merge("a:x:1:\nb:x:2:me\n", &["b:x:2:me,you", "a:x:1:"], None);
    }

    #[test]
    fn unknown_shells_are_replaced() {
        let check = |line: &str, has: &[&str], expected: &str| {
            let out = with_known_shell(line.as_bytes(), |p| has.contains(&p.to_str().expect("text")));
            assert_eq!(String::from_utf8(out).expect("text"), expected);
        };
        check("a:x:1:1::/h:/bin/zsh", &["/bin/zsh"], "a:x:1:1::/h:/bin/zsh");
        check("a:x:1:1::/h:/bin/zsh", &["/bin/bash"], "a:x:1:1::/h:/bin/bash");
        check("a:x:1:1::/h:", &[], "a:x:1:1::/h:/bin/sh");
        check("nonsense", &[], "nonsense");
    }

    #[test]
    fn links_in_etc_are_followed_by_hand() {
        let check = |target: &str, expected: Option<&str>| {
            assert_eq!(from_etc(Path::new(target)).as_deref(), expected.map(Path::new), "{target}");
        };
        check("../run/systemd/resolve/stub-resolv.conf", Some("/run/systemd/resolve/stub-resolv.conf"));
        check("/usr/share/zoneinfo/Etc/UTC", Some("/usr/share/zoneinfo/Etc/UTC"));
        check("x", Some("/etc/x"));
        check("../../../x", None);
    }
}
