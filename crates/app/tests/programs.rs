//! Real packages from this host's apt sources work in a view as they do on a Debian system: certificates, alternatives,
//! caches that triggers make, virtual environments, and dpkg's own view of what is there. And programs of many kinds do
//! their work: compilers, interpreters, servers, editors in a terminal.
//!
//! Downloads are kept below the target directory between runs.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests, not a library")]

mod support;

use std::{
    collections::BTreeSet,
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use support::{Ran, Who, granted, is_root, kinds, real::Real};

const PACKAGES: [&str; 9] = [
    "ca-certificates",
    "fontconfig",
    "fonts-dejavu-core",
    "gawk",
    "gsettings-desktop-schemas",
    "jq",
    "libglib2.0-bin",
    "man-db",
    "python3-venv",
];

impl Real {
    /// What a shell in the view prints.
    #[track_caller]
    fn sh(&self, script: &str) -> String {
        self.good(&["run", "--", "sh", "-euc", script]).out.trim().to_owned()
    }

    /// dpkg finds nothing amiss, and lists just what aleph lists.
    #[track_caller]
    fn agrees_with_dpkg(&self) {
        assert_eq!(self.sh("dpkg --audit; dpkg --verify"), "");
        let listed = self.good(&["--format", "json", "list", "--all"]).out;
        let listed: serde_json::Value = serde_json::from_str(&listed).expect("it is JSON");
        let text = |package: &serde_json::Value, key: &str| package[key].as_str().unwrap_or_default().to_owned();
        let line = |p| format!("{} {} {} ii ", text(p, "name"), text(p, "architecture"), text(p, "version"));
        let ours: BTreeSet<String> = listed["data"].as_array().expect("a list").iter().map(line).collect();
        let theirs = self.good(&[
            "run",
            "--",
            "dpkg-query",
            "-Wf",
            "${Package} ${Architecture} ${Version} ${db:Status-Abbrev}\n",
        ]);
        assert_eq!(theirs.out.lines().map(str::to_owned).collect::<BTreeSet<_>>(), ours);
    }
}

/// A view with these packages.
fn with_packages(who: Who, packages: &[&str]) -> Real {
    let real = Real::new(who, "programs");
    let added = real.good(&[["add"].as_slice(), packages].concat());
    real.keep();
    assert!(!added.err.contains("warning"), "{added:?}");
    real
}

fn check(who: Who) {
    let real = with_packages(who, &PACKAGES);
    real.agrees_with_dpkg();

    let certificates: usize = real.sh("ls /etc/ssl/certs/*.pem | wc -l").parse().expect("a number");
    assert!(certificates > 100, "{certificates} certificates");
    assert_eq!(real.sh("test -s /etc/ssl/certs/ca-certificates.crt; readlink -f /usr/bin/awk"), "/usr/bin/gawk");
    assert_eq!(real.sh("echo '{\"a\":[1,2]}' | jq -c .a"), "[1,2]");
    assert_eq!(real.sh("python3 -m venv v; v/bin/python -c 'import pip, ssl; print(1)'"), "1");
    assert!(real.sh("fc-list").contains("DejaVuSans.ttf"));
    assert!(real.sh("ls /var/cache/fontconfig").contains("cache"));
    assert!(real.sh("gsettings list-schemas").contains("org.gnome.desktop.interface"));
    assert!(real.sh("apropos -e jq").contains("JSON"));

    // The launcher of what was asked for with another package: `python3-venv` has no program of its own.
    let bin = real.good(&["view", "path"]).out;
    let python = real.0.command(Path::new(bin.trim()).join("python3")).args(["-c", "print(2)"]).output();
    assert_eq!(String::from_utf8_lossy(&python.expect("the launcher starts").stdout), "2\n");

    // A dry run lists everything: there is no other place to look.
    let planned = real.good(&["add", "-n", "git"]).out;
    assert!(planned.contains("+  git-man:all") && planned.contains("+  liberror-perl:all"), "{planned}");

    // A trigger that runs as another user finds what is his.
    let added = real.good(&["add", "hello"]);
    real.keep();
    assert!(!added.err.contains("warning"), "{added:?}");
    assert!(real.sh("apropos -e hello").contains("hello (1)"));
    real.agrees_with_dpkg();
    real.good(&["remove", "hello"]);
    real.agrees_with_dpkg();
}

#[test]
fn real_packages_work_in_views() {
    check(Who::Self_);
    if is_root() {
        // Somebody without subordinate ids, and, where the host grants them to somebody, with.
        check(Who::User { uid: 47_011, gid: 47_011 });
        granted().into_iter().for_each(check);
    }
}

/// A process that does not outlive a test that fails.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// How long a program may take to show or do something, and how often it is looked at.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);

/// Waits until something is so.
#[track_caller]
fn until<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(PAUSE);
    }
}

