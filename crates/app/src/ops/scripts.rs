//! Maintainer scripts: which have to run for a change, running them, and keeping what they wrote.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    fs,
    path::PathBuf,
    process::Command,
};

use aleph_component::{ComponentId, Entry, Manifest, Node, Owner, TreePath};
use aleph_exchange::deb::dpkg::{self, ConfigurePlan, Content, Cover, Package, Placement, Previous, UpdatePlan};
use aleph_sandbox::workshop::{Event, Placed, Step};
use aleph_store::{Store, WriteLock};
use aleph_view::{
    CaptureRef, Captured, Configured, Generation, Listing, Pinned, Session, configure, keep, merge_captures,
};

use super::compose;
use crate::{cli::WORKER, failure::Outcome, host::Host, output::Printer};

/// Where dpkg keeps what state its packages are in.
const STATUS: &str = "var/lib/dpkg/status";

/// What scripts have to do for a change.
pub(crate) struct Scripts {
    /// To be run in the tree as it was.
    leaving: Vec<dpkg::Step>,
    plan: ConfigurePlan,
    /// What was captured before and still counts.
    before: Vec<Entry>,
    /// The conffiles of all packages, as they were and as they will be: they are kept by rules of their own.
    conffiles: BTreeSet<TreePath>,
}

/// What they did.
pub(crate) struct Done {
    pub(crate) entries: Vec<Entry>,
    pub(crate) reference: Option<CaptureRef>,
    pub(crate) warnings: Vec<String>,
}

