//! Real namespaces, mounts and programs. This binary has its own main function: started with a role as its first argument
//! it is a worker, a process that enters a view, or a program inside; without, it runs the tests.
//!
//! Run by root, every test is made as root and again as an ordinary user; run by an ordinary user, as him.

#![expect(clippy::disallowed_methods, clippy::disallowed_macros, reason = "a program, not a library")]

mod entering;
mod roles;
mod tree;
mod working;

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use libtest_mimic::{Arguments, Failed, Trial};

/// On whose behalf a test is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    /// Whoever runs the tests.
    Self_,
    /// An ordinary user without subordinate ids; the tests are run by root.
    Nobody,
    /// An ordinary user with subordinate ids; the tests are run by root.
    Granted { uid: u32, gid: u32 },
}

impl Who {
    pub(crate) fn ids(self) -> (u32, u32) {
        match self {
            Self::Self_ => (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw()),
            Self::Nobody => (65534, 65534),
            Self::Granted { uid, gid } => (uid, gid),
        }
    }

    /// This binary, started in a role as this user.
    pub(crate) fn command(self, role: &str) -> Command {
        let mut command = Command::new(tree::executable());
        command.arg(role);
        if self != Self::Self_ {
            let (uid, gid) = self.ids();
            command.uid(uid).gid(gid);
        }
        command
    }

    fn label(self) -> &'static str {
        match self {
            Self::Self_ if rustix::process::getuid().is_root() => "root",
            Self::Self_ => "user",
            Self::Nobody => "nobody",
            Self::Granted { .. } => "granted",
        }
    }
}

/// A test's body: fails by panicking.
pub(crate) type Body = fn(Who);

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    if let Some(role) = args.next().and_then(|a| a.into_string().ok()).filter(|a| a.starts_with("role-")) {
        return roles::play(&role, args.collect());
    }
    let arguments = Arguments::from_args();
    let mut users = vec![Who::Self_];
    if rustix::process::getuid().is_root() {
        users.push(Who::Nobody);
    }
    let mut trials = Vec::new();
    for who in users {
        for (name, body) in entering::TESTS.iter().chain(working::TESTS) {
            trials.push(trial(&format!("{}::{name}", who.label()), *body, who));
        }
    }
    let root = rustix::process::getuid().is_root();
    for (name, body) in entering::ROOTS_TESTS {
        for who in [Who::Self_, Who::Nobody] {
            trials.push(trial(&format!("prepared-{}::{name}", who.label()), *body, who).with_ignored_flag(!root));
        }
    }
    // Needs a grant by the host's administrator: where there is none, the list of tests says so.
    let granted = granted();
    for (name, body) in working::TESTS {
        let who = granted.unwrap_or(Who::Self_);
        trials.push(trial(&format!("granted::{name}"), *body, who).with_ignored_flag(granted.is_none()));
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    tree::clean_up();
    conclusion.exit_code()
}

fn trial(name: &str, body: Body, who: Who) -> Trial {
    Trial::test(name, move || {
        body(who);
        Ok::<(), Failed>(())
    })
}

/// A user of this host with subordinate ids.
fn granted() -> Option<Who> {
    let subuid = std::fs::read_to_string("/etc/subuid").ok().filter(|_| rustix::process::getuid().is_root())?;
    let passwd = std::fs::read_to_string("/etc/passwd").ok()?;
    PathBuf::from("/usr/bin/newuidmap").exists().then_some(())?;
    passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let (name, uid, gid) = (fields.first()?, fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?);
        let range = aleph_sandbox::ids::parse_subids(&subuid, name, uid)?;
        (uid != 0 && range.count >= 65534).then_some(Who::Granted { uid, gid })
    })
}
