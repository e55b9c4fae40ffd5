//! What makes up `/` where things are built: a view of Debian packages, one for each set of them.

use std::{collections::BTreeMap, fs::File, path::PathBuf};

use aleph_build::{Graph, RecipeTree};
use aleph_component::{Digest, Hasher, TreeId};
use aleph_exchange::apt::solve::Upgrade;
use aleph_store::Store;
use aleph_view::{Kind, RunLayers, ViewName, ViewRecord, Views};

use crate::{
    failure::Outcome,
    host::{Host, Target, no_view},
    ops::change::{self, Wish},
    output::Printer,
};

const PREFIX: &str = "tools-";

/// Trees to build on, for as long as this is held.
pub(crate) struct Toolchain {
    /// The trees' directories, topmost first.
    pub(crate) layers: Vec<PathBuf>,
    /// The trees themselves, in the same order.
    pub(crate) trees: Vec<TreeId>,
    /// Names what is in them: the packages.
    pub(crate) digest: Digest,
    _held: Option<File>,
}

/// What the recipes of a graph are built with: trees of the tree's tools, and of more where a recipe asks for more.
pub(crate) struct Toolchains {
    all: Vec<Toolchain>,
    /// Which is for which recipe.
    of: Vec<usize>,
}

impl Toolchains {
    /// What a recipe is built with.
    pub(crate) fn of(&self, at: usize) -> &Toolchain {
        &self.all[self.of[at]]
    }

    /// All of them.
    pub(crate) fn all(&self) -> &[Toolchain] {
        &self.all
    }

    /// Makes those that are not there, and brings all up to date if that is wanted.
    pub(crate) fn new(
        host: &Host,
        printer: &Printer,
        store: &Store,
        (tree, graph): (&RecipeTree, &Graph),
        update: bool,
    ) -> Outcome<Self> {
        let mut known: BTreeMap<Vec<String>, usize> = BTreeMap::new();
        let (mut all, mut of) = (Vec::new(), Vec::new());
        for name in &graph.names {
            let mut packages = tree.tools.debian.clone();
            packages.extend(tree.recipes[name].recipe.needs.debian.iter().cloned());
            packages.sort();
            packages.dedup();
            let at = match known.get(&packages) {
                Some(at) => *at,
                None => {
                    all.push(toolchain(host, printer, store, &packages, update)?);
                    known.insert(packages, all.len() - 1);
                    all.len() - 1
                }
            };
            of.push(at);
        }
        Ok(Self { all, of })
    }
}

/// The name of the view of a set of tools, which is sorted.
fn name(packages: &[String]) -> Outcome<ViewName> {
    let digest = Digest::of(packages.join(" ").as_bytes()).to_string();
    Ok(format!("{PREFIX}{}", &digest[..16]).parse()?)
}

/// The view of the tools, made if it is not there; brought up to date if that is wanted. A dry run goes on without one.
fn toolchain(host: &Host, printer: &Printer, store: &Store, packages: &[String], update: bool) -> Outcome<Toolchain> {
    let name = name(packages)?;
    let views = Views::new(store);
    let is_there = views.get(&name)?.map(|view| view.current_number()).transpose()?.flatten().is_some();
    if host.global.dry_run && !is_there {
        return Ok(Toolchain { layers: Vec::new(), trees: Vec::new(), digest: Hasher::new().finish(), _held: None });
    }
    if update || !is_there {
        make(host, printer, packages, &name)?;
    }
    let view = views.get(&name)?.ok_or_else(|| no_view(&name))?;
    let layers: RunLayers = view.run_layers()?.ok_or_else(|| no_view(&name))?;
    let held = views.hold(&layers)?;
    let generation = view.generation(layers.generation)?;
    let mut hasher = Hasher::new();
    generation.packages.iter().for_each(|package| hasher.field(package.id.as_bytes()));
    Ok(Toolchain {
        layers: layers.trees.iter().map(|tree| store.layout().tree_root(tree)).collect(),
        trees: layers.trees,
        digest: hasher.finish(),
        _held: held,
    })
}

fn make(host: &Host, printer: &Printer, packages: &[String], name: &ViewName) -> Outcome<()> {
    let record = ViewRecord { name: name.clone(), kind: Kind::User, owner: host.login.clone(), project: None };
    printer.note("preparing the tools to build with");
    let wish = Wish { add: packages.to_vec(), upgrade: Upgrade::All, ..Wish::default() };
    change::change(host, printer, &Target { record, project: None }, &wish, "the tools that recipes are built with")?;
    Ok(())
}
