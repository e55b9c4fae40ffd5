//! Moving everything that is linked to a library to another one.

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

/// The libraries that move, one after the other.
const LIBRARIES: [&str; 4] = ["libc6", "libssl3", "zlib1g", "libexpat1"];
/// The view that everything is in.
const VIEW: &str = "world";
/// How often a program is started.
const STARTS: usize = 200;

pub(super) fn run(bench: &Bench) -> Outcome<Section> {
    let world = World::make(bench)?;
    let (mut series, mut targets, mut notes) = (Vec::new(), Vec::new(), Vec::new());
    for library in LIBRARIES {
        let moving = world.moving(bench, library)?;
        let (measured, written) = moving.measure(bench)?;
        let [relink, synced, linked, copied, floor, whole] = &measured[..] else { return Err("six were".into()) };
        targets.extend([
            Target::ratio(relink, synced, 1.0 / 20.0),
            Target::ratio(relink, linked, 1.0 / 10.0),
            Target::ratio(relink, copied, 1.0 / 20.0),
            Target::ratio(relink, floor, 3.0),
            Target::memory(whole),
        ]);
        notes.push(format!(
            "{library}: {} packages are linked to it directly or through others; Aleph wrote {} MiB, programs whose \
             interpreter is another one.",
            moving.dependents.len() - 1,
            written >> 20
        ));
        series.extend(measured);
    }
    let starts = world.starts(bench)?;
    targets.extend(starts.chunks(2).map(|pair| Target::ratio(&pair[0], &pair[1], 1.0)));
    let about = format!(
        "{} packages as native components; `aleph update LIBRARY` in a view with all of them, to one that is another component\n\
         each time. It tells how long linking took, until it is on the disk; the whole process also judges every consumer. The\n\
         peers make the same packages again, two of them until that is on the disk, too. Then programs are started {STARTS} times,\n\
         through `.link` and as the host has them.",
        world.generation.len(),
    );
    series.extend(starts);
    Ok(Section { about, series, targets, notes })
}

/// A store in which everything is native.
struct World {
    store: PathBuf,
    generation: BTreeMap<String, Pinned>,
}

/// A library of it that moves.
struct Moving<'a> {
    world: &'a World,
    library: &'static str,
    archive: PathBuf,
    version: String,
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
        Ok(Self { generation: generation(&store)?, store })
    }

    fn moving(&self, bench: &Bench, library: &'static str) -> Outcome<Moving<'_>> {
        let key = format!("{library}:x86_64");
        let mut users = BTreeSet::from([key.clone()]);
        loop {
            let is_user = |package: &Pinned| package.slots.iter().any(|slot| users.contains(slot));
            let more: Vec<String> = self
                .generation
                .iter()
                .filter(|(key, package)| !users.contains(*key) && is_user(package))
                .map(|(key, _)| key.clone())
                .collect();
            if more.is_empty() {
                break;
            }
            users.extend(more);
        }
        let version = self.generation.get(&key).ok_or("the closure lacks a library")?.version.clone();
        let is_library = |archive: &&PathBuf| package_name(archive).is_ok_and(|name| name == library);
        let archive = bench.closure()?.archives.iter().find(is_library).ok_or("the closure lacks a library")?.clone();
        let component = |key: &String| self.store.join("store").join(&self.generation[key].component);
        let dependents: Vec<PathBuf> = users.iter().map(component).collect();
        let mut touched = HashSet::new();
        for dependent in &dependents {
            let manifest = fs::read_to_string(dependent.join(".aleph/manifest"))?;
            let header: Value = serde_json::from_str(manifest.lines().next().unwrap_or_default())?;
            let anchored = header["native"]["anchored"].as_array().ok_or("a component that is not native")?;
            touched.extend(anchored.iter().filter_map(Value::as_str).map(|path| dependent.join(path)));
        }
        Ok(Moving { world: self, library, archive, version, dependents, touched })
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

impl Moving<'_> {
    /// Aleph; copying and linking until that is on the disk; copying until it is written; the floor; Aleph's whole process.
    /// And how many bytes Aleph wrote.
    fn measure(&self, bench: &Bench) -> Outcome<(Vec<Series>, u64)> {
        let library = self.library;
        let (whole, floors, unsynced) = (RefCell::default(), RefCell::default(), RefCell::<Vec<Sample>>::default());
        let written = RefCell::new(0);
        let contenders = vec![
            Contender::new(format!("aleph: relink {library}"), |round| {
                let (link, process, bytes, directories) = self.update(bench, round)?;
                let floor = self.floor(bench, &directories)?;
                if round > 0 {
                    RefCell::<Vec<Sample>>::borrow_mut(&whole).push(process);
                    RefCell::<Vec<Sample>>::borrow_mut(&floors).push(floor);
                    *written.borrow_mut() = bytes;
                }
                Ok(link)
            }),
            Contender::new(format!("{library}: copy, scan and rewrite, to the disk"), |round| {
                let (written, synced) = self.graft(bench, Untouched::Copied)?;
                if round > 0 {
                    unsynced.borrow_mut().push(written);
                }
                Ok(synced)
            }),
            Contender::new(format!("{library}: the same, linking to what does not change, to the disk"), |_| {
                Ok(self.graft(bench, Untouched::Linked)?.1)
            }),
        ];
        let mut series = in_turn(bench.rounds.unwrap_or(5), contenders)?;
        series
            .push(Series::of(format!("{library}: copy, scan and rewrite, not yet on the disk"), unsynced.into_inner()));
        series.push(Series::of(format!("{library}: its directories, links and symbolic links"), floors.into_inner()));
        series.push(Series::of(format!("aleph update {library}, whole process"), whole.into_inner()));
        Ok((series, written.into_inner()))
    }

    /// Takes the library in as another component and updates to it. Gives what linking and the whole took, how much was
    /// written, and the directories that were made.
    fn update(&self, bench: &Bench, round: usize) -> Outcome<(Sample, Sample, u64, Vec<PathBuf>)> {
        let store = &self.world.store;
        let version = format!("{}.{round}", self.version);
        let import = ["--quiet", "import", "--prefix", "/", "--version", &version];
        process(&bench.work, bench.aleph(store).args(import).arg(&self.archive))?;
        let before = (entries(store)?, stored(bench, store)?);
        super::measure::settle();
        let update = ["--format", "json", "--view", VIEW, "update", self.library];
        let finished = process(&bench.work, bench.aleph(store).args(update))?;
        let made: Vec<PathBuf> = entries(store)?.difference(&before.0).cloned().collect();
        let written = stored(bench, store)?.saturating_sub(before.1);
        Ok((Sample::phase(phase(&finished.stdout, "link")?), finished.sample, written, made))
    }

    /// How long it takes until everything is written, and until it is on the disk.
    fn graft(&self, bench: &Bench, untouched: Untouched) -> Outcome<(Sample, Sample)> {
        let to = bench.fresh();
        super::measure::settle();
        let start = Instant::now();
        graft(&self.dependents, &self.touched, &to, untouched)?;
        let written = start.elapsed().as_secs_f64();
        process(&bench.work, Command::new("sync").arg("--file-system").arg(&to))?;
        let synced = start.elapsed().as_secs_f64();
        discard(bench, &to)?;
        Ok((Sample::phase(written), Sample::phase(synced)))
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
