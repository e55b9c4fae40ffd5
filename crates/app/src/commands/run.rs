//! `aleph run`, `aleph shell`, launchers and the sandbox's worker.

use std::{
    ffi::OsString,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use aleph_sandbox::{EnterError, Outside, RunSpec, enter};
use aleph_store::Layout;
use aleph_view::{Launcher, RunLayers, ViewName, Views};
use serde_json::json;

use crate::{
    failure::{Failure, Outcome},
    host::Host,
    ops,
    output::Printer,
};

/// Where a command runs.
pub(crate) struct Place {
    /// Cut off from the host.
    pub(crate) pure: bool,
    /// In a view of just these packages, if there are any.
    pub(crate) with: Vec<String>,
    /// In another generation of the view than the current one.
    pub(crate) generation: Option<u32>,
}

/// Runs a command in the view; with `with`, or when no view has the command, in a view made for it.
pub(crate) fn run(host: &Host, printer: &Printer, place: &Place, command: Vec<OsString>) -> Outcome {
    let pure = place.pure;
    if !place.with.is_empty() {
        let layers = ops::once::layers(host, printer, &place.with)?;
        return begin(host, printer, &layers, pure, command, None);
    }
    let layers = match place.generation {
        Some(number) => Some(host.view_without_store()?.run_layers_of(number)?),
        None => ops::project::ready(host, printer)?,
    };
    let name = command[0].to_str().filter(|name| !name.contains('/'));
    let native = layers.as_ref().zip(name).and_then(|(layers, name)| program(host, layers, name));
    if let (Some(program), Some(layers)) = (native, &layers) {
        if pure {
            return Err(not_pure(&format!("`{}` runs from the store", program.display())));
        }
        return begin_native(host, printer, layers, &program, &command);
    }
    let empty = layers.is_none();
    let found = layers.as_ref().zip(name).and_then(|(layers, name)| find_command(host, layers, name));
    if let Some(layers) = layers.filter(|_| name.is_none() || found.is_some()) {
        return begin(host, printer, &layers, pure, command, found);
    }
    // Not in the view: a package of that name will do, if there is one.
    match name {
        Some(name) if place.generation.is_none() && ops::once::is_offered(host, printer, name)? => {
            let layers = ops::once::layers(host, printer, &[name.to_owned()])?;
            begin(host, printer, &layers, pure, command, None)
        }
        _ if empty => Err(no_generation().with_code(127)),
        _ => Err(EnterError::CommandNotFound { command: command[0].clone() }.into()),
    }
}

/// The program of the store that a command of the view is, if it runs from there.
fn program(host: &Host, layers: &RunLayers, name: &str) -> Option<PathBuf> {
    layers.has_natives.then(|| Views::at(&Layout::new(&host.store_root)).program(layers, name)).flatten()
}

/// What runs without a view around it sees all of the host.
fn not_pure(what: &str) -> Failure {
    Failure::new(format!("{what} and cannot be cut off from the host")).hint("without --pure it runs")
}

/// Becomes a program that needs no view around it.
fn begin_native(host: &Host, printer: &Printer, layers: &RunLayers, program: &Path, words: &[OsString]) -> Outcome {
    if host.global.dry_run {
        return tell(printer, layers, words);
    }
    let _held = Views::at(&Layout::new(&host.store_root)).hold(layers)?;
    let error = std::process::Command::new(program).args(&words[1..]).exec();
    Err(Failure::new(format!("cannot run `{}`: {error}", program.display())).with_code(126))
}

fn no_generation() -> Failure {
    Failure::new("there is nothing in this view yet").hint("`aleph add PACKAGE` puts something into it")
}

/// The directories of a view that are searched for commands, in the order of its search path.
const SEARCHED: [&str; 6] =
    ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/usr/local/games", "/usr/games"];

/// Where in the view a command is.
fn find_command(host: &Host, layers: &RunLayers, name: &str) -> Option<PathBuf> {
    SEARCHED.iter().map(|directory| Path::new(directory).join(name)).find(|path| has(host, layers, path))
}

/// Starts the user's shell in the view.
pub(crate) fn shell(host: &Host, printer: &Printer, pure: bool) -> Outcome {
    let layers = ops::project::ready(host, printer)?.ok_or_else(no_generation)?;
    let is_bare = !has_shell(host, &layers);
    let bin = Views::at(&Layout::new(&host.store_root)).bin(&layers);
    if is_bare && bin.read_dir().is_ok_and(|mut programs| programs.next().is_some()) {
        if pure {
            return Err(not_pure("this view has no shell of its own"));
        }
        return bare_shell(host, printer, &layers, &bin);
    }
    let wanted = Host::shell().filter(|shell| has(host, &layers, shell));
    let shell = wanted.map_or_else(|| fallback_shell(host, &layers), |shell| shell.into_os_string());
    begin(host, printer, &layers, pure, vec![shell], None)
}

/// The shells that a view with any has one of.
const SHELLS: [&str; 2] = ["/usr/bin/sh", "/usr/bin/bash"];

/// Whether a view has a shell of its own.
pub(crate) fn has_shell(host: &Host, layers: &RunLayers) -> bool {
    SHELLS.iter().any(|shell| has(host, layers, Path::new(shell)))
}

/// Starts the host's shell for a view in which everything runs from the store.
fn bare_shell(host: &Host, printer: &Printer, layers: &RunLayers, bin: &Path) -> Outcome {
    let shell = Host::shell().unwrap_or_else(|| PathBuf::from("/bin/sh"));
    if host.global.dry_run {
        return tell(printer, layers, &[shell.into_os_string()]);
    }
    let _held = Views::at(&Layout::new(&host.store_root)).hold(layers)?;
    let mut path = bin.as_os_str().to_owned();
    for (name, value) in Host::environment() {
        if name == "PATH" {
            path.push(":");
            path.push(value);
        }
    }
    let error = std::process::Command::new(&shell).env("PATH", path).exec();
    Err(Failure::new(format!("cannot run `{}`: {error}", shell.display())).with_code(126))
}

fn fallback_shell(host: &Host, layers: &RunLayers) -> OsString {
    let bash = Path::new("/usr/bin/bash");
    if has(host, layers, bash) { bash.into() } else { "/bin/sh".into() }
}

/// Whether the view has a file or a link at this path. The topmost tree that names it decides.
fn has(host: &Host, layers: &RunLayers, program: &Path) -> bool {
    let inside = program.strip_prefix("/").unwrap_or(program);
    // A layer that holds `usr/bin` only does not hold the symlink `bin`.
    let merged = (!inside.starts_with("usr")).then(|| Path::new("usr").join(inside));
    let layout = Layout::new(&host.store_root);
    let in_tree = |root: PathBuf| {
        let look = |path: &Path| root.join(path).symlink_metadata().ok();
        look(inside).or_else(|| look(merged.as_deref()?))
    };
    let found = layers.trees.iter().find_map(|tree| in_tree(layout.tree_root(tree)));
    found.is_some_and(|found| found.is_file() || found.is_symlink())
}

/// Runs the command that a launcher names.
pub(crate) fn launch(mut words: Vec<OsString>) -> Outcome {
    let path = words.remove(0);
    let text = std::fs::read_to_string(&path)?;
    let launcher = Launcher::parse(&path.display().to_string(), &text)?;
    let global = crate::cli::Global::for_launcher(&launcher.store, &launcher.view);
    let host = Host::from_environment(&global)?;
    let name: ViewName = launcher.view.parse()?;
    let layers = current(&host, &name)?.ok_or_else(|| crate::host::no_view(&name))?;
    words.insert(0, launcher.command.into());
    Err(start(&host, &layers, false, words, None))
}

/// Serves another aleph that composes a view.
pub(crate) fn worker() -> Outcome {
    aleph_sandbox::workshop::worker_main()
}

/// What the current generation of a view runs on, without opening the store.
pub(crate) fn current(host: &Host, name: &ViewName) -> Outcome<Option<RunLayers>> {
    let views = Views::at(&Layout::new(&host.store_root));
    Ok(match views.get(name)? {
        Some(view) => view.run_layers()?,
        None => None,
    })
}

/// Becomes the command, or, in a dry run, says what it would be.
fn begin(
    host: &Host,
    printer: &Printer,
    layers: &RunLayers,
    pure: bool,
    argv: Vec<OsString>,
    found: Option<PathBuf>,
) -> Outcome {
    if !host.global.dry_run {
        return Err(start(host, layers, pure, argv, found));
    }
    tell(printer, layers, &argv)
}

fn tell(printer: &Printer, layers: &RunLayers, argv: &[OsString]) -> Outcome {
    let words: Vec<String> = argv.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let data = json!({ "view": layers.view, "generation": layers.generation, "command": words });
    printer.answer("run-plan", &data, |_| {
        format!("would run {} in {} generation {}", words.join(" "), layers.view, layers.generation)
    });
    Ok(ExitCode::SUCCESS)
}

/// Becomes the command. Returns only if that failed.
fn start(host: &Host, layers: &RunLayers, pure: bool, argv: Vec<OsString>, found: Option<PathBuf>) -> Failure {
    let layout = Layout::new(&host.store_root);
    // Stays open in what this process becomes: a collection leaves the generation alone meanwhile.
    let _held = match Views::at(&layout).hold(layers) {
        Ok(held) => held,
        Err(error) => return error.into(),
    };
    enter(&RunSpec {
        view: layers.view.clone(),
        layers: layers.trees.iter().map(|tree| layout.tree_root(tree)).collect(),
        argv,
        found,
        outside: layers
            .has_natives
            .then(|| Outside { root: host.store_root.clone(), commands: Views::at(&layout).bin(layers) }),
        env: Host::environment(),
        cwd: host.cwd.clone(),
        home: host.home.clone(),
        pure,
    })
    .into()
}
