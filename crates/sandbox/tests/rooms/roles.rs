//! What this binary does when a test starts it.

use std::ffi::OsString;
use std::process::ExitCode;

use aleph_sandbox::{EnterError, RunSpec, enter, ids};

pub(crate) fn play(role: &str, args: Vec<OsString>) -> ExitCode {
    match role {
        "role-worker" => aleph_sandbox::workshop::worker_main(),
        "role-enter" => go_in(args),
        "role-choose" => {
            println!("{:?}", ids::choose());
            ExitCode::SUCCESS
        }
        // Gives a file the capability to make raw network packets, as `setcap` does.
        "role-capability" => {
            let value = [1u8, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            let flags = rustix::fs::XattrFlags::empty();
            match rustix::fs::setxattr(&args[0], "security.capability", &value, flags) {
                Ok(()) => ExitCode::SUCCESS,
                Err(e) => {
                    eprintln!("{e}");
                    ExitCode::FAILURE
                }
            }
        }
        other => {
            eprintln!("unknown role {other}");
            ExitCode::FAILURE
        }
    }
}

/// `LAYERS FLAGS COMMAND ARGUMENT...`
fn go_in(args: Vec<OsString>) -> ExitCode {
    let flags = args[1].to_string_lossy().into_owned();
    let spec = RunSpec {
        view: "test".into(),
        layers: std::env::split_paths(&args[0]).collect(),
        argv: args[2..].to_vec(),
        found: None,
        outside: None,
        env: std::env::vars_os().collect(),
        cwd: std::env::current_dir().unwrap_or_else(|_| "/".into()),
        home: std::env::var_os("HOME").unwrap_or_else(|| "/".into()).into(),
        pure: flags.contains("pure"),
    };
    let error = enter(&spec);
    eprintln!("{error}");
    match error {
        EnterError::CommandNotFound { .. } => 127.into(),
        EnterError::NotExecutable { .. } => 126.into(),
        _ => 125.into(),
    }
}