/// Decides what scripts have to do to get from one generation to the packages of the next.
pub(crate) fn plan(
    store: &Store,
    before: Option<&Generation>,
    (pinned, packages): (&[Pinned], &[Package<'_>]),
) -> Outcome<Scripts> {
    let mut scripts = plan_scripts(store, before, (pinned, packages))?;
    if !scripts.plan.steps.is_empty() {
        let steps = owners(packages.iter().map(|package| package.manifest), &scripts.before);
        scripts.plan.steps.splice(0..0, steps);
    }
    Ok(scripts)
}

/// How many paths one step gives to somebody.
const GIVEN_AT_ONCE: usize = 500;

/// Steps that give directories to whom their packages say they belong, such as `/var/cache/man` to `man`, and what was
/// captured before to whom scripts gave it: a tree of the store has no owners, and scripts that run as somebody else
/// want to write there.
fn owners<'a>(manifests: impl Iterator<Item = &'a Manifest>, captured: &[Entry]) -> Vec<dpkg::Step> {
    let mut owned: BTreeMap<(u32, u32), BTreeSet<String>> = BTreeMap::new();
    let mut give = |entry: &Entry, path: &TreePath| {
        owned.entry((entry.owner.uid, entry.owner.gid)).or_default().insert(format!("/{path}"));
    };
    for entry in manifests.flat_map(|manifest| &manifest.tree).filter(|entry| entry.owner != Owner::default()) {
        let path = dpkg::usr_merged(&entry.path);
        if matches!(entry.node, Node::Directory { .. }) && find(captured, path.as_str()).is_none() {
            give(entry, &path);
        }
    }
    for entry in captured.iter().filter(|entry| entry.owner != Owner::default()) {
        match entry.node {
            // The kernel takes set-id bits from a file that changes hands.
            Node::File { mode, .. } if mode & 0o6000 == 0 => give(entry, &entry.path),
            Node::Directory { .. } => give(entry, &entry.path),
            _ => {}
        }
    }
    let step = |(uid, gid): (u32, u32), paths: &[String]| dpkg::Step {
        label: format!("give {} and {} more to {uid}:{gid}", paths[0], paths.len() - 1),
        argv: ["chown", "-h", &format!("{uid}:{gid}"), "--"]
            .into_iter()
            .chain(paths.iter().map(String::as_str))
            .map(str::to_owned)
            .collect(),
        env: vec![("PATH".to_owned(), "/usr/sbin:/usr/bin:/sbin:/bin".to_owned())],
        package: None,
        may_fail: true,
    };
    let mut steps = Vec::new();
    for (owner, paths) in owned {
        let paths: Vec<String> = paths.into_iter().collect();
        steps.extend(paths.chunks(GIVEN_AT_ONCE).map(|paths| step(owner, paths)));
    }
    steps
}

fn plan_scripts(
    store: &Store,
    before: Option<&Generation>,
    (pinned, packages): (&[Pinned], &[Package<'_>]),
) -> Outcome<Scripts> {
    let contents = dpkg::store_contents(store);
    let anew = || -> Outcome<Scripts> {
        let plan = dpkg::fresh(packages, &contents)?;
        Ok(Scripts { leaving: Vec::new(), plan, before: Vec::new(), conffiles: BTreeSet::new() })
    };
    let Some(before) = before else { return anew() };
    let Some(capture) = before.capture else { return anew() };
    let old = store.manifest(&capture.component)?.tree;
    // Most packages stay as they are and have been read.
    let known: BTreeMap<ComponentId, &Package<'_>> = pinned.iter().map(|p| p.component).zip(packages).collect();
    let foreign = before.packages.iter().filter(|pinned| !pinned.is_native());
    let gone: Vec<Pinned> = foreign.filter(|p| !known.contains_key(&p.component)).cloned().collect();
    let manifests = compose::manifests(store, &gone)?;
    let mut held = compose::packages(store, &manifests)?;
    held.extend(before.packages.iter().filter_map(|p| known.get(&p.component)).map(|package| (*package).clone()));
    let status = read_in(store, before, &old, STATUS)?;
    let changed = changed_conffiles(&old, held.iter().map(|package| package.manifest));
    match dpkg::update(&held, packages, Previous { status: &status, changed_conffiles: &changed }, &contents)? {
        UpdatePlan::NeedsFresh { .. } => anew(),
        UpdatePlan::Update { leaving, plan, forget } => {
            let conffiles = conffiles(held.iter().chain(packages).map(|package| package.manifest));
            let kept = old.into_iter().filter(|entry| !forget.contains(&entry.path)).collect();
            Ok(Scripts { leaving, plan, before: kept, conffiles })
        }
    }
}

/// Whether dpkg would have put, replaced or removed a file or link there.
fn replaced(path: &TreePath, before: &Listing, after: &[Entry]) -> bool {
    let (old, new) = (before.node(path.as_str()), find(after, path.as_str()));
    let is_file = |node: &Node| !matches!(node, Node::Directory { .. });
    old != new && (old.is_some_and(is_file) || new.is_some_and(is_file))
}

/// Where the conffiles of packages are in a view.
fn conffiles<'a>(manifests: impl Iterator<Item = &'a Manifest>) -> BTreeSet<TreePath> {
    manifests.flat_map(|manifest| &manifest.conffiles).filter_map(|path| dpkg::view_path(path)).collect()
}

/// The text of a file of a generation, as captured or as placed.
fn read_in(store: &Store, generation: &Generation, captured: &[Entry], path: &str) -> Outcome<String> {
    if let Some(Node::File { digest, mode, .. }) = find(captured, path) {
        return Ok(fs::read_to_string(store.objects().path(digest, *mode))?);
    }
    let roots = generation.layers.trees().map(|tree| store.layout().tree_root(&tree).join(path));
    Ok(roots.into_iter().find_map(|path| fs::read_to_string(path).ok()).unwrap_or_default())
}

fn find<'a>(entries: &'a [Entry], path: &str) -> Option<&'a Node> {
    entries.binary_search_by(|entry| entry.path.as_str().cmp(path)).ok().map(|index| &entries[index].node)
}

/// Conffiles that scripts changed or removed.
fn changed_conffiles<'a>(captured: &[Entry], manifests: impl Iterator<Item = &'a Manifest>) -> BTreeSet<String> {
    let touched = |path: &&String| dpkg::view_path(path).is_some_and(|path| find(captured, path.as_str()).is_some());
    manifests.flat_map(|manifest| &manifest.conffiles).filter(touched).cloned().collect()
}

impl Scripts {
    /// Files that the packages' tree must have besides those of the packages.
    pub(crate) fn placements(&self) -> &[Placement] {
        &self.plan.placements
    }
}

