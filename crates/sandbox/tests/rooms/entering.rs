//! Entering a view.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use crate::{Body, Who, tree};

pub(crate) const TESTS: &[(&str, Body)] = &[
    ("enter::exit_codes_pass", exit_codes_pass),
    ("enter::signals_pass", signals_pass),
    ("enter::commands_are_found_inside", commands_are_found_inside),
    ("enter::callers_stay_who_they_are", callers_stay_who_they_are),
    ("enter::environment_is_cleaned", environment_is_cleaned),
    ("enter::host_shows", host_shows),
    ("enter::run_is_the_views_own", run_is_the_views_own),
    ("enter::run_has_what_daemons_keep", run_has_what_daemons_keep),
    ("enter::authorities_of_the_host_are_trusted", authorities_of_the_host_are_trusted),
    ("enter::layers_stack", layers_stack),
    ("enter::layers_are_never_written", layers_are_never_written),
    ("enter::awkward_paths", awkward_paths),
    ("enter::missing_layers_are_named", missing_layers_are_named),
    ("enter::layers_of_others_are_entered", layers_of_others_are_entered),
    ("enter::views_nest", views_nest),
    ("enter::pure_hides_the_host", pure_hides_the_host),
    ("enter::pure_has_no_mounts_of_the_host", pure_has_no_mounts_of_the_host),
    ("enter::pure_hands_signals_down", pure_hands_signals_down),
    ("enter::pure_ends_with_its_watcher", pure_ends_with_its_watcher),
];

/// Those that only root can prepare.
pub(crate) const ROOTS_TESTS: &[(&str, Body)] =
    &[("enter::homes_show_wherever_they_are", homes_show_wherever_they_are)];

/// Runs a shell script inside the stack of layers.
fn run(who: Who, layers: &[PathBuf], flags: &str, script: &str) -> Output {
    run_argv(who, layers, flags, &["sh", "-c", script])
}

fn run_argv(who: Who, layers: &[PathBuf], flags: &str, argv: &[&str]) -> Output {
    let mut command = who.command("role-enter");
    command.arg(std::env::join_paths(layers).expect("no colons")).arg(flags).args(argv);
    command.current_dir("/tmp").stdin(Stdio::null()).output().expect("started")
}

