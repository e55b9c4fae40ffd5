//! `workshop [--single] LAYER[:LAYER...] UPPER WORK SCRIPT...`: runs shell scripts as root-inside over a stack of
//! directories, then lists what they wrote.
#![expect(clippy::disallowed_macros, reason = "a program, not a library")]

use std::process::Command;

use aleph_sandbox::ids::{self, IdMap};
use aleph_sandbox::workshop::{Event, Job, Limits, Step, worker_main};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args_os().skip(1).peekable();
    if args.next_if(|a| a == "--worker").is_some() {
        worker_main();
    }
    let single = args.next_if(|a| a == "--single").is_some();
    let mut next = || args.next().ok_or("too few arguments");
    let (layers, upper, work) = (next()?, next()?, next()?);
    let env = [("DEBIAN_FRONTEND", "noninteractive"), ("LC_ALL", "C.UTF-8"), ("HOME", "/root")];
    let steps = args.map(|script| Step {
        env: env.map(|(n, v)| (n.into(), v.into())).to_vec(),
        ..Step::new(script.to_string_lossy(), ["/bin/sh".into(), "-c".into(), script.clone()])
    });
    let job = Job {
        layers: std::env::split_paths(&layers).collect(),
        upper: upper.into(),
        work: work.into(),
        ids: if single { IdMap::Single } else { ids::choose() },
        files: Vec::new(),
        steps: steps.collect(),
        limits: Limits::default(),
    };
    let mut worker = Command::new("/proc/self/exe");
    worker.arg("--worker");
    let mut running = job.spawn(worker)?;
    while let Some(event) = running.next_event()? {
        match event {
            Event::Output { line, .. } => eprintln!("  {}", String::from_utf8_lossy(&line)),
            other => eprintln!("{other:?}"),
        }
    }
    let (outcome, ids) = running.finish()?;
    eprintln!("ids: {ids:?}, entries: {}", outcome.harvest.len());
    for entry in &outcome.harvest {
        let notable = entry.uid != 0 || entry.gid != 0 || entry.mode & 0o6000 != 0 || entry.capability.is_some();
        println!(
            "{} {:?} {}:{} {:o} {}",
            if notable { '*' } else { ' ' },
            entry.kind,
            entry.uid,
            entry.gid,
            entry.mode,
            entry.path.display()
        );
    }
    Ok(())
}
