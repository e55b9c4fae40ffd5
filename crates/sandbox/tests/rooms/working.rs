//! Running steps in a workshop.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use aleph_sandbox::ids::{IdMap, parse_subids};
use aleph_sandbox::workshop::{
    End, Event, Harvested, Job, Kind, Limits, Outcome, Placed, Step, Stream, WorkshopError, remove_tree,
};

use crate::{Body, Who, tree};

pub(crate) const TESTS: &[(&str, Body)] = &[
    ("workshop::owners_are_shown_and_harvested", owners_are_shown_and_harvested),
    ("workshop::owners_do_not_outlive_their_file", owners_do_not_outlive_their_file),
    ("workshop::the_caller_owns_what_is_left", the_caller_owns_what_is_left),
    ("workshop::special_files_are_reported_and_removed", special_files_are_reported_and_removed),
    ("workshop::removals_are_captured", removals_are_captured),
    ("workshop::capabilities_are_recorded", capabilities_are_recorded),
    ("workshop::becoming_another_user_succeeds", becoming_another_user_succeeds),
    ("workshop::steps_report", steps_report),
    ("workshop::steps_read_and_write", steps_read_and_write),
    ("workshop::failures_end_the_job", failures_end_the_job),
    ("workshop::steps_are_timed_out", steps_are_timed_out),
    ("workshop::who_takes_too_much_is_ended", who_takes_too_much_is_ended),
    ("workshop::nothing_outlives_its_step", nothing_outlives_its_step),
    ("workshop::host_is_out_of_reach", host_is_out_of_reach),
    ("workshop::the_machine_is_out_of_reach", the_machine_is_out_of_reach),
    ("workshop::steps_cannot_speak_for_us", steps_cannot_speak_for_us),
    ("workshop::host_mounts_are_gone", host_mounts_are_gone),
    ("workshop::files_are_placed", files_are_placed),
    ("workshop::killed_jobs_can_be_removed", killed_jobs_can_be_removed),
    ("workshop::failures_are_told", failures_are_told),
];

/// The ways in which `who` can be mapped.
fn maps(who: Who) -> Vec<IdMap> {
    match who {
        Who::Self_ if rustix::process::getuid().is_root() => vec![IdMap::Full, IdMap::Single],
        Who::Self_ | Who::Nobody => vec![IdMap::Single],
        Who::Granted { uid, .. } => {
            let range = |path| {
                let text = fs::read_to_string(path).expect("read");
                let passwd = fs::read_to_string("/etc/passwd").expect("read");
                let name = passwd.lines().find(|l| l.split(':').nth(2) == Some(&uid.to_string())).expect("listed");
                parse_subids(&text, name.split(':').next().expect("named"), uid).expect("granted")
            };
            vec![IdMap::Subordinate { uids: range("/etc/subuid"), gids: range("/etc/subgid") }, IdMap::Single]
        }
    }
}

/// A job over the base tree with the given shell scripts.
fn job(who: Who, ids: IdMap, scripts: &[&str]) -> Job {
    let directory = tree::scratch(who);
    let (upper, work) = (directory.join("upper"), directory.join("work"));
    tree::make_dirs(&directory, &upper, who);
    tree::make_dirs(&directory, &work, who);
    let steps = scripts.iter().map(|s| Step::new(*s, ["sh", "-c", s])).collect();
    Job { layers: vec![tree::base(who)], upper, work, ids, files: Vec::new(), steps, limits: Limits::default() }
}

/// Runs a job; gives its outcome and the lines that it wrote.
fn run(who: Who, job: &Job) -> (Outcome, Vec<String>) {
    let mut lines = Vec::new();
    let outcome = job.run(who.command("role-worker"), &mut |event| {
        if let Event::Output { line, .. } = event {
            lines.push(String::from_utf8_lossy(&line).into_owned());
        }
    });
    (outcome.expect("the job could be carried out"), lines)
}

/// Runs scripts in every way open to `who`, checks that they succeed, and shows each result.
fn each(who: Who, scripts: &[&str], check: impl Fn(&Job, Outcome, Vec<String>)) {
    for ids in maps(who) {
        let job = job(who, ids, scripts);
        let (outcome, lines) = run(who, &job);
        assert_eq!(outcome.failed_step(&job), None, "{ids:?}: {outcome:?} {lines:?}");
        check(&job, outcome, lines);
    }
}

