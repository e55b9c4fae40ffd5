//! Looking files up in a stack of layers before it is mounted.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// The layers of a view, opened, topmost first.
pub(crate) struct Stack {
    layers: Vec<OwnedFd>,
}

impl Stack {
    /// Opens every layer as a place. Fails with the first one that cannot be opened.
    pub(crate) fn open(paths: &[PathBuf]) -> Result<Self, (PathBuf, Errno)> {
        let open = |p: &PathBuf| crate::mount::open_place(p).map_err(|e| (p.clone(), e));
        Ok(Self { layers: paths.iter().map(open).collect::<Result<_, _>>()? })
    }

    /// The open layers, topmost first.
    pub(crate) fn fds(&self) -> &[OwnedFd] {
        &self.layers
    }

    /// Opens a file for reading.
    pub(crate) fn open_file(&self, path: &Path) -> Option<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        rustix::fs::openat2(self.holder(path)?, path, flags, Mode::empty(), ResolveFlags::IN_ROOT).ok()
    }

    /// Reads a file of at most `limit` bytes; absent, unreadable or larger is `None`.
    pub(crate) fn read(&self, path: &Path, limit: usize) -> Option<Vec<u8>> {
        read_all(&self.open_file(path)?, limit)
    }

    /// Whether the stack has something at `path` (absolute or relative to the root).
    pub(crate) fn has(&self, path: &Path) -> bool {
        self.holder(path).is_some() || {
            // A layer that holds `usr/bin` only does not hold the symlink `bin`.
            let text = path.as_os_str().as_encoded_bytes();
            let merged = [&b"/bin/"[..], b"/sbin/", b"/lib"].iter().any(|p| text.starts_with(p));
            merged && path.strip_prefix("/").is_ok_and(|p| self.holder(&Path::new("/usr").join(p)).is_some())
        }
    }

    /// Whether the directory `path` is absent or empty in every layer.
    pub(crate) fn is_empty_dir(&self, path: &Path) -> bool {
        self.layers.iter().all(|layer| {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let Ok(dir) = rustix::fs::openat2(layer, path, flags, Mode::empty(), ResolveFlags::IN_ROOT) else {
                return true;
            };
            let Ok(entries) = rustix::fs::Dir::new(dir) else { return true };
            entries.flatten().all(|e| matches!(e.file_name().to_bytes(), b"." | b".."))
        })
    }

    /// The topmost layer that has `path`, unless a whiteout hides it.
    fn holder(&self, path: &Path) -> Option<&OwnedFd> {
        for layer in &self.layers {
            let flags = OFlags::PATH | OFlags::CLOEXEC;
            let found = rustix::fs::openat2(layer, path, flags, Mode::empty(), ResolveFlags::IN_ROOT)
                .and_then(|fd| rustix::fs::fstat(&fd));
            if let Ok(stat) = found {
                let whiteout = FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0;
                return (!whiteout).then_some(layer);
            }
        }
        None
    }
}

/// Reads a whole file of at most `limit` bytes.
pub(crate) fn read_all(file: &OwnedFd, limit: usize) -> Option<Vec<u8>> {
    let stat = rustix::fs::fstat(file).ok()?;
    let regular = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    let size = usize::try_from(stat.st_size).ok().filter(|s| regular && *s <= limit)?;
    let mut bytes = vec![0u8; size + 1];
    let mut have = 0;
    while have < bytes.len() {
        match rustix::io::read(file, &mut bytes[have..]) {
            Ok(0) => break,
            Ok(n) => have += n,
            Err(Errno::INTR) => {}
            Err(_) => return None,
        }
    }
    bytes.truncate(have);
    (have <= limit).then_some(bytes)
}
