//! Which recipes have to be built: by their keys, one after the other, as what they need is known.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use aleph_build::{
    BuildKey, Dependency, Graph, Inputs, Interface, KeyParts, Recipe, RecipeTree, Record, Records, Use, other_prefix,
    prefix,
};
use aleph_component::ComponentId;
use aleph_store::Store;

use super::{Row, Wanted, What, keep, sources, tools::Toolchains};
use crate::{failure::Outcome, host::Host, output::Printer};

/// What a build goes on around.
#[derive(Clone, Copy)]
pub(crate) struct Around<'a> {
    pub(crate) host: &'a Host,
    pub(crate) printer: &'a Printer,
    pub(crate) store: &'a Store,
    pub(crate) tree: &'a RecipeTree,
    pub(crate) graph: &'a Graph,
    pub(crate) toolchains: &'a Toolchains,
}

impl<'a> Around<'a> {
    /// The recipe at a position of the graph.
    pub(crate) fn recipe(&self, at: usize) -> &'a Recipe {
        &self.tree.recipes[&self.graph.names[at]].recipe
    }

    /// The directory that its relative paths are relative to.
    pub(crate) fn directory(&self, at: usize) -> PathBuf {
        self.tree.recipes[&self.graph.names[at]].directory().to_owned()
    }
}

/// A recipe of which there is a component now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Done {
    pub(crate) component: ComponentId,
    pub(crate) interface: Interface,
}

/// What is known of a recipe whose needs are there.
pub(crate) enum Decision {
    /// There is a component of it.
    Done(Done, Box<Row>),
    /// It has to be built, because of this.
    Build(Box<Order>),
}

/// A build that has to be made.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) at: usize,
    pub(crate) keys: KeyParts,
    pub(crate) dependencies: BTreeMap<String, Dependency>,
    pub(crate) why: String,
    pub(crate) purpose: Purpose,
}

impl Order {
    /// The prefix that it is built for.
    pub(crate) fn prefix(&self, recipe: &Recipe) -> String {
        match self.purpose {
            Purpose::Move(_) => other_prefix(&recipe.name),
            Purpose::Make | Purpose::Repeat(_) | Purpose::Confirm(_) => prefix(&recipe.name),
        }
    }
}

/// What a build is for.
#[derive(Clone, Debug)]
pub(crate) enum Purpose {
    /// There is nothing yet.
    Make,
    /// To show whether the same comes of it again.
    Repeat(Record),
    /// To show whether the same comes of it for another prefix.
    Move(Record),
    /// To show whether what was linked to something else than it was built with is what a build with that makes.
    Confirm(Record),
}

/// Recipes on their way to be built.
pub(crate) struct Session<'a> {
    pub(crate) around: Around<'a>,
    pub(crate) wanted: &'a Wanted,
    pub(crate) records: Records,
    pub(crate) done: Vec<Option<Done>>,
    rows: Vec<Option<Row>>,
}

impl<'a> Session<'a> {
    pub(crate) fn new(around: Around<'a>, wanted: &'a Wanted, records: Records) -> Self {
        let count = around.graph.names.len();
        Self { around, wanted, records, done: vec![None; count], rows: vec![None; count] }
    }

    /// What became of all recipes, in the order in which they can be built.
    pub(crate) fn rows(self) -> Vec<Row> {
        self.rows.into_iter().flatten().collect()
    }

    /// The recipes that are being built, or may have to be.
    pub(crate) fn unsettled(&self) -> Vec<usize> {
        let is_open = |row: &Option<Row>| row.as_ref().is_none_or(|row| row.what == What::Planned);
        (0..self.rows.len()).filter(|&at| is_open(&self.rows[at])).collect()
    }

    /// Whether nothing has been decided of a recipe yet, and everything that it needs is there.
    pub(crate) fn is_ready(&self, at: usize) -> bool {
        self.rows[at].is_none() && self.around.graph.needs[at].keys().all(|&needed| self.done[needed].is_some())
    }

    /// Notes what became of a recipe; `done` if there is a component of it.
    pub(crate) fn settle(&mut self, at: usize, done: Option<Done>, row: Row) {
        self.done[at] = done;
        self.rows[at] = Some(row);
    }

    /// Skips what needs something that could not be built.
    pub(crate) fn skip_blocked(&mut self) {
        for at in 0..self.rows.len() {
            let failed = self.around.graph.needs[at]
                .keys()
                .find(|&&needed| self.rows[needed].as_ref().is_some_and(|row| row.what.is_missing()));
            if let (None, Some(failed)) = (&self.rows[at], failed) {
                let why = format!("{} could not be built", self.around.graph.names[*failed]);
                self.settle(at, None, self.row(at, What::Skipped, why));
            }
        }
    }

    /// Notes that a recipe is being built, so that it is not begun again.
    pub(crate) fn begin(&mut self, at: usize) {
        self.rows[at] = Some(self.row(at, What::Planned, String::new()));
    }