fn by_path(outcome: &Outcome) -> BTreeMap<&Path, &Harvested> {
    outcome.harvest.iter().map(|h| (h.path.as_path(), h)).collect()
}

fn owners_are_shown_and_harvested(who: Who) {
    let script = "cd /data; chown 33:44 one; chmod 4755 one; stat -c '%u:%g %a' one; mkdir d; chown 5 d; chown :6 d; \
                  stat -c %u:%g d; ln -s one link; chown -h 7:8 link; stat -c %u:%g link; stat -L -c %u:%g link; \
                  mv one moved; cp -a moved copied; ln moved second; cd d; stat -c %u:%g ../moved . /data/second; \
                  cd /; stat -c %u:%g data/copied data/../data/d /data/two";
    each(who, &[script], |job, outcome, lines| {
        let expected = ["33:44 4755", "5:6", "7:8", "33:44", "33:44", "5:6", "33:44", "33:44", "5:6"];
        assert_eq!(lines[..expected.len()], expected);
        let entries = by_path(&outcome);
        for (path, uid, gid, mode) in [
            ("data/moved", 33, 44, 0o4755),
            ("data/second", 33, 44, 0o4755),
            ("data/copied", 33, 44, 0o4755),
            ("data/d", 5, 6, 0o755),
            ("data/link", 7, 8, 0o777),
        ] {
            let entry = entries[Path::new(path)];
            assert_eq!((entry.uid, entry.gid, entry.mode), (uid, gid, mode), "{path} {:?}", job.ids);
        }
        assert_eq!(entries[Path::new("data/one")].kind, Kind::Whiteout);
    });
}

fn owners_do_not_outlive_their_file(who: Who) {
    // Inode numbers are reused; a new file must not show an old one's owner.
    let script = "for i in $(seq 50); do touch /data/f; chown 9:9 /data/f; rm /data/f; touch /data/g; \
                  stat -c %u:%g /data/g; rm /data/g; done";
    each(who, &[script], |_, _, lines| assert!(lines.len() == 50 && lines.iter().all(|l| l == "0:0"), "{lines:?}"));
}

fn the_caller_owns_what_is_left(who: Who) {
    let script = "mkdir -p /new/shut; echo x > /new/shut/file; chmod 0 /new/shut/file; chown 3:3 /new/shut/file; \
                  chmod 0 /new/shut; chown 1:2 /new/shut; touch /new/s; chmod 6777 /new/s";
    each(who, &[script], |job, outcome, _| {
        let entries = by_path(&outcome);
        assert_eq!(entries[Path::new("new/shut/file")].mode, 0);
        assert_eq!(entries[Path::new("new/s")].mode, 0o6777);
        for path in ["", "new", "new/shut", "new/shut/file", "new/s"] {
            let meta = fs::symlink_metadata(job.upper.join(path)).expect("there");
            assert_eq!((meta.uid(), meta.gid()), who.ids(), "{path}");
            let floor = if meta.is_dir() { 0o700 } else { 0o400 };
            assert_eq!(meta.permissions().mode() & floor, floor, "{path}");
            assert_eq!(meta.permissions().mode() & 0o6000, 0, "{path}");
        }
        assert_eq!(fs::read_dir(&job.work).expect("listed").count(), 0);
    });
}

fn special_files_are_reported_and_removed(who: Who) {
    let script = "mkfifo /data/pipe; mknod /data/null c 1 3; chmod 666 /data/null; ls /data";
    each(who, &[script], |job, outcome, lines| {
        assert_eq!(lines, ["null", "one", "pipe", "two"]);
        let entries = by_path(&outcome);
        for path in ["data/pipe", "data/null"] {
            assert_eq!(entries[Path::new(path)].kind, Kind::Removed, "{path}");
            assert!(!job.upper.join(path).exists(), "{path}");
        }
    });
}

