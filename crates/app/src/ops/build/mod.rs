//! Building from recipes: what has to be built, building it, and taking what came of it into the store.

mod compare;
mod display;
mod executor;
mod farm;
mod keep;
mod new;
mod prepare;
mod scratch;
mod session;
mod shell;
mod sources;
mod take;
mod tools;

use std::{
    collections::{BTreeMap, HashSet},
    convert::Infallible,
    path::PathBuf,
};

use aleph_build::{ChoiceError, Chosen, Graph, RecipeTree, Record, Records};
use aleph_component::ComponentId;
use serde::{Serialize, Serializer};

use crate::{
    failure::{Failure, Outcome},
    host::Host,
    output::Printer,
};
pub(crate) use executor::work;
pub(crate) use new::{Begun, begin};
use session::Session;

/// What is wanted of a tree of recipes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    /// The directory of recipes, if it was named.
    pub(crate) recipes: Option<PathBuf>,
    /// Names of recipes, or [`WORLD`].
    pub(crate) names: Vec<String>,
    /// What is chosen of the options of what is named.
    pub(crate) with: BTreeMap<String, String>,
    /// How many recipes are built at once.
    pub(crate) builds: Option<usize>,
    /// How many things each of them does at once.
    pub(crate) jobs: Option<usize>,
    /// Whether the build systems' tests are run.
    pub(crate) tests: bool,
    /// Whether directories of failed builds are kept.
    pub(crate) keep: bool,
    /// Whether output is shown as it comes.
    pub(crate) verbose: bool,
    /// Whether the newest tools are taken.
    pub(crate) update_tools: bool,
    /// Whether what was built with other tools is built again.
    pub(crate) same_tools: bool,
    /// Whether what is named is built once more, and compared.
    pub(crate) repeat: bool,
    /// Whether what is named is built once more for another prefix, and compared.
    pub(crate) moved: bool,
    /// Whether what is linked to something else than it was built with is built with that.
    pub(crate) confirm: bool,
    /// Whether everything is linked to a C library that is built, too.
    pub(crate) closed: bool,
    /// Whether nothing more is begun once a build has failed.
    pub(crate) fail_fast: bool,
    /// The cluster that builds run on, by its name or address.
    pub(crate) executor: Option<String>,
}

impl Wanted {
    /// Whether all recipes are meant.
    pub(crate) fn is_all(&self) -> bool {
        self.names.iter().any(|name| name == WORLD)
    }
}

/// The name that means all recipes.
pub(crate) const WORLD: &str = "world";

/// What became of a recipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum What {
    /// There is a build of the same key.
    Unchanged,
    /// What it is linked to changed, and a verdict says that it works with that as it is.
    Relinked,
    /// It was built.
    Built,
    /// It was built once more, and the same came of it.
    Reproduced,
    /// It was built once more, and something else came of it.
    Differs,
    /// It was built with what it had been linked to, and offers the same.
    Confirmed,
    /// It was built with what it had been linked to, and offers something else.
    Alarm,
    /// It would be built.
    Planned,
    /// Whether it would be built shows once what it needs is built.
    Open,
    /// It could not be built.
    Failed,
    /// Something that it needs could not be built.
    Skipped,
}

impl What {
    /// Whether there is nothing of what was wanted.
    pub(crate) fn is_missing(self) -> bool {
        matches!(self, Self::Failed | Self::Skipped)
    }

    /// Whether somebody has to look at it.
    pub(crate) fn is_bad(self) -> bool {
        self.is_missing() || matches!(self, Self::Differs | Self::Alarm)
    }
}

/// What became of a recipe, and why.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) version: String,
    /// What was chosen of its options.
    pub(crate) options: Chosen,
    pub(crate) what: What,
    /// Why it is built, or kept, or failed.
    pub(crate) why: String,
    pub(crate) component: Option<ComponentId>,
    /// How long it took.
    #[serde(rename = "seconds", serialize_with = "seconds")]
    pub(crate) wall: std::time::Duration,
    /// Where what it said is.
    pub(crate) log: Option<PathBuf>,
    /// What it was built on, if that was not this machine.
    pub(crate) executor: Option<String>,
    /// In what it differs from the build before.
    pub(crate) differences: Vec<String>,
    /// What should be looked at.
    pub(crate) notes: Vec<String>,
}

fn seconds<S: Serializer>(wall: &std::time::Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((wall.as_secs_f64() * 1e3).round() / 1e3)
}

/// The tree of recipes that is meant.
pub(crate) fn recipes(host: &Host, named: Option<&PathBuf>) -> Outcome<RecipeTree> {
    let directory = match named {
        Some(directory) => host.cwd.join(directory),
        None => RecipeTree::find(&host.cwd).ok_or_else(|| {
            Failure::new("there are no recipes here")
                .with_code(2)
                .hint("--recipes DIR names a directory with a tree.toml and recipes beside it")
        })?,
    };
    Ok(RecipeTree::read(&directory)?)
}