/// A server in the view: it answers programs of the view and others, and ends when it is told to.
struct Serving<'a> {
    /// A script that becomes the server; `PORT` and `DIR` are set.
    server: &'a str,
    /// A script that asks it, and what that prints.
    asked: (&'a str, &'a str),
    /// What is sent from outside of the view, and what comes back.
    sent: (&'a str, &'a str),
    /// How it says that it was ended by SIGTERM: its code, or none if the signal ended it.
    code: Option<i32>,
}

const SERVERS: &[Serving<'_>] = &[
    Serving {
        server: "mkdir $DIR/www; echo page > $DIR/www/index.html; cat > $DIR/conf <<X
            daemon off; pid $DIR/pid; error_log stderr; events {}
            http { access_log off; client_body_temp_path $DIR/1; proxy_temp_path $DIR/2; fastcgi_temp_path $DIR/3;
                   uwsgi_temp_path $DIR/4; scgi_temp_path $DIR/5;
                   server { listen 127.0.0.1:$PORT; root $DIR/www; } }
X
            exec nginx -c $DIR/conf",
        asked: ("curl -s http://127.0.0.1:$PORT/", "page"),
        sent: ("GET / HTTP/1.0\r\n\r\n", "page"),
        code: Some(0),
    },
    Serving {
        server: "exec redis-server --port $PORT --bind 127.0.0.1 --dir $DIR --save ''",
        asked: ("redis-cli -p $PORT set answer 42; redis-cli -p $PORT get answer", "42"),
        sent: ("GET answer\r\n", "$2\r\n42\r\n"),
        code: Some(0),
    },
    Serving {
        server: "exec memcached -u nobody -l 127.0.0.1 -p $PORT",
        asked: ("printf 'set a 0 0 2\\r\\n42\\r\\nquit\\r\\n' | curl -s telnet://127.0.0.1:$PORT", "STORED"),
        sent: ("get a\r\n", "VALUE a 0 2\r\n42"),
        code: Some(0),
    },
    Serving {
        server: "bin=$(echo /usr/lib/postgresql/*/bin); $bin/initdb -D $DIR/data -A trust >/dev/null
            exec $bin/postgres -D $DIR/data -p $PORT -h 127.0.0.1 -k $DIR",
        asked: ("until psql -h 127.0.0.1 -p $PORT postgres -Atc 'select 6*7'; do sleep 0.1; done", "42"),
        // A request for TLS, and no.
        sent: ("\0\0\0\u{8}\u{4}\u{d2}\u{16}\u{2f}", "N"),
        code: Some(0),
    },
    Serving {
        server: "dropbearkey -t ed25519 -f $DIR/key >/dev/null; exec dropbear -r $DIR/key -F -E -p 127.0.0.1:$PORT",
        asked: ("ssh-keyscan -t ed25519 -p $PORT 127.0.0.1 2>&1", "ssh-ed25519"),
        sent: ("", "SSH-2.0-dropbear"),
        code: Some(1),
    },
    Serving {
        server: "mkdir $DIR/served; cd $DIR/served; echo 42 > file; exec python3 -m http.server -b 127.0.0.1 $PORT",
        asked: ("curl -s http://127.0.0.1:$PORT/file", "42"),
        sent: ("GET /file HTTP/1.0\r\n\r\n", "42"),
        code: None,
    },
];