fn removals_are_captured(who: Who) {
    each(who, &["rm /data/one; rm -r /etc; mkdir /etc; echo new > /etc/new"], |job, outcome, _| {
        assert_eq!(by_path(&outcome)[Path::new("data/one")].kind, Kind::Whiteout);
        let mut value = [0u8; 4];
        let n = rustix::fs::getxattr(job.upper.join("etc"), "user.overlay.opaque", &mut value).expect("opaque");
        assert_eq!(&value[..n], b"y");
        // What was captured is a layer.
        let next =
            Job { layers: vec![job.upper.clone(), tree::base(who)], ..self::job(who, job.ids, &["ls /data /etc"]) };
        assert_eq!(run(who, &next).1, ["/data:", "two", "", "/etc:", "new"]);
        // And the directory may be written to again.
        let again =
            Job { steps: vec![Step::new("", ["sh", "-c", "ls /etc; rm /etc/new; touch /data/one"])], ..job.clone() };
        let (outcome, lines) = run(who, &again);
        assert_eq!(lines, ["new"]);
        assert_eq!(by_path(&outcome)[Path::new("data/one")].kind, Kind::File);
    });
}

fn capabilities_are_recorded(who: Who) {
    each(who, &["touch /data/ping && rooms role-capability /data/ping"], |job, outcome, _| {
        let entry = by_path(&outcome)[Path::new("data/ping")];
        assert!(entry.capability.as_ref().is_some_and(|c| c.len() >= 20), "{entry:?}");
        let n = rustix::fs::getxattr(job.upper.join("data/ping"), "security.capability", &mut [0u8; 64]);
        assert_eq!(n, Err(rustix::io::Errno::NODATA));
    });
}

fn becoming_another_user_succeeds(who: Who) {
    // `chroot --userspec` is in every coreutils, and makes all the calls.
    let chroot = ["/usr/sbin/chroot", "/usr/bin/chroot", "/sbin/chroot"].map(PathBuf::from);
    let chroot = chroot.into_iter().find(|p| p.exists()).expect("the host has chroot");
    for ids in maps(who) {
        let layer = tree::layer(who, &[]);
        fs::create_dir_all(layer.join("usr/bin")).expect("made");
        fs::copy(&chroot, layer.join("usr/bin/chroot")).expect("copied");
        let mut job = job(who, ids, &["chroot --userspec=1:2 --groups=3,4 / true"]);
        job.layers.insert(0, layer);
        let (outcome, lines) = run(who, &job);
        assert_eq!(outcome.failed_step(&job), None, "{ids:?} {lines:?}");
    }
}

fn steps_report(who: Who) {
    let ids = maps(who)[0];
    let mut job = job(who, ids, &["exit 7", "kill -9 $$", "true"]);
    job.steps.insert(2, Step::new("missing", ["no-such-command"]));
    job.steps.iter_mut().for_each(|s| s.may_fail = true);
    let (outcome, _) = run(who, &job);
    let ends: Vec<_> = outcome.steps.iter().map(|s| s.end.clone()).collect();
    assert_eq!(ends[..2], [End::Exited(7), End::Signalled(9)]);
    assert!(matches!(&ends[2], End::NotStarted { reason } if reason.contains("no-such-command")), "{ends:?}");
    assert_eq!(ends[3], End::Exited(0));
    assert!(outcome.steps.iter().all(|s| s.peak_kib > 0));
    assert_eq!(outcome.failed_step(&job), None);
}

fn steps_read_and_write(who: Who) {
    let input: Vec<u8> = (0..200_000u32).flat_map(u32::to_le_bytes).collect();
    let mut job = job(who, maps(who)[0], &["wc -c", "cat >&2; printf 'a\\377b\\nlast'; echo $KEY; pwd; echo $PATH"]);
    job.steps[0].stdin = Some(input.clone());
    job.steps[1].env = vec![("KEY".into(), "value".into())];
    job.steps[1].cwd = "/data".into();
    let mut events = Vec::new();
    job.run(who.command("role-worker"), &mut |event| events.push(event)).expect("carried out");
    let lines = |wanted: usize, on: Stream| -> Vec<Vec<u8>> {
        let pick = |e: &Event| match e {
            Event::Output { step, stream, line } if *step == wanted && *stream == on => Some(line.clone()),
            _ => None,
        };
        events.iter().filter_map(pick).collect()
    };
    assert_eq!(lines(0, Stream::Out), [input.len().to_string().into_bytes()]);
    let out = lines(1, Stream::Out);
    assert_eq!(out[..3], [b"a\xffb".to_vec(), b"lastvalue".to_vec(), b"/data".to_vec()]);
    assert!(out[3].starts_with(b"/usr/local/sbin:"), "{out:?}");
    assert_eq!(lines(1, Stream::Err), Vec::<Vec<u8>>::new());
    assert!(matches!(events[0], Event::Started { step: 0 }));
}

