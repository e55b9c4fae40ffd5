//! A shell where something is built: the same trees, sources and variables, and each phase as a function.

use std::{convert::Infallible, fmt::Write as _, fs, path::PathBuf};

use aleph_sandbox::{RunSpec, enter};

use super::{
    prepare::{cores, originals, prepare},
    session::{Order, Session},
};
use crate::{
    failure::{Failure, Outcome},
    host::Host,
};

/// Where the file is that makes a shell one of a build.
const START: &str = "build/shell";

/// Becomes a shell where a recipe is built.
pub(super) fn enter_build(session: &Session<'_>, order: Order) -> Outcome<Infallible> {
    let originals = originals(session)?;
    let name = session.around.recipe(order.at).name.clone();
    let prepared = prepare(session, order, Some(&originals))?;
    let action = &prepared.action;
    let upper = action.lay_out()?;
    let mut script = String::new();
    for (variable, value) in action.variables(cores()) {
        let _ = writeln!(script, "export {variable}='{}'", value.replace('\'', r"'\''"));
    }
    let mut names = Vec::new();
    for phase in action.phases() {
        let _ = writeln!(script, "{}() {{ (\ncd {}\n{}\n) }}", phase.name, phase.directory, action.script(&phase));
        names.push(phase.name);
    }
    let _ = writeln!(script, "PS1='{name}:\\w# '\necho 'phases: {}'", names.join(", "));
    let path = upper.join(START);
    fs::create_dir_all(path.parent().unwrap_or(&upper))?;
    fs::write(&path, script)?;
    let mut layers = vec![upper];
    layers.extend(action.layers.iter().cloned());
    prepared.scratch.hold_on()?;
    let spec = RunSpec {
        view: format!("build-{name}"),
        layers,
        argv: ["/bin/bash", "--rcfile", "/build/shell", "-i"].map(Into::into).to_vec(),
        found: None,
        outside: None,
        env: Host::environment(),
        cwd: PathBuf::from("/"),
        home: session.around.host.home.clone(),
        pure: true,
    };
    let error = enter(&spec);
    // It was meant to be used after this process has become another one.
    drop(prepared);
    Err(Failure::from(error))
}
