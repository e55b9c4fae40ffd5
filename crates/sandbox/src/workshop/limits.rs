//! Watching what steps take of the machine, from process 1 of their namespace.

use std::time::Duration;

use super::Limits;

/// How often somebody looks: what only forks makes thousands in a second.
const EVERY: Duration = Duration::from_millis(100);
/// With more processes than this their threads are not counted: looking has to stay cheap.
const FEW: u32 = 256;

impl Limits {
    /// How long to wait before looking again, if there is anything to look at.
    pub(super) fn pause(self) -> Option<Duration> {
        (self.tasks.is_some() || self.free.is_some()).then_some(EVERY)
    }

    /// What is taken too much of, in words.
    pub(super) fn exceeded(self) -> Option<String> {
        if let Some(most) = self.tasks.filter(|most| tasks().is_some_and(|tasks| tasks > *most)) {
            return Some(format!("more than {most} processes and threads"));
        }
        let free = || {
            let room = rustix::fs::statvfs(c"/").ok()?;
            Some(room.f_bavail.saturating_mul(room.f_frsize))
        };
        let least = self.free.filter(|least| free().is_some_and(|free| free < *least))?;
        Some(format!("room on the disk: less than {} MiB were left", least >> 20))
    }
}

/// How many tasks there are in this process namespace.
fn tasks() -> Option<u32> {
    let entries = std::fs::read_dir("/proc").ok()?.flatten().map(|entry| entry.file_name());
    let numbers: Vec<_> = entries.filter(|name| name.as_encoded_bytes().iter().all(u8::is_ascii_digit)).collect();
    let processes = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
    if processes > FEW {
        return Some(processes);
    }
    let threads = |number: &std::ffi::OsString| {
        let tasks = std::fs::read_dir(std::path::Path::new("/proc").join(number).join("task"));
        // One that has just ended counts as one.
        tasks.map_or(1, |tasks| u32::try_from(tasks.count()).unwrap_or(u32::MAX))
    };
    Some(numbers.iter().map(threads).sum())
}
