//! Checks: commands that must succeed in a view.

use std::{
    fmt, fs,
    io::{Read as _, Seek as _},
    os::unix::process::{CommandExt as _, ExitStatusExt as _},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use aleph_component::{Manifest, StoreName};
use aleph_store::Store;
use aleph_view::{Generation, Pinned, Policy, View};
use rustix::{
    fs::{MemfdFlags, memfd_create},
    process::{Pid, Signal, kill_process_group},
};

use super::native;
use crate::{
    failure::{Failure, Outcome},
    host::Host,
};

/// How long a check may take.
const LONGEST: Duration = Duration::from_secs(120);
/// How often is looked whether it is done.
const PAUSE: Duration = Duration::from_millis(5);
/// How much of what it printed last is shown, in bytes.
const SHOWN: usize = 300;

/// A command that must succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Check {
    /// As its owner wrote it.
    pub(crate) command: String,
    /// The native package that brings it, by key; it runs in the view if there is none.
    of: Option<String>,
}

/// A check that did not succeed.
#[derive(Clone, Debug)]
pub(crate) struct Failed {
    pub(crate) check: Check,
    how: String,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the check `{}` fails: {}", self.check.command, self.how)
    }
}

/// All that a generation must pass: what its owner demands, and what comes with its native packages, whose manifests these
/// are.
pub(crate) fn checks(policy: &Policy, native: &[Pinned], manifests: &[Manifest]) -> Vec<Check> {
    let demanded = policy.checks.iter().map(|command| Check { command: command.clone(), of: None });
    let brought = native.iter().zip(manifests).flat_map(|(package, manifest)| {
        let commands = manifest.native.iter().flat_map(|native| &native.checks);
        commands.map(|command| Check { command: command.clone(), of: Some(package.key()) })
    });
    demanded.chain(brought).collect()
}

/// Runs a check in a generation of a view. Nothing if it succeeds.
pub(crate) fn run(
    host: &Host,
    store: &Store,
    view: &View,
    generation: &Generation,
    check: &Check,
) -> Outcome<Option<Failed>> {
    let mut command = match &check.of {
        None => in_view(host, view, generation, check)?,
        Some(key) => match beside(store, generation, check, key) {
            Some(command) => command,
            // Where its package is not, it asks nothing.
            None => return Ok(None),
        },
    };
    let output = fs::File::from(memfd_create("check", MemfdFlags::CLOEXEC)?);
    command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output.try_clone()?).process_group(0);
    let begun = Instant::now();
    let mut child = command.spawn()?;
    let status = loop {
        match child.try_wait()? {
            Some(status) => break Some(status),
            None if begun.elapsed() > LONGEST => break end(&mut child)?,
            None => std::thread::sleep(PAUSE),
        }
    };
    let how = match status {
        Some(status) if status.success() => return Ok(None),
        Some(status) => said(status),
        None => format!("it did not end within {} s", LONGEST.as_secs()),
    };
    let last = last_words(output)?;
    let how = if last.is_empty() { how } else { format!("{how}, after `{last}`") };
    Ok(Some(Failed { check: check.clone(), how }))
}

/// As somebody would run it by hand, in a shell: the view's, or, where everything runs from the store, the host's. In a view
/// that has no shell the words of the command are all that there is to it.
fn in_view(host: &Host, view: &View, generation: &Generation, check: &Check) -> Outcome<Command> {
    if generation.packages.iter().all(Pinned::is_native) {
        return with_path(&check.command, [view.bin_of(generation.number)]);
    }
    let layers = view.run_layers_of(generation.number)?;
    let mut command = Command::new(Host::program()?);
    command.arg("--store").arg(&host.store_root).args(["--view", view.record.name.as_str(), "run", "--generation"]);
    command.arg(generation.number.to_string()).arg("--");
    match crate::commands::has_shell(host, &layers) {
        true => command.args(["sh", "-c", &check.command]),
        false => command.args(check.command.split_whitespace()),
    };
    Ok(command)
}

/// With the programs of the package that brings it.
fn beside(store: &Store, generation: &Generation, check: &Check, key: &str) -> Option<Command> {
    let package = generation.packages.iter().find(|package| package.key() == key)?;
    let root = store.layout().entry(&StoreName::new(package.id, &package.name));
    with_path(&check.command, native::COMMANDS.iter().map(|directory| root.join(directory))).ok()
}

/// A command line for the host's shell, which finds programs in these directories first.
fn with_path(line: &str, first: impl IntoIterator<Item = PathBuf>) -> Outcome<Command> {
    let path = Host::search_path();
    let path = first.into_iter().chain(std::env::split_paths(&path));
    let path = std::env::join_paths(path).map_err(|error| Failure::new(format!("cannot run a check: {error}")))?;
    let mut command = Command::new("/bin/sh");
    command.args(["-c", line]).current_dir("/").env("PATH", path);
    Ok(command)
}

/// Ends what takes too long, with all that it started.
fn end(child: &mut Child) -> Outcome<Option<ExitStatus>> {
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let Some(group) = group {
        let _ = kill_process_group(group, Signal::KILL);
    }
    child.wait()?;
    Ok(None)
}

fn said(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("it exits with {code}"),
        (None, Some(signal)) => format!("it is killed by signal {signal}"),
        (None, None) => "it does not end as programs do".to_owned(),
    }
}

/// The last line that it printed.
fn last_words(mut output: fs::File) -> Outcome<String> {
    output.rewind()?;
    let mut text = Vec::new();
    output.read_to_end(&mut text)?;
    let text = String::from_utf8_lossy(&text);
    let last = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    Ok(last.chars().filter(|letter| !letter.is_control()).take(SHOWN).collect())
}
