//! Who is who inside a workshop, and which of the ways to say so are open to the caller.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// How many ids a distribution's scripts may count on: 0 to 65535.
pub const FULL: u32 = 65536;

/// A contiguous range of ids on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdRange {
    /// The first.
    pub start: u32,
    /// How many.
    pub count: u32,
}

/// Who is who inside a workshop. In every case 0 inside is the caller outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum IdMap {
    /// The caller is root: ids 0 to 65535 are themselves.
    Full,
    /// The ids from 1 on are the caller's subordinate ids; `newuidmap` and `newgidmap` write the map.
    Subordinate {
        /// The caller's range of user ids.
        uids: IdRange,
        /// The caller's range of group ids.
        gids: IdRange,
    },
    /// Only 0 exists. Changes of ownership are recorded, and shown as if they had happened.
    Single,
}

/// Reads a subordinate id file (`/etc/subuid`, `/etc/subgid`) for the first range of `user` (or of his number `uid`).
/// Lines that are not `name:start:count` are passed over, as is a range that leaves the 32 bits or holds the ids 0 or -1.
pub fn parse_subids(text: &str, user: &str, uid: u32) -> Option<IdRange> {
    let uid = uid.to_string();
    text.lines().find_map(|line| {
        let mut fields = line.trim().split(':');
        let owner = fields.next()?;
        let start: u32 = fields.next()?.parse().ok()?;
        let count: u32 = fields.next()?.parse().ok()?;
        let mine = fields.next().is_none() && (owner == user || owner == uid) && !owner.is_empty();
        (mine && start > 0 && count > 0 && start.checked_add(count).is_some()).then_some(IdRange { start, count })
    })
}

/// The best way open to the caller, by the host's account files and installed helpers.
pub fn choose() -> IdMap {
    let uid = rustix::process::geteuid().as_raw();
    let whole = |path| crate::etc::read_kernel(path).is_some_and(|text| full_map(&text).is_some());
    if uid == 0 && whole("/proc/self/uid_map") && whole("/proc/self/gid_map") {
        return IdMap::Full;
    }
    subordinate(uid).unwrap_or(IdMap::Single)
}

/// The caller's subordinate ranges, where he has enough of them and the helpers that map them are installed.
fn subordinate(uid: u32) -> Option<IdMap> {
    let user = user_name(uid);
    let range = |path: &str| {
        let bytes = crate::etc::read_host(path)?;
        // Distributions count on 65534 (nobody); a range that ends before would break half-way.
        parse_subids(&String::from_utf8_lossy(&bytes), &user, uid).filter(|r| r.count >= FULL - 2)
    };
    helper("newuidmap")?;
    helper("newgidmap")?;
    Some(IdMap::Subordinate { uids: range("/etc/subuid")?, gids: range("/etc/subgid")? })
}

/// The user's name on the host, or nothing.
fn user_name(uid: u32) -> String {
    let passwd = crate::etc::read_host("/etc/passwd").unwrap_or_default();
    let line = crate::etc::line_of(&passwd, uid).or_else(|| crate::host::name_service_line(uid)).unwrap_or_default();
    String::from_utf8_lossy(line.split(|b| *b == b':').next().unwrap_or_default()).into_owned()
}

/// Where a helper program that maps ids is.
pub(crate) fn helper(name: &str) -> Option<PathBuf> {
    let dirs = ["/usr/bin", "/bin", "/usr/local/bin", "/usr/sbin", "/run/wrappers/bin"];
    dirs.iter().map(|dir| Path::new(dir).join(name)).find(|p| p.is_file())
}

/// The map in which each of the ids 0 to 65535 is itself, given the map of the namespace we are in as the kernel prints
/// it: one line for each of its ranges. `None`: not all of them exist here.
pub(crate) fn full_map(parent: &str) -> Option<String> {
    let mut ranges: Vec<(u32, u32)> = parent
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace().map(str::parse::<u32>);
            let (start, _, count) = (words.next()?.ok()?, words.next()?, words.next()?.ok()?);
            (start < FULL && count > 0).then(|| (start, count.min(FULL - start)))
        })
        .collect();
    ranges.sort_unstable();
    let end = ranges.iter().try_fold(0, |end, (start, count)| (*start == end).then_some(start + count));
    let lines = ranges.iter().map(|(start, count)| format!("{start} {start} {count}\n"));
    (end == Some(FULL)).then(|| lines.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subordinate_ranges_are_found() {
        let check = |text: &str, expected: Option<(u32, u32)>| {
            let found = parse_subids(text, "alice", 1001).map(|r| (r.start, r.count));
            assert_eq!(found, expected, "{text:?}");
        };
        check("alice:100000:65536\n", Some((100_000, 65536)));
        check("bob:1:1\n1001:200000:5\n", Some((200_000, 5)));
        check("# x\nalice:x:1\nalice:5\nalice:1:2:3\n", None);
        check("alice:0:65536\nalice:4294967295:1\nalice:7:0", None);
        check("", None);
    }

    #[test]
    fn full_maps_follow_the_namespace_we_are_in() {
        let check =
            |parent: &str, expected: Option<&str>| assert_eq!(full_map(parent).as_deref(), expected, "{parent:?}");
        check("         0          0 4294967295\n", Some("0 0 65536\n"));
        check("1 100000 65536\n0 1000 1\n", Some("0 0 1\n1 1 65535\n"));
        check("0 1000 1\n1 100000 65534\n", None);
        check("0 1000 1\n2 100000 65534\n", None);
        check("1000 1000 1\n", None);
        check("", None);
    }

    proptest::proptest! {
        #[test]
        fn foreign_files_do_no_harm(text in ".{0,200}") {
            parse_subids(&text, "alice", 1001);
            full_map(&text);
        }
    }
}
