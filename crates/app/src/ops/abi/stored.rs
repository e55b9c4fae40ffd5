//! Binaries in the store: their facts are found once for each content, and kept.

use std::{
    convert::Infallible,
    fs::File,
    io::Read as _,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use aleph_abi::elf::{self, Facts};
use aleph_component::{ComponentId, Digest, Entry, Manifest, Node, StoreName, read_listing, write_listing};
use aleph_store::{ComponentRow, Derived, Store, parallel};

use super::{
    around,
    side::{Binary, Package, Side, chain, is_debug},
};
use crate::{
    failure::{Failure, Outcome},
    host::Host,
};

/// Records of the ELF files of a component: a listing.
const BINARIES: &str = "binaries";
/// Records of the facts of a content.
const FACTS: &str = "facts";

/// A store, and what was found out about what is in it.
pub(crate) struct Stored {
    store: Store,
    derived: Arc<Derived>,
}

/// Stored bytes that one thread takes.
type Head = Mutex<Option<Vec<u8>>>;

/// The facts of a content, or why there are none.
pub(crate) type Found = Result<Arc<Facts>, Arc<str>>;

impl Stored {
    pub(crate) fn open(host: &Host) -> Outcome<Self> {
        let store = host.store_to_read()?;
        let derived = if host.global.dry_run { store.derived_to_read() } else { store.derived() };
        Ok(Self { derived: Arc::new(derived), store })
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// What was found out about what is in the store.
    pub(crate) fn derived(&self) -> &Derived {
        &self.derived
    }

    /// The component that `NAME[:ARCHITECTURE][=VERSION]` means: of several, the one that the view has.
    pub(crate) fn component(&self, host: &Host, text: &str) -> Outcome<ComponentRow> {
        let (name, version) = text.split_once('=').map_or((text, None), |(name, version)| (name, Some(version)));
        let (name, architecture) = name.split_once(':').map_or((name, None), |(name, arch)| (name, Some(arch)));
        let mut rows = self.store.component_rows(Some(name))?;
        rows.retain(|row| {
            version.is_none_or(|version| row.version == version)
                && architecture.is_none_or(|architecture| row.architecture == architecture)
        });
        if rows.len() > 1
            && let Ok(Some(generation)) = host.view(&self.store).and_then(|view| Ok(view.current()?))
        {
            let in_view = |row: &ComponentRow| generation.packages.iter().any(|package| package.component == row.id);
            if rows.iter().any(in_view) {
                rows.retain(in_view);
            }
        }
        let spelled = |row: &ComponentRow| format!("{}:{}={}", row.name, row.architecture, row.version);
        match rows.as_slice() {
            [row] => Ok(row.clone()),
            [] => Err(Failure::new(format!("`{text}` is neither a file nor a package in this store"))
                .hint("`aleph list --all` lists the packages of your view; `aleph import FILE` takes a .deb file in")),
            several => {
                let names: Vec<String> = several.iter().map(spelled).collect();
                Err(Failure::new(format!("`{text}` is more than one package of this store"))
                    .hint(format!("say which: {}", names.join(", "))))
            }
        }
    }

    /// The component that a text means, as one side of a comparison.
    pub(crate) fn side(&self, host: &Host, text: &str) -> Outcome<Side> {
        self.provider(&self.component(host, text)?)
    }

    /// A component as one side of a comparison, with what its package says and where its debug information is.
    pub(crate) fn provider(&self, row: &ComponentRow) -> Outcome<Side> {
        let mut side = self.sides(std::slice::from_ref(row))?.pop().expect("there is one for each component");
        side.debug = self.debug_directories(row)?;
        let shlibs = self.entry(row).join(".aleph/control/shlibs");
        let shlibs = std::fs::read_to_string(shlibs).unwrap_or_default();
        side.package = Some(Package { name: row.name.clone(), shlibs });
        Ok(side)
    }

    /// All components, each as one that may be a consumer.
    pub(crate) fn everything(&self) -> Outcome<Vec<Side>> {
        let rows = self.store.component_rows(None)?;
        let mut sides = self.sides(&rows)?;
        for (side, row) in sides.iter_mut().zip(&rows) {
            for binary in &mut side.binaries {
                binary.label = format!("{} ({} {})", binary.label, row.name, row.version);
            }
        }
        Ok(sides)
    }

    /// Components with their binaries, in their order.
    pub(crate) fn sides(&self, rows: &[ComponentRow]) -> Outcome<Vec<Side>> {
        let ids: Vec<ComponentId> = rows.iter().map(|row| row.id).collect();
        let listings = self.binaries(&ids)?;
        let contents: Vec<(Digest, u16)> = listings.iter().flatten().filter_map(content).collect();
        let mut found = self.facts(&contents).into_iter();
        let mut sides = Vec::with_capacity(rows.len());
        for (row, listing) in rows.iter().zip(&listings) {
            let mut side = Side::new(format!("{}={}", row.name, row.version).into(), false);
            for entry in listing {
                let Some((digest, mode)) = content(entry) else { continue };
                let label = format!("/{}", entry.path);
                match found.next().expect("there is one for each content") {
                    Ok(facts) => side.binaries.push(Binary::at(label, facts, self.pool(&digest, mode))),
                    Err(why) => side.unread.push((label, why.to_string())),
                }
            }
            sides.push(side);
        }
        Ok(sides)
    }

    /// Where a component is.
    pub(crate) fn entry(&self, row: &ComponentRow) -> PathBuf {
        self.store.layout().entry(&StoreName::new(row.id, &row.name))
    }

    /// Where the debug information of this very version is, if the store has any.
    fn debug_directories(&self, of: &ComponentRow) -> Outcome<Vec<PathBuf>> {
        // What is built from a recipe has its own.
        let own = self.entry(of).join("lib/debug");
        let mut directories: Vec<PathBuf> = own.is_dir().then_some(own).into_iter().collect();
        for suffix in ["-dbgsym", "-dbg"] {
            let rows = self.store.component_rows(Some(&format!("{}{suffix}", of.name)))?;
            for row in rows.into_iter().filter(|row| row.version == of.version && row.architecture == of.architecture) {
                directories.push(self.entry(&row).join("usr/lib/debug"));
            }
        }
        Ok(directories)
    }

    /// Where the current view has libraries.
    pub(crate) fn library_directories(&self, host: &Host) -> Vec<PathBuf> {
        let generation = host.view(&self.store).ok().and_then(|view| view.current().ok().flatten());
        let trees = generation.map(|generation| generation.trees()).unwrap_or_default();
        trees.iter().flat_map(|tree| around::library_directories(&self.store.layout().tree_root(tree))).collect()
    }

    fn pool(&self, digest: &Digest, mode: u16) -> PathBuf {
        self.store.objects().path(digest, mode)
    }

    /// The ELF files of components.
    pub(crate) fn binaries(&self, components: &[ComponentId]) -> Outcome<Vec<Vec<Entry>>> {
        let keys: Vec<&[u8; 20]> = components.iter().map(ComponentId::as_bytes).collect();
        let (mut all, mut fresh) = (Vec::new(), Vec::new());
        for (id, known) in components.iter().zip(self.derived.get(BINARIES, &keys)) {
            let known = known.and_then(|bytes| read_listing(std::str::from_utf8(&bytes).ok()?).ok());
            all.push(match known {
                Some(entries) => entries,
                None => {
                    let found = self.look_for_binaries(&self.store.manifest(id)?)?;
                    fresh.push((id.as_bytes(), write_listing(&found).into_bytes(), Vec::new()));
                    found
                }
            });
        }
        self.derived.put(BINARIES, &fresh);
        Ok(all)
    }

    fn look_for_binaries(&self, manifest: &Manifest) -> Outcome<Vec<Entry>> {
        let look = |(): &mut (), entry: &Entry| {
            let Some((digest, mode)) = content(entry).filter(|_| !is_debug(entry.path.as_str())) else {
                return Ok(false);
            };
            let mut head = Vec::new();
            File::open(self.pool(&digest, mode))?.take(8).read_to_end(&mut head)?;
            Ok::<_, std::io::Error>(elf::is_elf_or_archive(&head))
        };
        let found = parallel::map(&manifest.tree, || (), look)?;
        let found = manifest.tree.iter().zip(found).filter(|(_, is_binary)| *is_binary);
        Ok(found.map(|(entry, _)| entry.clone()).collect())
    }

    /// The facts of contents, each with a mode that it has, in their order.
    pub(crate) fn facts(&self, contents: &[(Digest, u16)]) -> Vec<Found> {
        let keys: Vec<&[u8; 32]> = contents.iter().map(|(digest, _)| digest.as_bytes()).collect();
        let known = self.derived.get(FACTS, &keys).into_iter();
        let known: Vec<(Head, [u8; 32])> = known.map(Mutex::new).zip(keys.iter().map(|key| **key)).collect();
        let decode = |(): &mut (), (head, key): &(Head, [u8; 32])| {
            let head = head.lock().unwrap_or_else(PoisonError::into_inner).take();
            let (derived, key) = (Arc::clone(&self.derived), *key);
            let facts = head.and_then(|head| Facts::from_head(head, move || derived.rest(FACTS, &key)).ok());
            Ok::<_, Infallible>(facts.map(|facts| Ok(Arc::new(facts))))
        };
        let mut found: Vec<Option<Found>> = all(parallel::map(&known, || (), decode));
        let missing: Vec<usize> = (0..found.len()).filter(|&at| found[at].is_none()).collect();
        let read = |(): &mut (), at: &usize| Ok::<_, Infallible>(self.read(&contents[*at]).map(Arc::new));
        let read = all(parallel::map(&missing, || (), read));
        let fresh = missing.iter().zip(&read).filter_map(|(&at, facts)| {
            let record = facts.as_ref().ok()?.to_record();
            Some((keys[at], record.head, record.rest))
        });
        self.derived.put(FACTS, &fresh.collect::<Vec<_>>());
        for (at, facts) in missing.into_iter().zip(read) {
            found[at] = Some(facts);
        }
        found.into_iter().flatten().collect()
    }

    fn read(&self, (digest, mode): &(Digest, u16)) -> Result<Facts, Arc<str>> {
        let bytes = std::fs::read(self.pool(digest, *mode)).map_err(|error| error.to_string())?;
        elf::read(&bytes).map_err(|error| chain(&error).into())
    }
}

/// What an entry's file holds, if it is one and holds anything.
fn content(entry: &Entry) -> Option<(Digest, u16)> {
    match entry.node {
        Node::File { digest, size, mode } if size > 0 => Some((digest, mode)),
        _ => None,
    }
}

fn all<T>(result: Result<T, Infallible>) -> T {
    match result {
        Ok(all) => all,
        Err(never) => match never {},
    }
}