fn failures_end_the_job(who: Who) {
    for ids in maps(who) {
        let job = job(who, ids, &["touch /data/before", "exit 3", "touch /data/after"]);
        let (outcome, _) = run(who, &job);
        assert_eq!(outcome.failed_step(&job), Some(1));
        // What was written up to there is told all the same.
        assert!(by_path(&outcome).contains_key(Path::new("data/before")));
        assert!(!job.upper.join("data/after").exists());
    }
}

/// However many there are when somebody looks, all of them go; and the machine can be used by the next step.
fn who_takes_too_much_is_ended(who: Who) {
    for ids in maps(who) {
        let crowd = "i=0; while [ $i -lt 300 ]; do sleep 60 & i=$((i+1)); done; wait";
        let mut job = job(who, ids, &[crowd, "echo next", "echo more > /data/file; sleep 60"]);
        job.steps[0].may_fail = true;
        job.limits = Limits { tasks: Some(200), free: None };
        let mut filled = Job { steps: vec![job.steps.pop().expect("three")], ..job.clone() };
        let (outcome, lines) = run(who, &job);
        assert_eq!(outcome.steps[0].end, End::TookTooMuch { what: "more than 200 processes and threads".to_owned() });
        assert_eq!(lines.last().map(String::as_str), Some("next"));
        filled.limits = Limits { tasks: None, free: Some(u64::MAX) };
        let (outcome, _) = run(who, &filled);
        assert!(matches!(&outcome.steps[0].end, End::TookTooMuch { what } if what.contains("room on the disk")));
    }
}

fn steps_are_timed_out(who: Who) {
    let mut job = job(who, maps(who)[0], &["sleep 600 & sleep 600", "echo next"]);
    job.steps[0].timeout = Some(Duration::from_millis(200));
    job.steps[0].may_fail = true;
    let (outcome, lines) = run(who, &job);
    assert_eq!(outcome.steps[0].end, End::TimedOut);
    assert_eq!(lines, ["next"]);
}

fn nothing_outlives_its_step(who: Who) {
    let scripts = ["sleep 600 & (sleep 600 &) ; echo started", "ls -d /proc/[0-9]* | wc -l"];
    each(who, &scripts, |_, _, lines| {
        assert_eq!(lines[0], "started");
        // Process 1, the shell, `ls` and `wc`.
        assert!(lines[1].parse::<u32>().expect("a number") <= 4, "{lines:?}");
    });
}

fn host_is_out_of_reach(who: Who) {
    let own = tree::executable().parent().expect("has a parent").display().to_string();
    let script = format!(
        "ls {own} 2>/dev/null; ls /tmp /home; id -u; while read -r l; do case $l in *:*) echo ${{l%%:*}};; esac; done \
         < /proc/net/dev; test -c /dev/null && echo x > /dev/null && sync && echo done"
    );
    each(who, &[&script], |_, _, lines| {
        let text = lines.join("\n");
        assert!(text.starts_with("/home:\n\n/tmp:\n0\n"), "{text}");
        assert!(lines.contains(&"lo".to_owned()) && !text.contains("eth"), "{text}");
        assert_eq!(lines.last().map(String::as_str), Some("done"));
    });
}

/// Root's user id may change the whole machine through `/proc`, and the host's device nodes, whatever namespace it is in.
fn the_machine_is_out_of_reach(who: Who) {
    let script = "(: >> /proc/sys/kernel/core_pattern) 2> /dev/null || echo refused; \
                  (: >> /proc/sysrq-trigger) 2> /dev/null || echo refused; \
                  umount /proc/sys 2> /dev/null || echo refused; chmod 600 /dev/null 2> /dev/null || echo refused";
    each(who, &[script], |_, _, lines| assert_eq!(lines, ["refused"; 4]));
}