impl Serving<'_> {
    fn check(&self, real: &Real) {
        // initdb does not run as root.
        if real.0.who == Who::Self_ && is_root() && self.server.contains("initdb") {
            return;
        }
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
        let directory = real.0.directory.join("home").join(format!("server-{port}"));
        fs::create_dir_all(&directory).expect("a directory");
        real.0.hand_over(&directory);
        let script = |script: &str| {
            let mut command = real.aleph(&["run", "--", "bash", "-euc", script]);
            command.env("PORT", port.to_string()).env("DIR", &directory);
            command
        };
        let log = fs::File::create(directory.join("log")).expect("a log");
        let mut server = script(self.server);
        let mut server = Ends(server.stdout(Stdio::null()).stderr(log).spawn().expect("aleph starts"));
        let connect = || TcpStream::connect(("127.0.0.1", port)).ok();
        let said = || fs::read_to_string(directory.join("log")).unwrap_or_default();
        until(self.server, connect);
        let asked = Ran::of(&mut script(self.asked.0)).good();
        assert!(asked.out.contains(self.asked.1), "{asked:?} {}", said());
        let mut outside = connect().expect("it is still there");
        outside.set_read_timeout(Some(Duration::from_secs(10))).expect("a time");
        // Latin 1: a byte a character.
        let bytes: Vec<u8> = self.sent.0.chars().map(|c| u8::try_from(c).expect("a byte")).collect();
        outside.write_all(&bytes).expect("it listens");
        let mut answer = Vec::new();
        while !String::from_utf8_lossy(&answer).contains(self.sent.1) {
            let mut more = [0; 512];
            let length = outside.read(&mut more).expect("it answers");
            assert_ne!(length, 0, "{} {}", String::from_utf8_lossy(&answer), said());
            answer.extend_from_slice(&more[..length]);
        }
        drop(outside);
        // The server is the process that was started: nothing stands between.
        let pid = server.0.id().to_string();
        assert!(Command::new("kill").arg(&pid).status().expect("kill starts").success());
        let ended = until(self.server, || server.0.try_wait().expect("it is a child"));
        assert_eq!(ended.code(), self.code, "{} {}", self.server, said());
    }
}

