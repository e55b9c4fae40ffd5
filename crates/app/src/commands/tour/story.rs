//! What happens in the tour: views made and changed, programs run, the store verified. Each step returns what it
//! found out; the words are in `chapters`.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
    time::Instant,
};

use aleph_component::ComponentId;
use aleph_exchange::apt::solve::Upgrade;
use aleph_store::Store;
use aleph_view::{Generation, Pinned, View, Views};

use super::{
    bound,
    cast::{Cast, Program},
    census::Census,
    facts::{Judged, Made, Milliseconds, Ran, Refused, RolledBack, Updated, Verified},
    place::Place,
};
use crate::{
    failure::{Failure, Outcome, UNSATISFIABLE},
    host::{Host, no_view},
    ops::{
        abi::impact::Impact,
        apply::Applied,
        change::{self, Changed, Wish},
        sources,
        timings::Timings,
        trees::{self, Trees},
    },
    output::Printer,
};

/// The one whose view is updated.
pub(super) const ALICE: &str = "alice";
/// The one whose view is not.
pub(super) const BOB: &str = "bob";
/// The one who is offered a broken update.
pub(super) const CAROL: &str = "carol";

/// The stage and its hands.
pub(super) struct Story<'a> {
    host: &'a Host,
    printer: &'a Printer,
    pub(super) place: &'a Place,
    /// An empty file to read sources from, if the host's are not to be used.
    pub(super) sources: Option<PathBuf>,
}

/// What came of a change.
pub(super) struct Step {
    pub(super) generation: Generation,
    pub(super) before: Option<Generation>,
    pub(super) impact: Impact,
    pub(super) timings: Timings,
    pub(super) took: Milliseconds,
    pub(super) grown: Census,
    /// Packages whose components were not in the store.
    pub(super) imported: Vec<Pinned>,
}

impl Step {
    /// The phases in the order in which they happen, in the tour's words.
    pub(super) fn phases(&self) -> Vec<(&'static str, Milliseconds)> {
        let measured = serde_json::to_value(&self.timings).unwrap_or_default();
        let of = |names: &[&str]| {
            let milliseconds: f64 = names.iter().filter_map(|name| measured[name].as_f64()).sum();
            Milliseconds(std::time::Duration::from_secs_f64(milliseconds / 1e3))
        };
        vec![
            ("solve", of(&["load_index", "solve"])),
            ("download", of(&["download"])),
            ("import", of(&["import"])),
            ("link", of(&["link"])),
            ("judge", of(&["judge"])),
            ("compose", of(&["gather", "compose", "switch"])),
            ("scripts", of(&["configure"])),
        ]
    }
}

impl<'a> Story<'a> {
    pub(super) fn new(host: &'a Host, printer: &'a Printer, place: &'a Place) -> Self {
        Self { host, printer, place, sources: None }
    }

    /// The host as `who` sees it, in the tour's store.
    pub(super) fn host_of(&self, who: &str) -> Host {
        let cwd = if self.sources.is_some() { &self.place.workshop } else { &self.host.cwd };
        let mut host = self.host.acting_for(who, &self.place.store, cwd);
        host.global.sources = self.sources.clone().or(host.global.sources);
        host
    }

    fn store(&self) -> Outcome<Store> {
        Ok(Store::open(&self.place.store)?)
    }

    /// A view of the tour.
    pub(super) fn view(&self, who: &str) -> Outcome<View> {
        let name = who.parse()?;
        Views::new(&self.store()?).get(&name)?.ok_or_else(|| no_view(&name))
    }