fn steps_cannot_speak_for_us(who: Who) {
    let script = "(echo '{\"Done\":{\"ids\":\"Single\"}}' > /proc/1/fd/1) 2> /dev/null || echo refused; \
                  (ls /proc/1/root/) 2> /dev/null || echo refused; touch /data/after";
    each(who, &[script], |_, outcome, lines| {
        assert_eq!(lines, ["refused", "refused"]);
        assert!(by_path(&outcome).contains_key(Path::new("data/after")));
    });
}

fn host_mounts_are_gone(who: Who) {
    each(who, &["while read -r a b c d path rest; do echo $path; done < /proc/self/mountinfo"], |_, _, lines| {
        let ours = ["/", "/proc", "/tmp", "/run"];
        let known =
            |path: &String| ours.contains(&path.as_str()) || path.starts_with("/dev") || path.starts_with("/proc/");
        assert!(lines.iter().all(known) && lines.iter().filter(|l| *l == "/").count() == 1, "{lines:?}");
    });
}

fn files_are_placed(who: Who) {
    let place = |path: &str, content: &str, mode: u32, lasting: bool| Placed {
        path: path.into(),
        mode,
        bytes: content.into(),
        lasting,
    };
    for ids in maps(who) {
        let mut job = job(who, ids, &["policy; cat /etc/motd /etc/made/here /data/one; stat -c %a /etc/made/here"]);
        job.files = vec![
            place("/usr/bin/policy", "#!/bin/sh\necho covered\n", 0o755, false),
            place("/etc/motd", "hidden\n", 0o644, false),
            place("/etc/made/here", "stays\n", 0o640, true),
            place("/data/one", "replaced\n", 0o600, true),
        ];
        let (outcome, lines) = run(who, &job);
        assert_eq!(lines, ["covered", "hidden", "stays", "replaced", "640"], "{ids:?}");
        let entries = by_path(&outcome);
        assert!(!entries.contains_key(Path::new("etc/motd")), "{entries:?}");
        assert_eq!(fs::read_to_string(job.upper.join("etc/made/here")).expect("stays"), "stays\n");
        assert_eq!(fs::read_to_string(job.upper.join("data/one")).expect("stays"), "replaced\n");
        // A name that is no text travels too.
        job.files = vec![Placed { path: Path::new("/data").join(OsStr::from_bytes(b"\xff")), ..job.files[3].clone() }];
        job.steps.clear();
        let (outcome, _) = run(who, &job);
        assert!(by_path(&outcome).contains_key(Path::new(OsStr::from_bytes(b"data/\xff"))));
    }
}

fn killed_jobs_can_be_removed(who: Who) {
    for ids in maps(who) {
        let script = "mkdir -p /x/y; touch /x/y/z; chown -R 5:5 /x; chmod 0 /x/y /x; echo ready; sleep 600";
        let job = job(who, ids, &[script]);
        let mut running = job.spawn(who.command("role-worker")).expect("started");
        while let Some(event) = running.next_event().expect("runs") {
            if matches!(event, Event::Output { .. }) {
                break;
            }
        }
        let began = Instant::now();
        drop(running);
        assert!(began.elapsed() < Duration::from_secs(60));
        let directory = job.upper.parent().expect("has a parent");
        remove_tree(&job.upper, ids, who.command("role-worker")).expect("removed");
        remove_tree(&job.work, ids, who.command("role-worker")).expect("removed");
        assert_eq!(fs::read_dir(directory).expect("listed").count(), 0);
        remove_tree(&job.upper, ids, who.command("role-worker")).expect("already gone");
    }
}

fn failures_are_told(who: Who) {
    let ids = maps(who)[0];
    let mut lost = job(who, ids, &["true"]);
    lost.layers.push("/no/such/layer".into());
    let error = lost.run(who.command("role-worker"), &mut |_| {}).expect_err("no such layer");
    assert!(matches!(&error, WorkshopError::Inside { doing, .. } if doing.contains("/no/such/layer")), "{error:?}");
    let good = job(who, ids, &["true"]);
    let error = good.run(who.command("role-unknown"), &mut |_| {}).expect_err("no worker");
    assert!(matches!(&error, WorkshopError::Died { said, .. } if said.contains("role-unknown")), "{error:?}");
    let error = good.run(std::process::Command::new("/no/such/program"), &mut |_| {}).expect_err("no program");
    assert!(matches!(error, WorkshopError::Spawn { .. }));
}
