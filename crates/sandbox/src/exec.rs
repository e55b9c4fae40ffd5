//! Finding a command inside the view and becoming it.

use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::enter::EnterError;
use crate::environment::PATH;

/// Replaces this process by `argv[0]`, which is tried at `found` first, and looked up in the view's search path unless it
/// holds a `/`. Returns on failure.
pub(crate) fn exec(argv: &[OsString], found: Option<&Path>, env: &[(OsString, OsString)]) -> EnterError {
    let Some(command) = argv.first() else { return EnterError::NoCommand };
    let argv: Option<Vec<CString>> = argv.iter().map(|a| CString::new(a.as_bytes()).ok()).collect();
    let Some(argv) = argv else { return EnterError::NulByte };
    // A variable with a NUL byte cannot have come from a process, and cannot be given to one.
    let env: Vec<CString> = env
        .iter()
        .filter_map(|(name, value)| CString::new([name.as_bytes(), b"=", value.as_bytes()].concat()).ok())
        .collect();
    default_pipe_signal();
    let mut denied = None;
    for path in found.map(Path::to_path_buf).into_iter().chain(candidates(command)) {
        let error = execve(&path, &argv, &env);
        match error.raw_os_error() {
            Some(libc::ENOENT | libc::ENOTDIR) if !path.exists() => {}
            Some(libc::ENOEXEC) => return interpret(&path, argv, &env),
            _ => denied = denied.or(Some((path, error))),
        }
    }
    match denied {
        Some((path, source)) => EnterError::NotExecutable { path, source },
        None => EnterError::CommandNotFound { command: command.clone() },
    }
}

/// Every path that a command may mean.
fn candidates(command: &OsStr) -> Vec<PathBuf> {
    if command.is_empty() {
        return Vec::new();
    }
    if command.as_bytes().contains(&b'/') {
        return vec![PathBuf::from(command)];
    }
    PATH.split(':').map(|dir| Path::new(dir).join(command)).collect()
}

/// Runs a script that names no interpreter, as every shell does: by `/bin/sh`.
fn interpret(path: &Path, mut argv: Vec<CString>, env: &[CString]) -> EnterError {
    let script = CString::new(path.as_os_str().as_bytes()).expect("came from strings without NUL");
    argv.splice(0..1, [c"sh".to_owned(), script]);
    let source = execve(Path::new("/bin/sh"), &argv, env);
    EnterError::NotExecutable { path: path.to_owned(), source }
}

/// `execve`, which returns only to tell why it failed.
pub(crate) fn execve(path: &Path, argv: &[CString], env: &[CString]) -> io::Error {
    let Ok(path) = CString::new(path.as_os_str().as_bytes()) else { return io::ErrorKind::InvalidInput.into() };
    let pointers = |strings: &[CString]| -> Vec<*const libc::c_char> {
        strings.iter().map(|s| s.as_ptr()).chain([std::ptr::null()]).collect()
    };
    let (argv, env) = (pointers(argv), pointers(env));
    // SAFETY: path and strings are NUL-terminated and alive, both arrays end with a null pointer.
    unsafe { libc::execve(path.as_ptr(), argv.as_ptr(), env.as_ptr()) };
    io::Error::last_os_error()
}

/// Undoes what Rust's start-up did: programs expect to die of a closed pipe.
pub(crate) fn default_pipe_signal() {
    // SAFETY: sets a disposition, installs no handler.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
}
