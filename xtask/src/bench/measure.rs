//! Whole processes: wall-clock time from start to end, and the peak memory of any process in it.

use std::{
    fs::File,
    mem::MaybeUninit,
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

use crate::tool::{Outcome, show};

/// One run of one contender.
#[derive(Clone, Copy)]
pub(super) struct Sample {
    /// What is compared, in seconds.
    pub(super) seconds: f64,
    /// Processor time of the process and of those it waited for, in seconds.
    pub(super) cpu: f64,
    /// The largest resident set of the process and of those it waited for, in KiB.
    pub(super) peak_kib: u64,
}

impl Sample {
    /// A phase of a run, of which only the time is known.
    pub(super) fn phase(seconds: f64) -> Self {
        Self { seconds, cpu: f64::NAN, peak_kib: 0 }
    }
}

/// A run that is over, with what it printed.
pub(super) struct Finished {
    pub(super) sample: Sample,
    pub(super) stdout: String,
}

/// Runs a command to its end; it must succeed.
pub(super) fn process(work: &Path, command: &mut Command) -> Outcome<Finished> {
    let (out, err) = (work.join("stdout"), work.join("stderr"));
    command.stdin(Stdio::null()).stdout(File::create(&out)?).stderr(File::create(&err)?);
    let start = Instant::now();
    let child = command.spawn().map_err(|error| format!("cannot start {}: {error}", show(command)))?;
    let (status, usage) = wait(child.id())?;
    let seconds = start.elapsed().as_secs_f64();
    if status != 0 {
        let said = std::fs::read(&err)?;
        let said = String::from_utf8_lossy(&said);
        let last: Vec<&str> = said.lines().rev().take(12).collect();
        let last: Vec<&str> = last.into_iter().rev().collect();
        return Err(format!("{} ended with wait status {status}:\n{}", show(command), last.join("\n")).into());
    }
    let stdout = String::from_utf8_lossy(&std::fs::read(&out)?).into_owned();
    let cpu = duration(usage.ru_utime) + duration(usage.ru_stime);
    Ok(Finished { sample: Sample { seconds, cpu, peak_kib: u64::try_from(usage.ru_maxrss)? }, stdout })
}

#[expect(clippy::cast_precision_loss, reason = "microseconds of hours fit")]
fn duration(time: libc::timeval) -> f64 {
    time.tv_sec as f64 + time.tv_usec as f64 / 1e6
}

/// Waits for a child of ours. Gives its raw wait status and what it used.
fn wait(pid: u32) -> Outcome<(i32, libc::rusage)> {
    let (pid, mut status, mut usage) = (i32::try_from(pid)?, 0, MaybeUninit::<libc::rusage>::zeroed());
    loop {
        // SAFETY: the pointers are to a status and a usage that live longer than the call.
        if unsafe { libc::wait4(pid, &raw mut status, 0, usage.as_mut_ptr()) } == pid {
            break;
        }
        let error = std::io::Error::last_os_error();
        if error.kind() != std::io::ErrorKind::Interrupted {
            return Err(error.into());
        }
    }
    // SAFETY: all zeroes are a valid usage, and the kernel has filled it in.
    Ok((status, unsafe { usage.assume_init() }))
}

/// One that is measured in turn with others; each is told the number of the round.
pub(super) struct Contender<'a> {
    pub(super) name: String,
    pub(super) run: Box<dyn FnMut(usize) -> Outcome<Sample> + 'a>,
}

impl<'a> Contender<'a> {
    pub(super) fn new(name: impl Into<String>, run: impl FnMut(usize) -> Outcome<Sample> + 'a) -> Self {
        Self { name: name.into(), run: Box::new(run) }
    }
}

/// All runs of one contender.
pub(super) struct Series {
    pub(super) name: String,
    samples: Vec<Sample>,
}

/// Runs the contenders in turn, one round uncounted.
pub(super) fn in_turn(rounds: usize, mut contenders: Vec<Contender<'_>>) -> Outcome<Vec<Series>> {
    let mut series: Vec<Series> =
        contenders.iter().map(|contender| Series { name: contender.name.clone(), samples: Vec::new() }).collect();
    for round in 0..=rounds {
        for (contender, series) in contenders.iter_mut().zip(&mut series) {
            // Short runs write next to nothing.
            if rounds < 20 {
                settle();
            }
            let sample = (contender.run)(round).map_err(|error| format!("{}: {error}", contender.name))?;
            if rounds < 20 {
                let counted = if round == 0 { " (not counted)" } else { "" };
                let Sample { seconds, cpu, peak_kib } = sample;
                eprintln!("   {}: {seconds:.3} s, CPU {cpu:.3} s, {} MiB{counted}", contender.name, peak_kib / 1024);
            }
            if round > 0 {
                series.samples.push(sample);
            }
        }
    }
    Ok(series)
}

/// Writes out what earlier runs left in memory, so that nobody pays for another's bytes.
pub(super) fn settle() {
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::sync() };
}

impl Series {
    pub(super) fn of(name: impl Into<String>, samples: Vec<Sample>) -> Self {
        Self { name: name.into(), samples }
    }

    pub(super) fn median(&self) -> f64 {
        median(self.samples.iter().map(|sample| sample.seconds).collect())
    }

    /// Median of the processor time.
    pub(super) fn cpu(&self) -> f64 {
        median(self.samples.iter().map(|sample| sample.cpu).collect())
    }

    pub(super) fn range(&self) -> (f64, f64) {
        let seconds = || self.samples.iter().map(|sample| sample.seconds);
        (seconds().fold(f64::INFINITY, f64::min), seconds().fold(0.0, f64::max))
    }

    pub(super) fn peak_mib(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "shown as whole MiB")]
        let peak = self.samples.iter().map(|sample| sample.peak_kib).max().unwrap_or(0) as f64;
        peak / 1024.0
    }

    pub(super) fn rounds(&self) -> usize {
        self.samples.len()
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        length if length % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]).total_cmp(&2.0), std::cmp::Ordering::Equal);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]).total_cmp(&2.5), std::cmp::Ordering::Equal);
        assert!(median(Vec::new()).is_nan());
    }

    #[test]
    fn a_process_is_measured_and_its_failure_is_told() {
        let work = std::env::temp_dir().join(format!("xtask-measure-{}", std::process::id()));
        std::fs::create_dir_all(&work).expect("a directory for the test");
        let finished = process(&work, Command::new("sh").args(["-c", "echo said"])).expect("sh runs");
        assert_eq!(finished.stdout, "said\n");
        assert!(finished.sample.seconds > 0.0 && finished.sample.peak_kib > 0);
        let failure = process(&work, Command::new("sh").args(["-c", "echo why >&2; exit 3"])).err();
        assert!(failure.is_some_and(|error| error.to_string().contains("why")));
        std::fs::remove_dir_all(&work).expect("the directory is ours");
    }
}