fn text(output: &Output) -> String {
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{:?}: {err}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn exit_codes_pass(who: Who) {
    for flags in ["", "pure"] {
        for code in [0, 1, 42, 255] {
            let output = run(who, &[tree::base(who)], flags, &format!("exit {code}"));
            assert_eq!(output.status.code(), Some(code), "{flags}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

fn signals_pass(who: Who) {
    for flags in ["", "pure"] {
        for signal in [libc::SIGTERM, libc::SIGKILL, libc::SIGSEGV, libc::SIGPIPE] {
            let output = run(who, &[tree::base(who)], flags, &format!("kill -{signal} $$"));
            assert_eq!(output.status.signal(), Some(signal), "{flags} {:?}", output.status);
        }
    }
}

fn commands_are_found_inside(who: Who) {
    let base = [
        tree::layer(who, &[("usr/bin/plain", "echo by the shell\n"), ("usr/bin/broken", "#!/no/such\n")]),
        tree::base(who),
    ];
    for (name, mode) in [("plain", 0o755), ("broken", 0o755)] {
        let path = base[0].join("usr/bin").join(name);
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("made executable");
    }
    let check = |argv: &[&str], expected: i32| {
        let output = run_argv(who, &base, "", argv);
        assert_eq!(output.status.code(), Some(expected), "{argv:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    check(&["true"], 0);
    check(&["/usr/bin/true"], 0);
    check(&["plain"], 0);
    check(&["no-such-command"], 127);
    check(&["/no/such/command"], 127);
    check(&[""], 127);
    check(&["/etc/motd"], 126);
    check(&["/etc"], 126);
    check(&["broken"], 126);
}

fn callers_stay_who_they_are(who: Who) {
    let (uid, gid) = who.ids();
    for flags in ["", "pure"] {
        assert_eq!(text(&run(who, &[tree::base(who)], flags, "id -u; id -g")), format!("{uid}\n{gid}\n"));
        // There is a name for the number.
        assert_ne!(text(&run(who, &[tree::base(who)], flags, "id -un")).trim(), uid.to_string());
    }
    // The view's own accounts are still there.
    assert!(text(&run(who, &[tree::base(who)], "", "cat /etc/passwd")).contains("root:x:0:0:"));
}

fn environment_is_cleaned(who: Who) {
    let mut command = who.command("role-enter");
    command.arg(tree::base(who)).args(["", "env"]).current_dir("/tmp");
    command.env("PYTHONPATH", "/host").env("LC_ALL", "xx_XX.UTF-8").env("KEPT", "a b").env("SSL_CERT_FILE", "/no/such");
    let env = text(&command.output().expect("started"));
    for line in ["KEPT=a b", "LC_ALL=C.UTF-8", "ALEPH_VIEW=test"] {
        assert!(env.lines().any(|l| l == line), "{line} in {env}");
    }
    for name in ["PYTHONPATH=", "SSL_CERT_FILE=/no/such"] {
        assert!(!env.contains(name), "{name} in {env}");
    }
}

fn host_shows(who: Who) {
    let directory = tree::scratch(who);
    fs::write(directory.join("file"), "of the host\n").expect("written");
    let mut command = who.command("role-enter");
    let script =
        "pwd; cat file; echo written > new; test -c /dev/null && test -d /proc/1 && test -d /sys/class && echo here";
    command.arg(tree::base(who)).args(["", "sh", "-c", script]).current_dir(&directory);
    let output = text(&command.output().expect("started"));
    assert_eq!(output, format!("{}\nof the host\nhere\n", directory.display()));
    assert_eq!(fs::read_to_string(directory.join("new")).expect("passed through"), "written\n");
    let hosts = fs::read_to_string("/etc/hosts").unwrap_or_default();
    assert_eq!(text(&run(who, &[tree::base(who)], "", "cat /etc/hosts 2>/dev/null || true")), hosts);
    // What a distribution fills is the view's.
    assert_eq!(text(&run(who, &[tree::base(who)], "", "cat /etc/motd; ls /usr")).lines().next(), Some("base"));
}

/// Anybody may write there, nothing of it reaches the host, and the host's daemons can be reached.
fn run_is_the_views_own(who: Who) {
    let layer = tree::layer(who, &[("run/ours/file", "of the view\n")]);
    let name = format!("rooms-{}.pid", std::process::id());
    let script = format!("echo 1 > /run/{name} && cat /run/{name} /run/ours/file && ls /run");
    for flags in ["", "pure"] {
        let output = text(&run(who, &[layer.clone(), tree::base(who)], flags, &script));
        assert!(output.starts_with("1\nof the view\n") || flags == "pure", "{output}");
        assert!(!Path::new("/run").join(&name).exists());
        let host = fs::read_dir("/run").expect("listed").map(|entry| entry.expect("read"));
        for directory in host.filter(|entry| entry.file_type().expect("known").is_dir()) {
            let shows = output.lines().any(|line| line == directory.file_name());
            assert_eq!(shows, flags != "pure", "{directory:?} in {output}");
        }
    }
}

/// What daemons keep there is reached under its usual name.
fn run_has_what_daemons_keep(who: Who) {
    let shown = text(&run(who, &[tree::base(who)], "", "ls /run/lock/ /run/host/lock/ > /dev/null && echo both"));
    assert_eq!(shown, "both\n");
}

/// A view without certificates has the host's; one with its own keeps those.
fn authorities_of_the_host_are_trusted(who: Who) {
    let bundle = "/etc/ssl/certs/ca-certificates.crt";
    let script = format!("echo $SSL_CERT_FILE; cat {bundle} 2>/dev/null");
    let host = fs::read_to_string(bundle).unwrap_or_default();
    let of = |layer: Option<&str>, flags: &str| {
        let layer = layer.map(|text| tree::layer(who, &[(&bundle[1..], text)]));
        let layers: Vec<PathBuf> = layer.into_iter().chain([tree::base(who)]).collect();
        let mut command = who.command("role-enter");
        command
            .arg(std::env::join_paths(layers).expect("no colons"))
            .args([flags, "sh", "-c", &script])
            .env_remove("SSL_CERT_FILE");
        text(&command.output().expect("started"))
    };
    assert_eq!(of(None, ""), if host.is_empty() { "\n".into() } else { format!("{bundle}\n{host}") });
    assert!(of(Some("mine\n"), "").contains("\nmine\n"));
    assert!(of(Some(&host), "").contains(&host));
    assert_eq!(of(Some("mine\n"), "pure"), "\nmine\n");
}

fn homes_show_wherever_they_are(who: Who) {
    let home = PathBuf::from(format!("/var/lib/rooms-{}-{}", std::process::id(), who.ids().0));
    fs::create_dir(&home).expect("made");
    tree::give(&home, who);
    fs::write(home.join("file"), "at home\n").expect("written");
    let mut command = who.command("role-enter");
    command.arg(tree::base(who)).args(["", "sh", "-c", "cat ~/file; pwd"]).env("HOME", &home).current_dir(&home);
    let output = command.output();
    fs::remove_dir_all(&home).expect("removed");
    assert_eq!(text(&output.expect("started")), format!("at home\n{}\n", home.display()));
}

fn layers_stack(who: Who) {
    let top = tree::layer(who, &[("etc/motd", "top\n"), ("data/three", "3\n")]);
    let middle = tree::layer(who, &[("etc/motd", "middle\n"), ("etc/extra", "extra\n")]);
    whiteout(&top.join("data/one"));
    let stack = [top.clone(), middle, tree::base(who)];
    assert_eq!(text(&run(who, &stack, "", "cat /etc/motd /etc/extra; ls /data")), "top\nextra\nthree\ntwo\n");
    // The kernel, too, makes no whiteouts where nothing shows through.
    fs::remove_file(top.join("data/one")).expect("removed");
    rustix::fs::setxattr(top.join("data"), "user.overlay.opaque", b"y", rustix::fs::XattrFlags::empty()).expect("set");
    assert_eq!(text(&run(who, &stack, "", "ls /data")), "three\n");
}

/// Hides what a lower layer has. Anybody may make such a node.
pub(crate) fn whiteout(path: &Path) {
    let mode = rustix::fs::Mode::empty();
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::CharacterDevice, mode, 0).expect("made");
}

fn layers_are_never_written(who: Who) {
    let layer = tree::layer(who, &[("mine/kept", "kept\n"), ("mine/removed", "removed\n")]);
    let script =
        "echo changed > /mine/kept; rm /mine/removed; echo new > /mine/new; mkdir /fresh; cat /mine/kept; ls /mine";
    let output = run(who, &[layer.clone(), tree::base(who)], "", script);
    assert_eq!(text(&output), "changed\nkept\nnew\n");
    let names: Vec<_> = fs::read_dir(layer.join("mine")).expect("listed").flatten().map(|e| e.file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert_eq!(fs::read_to_string(layer.join("mine/kept")).expect("read"), "kept\n");
    assert!(!layer.join("fresh").exists());
}

fn awkward_paths(who: Who) {
    let mut long = tree::scratch(who);
    for part in ["a,b", "lower=x\\", &"n".repeat(200), &"m".repeat(200)] {
        long.push(part);
        fs::create_dir(&long).expect("made");
    }
    fs::create_dir(long.join("etc")).expect("made");
    fs::write(long.join("etc/motd"), "far\n").expect("written");
    let mut stack = vec![long];
    stack.extend((0..12).map(|_| tree::layer(who, &[("etc/x", "x\n")])));
    stack.push(tree::base(who));
    assert_eq!(text(&run(who, &stack, "", "cat /etc/motd /etc/x")), "far\nx\n");
}

fn missing_layers_are_named(who: Who) {
    let output = run(who, &[PathBuf::from("/no/such/layer"), tree::base(who)], "", "true");
    assert_eq!(output.status.code(), Some(125));
    assert!(String::from_utf8_lossy(&output.stderr).contains("/no/such/layer"));
}

fn layers_of_others_are_entered(who: Who) {
    // As in a store of root's: some of it is not for everybody.
    let shut = tree::layer(Who::Self_, &[("root/secret", "x\n"), ("home/y", "y\n"), ("etc/shut/z", "z\n")]);
    for dir in ["root", "home", "etc/shut"] {
        fs::set_permissions(shut.join(dir), fs::Permissions::from_mode(0o700)).expect("shut");
    }
    assert_eq!(text(&run(who, &[shut, tree::base(Who::Self_)], "", "cat /etc/motd; ls /data")), "base\none\ntwo\n");
}

fn views_nest(who: Who) {
    let base = tree::base(who);
    let (layers, this) = (base.to_str().expect("text"), tree::executable().to_str().expect("text"));
    let argv = [this, "role-enter", layers, "", this, "role-enter", layers, "", "sh", "-c", "exit 9"];
    assert_eq!(run_argv(who, std::slice::from_ref(&base), "", &argv).status.code(), Some(9));
}

fn pure_hides_the_host(who: Who) {
    let mut command = who.command("role-enter");
    let script = "pwd; ls /tmp /home; env | wc -l; echo secret=$SECRET; echo $$; ls -d /proc/[0-9]* | wc -l; \
                  while read -r line; do case $line in *:*) echo ${line%%:*};; esac; done < /proc/net/dev; \
                  echo x > /tmp/x && echo y > $HOME/y && echo z > /dev/null && cat /etc/hostname";
    command.arg(tree::base(who)).args(["pure", "sh", "-c", script]).current_dir("/tmp").env("SECRET", "1");
    let output = text(&command.output().expect("started"));
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!(&lines[..2], ["/", "/home:"], "{output}");
    assert!(lines.contains(&"secret="), "{output}");
    assert!(lines.contains(&"lo") && !lines.iter().any(|l| l.starts_with("eth")), "{output}");
    assert_eq!(lines.last(), Some(&"localhost"), "{output}");
}

fn pure_has_no_mounts_of_the_host(who: Who) {
    let script = "while read -r a b c d path rest; do echo $path; done < /proc/self/mountinfo";
    let output = text(&run(who, &[tree::base(who)], "pure", script));
    let foreign = |path: &&str| path.starts_with("/sys") || path.starts_with("/mnt") || path.starts_with("/dev/mqueue");
    assert_eq!(output.lines().filter(|l| *l == "/").count(), 1, "{output}");
    assert_eq!(output.lines().find(foreign), None, "{output}");
}

fn pure_hands_signals_down(who: Who) {
    let script = "trap 'exit 3' TERM; echo ready; while :; do sleep 0.05; done";
    let mut command = who.command("role-enter");
    command.arg(tree::base(who)).args(["pure", "sh", "-c", script]).stdout(Stdio::piped());
    let mut child = command.spawn().expect("started");
    let mut ready = [0u8; 6];
    child.stdout.as_mut().expect("piped").read_exact(&mut ready).expect("ready");
    // SAFETY: sends a signal to our child.
    unsafe { libc::kill(child.id().cast_signed(), libc::SIGTERM) };
    assert_eq!(child.wait().expect("waited for").code(), Some(3));
}

fn pure_ends_with_its_watcher(who: Who) {
    let mut command = who.command("role-enter");
    command.arg(tree::base(who)).args(["pure", "sh", "-c", "echo ready; sleep 600"]).stdout(Stdio::piped());
    let mut child = command.spawn().expect("started");
    let mut out = child.stdout.take().expect("piped");
    out.read_exact(&mut [0u8; 6]).expect("ready");
    child.kill().expect("killed");
    child.wait().expect("waited for");
    // The pipe ends only when the program inside is gone too.
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::spawn(move || send.send(out.read_to_end(&mut Vec::new())));
    receive.recv_timeout(Duration::from_secs(60)).expect("the program ended").expect("read");
}
