//! Moving everything that is linked to glibc to another one.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, HashSet},
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use serde_json::Value;

use super::{
    Bench,
    compose::phase,
    graft::{Untouched, graft},
    inputs::{discard, package_name},
    measure::{Contender, Sample, Series, in_turn, process},
    report::{Section, Target},
};
use crate::tool::{Outcome, output};

/// The library that moves, and what names it in the view.
const LIBRARY: &str = "libc6";
const KEY: &str = "libc6:x86_64";
/// The view that everything is in.
const VIEW: &str = "world";
/// How often a program is started.
const STARTS: usize = 200;

pub(super) fn run(bench: &Bench) -> Outcome<Section> {
    let world = World::make(bench)?;
    let (whole, floors, written) = (RefCell::new(Vec::new()), RefCell::new(Vec::new()), RefCell::new(0));
    let contenders = vec![
        Contender::new("aleph: relink", |round| {
            let (link, process, bytes, directories) = world.update(bench, round)?;
            let floor = world.floor(bench, &directories)?;
            if round > 0 {
                whole.borrow_mut().push(process);
                floors.borrow_mut().push(floor);
                *written.borrow_mut() = bytes;
            }
            Ok(link)
        }),
        Contender::new("copy, scan and rewrite every file", |_| world.graft(bench, Untouched::Copied)),
        Contender::new("the same, linking to what does not change", |_| world.graft(bench, Untouched::Linked)),
    ];
    let mut series = in_turn(bench.rounds.unwrap_or(5), contenders)?;
    series.push(Series::of("floor: its directories, links and symbolic links", floors.into_inner()));
    series.push(Series::of("aleph update, whole process", whole.into_inner()));
    let starts = world.starts(bench)?;
    let [relink, copy, link, floor, whole] = &series[..] else { return Err("five were measured".into()) };
    let mut targets = vec![
        Target::ratio(relink, copy, 1.0 / 20.0),
        Target::ratio(relink, link, 1.0 / 10.0),
        Target::ratio(relink, floor, 3.0),
        Target::memory(whole),
    ];
    targets.extend(starts.chunks(2).map(|pair| Target::ratio(&pair[0], &pair[1], 1.0)));
    let about = format!(
        "{} packages as native components, {} of them linked to {LIBRARY} directly or through others; `aleph update {LIBRARY}` in\n\
         a view with all of them, to a {LIBRARY} that is another component each time. It tells how long linking took, the sync\n\
         included; the whole process also judges every consumer. The peers make the same packages again and sync nothing. Then programs\n\
         are started {STARTS} times, through `.link` and as the host has them.",
        world.packages,
        world.dependents.len(),
    );
    let notes = vec![format!(
        "Aleph wrote {} MiB: the programs, whose interpreter is another one.",
        written.into_inner() >> 20
    )];
    series.extend(starts);
    Ok(Section { about, series, targets, notes })
}

/// A store in which everything is native.
struct World {
    store: PathBuf,
    archive: PathBuf,
    version: String,
    packages: usize,
    /// The components of what is linked to the library, itself included.
    dependents: Vec<PathBuf>,
    /// Files in them that are linked to something.
    touched: HashSet<PathBuf>,
}

impl World {
    fn make(bench: &Bench) -> Outcome<Self> {
        let store = bench.fresh();
        let archives = &bench.closure()?.archives;
        process(&bench.work, bench.aleph(&store).args(["--quiet", "import", "--prefix", "/"]).args(archives))?;
        let names: Vec<String> =
            archives.iter().map(|archive| Ok(format!("store:{}", package_name(archive)?))).collect::<Outcome<_>>()?;
        process(&bench.work, bench.aleph(&store).args(["--quiet", "--view", VIEW, "add"]).args(&names))?;
        let generation = generation(&store)?;
        let mut users = BTreeSet::from([KEY.to_owned()]);
        loop {
            let is_user = |package: &Pinned| package.slots.iter().any(|slot| users.contains(slot));
            let more: Vec<String> = generation
                .iter()
                .filter(|(key, package)| !users.contains(*key) && is_user(package))
                .map(|(key, _)| key.clone())
                .collect();
            if more.is_empty() {
                break;
            }
            users.extend(more);
        }
        let library = generation.get(KEY).ok_or("the closure has no libc6")?;
        let version = library.version.clone();
        let is_library = |archive: &&PathBuf| package_name(archive).is_ok_and(|name| name == LIBRARY);
        let archive = archives.iter().find(is_library).ok_or("the closure has no libc6")?.clone();
        let component = |key: &String| store.join("store").join(&generation[key].component);
        let dependents: Vec<PathBuf> = users.iter().map(component).collect();
        let mut touched = HashSet::new();
        for dependent in &dependents {
            let manifest = fs::read_to_string(dependent.join(".aleph/manifest"))?;
            let header: Value = serde_json::from_str(manifest.lines().next().unwrap_or_default())?;
            let anchored = header["native"]["anchored"].as_array().ok_or("a component that is not native")?;
            touched.extend(anchored.iter().filter_map(Value::as_str).map(|path| dependent.join(path)));
        }
        Ok(Self { packages: generation.len(), store, archive, version, dependents, touched })
    }

