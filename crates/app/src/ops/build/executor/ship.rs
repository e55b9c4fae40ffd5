//! What a build has to have on a machine that has nothing of a store: this program, the layers with their listings, and what is
//! to be done.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use aleph_abi::elf;
use aleph_build::work::{list, place};
use aleph_component::{Entry, Node, TreeId, write_listing};
use aleph_remote::{Blob, Child, Content, Order, Tree};
use aleph_store::{Store, tree_mode};

use super::{Trouble, config::Executor};
use crate::{
    cli::WORK,
    failure::Outcome,
    host::Host,
    ops::build::{prepare::Prepared, tools::Toolchain},
};

/// Where this program and its libraries are.
pub(super) const PROGRAMS: &str = "bin";
/// This program, there.
pub(super) const PROGRAM: &str = "aleph";

/// What is the same for all builds.
pub(super) struct Ship {
    program: Arc<Tree>,
    /// How this program is started there.
    start: Vec<String>,
    /// The trees of tools.
    tools: HashMap<TreeId, Layer>,
    pub(super) is_verbose: bool,
}

/// A tree of `/`, with what a cluster does not carry of it.
#[derive(Clone)]
struct Layer {
    tree: Arc<Tree>,
    listing: Vec<u8>,
}

impl Layer {
    fn new(entries: &[Entry], root: &Path) -> Self {
        Self { tree: Arc::new(Tree::of(entries, root)), listing: write_listing(entries).into_bytes() }
    }

    /// A tree of the store's, whose files and directories have other modes than their origin gave them.
    fn of_store(mut entries: Vec<Entry>, root: &Path) -> Self {
        for entry in &mut entries {
            match &mut entry.node {
                Node::Directory { mode } => *mode = tree_mode(*mode),
                Node::File { mode, .. } => *mode = Node::stored_mode(*mode),
                Node::Symlink { .. } | Node::Absent => {}
            }
        }
        Self::new(&entries, root)
    }
}

impl Ship {
    pub(super) fn new(store: &Store, toolchains: &[Toolchain], is_verbose: bool) -> Outcome<Self> {
        let (program, start) = program()?;
        let mut tools = HashMap::new();
        for id in toolchains.iter().flat_map(|toolchain| &toolchain.trees) {
            if !tools.contains_key(id) {
                tools.insert(*id, Layer::of_store(store.tree_entries(id)?, &store.layout().tree_root(id)));
            }
        }
        Ok(Self { program: Arc::new(program), start, tools, is_verbose })
    }

    /// How many bytes all builds have in common.
    pub(super) fn size(&self) -> u64 {
        let trees = self.tools.values().map(|layer| &layer.tree).chain([&self.program]);
        let all: HashSet<Blob> = trees.flat_map(|tree| tree.contents().into_keys()).collect();
        all.iter().map(|blob| blob.size).sum()
    }

    /// A build as an action.
    pub(super) fn order(&self, prepared: &Prepared<'_>, executor: &Executor) -> Result<Order, Trouble> {
        let action = &prepared.action;
        let upper = action.lay_out()?;
        let mut layers = vec![Layer::new(&list(&upper)?, &upper)];
        if let Some((root, entries)) = &prepared.around {
            layers.push(Layer::of_store(entries.clone(), root));
        }
        layers.extend(prepared.tools.iter().filter_map(|id| self.tools.get(id)).cloned());
        let numbered = |child: fn(&Layer) -> Child| {
            let all = layers.iter().enumerate().map(|(number, layer)| (number.to_string(), child(layer)));
            Child::Tree(Arc::new(Tree::directory(all)))
        };
        let work = serde_json::to_vec(&action.work())?;
        let tree = Tree::directory([
            (PROGRAMS.to_owned(), Child::Tree(self.program.clone())),
            (place::LAYERS.to_owned(), numbered(|layer| Child::Tree(layer.tree.clone()))),
            (place::LISTINGS.to_owned(), numbered(|layer| Child::bytes(layer.listing.clone()))),
            (place::WORK.to_owned(), Child::bytes(work)),
        ]);
        Ok(Order {
            target: action.recipe.name.clone(),
            arguments: self.start.clone(),
            environment: BTreeMap::new(),
            tree: Arc::new(tree),
            files: [place::REPORT, place::LOG, place::LISTING].map(str::to_owned).to_vec(),
            directories: vec![place::FILES.to_owned()],
            platform: executor.platform.clone(),
            timeout: executor.timeout,
        })
    }
}

/// This program with the libraries that it needs, which the other machine need not have, and how it is started there.
fn program() -> Outcome<(Tree, Vec<String>)> {
    let path = Host::program()?;
    let bytes = std::fs::read(&path)?;
    let facts = elf::read(&bytes)?;
    let mut libraries: HashMap<Vec<u8>, (Own, Vec<Vec<u8>>)> = HashMap::new();
    for path in Host::libraries()? {
        let facts = elf::read(&std::fs::read(&path)?)?;
        if let Some(name) = facts.soname() {
            let own = Own { name: String::from_utf8_lossy(name).into_owned(), path };
            libraries.insert(name.to_vec(), (own, facts.needed().map(<[u8]>::to_vec).collect()));
        }
    }
    let mut children = BTreeMap::from([(PROGRAM.to_owned(), file(path, Blob::of(&bytes)))]);
    // Only what it needs: what else is loaded depends on what was done before.
    let mut todo: Vec<Vec<u8>> = facts.needed().map(<[u8]>::to_vec).collect();
    let interpreter = facts.interpreter().map(|path| String::from_utf8_lossy(path).into_owned());
    let interpreter = interpreter.as_deref().and_then(|path| path.rsplit('/').next());
    todo.extend(interpreter.map(|name| name.as_bytes().to_vec()));
    while let Some(name) = todo.pop() {
        if let Some((own, needed)) = libraries.remove(&name) {
            let blob = Blob::of(&std::fs::read(&own.path)?);
            children.insert(own.name, file(own.path, blob));
            todo.extend(needed);
        }
    }
    let here = |name: &str| format!("{PROGRAMS}/{name}");
    let mut start = match interpreter {
        Some(name) => vec![here(name), "--library-path".to_owned(), PROGRAMS.to_owned()],
        None => Vec::new(),
    };
    start.extend([here(PROGRAM), WORK.to_owned()]);
    Ok((Tree::directory(children), start))
}

fn file(path: PathBuf, blob: Blob) -> Child {
    Child::File { blob, content: Content::File(path), is_executable: true }
}

/// A file that belongs to this program.
#[derive(Clone, Debug)]
struct Own {
    name: String,
    path: PathBuf,
}