/// What running needs.
pub(crate) struct Input<'a> {
    pub(crate) printer: &'a Printer,
    pub(crate) store: &'a Store,
    /// The view's name.
    pub(crate) view: &'a str,
    pub(crate) before: Option<(&'a Generation, &'a Listing)>,
    /// The listing of the packages' tree.
    pub(crate) entries: &'a [Entry],
    /// The packages' trees, topmost first.
    pub(crate) layers: Vec<PathBuf>,
}

/// Runs the scripts and keeps what they wrote.
pub(crate) fn run(input: &Input<'_>, scripts: Scripts, lock: &mut WriteLock) -> Outcome<Done> {
    let Scripts { leaving, plan, before, conffiles } = scripts;
    let mut log = Log::default();
    let mut captured = before;
    if let (false, Some((generation, _))) = (leaving.is_empty(), input.before) {
        let layers = generation.trees().iter().map(|tree| input.store.layout().tree_root(tree)).collect();
        let written = session(input, lock, layers, plan.covers.as_slice(), Vec::new(), &leaving, &mut log)?;
        captured = merge_captures(&captured, &written.captured, input.entries);
    }
    if let Some((_, listing)) = input.before {
        let placed: HashSet<&TreePath> = plan.placements.iter().map(|placement| &placement.path).collect();
        let stays = |path: &TreePath| {
            conffiles.contains(path) || placed.contains(path) || !replaced(path, listing, input.entries)
        };
        // A script that only sets a program's mode leaves a copy of the whole program, which must not outlive it. dpkg
        // keeps directories.
        captured.retain(|entry| matches!(entry.node, Node::Directory { .. }) || stays(&entry.path));
    }
    // What is placed anew must not be hidden by what was written in its place before.
    let hidden: Vec<&Placement> =
        plan.placements.iter().filter(|p| p.replaces && find(&captured, p.path.as_str()).is_some()).collect();
    if plan.steps.is_empty() {
        captured.retain(|entry| !hidden.iter().any(|placement| placement.path == entry.path));
    } else {
        let mut layers = input.layers.clone();
        if !captured.is_empty() {
            let tree = input.store.write_tree(lock, &aleph_view::with_parents(captured.clone()))?;
            layers.insert(0, input.store.layout().tree_root(&tree));
        }
        let files = hidden.into_iter().map(|placement| lasting(input.store, placement)).collect::<Outcome<_>>()?;
        let written = session(input, lock, layers, &plan.covers, files, &plan.steps, &mut log)?;
        log.skipped(&written.captured);
        captured = merge_captures(&captured, &written.captured, input.entries);
    }
    let captured = aleph_view::with_parents(captured);
    let status = match find(&captured, STATUS) {
        Some(Node::File { digest, mode, .. }) => fs::read_to_string(input.store.objects().path(digest, *mode))?,
        _ => String::new(),
    };
    let reference = if captured.is_empty() { None } else { Some(keep(input.store, lock, input.view, &captured)?) };
    Ok(Done { entries: captured, reference, warnings: log.warnings(input, &status)? })
}

fn session(
    input: &Input<'_>,
    lock: &WriteLock,
    layers: Vec<PathBuf>,
    covers: &[Cover],
    mut files: Vec<Placed>,
    steps: &[dpkg::Step],
    log: &mut Log,
) -> Outcome<Configured> {
    files.extend(covers.iter().map(|cover| Placed {
        path: PathBuf::from(format!("/{}", cover.path)),
        mode: cover.mode.into(),
        bytes: cover.bytes.clone(),
        lasting: false,
    }));
    let mut worker = Command::new(Host::program()?);
    worker.arg(WORKER);
    let bar = input.printer.progress().busy("configuring");
    let mut on_event = |event: &Event| {
        log.hear(event, steps);
        bar.tick();
    };
    let session = Session { layers, files, steps: steps.iter().map(step).collect(), worker, on_event: &mut on_event };
    let configured = configure(input.store, lock, session);
    input.printer.progress().clear();
    Ok(configured?)
}