    /// Takes the library in as another component and updates to it. Gives what linking and the whole took, how much was
    /// written, and the directories that were made.
    fn update(&self, bench: &Bench, round: usize) -> Outcome<(Sample, Sample, u64, Vec<PathBuf>)> {
        let version = format!("{}.{round}", self.version);
        let import = ["--quiet", "import", "--prefix", "/", "--version", &version];
        process(&bench.work, bench.aleph(&self.store).args(import).arg(&self.archive))?;
        let before = (entries(&self.store)?, stored(bench, &self.store)?);
        super::measure::settle();
        let update = ["--format", "json", "--view", VIEW, "update", LIBRARY];
        let finished = process(&bench.work, bench.aleph(&self.store).args(update))?;
        let made: Vec<PathBuf> = entries(&self.store)?.difference(&before.0).cloned().collect();
        let written = stored(bench, &self.store)?.saturating_sub(before.1);
        Ok((Sample::phase(phase(&finished.stdout, "link")?), finished.sample, written, made))
    }

    fn graft(&self, bench: &Bench, untouched: Untouched) -> Outcome<Sample> {
        let to = bench.fresh();
        let start = Instant::now();
        graft(&self.dependents, &self.touched, &to, untouched)?;
        let taken = start.elapsed().as_secs_f64();
        discard(bench, &to)?;
        Ok(Sample::phase(taken))
    }

    /// The same names once more, by nothing but the system calls that make them.
    #[expect(clippy::unused_self, reason = "it is this world's floor")]
    fn floor(&self, bench: &Bench, directories: &[PathBuf]) -> Outcome<Sample> {
        let to = bench.fresh();
        let mut names = Vec::new();
        for directory in directories {
            list(directory, &to.join(directory.file_name().ok_or("a name")?), &mut names)?;
        }
        fs::create_dir_all(&to)?;
        super::measure::settle();
        let start = Instant::now();
        for name in &names {
            match name {
                Name::Directory(path) => fs::create_dir(path)?,
                Name::Link(from, path) => fs::hard_link(from, path)?,
                Name::Symlink(target, path) => symlink(target, path)?,
            }
        }
        let taken = start.elapsed().as_secs_f64();
        discard(bench, &to)?;
        Ok(Sample::phase(taken))
    }

    /// Programs of the view and of the host, in turn.
    fn starts(&self, bench: &Bench) -> Outcome<Vec<Series>> {
        let bin = self.store.join("views").join(VIEW).join("current/bin");
        let mut contenders = Vec::new();
        for (name, arguments) in
            [("git", &["--version"][..]), ("python3.11", &["-c", "pass"]), ("openssl", &["version"])]
        {
            let places = [("store", bin.join(name)), ("host", Path::new("/usr/bin").join(name))];
            if places.iter().any(|(_, path)| !path.exists()) {
                continue;
            }
            for (place, path) in places {
                contenders.push(Contender::new(format!("{name} {} of the {place}", arguments.join(" ")), move |_| {
                    Ok(process(&bench.work, Command::new(&path).args(arguments))?.sample)
                }));
            }
        }
        in_turn(STARTS, contenders)
    }
}

enum Name {
    Directory(PathBuf),
    Link(PathBuf, PathBuf),
    Symlink(PathBuf, PathBuf),
}

fn list(from: &Path, to: &Path, names: &mut Vec<Name>) -> Outcome {
    names.push(Name::Directory(to.to_owned()));
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_dir() {
            list(&path, &target, names)?;
        } else if kind.is_symlink() {
            names.push(Name::Symlink(fs::read_link(&path)?, target));
        } else {
            names.push(Name::Link(path, target));
        }
    }
    Ok(())
}

/// A package of the view.
struct Pinned {
    component: String,
    version: String,
    slots: Vec<String>,
}

/// The current generation of the view.
fn generation(store: &Path) -> Outcome<BTreeMap<String, Pinned>> {
    let path = store.join("views").join(VIEW).join("current/generation.json");
    let generation: Value = serde_json::from_str(&fs::read_to_string(path)?)?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let one = |package: &Value| {
        let name = text(&package["name"]);
        let slots = package["slots"].as_object().map(|slots| slots.values().map(text).collect()).unwrap_or_default();
        let pinned = Pinned {
            component: format!("{}-{name}", text(&package["component"])),
            version: text(&package["version"]),
            slots,
        };
        (format!("{name}:{}", text(&package["architecture"])), pinned)
    };
    Ok(generation["packages"].as_array().ok_or("a generation has packages")?.iter().map(one).collect())
}

fn entries(store: &Path) -> Outcome<BTreeSet<PathBuf>> {
    fs::read_dir(store.join("store"))?.map(|entry| Ok(entry?.path())).collect()
}

/// How many bytes the store's contents have.
fn stored(bench: &Bench, store: &Path) -> Outcome<u64> {
    let text = output(bench.aleph(store).args(["--format", "json", "store", "info"]))?;
    let info: Value = serde_json::from_str(&text)?;
    Ok(info["data"]["stored_bytes"].as_u64().ok_or("store info does not say what is stored")?)
}
