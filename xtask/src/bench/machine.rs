//! The machine that was measured on, in words.

use std::{path::Path, process::Command};

use crate::tool::output;

/// Cores, processor, memory, kernel, system and file system.
pub(super) fn describe(work: &Path) -> String {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let processor = field("/proc/cpuinfo", "model name", ':').unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let memory =
        field("/proc/meminfo", "MemTotal", ':').and_then(|text| text.trim_end_matches(" kB").parse::<u64>().ok());
    let memory = memory.map_or_else(|| "unknown memory".to_owned(), |kib| format!("{} GiB", (kib + (1 << 19)) >> 20));
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let system = field("/etc/os-release", "PRETTY_NAME", '=').unwrap_or_else(|| "unknown system".to_owned());
    let file_system = line(Command::new("df").arg("--output=fstype").arg(work));
    format!("{cores} cores ({processor}), {memory}, {system}, Linux {}, {file_system}", kernel.trim())
}

/// Today, in UTC.
pub(super) fn today() -> String {
    line(Command::new("date").args(["--utc", "+%Y-%m-%d"]))
}

/// The commit that is checked out.
pub(super) fn commit() -> String {
    line(Command::new("git").current_dir(crate::tool::project()).args(["rev-parse", "--short=12", "HEAD"]))
}

/// A Debian package's version.
pub(super) fn version(package: &str) -> String {
    line(Command::new("dpkg-query").args(["--show", "--showformat=${Version}", package]))
}

/// The last line that a command prints.
fn line(command: &mut Command) -> String {
    let text = output(command).unwrap_or_default();
    text.lines().last().unwrap_or("unknown").trim().to_owned()
}

/// The first value of a key in a file of lines.
fn field(file: &str, key: &str, separator: char) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let found = text.lines().filter_map(|line| line.split_once(separator)).find(|(name, _)| name.trim() == key)?;
    Some(found.1.trim().trim_matches('"').to_owned())
}