/// Gives all options values: a choice stays until another one is made.
fn choose(tree: RecipeTree, names: &[String], wanted: &Wanted, records: &Records) -> Outcome<RecipeTree> {
    let latest = records.latest();
    let chosen = tree.choose(names, &wanted.with, |name| latest.get(name).map(|record| &record.options));
    chosen.map_err(|error| {
        let known = match &error {
            ChoiceError::Unknown { known, .. } if known.is_empty() => {
                "a recipe says under [options] what can be chosen".to_owned()
            }
            ChoiceError::Unknown { known, .. } => format!("what can be chosen is {}", known.join(", ")),
            ChoiceError::Value { option, values, .. } => format!("--with {option}={}", values.join("|")),
        };
        Failure::from(error).with_code(2).hint(known)
    })
}

/// Builds what is wanted and what it needs, as far as it is not built.
pub(crate) fn build(host: &Host, printer: &Printer, wanted: &Wanted) -> Outcome<Vec<Row>> {
    let tree = recipes(host, wanted.recipes.as_ref())?;
    let names: Vec<String> = match wanted.is_all() {
        true => tree.recipes.keys().cloned().collect(),
        false => wanted.names.clone(),
    };
    let store = if host.global.dry_run { host.store_to_read()? } else { host.store()? };
    let records = Records::read(store.layout().root())?;
    let tree = choose(tree, &names, wanted, &records)?;
    let tree = if wanted.closed { tree.closed() } else { tree };
    let graph = Graph::new(&tree, &names)?;
    let toolchains = tools::Toolchains::new(host, printer, &store, (&tree, &graph), wanted.update_tools)?;
    let around = session::Around { host, printer, store: &store, tree: &tree, graph: &graph, toolchains: &toolchains };
    let mut session = Session::new(around, wanted, records);
    if host.global.dry_run {
        session.look()?;
        if let Some(executor) = &wanted.executor {
            executor::forecast(&session, executor)?;
        }
    } else {
        let cluster = match &wanted.executor {
            Some(name) => Some(executor::Cluster::open(&around, name, wanted.verbose)?),
            None => None,
        };
        farm::run(&mut session, cluster.as_ref())?;
        if let Some(cluster) = &cluster {
            cluster.tell(printer);
        }
    }
    Ok(session.rows())
}

/// Becomes a shell where a recipe is built; what it needs is built first.
pub(crate) fn shell(host: &Host, printer: &Printer, wanted: &Wanted) -> Outcome<Infallible> {
    let store = host.store()?;
    let records = Records::read(store.layout().root())?;
    let tree = choose(recipes(host, wanted.recipes.as_ref())?, &wanted.names, wanted, &records)?;
    let [name] = wanted.names.as_slice() else { return Err(Failure::new("a shell is for one recipe").with_code(2)) };
    let graph = Graph::new(&tree, &wanted.names)?;
    let at = graph.names.iter().position(|known| known == name).unwrap_or_default();
    let needed: Vec<String> = graph.needs[at].keys().map(|&needed| graph.names[needed].clone()).collect();
    if !needed.is_empty() {
        let rows = build(host, printer, &Wanted { names: needed, with: BTreeMap::new(), ..wanted.clone() })?;
        printer.progress().clear();
        if let Some(missing) = rows.iter().find(|row| row.what.is_missing()) {
            return Err(Failure::new(format!("{}, which it needs, cannot be built", missing.name)));
        }
    }
    scratch::clean(&store)?;
    let toolchains = tools::Toolchains::new(host, printer, &store, (&tree, &graph), wanted.update_tools)?;
    let records = Records::read(store.layout().root())?;
    let around = session::Around { host, printer, store: &store, tree: &tree, graph: &graph, toolchains: &toolchains };
    let mut session = Session::new(around, wanted, records);
    for needed in 0..at {
        if let session::Decision::Done(done, row) = session.decide(needed)? {
            session.settle(needed, Some(done), *row);
        }
    }
    let order = session.order(at)?;
    shell::enter_build(&session, order)
}

/// The components of the last build of each recipe.
pub(crate) fn latest(store: &aleph_store::Store) -> Outcome<Vec<ComponentId>> {
    let records = Records::read(store.layout().root())?;
    Ok(records.latest().values().map(|record| record.component).collect())
}

/// Forgets builds of which the store does not have the component any more.
pub(crate) fn forget_gone(store: &aleph_store::Store) -> Outcome<()> {
    let mut records = Records::read(store.layout().root())?;
    Ok(records.retain(|id| store.component_row(id).is_ok())?)
}

/// Components with what each of them was built with, or built once more with: both are confirmed to work together.
pub(crate) fn confirmed(store: &aleph_store::Store) -> Outcome<HashSet<(ComponentId, ComponentId)>> {
    let records = Records::read(store.layout().root())?;
    let built = records.all().filter(|record| record.kept.is_none());
    let pairs = |record: &Record| {
        let component = record.component;
        record.dependencies.values().map(move |other| (component, other.component)).collect::<Vec<_>>()
    };
    Ok(built.flat_map(pairs).collect())
}