    /// A row with nothing in it yet but what became of a recipe and why.
    pub(crate) fn row(&self, at: usize, what: What, why: String) -> Row {
        let recipe = self.around.recipe(at);
        Row {
            name: recipe.name.clone(),
            version: recipe.version.clone(),
            options: recipe.chosen.clone(),
            what,
            why,
            component: None,
            wall: Duration::ZERO,
            log: None,
            executor: None,
            differences: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// What would be done, without doing anything.
    pub(crate) fn look(&mut self) -> Outcome<()> {
        for at in 0..self.rows.len() {
            if !self.is_ready(at) {
                let (what, why) = match self.last(at) {
                    None => (What::Planned, NEVER),
                    Some(_) => (What::Open, "whether it has to be shows once what it needs is built"),
                };
                self.settle(at, None, self.row(at, what, why.to_owned()));
                continue;
            }
            match self.decide(at)? {
                Decision::Done(done, row) => self.settle(at, Some(done), *row),
                Decision::Build(order) => self.settle(at, None, self.row(at, What::Planned, order.why.clone())),
            }
        }
        Ok(())
    }

    /// What it takes to build a recipe whose needs are all there, whether or not it has to be.
    pub(crate) fn order(&self, at: usize) -> Outcome<Order> {
        let dependencies = self.dependencies(at);
        let keys = self.keys(at, &dependencies)?;
        Ok(Order { at, keys, dependencies, why: String::new(), purpose: Purpose::Make })
    }

    /// Whether a recipe whose needs are all there has to be built.
    pub(crate) fn decide(&mut self, at: usize) -> Outcome<Decision> {
        let dependencies = self.dependencies(at);
        let keys = self.keys(at, &dependencies)?;
        let purpose = self.find(&keys).and_then(|record| self.purpose(at, record, &dependencies));
        if let Some((purpose, why)) = purpose {
            return Ok(Decision::Build(Box::new(Order { at, keys, dependencies, why, purpose })));
        }
        if let Some(record) = self.find(&keys).cloned() {
            let mut row = self.row(at, What::Unchanged, String::new());
            row.component = Some(record.component);
            let done = Done { component: record.component, interface: record.offers(&dependencies) };
            self.make_last(at, record)?;
            return Ok(Decision::Done(done, Box::new(row)));
        }
        let mut why = self.why(at, &keys, &dependencies);
        if let Some(last) = self.candidate(&keys) {
            match keep::judge(self.around, last, &dependencies)? {
                Ok(reason) => return self.keep(at, last.clone(), (keys, dependencies), reason),
                Err(reason) => why = reason,
            }
        }
        Ok(Decision::Build(Box::new(Order { at, keys, dependencies, why, purpose: Purpose::Make })))
    }

    /// Why something is built again of which there is a build, if it is.
    fn purpose(
        &self,
        at: usize,
        record: &Record,
        dependencies: &BTreeMap<String, Dependency>,
    ) -> Option<(Purpose, String)> {
        let is_named = self.wanted.is_all() || self.wanted.names.contains(&self.around.graph.names[at]);
        if self.wanted.moved && is_named {
            return Some((
                Purpose::Move(record.clone()),
                "to see whether all that names its prefix is known".to_owned(),
            ));
        }
        if self.wanted.repeat && is_named {
            return Some((Purpose::Repeat(record.clone()), "to see whether the same comes of it".to_owned()));
        }
        let other = |(name, now): (&String, &Dependency)| {
            let was = record.dependencies.get(name)?;
            (now.how == Use::Linked && was.component != now.component).then(|| name.clone())
        };
        let others: Vec<String> = dependencies.iter().filter_map(other).collect();
        if !self.wanted.confirm || (others.is_empty() && record.kept.is_none()) {
            return None;
        }
        let with = if others.is_empty() { "what it is linked to".to_owned() } else { others.join(", ") };
        Some((Purpose::Confirm(record.clone()), format!("to confirm that it works with {with} as it is")))
    }

    /// Makes a build the last one of its recipe again, if there was another one meanwhile: views take the last.
    fn make_last(&mut self, at: usize, record: Record) -> Outcome<()> {
        let is_last = self.last(at).is_none_or(|last| last.component == record.component);
        if is_last || self.around.host.global.dry_run {
            return Ok(());
        }
        Ok(self.records.put(Record { built_at_ms: Host::now_ms(), ..record })?)
    }

    /// The last build that differs only in what it was linked to. What was kept counts as it was built: verdicts are not put on
    /// top of each other.
    fn candidate(&self, keys: &KeyParts) -> Option<&Record> {
        let is_there = |record: &&Record| self.around.store.component_row(&record.component).is_ok();
        let same = |record: &&Record| record.kept.is_none() && record.keys.any_linked == keys.any_linked;
        self.records.all().filter(same).filter(is_there).max_by_key(|record| record.built_at_ms)
    }

    /// Keeps what was built with other libraries, since it works with these.
    fn keep(
        &mut self,
        at: usize,
        last: Record,
        (keys, dependencies): (KeyParts, BTreeMap<String, Dependency>),
        reason: String,
    ) -> Outcome<Decision> {
        let built_at_ms = Host::now_ms();
        let record = Record { keys, dependencies, kept: Some(reason.clone()), built_at_ms, ..last };
        let done = Done { component: record.component, interface: record.offers(&record.dependencies) };
        let mut row = self.row(at, What::Relinked, reason);
        row.component = Some(record.component);
        if !self.around.host.global.dry_run {
            self.records.put(record)?;
        }
        Ok(Decision::Done(done, Box::new(row)))
    }

    /// A build that has the key, or would have it with other tools, unless these count.
    fn find(&self, keys: &KeyParts) -> Option<&Record> {
        let is_there = |record: &&Record| self.around.store.component_row(&record.component).is_ok();
        let exact = self.records.get(&keys.key).filter(is_there);
        let other_tools = || {
            let same = |record: &&Record| !self.wanted.same_tools && record.keys.any_tools == keys.any_tools;
            self.records.all().filter(same).filter(is_there).max_by_key(|record| record.built_at_ms)
        };
        exact.or_else(other_tools)
    }

    /// What a recipe is built with, by name: what it needs, and what that is linked to.
    fn dependencies(&self, at: usize) -> BTreeMap<String, Dependency> {
        let Around { graph, .. } = self.around;
        let one = |other: usize| {
            let done = self.done[other]?;
            let how = graph.needs[at].get(&other).copied().unwrap_or(Use::Indirect);
            let dependency = Dependency { how, component: done.component, interface: done.interface, headers: false };
            Some((graph.names[other].clone(), dependency))
        };
        graph.closure(at).into_iter().filter_map(one).collect()
    }

    fn keys(&self, at: usize, dependencies: &BTreeMap<String, Dependency>) -> Outcome<KeyParts> {
        let mut linked = BTreeMap::new();
        let mut content = BTreeMap::new();
        for (name, dependency) in dependencies {
            match dependency.how {
                Use::Linked => drop(linked.insert(name.as_str(), dependency.interface)),
                Use::Copied | Use::Tool => drop(content.insert(name.as_str(), dependency.component)),
                Use::Indirect => {}
            }
        }
        let sources = sources::digests(&self.around.directory(at), self.around.recipe(at))?;
        let inputs = Inputs {
            recipe: self.around.recipe(at),
            sources: &sources,
            platform: PLATFORM,
            linked,
            content,
            tools: &[self.around.toolchains.of(at).digest],
        };
        Ok(inputs.keys())
    }

    /// Why there is no build of these keys, held against the last build of the recipe.
    fn why(&self, at: usize, keys: &KeyParts, dependencies: &BTreeMap<String, Dependency>) -> String {
        let Some(last) = self.last(at) else { return NEVER.to_owned() };
        if last.keys.key == keys.key {
            return "what was built is no longer in the store".to_owned();
        }
        let changed = |(name, now): (&String, &Dependency)| {
            let was = last.dependencies.get(name)?;
            match now.how {
                Use::Linked if was.interface != now.interface => Some(format!("the interface of {name} changed")),
                Use::Copied if was.component != now.component => {
                    Some(format!("{name}, which is copied into it, changed"))
                }
                Use::Tool if was.component != now.component => Some(format!("{name}, which builds it, changed")),
                _ => None,
            }
        };
        let changed: Vec<String> = dependencies.iter().filter_map(changed).collect();
        match changed.is_empty() {
            false => changed.join("; "),
            true if last.options != self.around.recipe(at).chosen => "other options were chosen".to_owned(),
            true if last.keys.any_tools == keys.any_tools => "the tools changed".to_owned(),
            true => "its recipe or source changed".to_owned(),
        }
    }

    /// The last build of a recipe.
    fn last(&self, at: usize) -> Option<&Record> {
        let name = &self.around.graph.names[at];
        self.records.all().filter(|record| record.name == *name).max_by_key(|record| record.built_at_ms)
    }

    /// How long the last build of a recipe took; of one that was never built, a guess.
    pub(crate) fn takes(&self) -> BTreeMap<String, Duration> {
        const GUESS: Duration = Duration::from_secs(60);
        let latest = self.records.latest();
        let one = |name: &String| (name.clone(), latest.get(name.as_str()).map_or(GUESS, |record| record.wall()));
        self.around.graph.names.iter().map(one).collect()
    }
}

const NEVER: &str = "it was never built";

/// What this machine is.
pub(crate) const PLATFORM: &str = if cfg!(target_arch = "aarch64") { "aarch64-linux" } else { "x86_64-linux" };

/// The first digits of a key: enough to tell builds of one recipe apart.
pub(crate) fn short(key: &BuildKey) -> String {
    key.to_string()[..8].to_owned()
}