/// What is typed into a program in a terminal: wait for this on the screen, then type that.
fn typed(real: &Real, arguments: &[&str], steps: &[(&str, &str)]) -> (Option<i32>, String) {
    let quoted = |word: &&str| format!("'{}'", word.replace('\'', "'\\''"));
    let words: Vec<String> = std::iter::once(&env!("CARGO_BIN_EXE_aleph")).chain(arguments).map(quoted).collect();
    let mut script = real.aleph(&[]);
    let mut terminal = real.0.command("script");
    terminal.envs(
        script
            .env("TERM", "xterm")
            .env("SHELL", "/bin/bash")
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    terminal.env_remove("ALEPH_SOURCES").current_dir(real.0.directory.join("home"));
    terminal.args(["-qefc", &format!("stty rows 24 cols 80; exec {}", words.join(" ")), "/dev/null"]);
    let screen = real.0.directory.join("screen");
    terminal.stdout(fs::File::create(&screen).expect("a file")).stdin(Stdio::piped());
    let mut terminal = Ends(terminal.stderr(Stdio::null()).spawn().expect("script starts"));
    let shown = || String::from_utf8_lossy(&fs::read(&screen).unwrap_or_default()).into_owned();
    let mut keys = terminal.0.stdin.take().expect("a pipe");
    for (wanted, answer) in steps {
        let end = Instant::now() + PATIENCE;
        while !shown().contains(wanted) {
            assert!(Instant::now() < end, "{arguments:?}: no {wanted:?} on {:?}", shown());
            std::thread::sleep(PAUSE);
        }
        keys.write_all(answer.as_bytes()).expect("it reads");
    }
    let ended = until(&format!("{arguments:?} does not end"), || terminal.0.try_wait().expect("it is a child"));
    (ended.code(), shown())
}

fn check_terminals(real: &Real) {
    let home = real.0.directory.join("home");
    let wrote = |name: &str| fs::read_to_string(home.join(name)).unwrap_or_default();
    let vim = ["run", "--", "vim", "-u", "NONE", "by-vim"];
    let (code, screen) = typed(real, &vim, &[("\"by-vim\"", "ihello\x1b:wq\r")]);
    assert_eq!((code, &*wrote("by-vim")), (Some(0), "hello\n"), "{screen}");
    let nano = ["run", "--", "nano", "by-nano"];
    let (code, screen) = typed(real, &nano, &[("New File", "hello\x18"), ("Save modified", "y"), ("Write", "\r")]);
    assert_eq!((code, &*wrote("by-nano")), (Some(0), "hello\n"), "{screen}");
    let (code, screen) = typed(real, &["run", "--", "less", "/etc/passwd"], &[("root:", "q")]);
    assert_eq!(code, Some(0), "{screen}");
    let tmux = ["run", "--", "tmux", "-L", "test", "-f", "/dev/null", "new", "sh"];
    let (code, screen) = typed(real, &tmux, &[("[0]", "echo is$((6*7)); read x\r"), ("is42", "\rexit\r")]);
    assert_eq!(code, Some(0), "{screen}");
    let (code, screen) = typed(real, &["shell"], &[("", "echo is$((6*7)) on $(tty)\r"), ("is42 on /dev/", "exit 5\r")]);
    assert_eq!(code, Some(5), "{screen}");
    // Ctrl-C goes to the program: one that does not mind, one that handles it, one that dies of it.
    let python = ["run", "--", "python3", "-q"];
    let waits = "import time; print('wait' + 'ing', flush=True); time.sleep(60)\r";
    let (code, screen) =
        typed(real, &python, &[(">>>", waits), ("waiting", "\x03"), ("KeyboardInterrupt", "exit(7)\r")]);
    assert_eq!(code, Some(7), "{screen}");
    let handler = "trap 'echo caught; exit 9' INT; echo ready; while :; do sleep 0.1; done";
    let (code, screen) = typed(real, &["run", "--", "sh", "-c", handler], &[("ready", "\x03")]);
    assert!(code == Some(9) && screen.contains("caught"), "{screen}");
    let (code, screen) = typed(real, &["run", "--", "sh", "-c", "echo ready; exec sleep 60"], &[("ready", "\x03")]);
    assert_eq!(code, Some(130), "{screen}");
}

#[test]
fn programs_of_many_kinds_work_in_a_view() {
    let real = with_packages(granted().unwrap_or(Who::Self_), kinds::PACKAGES);
    real.agrees_with_dpkg();
    let work = real.0.directory.join("home/work");
    fs::create_dir_all(&work).expect("a directory");
    real.0.hand_over(&work);
    for (name, text) in kinds::SOURCES {
        fs::write(work.join(name), text).expect("a file");
    }
    let mut failed = Vec::new();
    for (index, (name, script, wanted)) in kinds::CHECKS.iter().enumerate() {
        let directory = work.join(index.to_string());
        fs::create_dir_all(&directory).expect("a directory");
        real.0.hand_over(&directory);
        let mut command = real.aleph(&["run", "--", "timeout", "60", "bash", "-euc", script]);
        let ran = Ran::of(command.current_dir(&directory));
        if ran.code != Some(0) || !ran.out.contains(wanted) {
            failed.push(format!("{name}: no {wanted:?} in {ran:?}"));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    SERVERS.iter().for_each(|server| server.check(&real));
    check_terminals(&real);
}
