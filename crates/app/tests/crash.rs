//! Killed at any instant, the store is whole, the view is the old or the new one, and the next command just works.
//!
//! Every operation is measured first, then started again and again from the same state and killed at a random moment of
//! its duration. `ALEPH_CRASH_SEED` repeats the moments of another run.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests, not a library")]

mod support;

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use support::{
    Ran, Who, World,
    chance::Chance,
    copy, granted, is_root,
    packages::{Set, with},
    remove,
    trees::{Greet, Trees},
};

/// An operation that is killed.
struct Operation {
    name: &'static str,
    /// The store that it starts from; none: there is nothing.
    before: Option<PathBuf>,
    arguments: Vec<OsString>,
    /// What `prog` may print after a kill; nothing: there is no `prog` yet.
    allowed: &'static [&'static str],
    /// What it prints once the operation has been carried out.
    wanted: &'static str,
    kills: usize,
}

/// How many moments are tried for each kill: some lie after the end of an operation that was quicker this time.
const MOST_TRIES: usize = 8;

struct Crashes<'a> {
    world: &'a World,
    chance: Chance,
}

impl Crashes<'_> {
    /// Puts the store into the state that the operation starts from.
    fn reset(&self, before: Option<&Path>) {
        remove(&self.world.store);
        if let Some(before) = before {
            copy(before, &self.world.store);
        }
    }

    /// Kills the operation again and again, as often as it says.
    fn check(&self, operation: &Operation) {
        let mut normal = Duration::ZERO;
        for _ in 0..2 {
            self.reset(operation.before.as_deref());
            let started = Instant::now();
            self.world.run(&operation.arguments).good();
            normal = started.elapsed();
        }
        self.settled(operation, operation.wanted);
        let (mut killed, mut round) = (0, 0);
        while killed < operation.kills {
            assert!(round < operation.kills * MOST_TRIES, "{}: only {killed} were killed in time", operation.name);
            let after = self.chance.below(normal.mul_f64(1.02));
            eprintln!("{} {round}: killed after {after:?} of {normal:?}", operation.name);
            self.reset(operation.before.as_deref());
            let mut command = self.world.aleph(&operation.arguments);
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("aleph starts");
            std::thread::sleep(after);
            child.kill().expect("a child can be killed");
            match child.wait().expect("a child ends").code() {
                None => killed += 1,
                // It was measured while the machine had other work.
                Some(_) => normal = normal.min(after.mul_f64(1.2)),
            }
            self.look(operation);
            self.world.run(&operation.arguments).good();
            self.settled(operation, operation.wanted);
            round += 1;
        }
    }

    /// After a kill: whole, old or new, by no other means than the commands themselves.
    fn look(&self, operation: &Operation) {
        // The program first: nothing may have to mend anything before it runs.
        let prog = self.world.prog();
        let allowed = match prog.code {
            Some(0) => operation.allowed.contains(&prog.out.trim()),
            _ => operation.allowed.contains(&""),
        };
        assert!(allowed, "{}: {prog:?}", operation.name);
        if operation.before.is_none() && self.is_nothing() {
            // Killed before there was anything: looking at it makes no store.
            self.world.run(["store", "verify"]).failed(1, &["there is no store"]);
            assert!(self.is_nothing(), "{}", operation.name);
        } else if operation.name != "repair" {
            self.world.is_whole();
        }
        let again = self.world.prog();
        assert_eq!((prog.code, prog.out), (again.code, again.out), "{}", operation.name);
    }

    /// Whether the store's directory is missing or empty.
    fn is_nothing(&self) -> bool {
        fs::read_dir(&self.world.store).map_or(true, |mut entries| entries.next().is_none())
    }

    fn settled(&self, operation: &Operation, wanted: &str) {
        let prog = self.world.prog();
        if wanted.is_empty() {
            assert_ne!(prog.code, Some(0), "{}: {prog:?}", operation.name);
        } else {
            assert_eq!(prog.good().out.trim(), wanted, "{}", operation.name);
        }
        self.world.is_whole();
        self.world.is_tidy();
        self.world.is_quiet();
    }

    /// Makes a state to start from and keeps it.
    fn state(&self, name: &str, before: Option<&Path>, commands: &[Vec<OsString>]) -> PathBuf {
        self.reset(before);
        for arguments in commands {
            self.world.run(arguments).good();
        }
        let kept = self.world.directory.join(format!("state-{name}"));
        copy(&self.world.store, &kept);
        kept
    }
}

fn owned(arguments: &[&std::ffi::OsStr]) -> Vec<OsString> {
    arguments.iter().map(|argument| OsString::from(*argument)).collect()
}

fn words(text: &str) -> Vec<OsString> {
    text.split_whitespace().map(OsString::from).collect()
}

fn seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let seed = std::env::var("ALEPH_CRASH_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(now);
    eprintln!("ALEPH_CRASH_SEED={seed}");
    seed
}