    /// Whether these packages fit together, with all that they need.
    pub(super) fn fits(&self, who: &str, packages: &[String]) -> Outcome<bool> {
        let mut host = self.host_of(who);
        host.global.dry_run = true;
        let wish = Wish { add: packages.to_vec(), ..Wish::default() };
        match change::change(&host, self.printer, &host.target()?, &wish, "tour") {
            Ok(_) => Ok(true),
            Err(failure) if failure.code() == UNSATISFIABLE.into() => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// Adds packages to somebody's view.
    pub(super) fn add(&self, who: &str, packages: &[String]) -> Outcome<Step> {
        let wish = Wish { add: packages.to_vec(), ..Wish::default() };
        self.change(who, &wish, &format!("add {}", packages.join(" ")))
    }

    /// Takes newer versions of packages into somebody's view.
    pub(super) fn update(&self, who: &str, packages: &[String]) -> Outcome<Step> {
        let wish = Wish { upgrade: Upgrade::Names(packages.to_vec()), ..Wish::default() };
        self.change(who, &wish, &format!("update {}", packages.join(" ")))
    }

    /// Takes the archives of packages in as native components, and says how many there are and how long that took.
    pub(super) fn take_in(&self, packages: &[Pinned]) -> Outcome<(usize, Milliseconds)> {
        let (store, start) = (self.store()?, Instant::now());
        let archive = |package: &Pinned| {
            let origins = store.origins(&package.component)?;
            let nowhere = || Failure::new(format!("{} came from nowhere", package.name));
            sources::fetch_again(self.host, self.printer, origins.first().ok_or_else(nowhere)?)
        };
        let paths = packages.iter().map(archive).collect::<Outcome<Vec<PathBuf>>>()?;
        let mut lock = self.host.lock(&store, "importing", self.printer)?;
        let trees = Trees { prefix: "/".into(), paths, ..Trees::default() };
        let taken = trees::import(self.host, self.printer, &store, &mut lock, &trees)?;
        Ok((taken.len(), Milliseconds(start.elapsed())))
    }

    fn change(&self, who: &str, wish: &Wish, reason: &str) -> Outcome<Step> {
        let store = self.store()?;
        let census = Census::take(store.layout())?;
        let known: Vec<ComponentId> = store.component_rows(None)?.into_iter().map(|row| row.id).collect();
        let (host, start) = (self.host_of(who), Instant::now());
        let changed = change::change(&host, self.printer, &host.target()?, wish, reason)?;
        let took = Milliseconds(start.elapsed());
        let Changed::Done(plan, applied) = changed else {
            return Err(Failure::new(format!("`aleph {reason}` changed nothing in the view {who}")));
        };
        let Applied { generation, impact, timings, .. } = *applied;
        let imported = generation.packages.iter().filter(|package| !known.contains(&package.component)).cloned();
        let imported = imported.collect();
        let grown = Census::take(store.layout())?.since(census);
        Ok(Step { before: plan.before, generation, impact, timings, took, grown, imported })
    }

    /// Offers a view an update that would break it, and returns what is said.
    pub(super) fn refused(&self, who: &str, packages: &[String]) -> Outcome<Refused> {
        let start = Instant::now();
        let wish = Wish { add: packages.to_vec(), ..Wish::default() };
        let host = self.host_of(who);
        let said = match change::change(&host, self.printer, &host.target()?, &wish, "tour") {
            Err(failure) if failure.code() == UNSATISFIABLE.into() => failure.chain().join(": "),
            Err(failure) => return Err(failure),
            Ok(_) => return Err(Failure::new(format!("the view {who} took an update that breaks its programs"))),
        };
        let took = Milliseconds(start.elapsed());
        let generation = self.view(who)?.current_number()?.unwrap_or_default();
        Ok(Refused { view: who.to_owned(), generation, said, took })
    }

    /// The first generation of a view, in numbers.
    pub(super) fn made(&self, who: &str, step: &Step) -> Outcome<Made> {
        Ok(Made {
            view: who.to_owned(),
            owner: self.view(who)?.record.owner,
            generation: step.generation.number,
            packages: step.generation.packages.len(),
            imported: step.imported.len(),
            archive_bytes: step.imported.iter().map(|package| package.size).sum(),
            new_bytes: step.grown.bytes,
            new_names: step.grown.names,
            warnings: step.generation.warnings.clone(),
            took: step.took,
        })
    }

    /// An update of Alice's view, in numbers, and the names of the packages bound to what was replaced: first those that
    /// she asked for.
    pub(super) fn updated(&self, cast: &Cast, step: &Step, bob_before: u32) -> Outcome<(Updated, Vec<String>)> {
        let none = Vec::new();
        let before = step.before.as_ref().map_or(&none, |before| &before.packages);
        let reach = bound::reach(before, &step.generation.packages);
        let bob_after = self.view(BOB)?.current_number()?.unwrap_or_default();
        let updated = Updated {
            view: ALICE.to_owned(),
            generation: step.generation.number,
            replaced: cast.replaced.iter().filter_map(|name| cast.versions_of(name).cloned()).collect(),
            relinked: reach.relinked.len(),
            renamed: reach.renamed,
            untouched: reach.untouched,
            judged: Judged::of(step),
            rebuilds_avoided: bound::dependents(before, &cast.replaced),
            new_bytes: step.grown.bytes,
            new_names: step.grown.names,
            same_file: self.same_file(cast.witness, step)?,
            other_view: (bob_before, bob_after),
            took: step.took,
        };
        let asked = |name: &String| cast.alice.iter().any(|request| request.split('=').next() == Some(name));
        let (mut first, rest): (Vec<String>, Vec<String>) = reach.relinked.into_iter().partition(asked);
        first.extend(rest);
        Ok((updated, first))
    }

    /// Whether a path is the same file, by inode, before and after a step.
    fn same_file(&self, path: &str, step: &Step) -> Outcome<bool> {
        use std::os::unix::fs::MetadataExt as _;
        let inode = |generation: &Generation| -> Outcome<Option<u64>> {
            let found = self.roots(generation)?.into_iter().find_map(|root| root.join(path).metadata().ok());
            Ok(found.map(|metadata| metadata.ino()))
        };
        let before = step.before.as_ref().map(&inode).transpose()?.flatten();
        Ok(before.is_some() && before == inode(&step.generation)?)
    }

    /// The directories that a generation's tree is made of, topmost first.
    pub(super) fn roots(&self, generation: &Generation) -> Outcome<Vec<PathBuf>> {
        let store = self.store()?;
        Ok(generation.trees().iter().map(|tree| store.layout().tree_root(tree)).collect())
    }

    /// Runs a program in somebody's view, as `aleph run` does.
    pub(super) fn run(&self, when: &'static str, who: &str, program: &Program) -> Outcome<Ran> {
        let generation = self.view(who)?.current_number()?.unwrap_or_default();
        let start = Instant::now();
        let output = Command::new(Host::program()?)
            .arg("--store")
            .arg(&self.place.store)
            .args(["--view", who, "--format", "json", "--color", "never", "run", "--"])
            .args(&program.argv)
            .stdin(Stdio::null())
            .output()?;
        let took = Milliseconds(start.elapsed());
        if !output.status.success() {
            return Err(not_run(program, who, &output));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let text = if program.first_line { text.lines().next().unwrap_or_default() } else { text.trim_end() };
        Ok(Ran { when, view: who.to_owned(), generation, command: program.argv.clone(), output: text.to_owned(), took })
    }

    /// Puts Alice's view back to the generation before.
    pub(super) fn roll_back(&self) -> Outcome<RolledBack> {
        let start = Instant::now();
        let store = self.store()?;
        let view = self.view(ALICE)?;
        let current = view.current()?.ok_or_else(|| Failure::new("the view alice has no generation"))?;
        let to = current.parent.ok_or_else(|| Failure::new("the view alice was never updated"))?;
        let lock = self.host_of(ALICE).lock(&store, "rolling back", self.printer)?;
        view.switch(&lock, to)?;
        let took = Milliseconds(start.elapsed());
        Ok(RolledBack { view: ALICE.to_owned(), from: current.number, to, took })
    }

    /// Reads and proves every byte.
    pub(super) fn verify(&self) -> Outcome<Verified> {
        let store = self.store()?;
        let bar = self.printer.progress().bytes("verifying", store.info()?.stored_size);
        let start = Instant::now();
        let report = store.verify(&|done| bar.set_position(done));
        let took = Milliseconds(start.elapsed());
        self.printer.progress().clear();
        let report = report?;
        Ok(Verified {
            components: report.components,
            packages: report.packages,
            contents: report.contents,
            bytes: report.bytes,
            damage: report.damage.len(),
            took,
        })
    }

    /// Files of a generation's packages: how many there are and how long they are together.
    pub(super) fn files(&self, generation: &Generation) -> Outcome<(usize, u64)> {
        let store = self.store()?;
        let (mut files, mut bytes) = (0, 0);
        for package in &generation.packages {
            for entry in store.manifest(&package.component)?.tree {
                if let aleph_component::Node::File { size, .. } = entry.node {
                    files += 1;
                    bytes += size;
                }
            }
        }
        Ok((files, bytes))
    }

    /// What the store's contents take, each once.
    pub(super) fn stored_bytes(&self) -> Outcome<u64> {
        Ok(self.store()?.info()?.stored_size)
    }
}

/// Why a program did not do what the tour expected, with what `aleph run` or the program said.
fn not_run(program: &Program, who: &str, output: &std::process::Output) -> Failure {
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    let answer: serde_json::Value =
        said.lines().last().and_then(|line| serde_json::from_str(line).ok()).unwrap_or_default();
    let what = answer["data"]["message"].as_str().map_or(said.clone(), str::to_owned);
    let command = program.argv.join(" ");
    let failure = Failure::new(format!("`{command}` did not run in the view {who} ({}): {what}", output.status));
    let hints = answer["data"]["hints"].as_array().cloned().unwrap_or_default();
    hints.iter().filter_map(|hint| hint.as_str()).fold(failure, |failure, hint| failure.hint(hint))
}
