//! What runs out of the store now: which generation a process is in, and which packages it has in its memory.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    io::ErrorKind,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use aleph_component::ComponentId;

use super::{Stock, Uses};
use crate::failure::Outcome;

/// A process that runs out of the store.
#[derive(Clone, Debug)]
pub(crate) struct Running {
    pub(crate) pid: u32,
    /// What it calls itself.
    pub(crate) name: String,
    /// The user it runs as.
    pub(crate) uid: u32,
    /// The place in [`Uses`] of the generation that it was started in, unless it runs from its place in the store.
    pub(crate) at: Option<usize>,
    /// The components that it has files of in its memory.
    pub(crate) maps: BTreeSet<ComponentId>,
}

/// What runs, and of how many processes this user may not know.
pub(crate) fn running(stock: &Stock, uses: &Uses) -> Outcome<(Vec<Running>, usize)> {
    let held = held(uses);
    let entries = Entries::of(stock)?;
    let (mut all, mut hidden) = (Vec::new(), 0);
    let mut owners: HashMap<usize, HashMap<String, ComponentId>> = HashMap::new();
    for entry in fs::read_dir("/proc")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let directory = entry.path();
        let (maps, uid) = match (fs::read_to_string(directory.join("maps")), fs::metadata(&directory)) {
            (Ok(maps), Ok(uid)) => (maps, uid),
            // It may have ended.
            (maps, _) => {
                hidden += usize::from(maps.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied));
                continue;
            }
        };
        // Threads of the kernel have none.
        if maps.is_empty() {
            continue;
        }
        let at = generation(&directory, &held);
        let files: BTreeSet<&str> = maps.lines().filter_map(mapped).collect();
        let mut found: BTreeSet<ComponentId> = files.iter().filter_map(|path| entries.of_path(path)).collect();
        if let Some(at) = at {
            let owners = owners.entry(at).or_insert_with(|| paths(stock, uses, at));
            found.extend(files.iter().filter_map(|path| owners.get(merged(path.trim_start_matches('/')))));
        }
        if at.is_some() || !found.is_empty() {
            let name = fs::read_to_string(directory.join("comm")).unwrap_or_default();
            all.push(Running { pid, name: name.trim().to_owned(), uid: uid.uid(), at, maps: found });
        }
    }
    all.sort_by_key(|process| process.pid);
    Ok((all, hidden))
}

/// The files that programs of each generation hold, by device and inode.
fn held(uses: &Uses) -> HashMap<(u64, u64), usize> {
    let file = |(at, one): (usize, &super::Use)| {
        let there = fs::metadata(one.view.held_file(one.generation.number)).ok()?;
        Some(((there.dev(), there.ino()), at))
    };
    uses.0.iter().enumerate().filter_map(file).collect()
}

/// The generation that a process was started in.
fn generation(process: &Path, held: &HashMap<(u64, u64), usize>) -> Option<usize> {
    let descriptors = fs::read_dir(process.join("fd")).ok()?;
    let mut files = descriptors.flatten().filter_map(|one| fs::metadata(one.path()).ok());
    files.find_map(|file| held.get(&(file.dev(), file.ino())).copied())
}

/// The file that a line of `maps` names: proc_pid_maps(5).
fn mapped(line: &str) -> Option<&str> {
    let path = &line[line.find('/')?..];
    Some(path.strip_suffix(" (deleted)").unwrap_or(path))
}

/// A path without the `usr/` that merges directories.
fn merged(path: &str) -> &str {
    path.strip_prefix("usr/").unwrap_or(path)
}

/// Whose the programs and libraries of a generation's tree are.
fn paths(stock: &Stock, uses: &Uses, at: usize) -> HashMap<String, ComponentId> {
    let components: BTreeSet<ComponentId> =
        uses.0[at].generation.packages.iter().map(|package| package.component).collect();
    let all = stock.rows.iter().zip(&stock.contents).filter(|(row, _)| components.contains(&row.id));
    all.flat_map(|(row, contents)| contents.binaries.iter().map(|binary| (merged(&binary.path).to_owned(), row.id)))
        .collect()
}

/// Components by the names of directories of the store.
struct Entries {
    directory: PathBuf,
    by_id: BTreeMap<String, ComponentId>,
}

impl Entries {
    fn of(stock: &Stock) -> Outcome<Self> {
        let layout = stock.store().layout();
        let mut by_id: BTreeMap<String, ComponentId> =
            stock.rows.iter().map(|row| (row.id.to_string(), row.id)).collect();
        by_id
            .extend(stock.store().packages()?.into_values().map(|package| (package.id.to_string(), package.component)));
        let directory = layout.store();
        Ok(Self { directory: directory.canonicalize().unwrap_or(directory), by_id })
    }

    /// The component that a file in the store is of.
    fn of_path(&self, path: &str) -> Option<ComponentId> {
        let below = Path::new(path).strip_prefix(&self.directory).ok()?;
        let entry = below.components().next()?.as_os_str().to_str()?;
        let (id, _) = entry.split_once('-')?;
        self.by_id.get(id).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_a_map_may_name_a_file() {
        let line = "7f3c9a000000-7f3c9a026000 r--p 00000000 00:2e 132 /usr/lib/x86_64-linux-gnu/libc.so.6";
        assert_eq!(mapped(line), Some("/usr/lib/x86_64-linux-gnu/libc.so.6"));
        assert_eq!(mapped(&format!("{line} (deleted)")), Some("/usr/lib/x86_64-linux-gnu/libc.so.6"));
        assert_eq!(mapped("7ffd0000-7ffd1000 rw-p 00000000 00:00 0 [stack]"), None);
        assert_eq!((merged("usr/bin/x"), merged("lib/x")), ("bin/x", "lib/x"));
    }
}