/// Changes one byte of the pool's largest file, as a bad disk would.
fn damage(store: &Path) {
    let mut largest = (0, PathBuf::new());
    for shard in fs::read_dir(store.join("objects")).expect("objects").flatten() {
        for object in fs::read_dir(shard.path()).expect("a shard").flatten() {
            let length = object.metadata().expect("an object").len();
            largest = largest.max((length, object.path()));
        }
    }
    support::flip(&largest.1, largest.0 / 2);
}

#[test]
fn killed_at_any_moment() {
    let set = Set::make(5);
    let world = World::new();
    let crashes = Crashes { world: &world, chance: Chance::new(seed()) };
    let (add_old, add_new) = (owned(&with(&["add"], &set.old)), owned(&with(&["add"], &set.new)));
    let first = crashes.state("first", None, std::slice::from_ref(&add_old));
    let second = crashes.state("second", Some(&first), std::slice::from_ref(&add_new));
    let pruned = crashes.state("pruned", Some(&second), &[words("view prune")]);
    damage(&world.store);
    let damaged = world.directory.join("state-damaged");
    copy(&world.store, &damaged);
    let operation = |name, before: Option<&PathBuf>, arguments, allowed, wanted, kills| Operation {
        name,
        before: before.cloned(),
        arguments,
        allowed,
        wanted,
        kills,
    };
    let operations = [
        operation("import", None, owned(&with(&["import"], &set.old)), &[""], "", 35),
        operation("first generation", None, add_old, &["", "prog 1"], "prog 1", 45),
        operation("second generation", Some(&first), add_new, &["prog 1", "prog 2"], "prog 2", 45),
        operation("rollback", Some(&second), words("rollback 1"), &["prog 1", "prog 2"], "prog 1", 25),
        operation("gc", Some(&pruned), words("store gc"), &["prog 2"], "prog 2", 25),
        operation("repair", Some(&damaged), words("store repair"), &["prog 2"], "prog 2", 25),
    ];
    operations.iter().for_each(|operation| crashes.check(operation));
}

/// Scripts write as root of their view, in the names of its other users; what a killed one leaves is still removed.
#[test]
fn killed_while_scripts_run() {
    let set = Set::make(1);
    let mut whos = vec![Who::Self_];
    whos.extend(granted());
    for who in whos {
        eprintln!("{who:?}, root: {}", is_root());
        let world = World::of(who, "w");
        let crashes = Crashes { world: &world, chance: Chance::new(seed()) };
        let add = |archives: &[PathBuf], scripted: &PathBuf| {
            let mut arguments = owned(&with(&["add"], archives));
            arguments.push(scripted.into());
            arguments
        };
        let (old, new) = (add(&set.old, &set.scripted[0]), add(&set.new, &set.scripted[1]));
        let first = crashes.state("first", None, std::slice::from_ref(&old));
        let captured = Ran::of(&mut world.aleph(["view", "captured"])).good();
        assert!(captured.out.contains("33"), "{captured:?}");
        let operations = [
            Operation {
                name: "scripts of the first generation",
                before: None,
                arguments: old,
                allowed: &["", "prog 1"],
                wanted: "prog 1",
                kills: 12,
            },
            Operation {
                name: "scripts of the second generation",
                before: Some(first),
                arguments: new,
                allowed: &["prog 1", "prog 2"],
                wanted: "prog 2",
                kills: 12,
            },
        ];
        operations.iter().for_each(|operation| crashes.check(operation));
    }
}

/// A relink makes directories and links, and files where paths are baked in; the view has all of the old or all of the new.
#[test]
fn killed_while_relinking() {
    let world = World::new();
    let trees = Trees { world: &world };
    let crashes = Crashes { world: &world, chance: Chance::new(seed()) };
    trees.import(&trees.greet("1", Greet::Says("hello"))).good();
    trees.import(&trees.prog()).good();
    world.run(["add", "store:prog"]).good();
    trees.import(&trees.greet("2", Greet::Says("welcome"))).good();
    let first = world.directory.join("state-first");
    copy(&world.store, &first);
    let second = crashes.state("second", Some(&first), &[words("update")]);
    // An update that fails a check for one program: what is to blame is looked for, and the other program moves.
    trees.import(&trees.simple()).good();
    world.run(["add", "store:simple"]).good();
    trees.import(&trees.greet("3", Greet::Says("broken"))).good();
    world.run(["view", "policy", "--check", "prog | grep -q '^[hw]'"]).good();
    let third = world.directory.join("state-third");
    copy(&world.store, &third);
    let (old, new) = ("hello world", "welcome world");
    let operation = |name, before: &Path, arguments, wanted, kills| Operation {
        name,
        before: Some(before.to_owned()),
        arguments: words(arguments),
        allowed: &["hello world", "welcome world"],
        wanted,
        kills,
    };
    let operations = [
        operation("relink", &first, "update", new, 120),
        operation("rollback of a relink", &second, "rollback 1", old, 35),
        operation("update with a check that fails", &third, "update", new, 50),
    ];
    operations.iter().for_each(|operation| crashes.check(operation));
}
