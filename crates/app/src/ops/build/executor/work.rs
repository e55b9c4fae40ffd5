//! A build on a cluster's worker, in the directory that the cluster made for it.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use aleph_build::work::{Room, Work, amend, carry_out, collect, log_line, place};
use aleph_component::{read_listing, write_listing};

use super::ship::{PROGRAM, PROGRAMS};
use crate::{
    cli::WORKER,
    failure::{Failure, Outcome},
    host::Host,
    ops::build::prepare::cores,
};

/// The exit code where it could not be tried. One tells that it failed.
const NOT_TRIED: u8 = 2;

/// Builds what is described in the working directory, and leaves there what came of it.
pub(crate) fn work(host: &Host) -> Outcome {
    let failed = |failure: Failure| failure.with_code(NOT_TRIED);
    try_work(&host.cwd).map_err(failed)
}

fn try_work(root: &Path) -> Outcome {
    let path = |name: &str| root.join(name);
    let work: Work = serde_json::from_slice(&fs::read(path(place::WORK))?)?;
    let scratch = path(place::SCRATCH);
    let room = Room { layers: layers(root)?, upper: scratch.join("upper"), work: scratch.join("work") };
    for directory in [&room.upper, &room.work, &path(place::FILES)] {
        fs::create_dir_all(directory)?;
    }
    let mut log = File::create(path(place::LOG))?;
    let mut unwritten = None;
    let report = carry_out(&work, &room, cores(), worker(root), &mut |event| {
        unwritten = unwritten.take().or(log_line(&mut log, &work, event).err());
    })?;
    if let Some(error) = unwritten {
        return Err(error.into());
    }
    if report.failed.is_none() {
        let entries = collect(&work.installed(&room.upper), &path(place::FILES))?;
        fs::write(path(place::LISTING), write_listing(&entries))?;
    }
    // Last: it says that the rest is there.
    fs::write(path(place::REPORT), serde_json::to_vec(&report)?)?;
    Ok(if report.failed.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The layers, each below what makes it what its listing says.
fn layers(root: &Path) -> Outcome<Vec<PathBuf>> {
    let mut layers = Vec::new();
    for number in 0.. {
        let listing = root.join(place::LISTINGS).join(number.to_string());
        if !listing.exists() {
            break;
        }
        let staged = root.join(place::LAYERS).join(number.to_string());
        let over = root.join(place::SCRATCH).join(format!("over-{number}"));
        fs::create_dir_all(&over)?;
        amend(&read_listing(&fs::read_to_string(&listing)?)?, &staged, &over)?;
        layers.extend([over, staged]);
    }
    Ok(layers)
}

/// How this program is started as a sandbox's worker: as it was started itself, since its libraries came along.
fn worker(root: &Path) -> Command {
    let (directory, program) = (root.join(PROGRAMS), root.join(PROGRAMS).join(PROGRAM));
    let mut loader = fs::read_dir(&directory).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_loader = |path: &PathBuf| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"ld-"));
    let mut command = match loader.find(is_loader) {
        Some(loader) => {
            let mut command = Command::new(loader);
            command.arg("--library-path").arg(&directory).arg(&program);
            command
        }
        None => Command::new(program),
    };
    command.arg(WORKER);
    command
}