fn step(step: &dpkg::Step) -> Step {
    let mut made = Step::new(step.label.clone(), step.argv.iter());
    made.env = step.env.iter().map(|(name, value)| (name.into(), value.into())).collect();
    made.may_fail = step.may_fail;
    made
}

fn lasting(store: &Store, placement: &Placement) -> Outcome<Placed> {
    let bytes = match &placement.content {
        Content::Bytes(bytes) => bytes.clone(),
        Content::Pool { digest, .. } => fs::read(store.objects().path(digest, placement.mode))?,
    };
    let path = PathBuf::from(format!("/{}", placement.path));
    Ok(Placed { path, mode: placement.mode.into(), bytes, lasting: true })
}

/// What scripts said.
#[derive(Default)]
struct Log {
    text: String,
    failed: Vec<String>,
    skipped: Vec<String>,
}

impl Log {
    fn hear(&mut self, event: &Event, steps: &[dpkg::Step]) {
        let label = |index: usize| steps.get(index).map_or("", |step| step.label.as_str());
        match event {
            Event::Started { step } => self.text.push_str(&format!("== {}\n", label(*step))),
            Event::Output { line, .. } => {
                self.text.push_str(&String::from_utf8_lossy(line));
                self.text.push('\n');
            }
            Event::Finished { step, report } if !report.end.is_success() => {
                self.text.push_str(&format!("== {}: {:?}\n", label(*step), report.end));
                self.failed.push(label(*step).to_owned());
            }
            _ => {}
        }
    }

    fn skipped(&mut self, captured: &Captured) {
        self.skipped.extend(captured.skipped.iter().cloned());
    }

    /// What has to be said about it; the whole of what scripts said is kept in a file.
    fn warnings(&self, input: &Input<'_>, status: &str) -> Outcome<Vec<String>> {
        if self.text.is_empty() {
            return Ok(Vec::new());
        }
        let path = input.store.layout().log().join(format!("{}-{}.log", input.view, Host::now()));
        fs::write(&path, &self.text)?;
        let mut warnings = Vec::new();
        for package in dpkg::unconfigured(status) {
            let dpkg::Unconfigured { name, architecture, state } = package;
            warnings.push(format!("{name}:{architecture} could not be configured in the sandbox: it is {state}; what its scripts said is in {}", path.display()));
        }
        if warnings.is_empty() {
            let failed = self.failed.iter();
            warnings.extend(failed.map(|label| format!("{label} failed; what it said is in {}", path.display())));
        }
        warnings.extend(self.skipped.iter().map(|what| format!("not kept of what scripts wrote: {what}")));
        Ok(warnings)
    }
}

#[cfg(test)]
mod tests {
    use aleph_component::Digest;

    use super::*;

    /// Each word is `path=content`, or `path/` for a directory.
    fn entries(text: &str) -> Vec<Entry> {
        let entry = |word: &str| {
            let (path, node) = match word.split_once('=') {
                Some((path, content)) => {
                    (path, Node::File { digest: Digest::of(content.as_bytes()), size: 1, mode: 0o755 })
                }
                None => (word.trim_end_matches('/'), Node::Directory { mode: 0o755 }),
            };
            Entry { path: TreePath::new(path).expect("a path"), owner: Owner::default(), node }
        };
        text.split_whitespace().map(entry).collect()
    }

    #[test]
    fn what_packages_put_replace_or_remove_is_replaced() {
        let check = |before: &str, after: &str, expected: &str| {
            let (before, after) = (Listing { base: entries(before), delta: Vec::new() }, entries(after));
            let paths = ["a", "a/b", "b", "c", "d", "d/a"].map(|path| TreePath::new(path).expect("a path"));
            let found = paths.iter().filter(|path| replaced(path, &before, &after));
            let found: Vec<&str> = found.map(TreePath::as_str).collect();
            assert_eq!(found.join(" "), expected, "{before:?} -> {after:?}");
        };
        check("a=1 b=1 c=1", "a=1 b=2 d=1", "b c d");
        check("d/ d/a=1", "d/ d/a=1", "");
        check("d/ d/a=1", "", "d/a");
        check("a=1", "a/ a/b=1", "a a/b");
    }
}
