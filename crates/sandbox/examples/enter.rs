//! `enter [--pure] LAYER[:LAYER...] COMMAND ARGUMENT...`: runs a command in a stack of directories.
#![expect(clippy::disallowed_methods, clippy::disallowed_macros, reason = "a program, not a library")]

use aleph_sandbox::{EnterError, RunSpec, enter};

fn main() {
    let mut args = std::env::args_os().skip(1).peekable();
    let pure = args.next_if(|a| a == "--pure").is_some();
    let layers = args.next().expect("layers");
    let spec = RunSpec {
        view: "example".into(),
        layers: std::env::split_paths(&layers).collect(),
        argv: args.collect(),
        found: None,
        outside: None,
        env: std::env::vars_os().collect(),
        cwd: std::env::current_dir().unwrap_or_else(|_| "/".into()),
        home: std::env::var_os("HOME").unwrap_or_else(|| "/".into()).into(),
        pure,
    };
    let error = enter(&spec);
    let mut source: Option<&dyn std::error::Error> = Some(&error);
    while let Some(e) = source {
        eprintln!("{e}");
        source = e.source();
    }
    std::process::exit(match error {
        EnterError::CommandNotFound { .. } => 127,
        EnterError::NotExecutable { .. } => 126,
        _ => 125,
    });
}
