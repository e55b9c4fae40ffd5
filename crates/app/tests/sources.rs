//! What a source offers, and what becomes of it in a view.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests, not a library")]

mod support;

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use aleph_component::Digest;
use support::{Ran, World, packages::Package};

/// A world with a directory of packages as its only source, which nobody signs.
struct Offers {
    world: World,
    directory: PathBuf,
}

impl Offers {
    fn new() -> Self {
        let world = World::new();
        let directory = world.directory.join("repo");
        fs::create_dir(&directory).expect("a directory");
        let offers = Self { world, directory };
        offers.list("");
        offers.configure("trusted=yes");
        offers
    }

    /// Writes the list of sources.
    fn configure(&self, options: &str) {
        self.configure_at(options, &format!("file://{}", self.directory.display()));
    }

    fn configure_at(&self, options: &str, uri: &str) {
        let text = format!("deb [{options}] {uri} ./\n");
        fs::write(self.world.directory.join("sources.list"), text).expect("it is written");
    }

    fn list(&self, text: &str) {
        fs::write(self.directory.join("Packages"), text).expect("it is written");
    }

    /// Offers just these, and tells the view's user.
    fn offer(&self, packages: Vec<Package<'_>>) {
        let stanza = |package: Package<'_>| {
            let path = package.build(&self.directory);
            let bytes = fs::read(&path).expect("it was built");
            let control = Command::new("dpkg-deb").arg("-f").arg(&path).output().expect("dpkg-deb starts").stdout;
            let name = path.file_name().expect("it has a name").display().to_string();
            let (control, digest) = (String::from_utf8_lossy(&control).into_owned(), Digest::of(&bytes));
            format!("{control}Filename: ./{name}\nSize: {}\nSHA256: {digest}\n\n", bytes.len())
        };
        self.list(&packages.into_iter().map(stanza).collect::<String>());
        self.run(&["source", "update"]).good();
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = self.world.aleph(arguments);
        Ran::of(command.env("ALEPH_SOURCES", self.world.directory.join("sources.list")))
    }

    /// What the view holds, by name and version.
    fn held(&self) -> Vec<String> {
        let out = self.run(&["list", "--all"]).good().out;
        let first = |line: &str| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
        out.lines().map(first).collect()
    }
}

fn package<'a>(name: &'a str, fields: &'a str, content: &str) -> Package<'a> {
    Package::new(name, "1").fields(fields).file(format!("usr/share/{name}/content"), 0o644, content)
}

#[test]
fn recommended_packages_are_missed_and_stay() {
    let offers = Offers::new();
    let all = || {
        vec![
            package("a", "Recommends: r\n", ""),
            package("b", "Recommends: s\n", ""),
            package("r", "", ""),
            package("s", "", ""),
        ]
    };
    offers.offer(all());
    offers.run(&["add", "a"]).good();
    assert_eq!(offers.held(), ["a 1"]);
    offers.run(&["add", "--recommends", "a"]).good();
    assert_eq!(offers.held(), ["a 1", "r 1"]);
    assert!(offers.run(&["add", "--recommends", "a"]).good().out.contains("has that already"));
    offers.run(&["add", "b"]).good();
    assert_eq!(offers.held(), ["a 1", "b 1", "r 1"]);
    offers.run(&["remove", "a"]).good();
    assert_eq!(offers.held(), ["b 1"]);
}

/// A program that fails if the file named begins with an `x`.
fn reader(directory: &Path) -> Vec<u8> {
    let source = directory.join("reader.c");
    let text =
        "#include <stdio.h>\nint main(int n, char **v) { FILE *f = fopen(v[1], \"r\"); return !f || fgetc(f) == 'x'; }";
    fs::write(&source, text).expect("it is written");
    let binary = directory.join("reader");
    let built = Command::new("cc").args(["-static", "-s", "-o"]).args([&binary, &source]).status();
    assert!(built.expect("cc is installed").success());
    fs::read(&binary).expect("cc wrote it")
}

#[test]
fn what_fails_a_check_stays_and_the_rest_moves() {
    let offers = Offers::new();
    let reader = reader(&offers.directory);
    let names = ["a", "b", "c", "d", "e"];
    let offer = |version: &str, broken: &str| {
        let one = |name: &'static str| {
            let (version, content) = (version.to_owned().leak(), if name == broken { "x" } else { version });
            Package::new(name, version).file(format!("usr/share/{name}/content"), 0o644, content)
        };
        let reader = Package::new("reader", "1").file("usr/bin/reader", 0o755, reader.clone());
        offers.offer(names.map(one).into_iter().chain([reader]).collect());
    };
    let held = || offers.held().join(", ");
    offer("1", "none");
    offers.run(&["add", "a", "b", "c", "d", "e", "reader"]).good();
    let check = |name: &str| format!("reader /usr/share/{name}/content");
    offers.run(&["view", "policy", "--check", &check("c"), "--check", &check("a")]).good();
    offer("2", "c");
    let updated = offers.run(&["update"]).good();
    assert!(updated.err.contains("looking for the cause in 5 packages, at most 3 tries"), "{updated:?}");
    assert!(
        updated.out.contains("c 1 stays, not 2: with it the check `reader /usr/share/c/content` failed"),
        "{updated:?}"
    );
    assert_eq!(held(), "a 2, b 2, c 1, d 2, e 2, reader 1");
    assert!(offers.run(&["update"]).good().out.contains("has that already"));
    assert_eq!(offers.run(&["history"]).good().out.lines().count(), 2);
    // Who names a version has that or nothing, and what is known stays known.
    let named = offers.run(&["update", "c=2"]);
    assert!(!named.err.contains("pinned back") && !named.err.contains("0 tries"), "{named:?}");
    named.failed(1, &["the check", "the view stays at generation 2"]);
    assert!(offers.run(&["update"]).good().out.contains("c 1 stays, not 2"));
    // An older generation can be looked into, and a newer version is tried.
    offers.run(&["run", "--generation", "1", "--", "reader", "/usr/share/c/content"]).good();
    offers.run(&["run", "--generation", "9", "--", "reader"]).failed(1, &["generation 9"]);
    offer("3", "a");
    offers.run(&["update"]).good();
    assert_eq!(held(), "a 2, b 3, c 3, d 3, e 3, reader 1");
    // What is added has no part that could stay: then nothing changes.
    offer("4", "none");
    offers.run(&["view", "policy", "--check", "false"]).good();
    let updated = offers.run(&["update"]).good();
    assert!(
        updated.err.contains("`false` fails: it exits with 127") && updated.err.contains("does not count"),
        "{updated:?}"
    );
    assert_eq!(held(), "a 4, b 4, c 4, d 4, e 4, reader 1");
}

#[test]
fn an_update_may_name_a_version() {
    let offers = Offers::new();
    let named = |version: &'static str| Package::new("a", version).file("usr/share/a/content", 0o644, version);
    offers.offer(vec![named("1"), named("2"), named("3"), package("b", "", "")]);
    offers.run(&["add", "a=1", "b"]).good();
    let held = |offers: &Offers| offers.held().join(", ");
    let planned = offers.run(&["update", "-n"]).good();
    assert!(planned.out.contains("a 1 stays, not 3: you asked for a=1"), "{planned:?}");
    offers.run(&["update", "a=2"]).good();
    assert_eq!(held(&offers), "a 2, b 1");
    offers.run(&["update"]).good();
    assert_eq!(held(&offers), "a 2, b 1", "it was asked for");
    offers.run(&["add", "a"]).good();
    offers.run(&["update", "a=3"]).good();
    assert_eq!(held(&offers), "a 3, b 1");
    offers.run(&["update", "a=1"]).good();
    assert_eq!(held(&offers), "a 1, b 1");
    offers.run(&["update"]).good();
    assert_eq!(held(&offers), "a 3, b 1");
    offers.run(&["update", "a=9"]).failed(3, &["a"]);
    // In every view that holds it.
    let everywhere = offers.run(&["update", "--all-views", "a=2"]).good();
    assert!(everywhere.out.contains("a 2"), "{everywhere:?}");
    assert_eq!(held(&offers), "a 2, b 1");
}

#[test]
fn a_package_that_a_source_built_again_is_another() {
    let offers = Offers::new();
    offers.offer(vec![package("a", "", "first"), package("b", "", "")]);
    offers.run(&["add", "a"]).good();
    offers.offer(vec![package("a", "Depends: c\n", "second"), package("b", "", ""), package("c", "", "")]);
    offers.run(&["add", "b"]).good();
    assert_eq!(offers.held(), ["a 1", "b 1"]);
    offers.run(&["update"]).good();
    assert_eq!(offers.held(), ["a 1", "b 1", "c 1"]);
}

#[test]
fn what_an_index_says_too_little_of_is_not_taken() {
    let offers = Offers::new();
    offers.offer(vec![package("a", "Depends: b\n", ""), package("b", "", "")]);
    let text = fs::read_to_string(offers.directory.join("Packages")).expect("it is there");
    let (first, last) = text.split_once("\n\n").expect("there are two");
    let without = |field: &str| {
        let kept: String = last.lines().filter(|line| !line.starts_with(field)).flat_map(|line| [line, "\n"]).collect();
        offers.list(&format!("{first}\n\n{kept}"));
        offers.run(&["source", "update"]).good();
        offers.run(&["add", "a"])
    };
    without("SHA256").failed(1, &["says of b 1 no valid SHA256"]);
    without("Size").failed(1, &["says of b 1 no valid Size"]);
    without("Filename").failed(1, &["says of b 1 no valid Filename"]);
    without("Nothing").good();
}

#[test]
fn a_file_for_another_architecture_is_refused() {
    let world = World::new();
    Package::new("a", "1").build(&world.directory);
    let tree = world.directory.join("a-1.tree");
    let control = fs::read_to_string(tree.join("DEBIAN/control")).expect("it is there");
    fs::write(tree.join("DEBIAN/control"), control.replace(": all", ": s390x")).expect("it is written");
    let mut build = Command::new("dpkg-deb");
    build.args(["--root-owner-group", "-b", "a-1.tree", "a.deb"]).current_dir(&world.directory);
    assert!(build.output().expect("dpkg-deb starts").status.success());
    world.run(["add", "./a.deb"]).failed(3, &["a 1 is made for s390x, not for", "dpkg --add-architecture s390x"]);
}

#[test]
fn an_index_is_prepared_once_whoever_comes_together() {
    let offers = Offers::new();
    offers.offer(vec![package("a", "", "")]);
    let cache = offers.world.directory.join("cache/apt");
    let apt = fs::read_dir(cache).expect("it is there").flatten().next().expect("there is one").path();
    let indices = || {
        let names = fs::read_dir(&apt).expect("it is there").flatten().map(|entry| entry.path());
        names.filter(|path| path.display().to_string().contains("/index-")).collect::<Vec<_>>()
    };
    for _ in 0..8 {
        indices().iter().for_each(|path| fs::remove_file(path).expect("it can be removed"));
        let search = |_| {
            let mut command = offers.world.aleph(["search", "a"]);
            command.env("ALEPH_SOURCES", offers.world.directory.join("sources.list"));
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts")
        };
        for process in (0..8).map(search).collect::<Vec<_>>() {
            Ran::from(process.wait_with_output().expect("it ends")).good();
        }
        assert_eq!(indices().len(), 1);
    }
}

#[test]
fn a_source_counts_as_it_is_configured_now() {
    let offers = Offers::new();
    offers.offer(vec![package("a", "", "")]);
    assert!(offers.run(&["search", "a"]).good().out.contains("made for a test"));
    offers.configure("trusted=no");
    offers.run(&["add", "a"]).failed(1, &["no source could be asked"]);
    fs::write(offers.world.directory.join("sources.list"), "").expect("it is written");
    offers.run(&["add", "a"]).failed(3, &["no source offers a package called `a`"]);
    offers.configure("trusted=yes");
    offers.run(&["add", "a"]).good();
}

#[test]
fn every_mirror_of_a_list_is_tried() {
    let offers = Offers::new();
    offers.offer(vec![package("a", "", "")]);
    let world = &offers.world.directory;
    for name in ["empty", "lists-only"] {
        fs::create_dir(world.join(name)).expect("a directory");
    }
    fs::copy(offers.directory.join("Packages"), world.join("lists-only/Packages")).expect("it is copied");
    let mirrors = ["empty", "lists-only", "repo"].map(|name| format!("file://{}\n", world.join(name).display()));
    fs::write(world.join("mirrors.txt"), mirrors.concat()).expect("it is written");
    offers.configure_at("trusted=yes", &format!("mirror+file:{}", world.join("mirrors.txt").display()));
    offers.run(&["source", "update"]).good();
    offers.run(&["add", "a"]).good();
}

/// As in apt: also where the proxy stands in apt's configuration.
#[test]
fn no_proxy_counts_beside_a_configured_proxy() {
    let offers = Offers::new();
    offers.offer(vec![package("a", "", "")]);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let directory = offers.directory.clone();
    std::thread::spawn(move || listener.incoming().flatten().for_each(|stream| serve(stream, &directory)));
    offers.configure_at("trusted=yes", &format!("http://127.0.0.1:{port}"));
    let config = offers.world.directory.join("apt.conf");
    fs::write(&config, "Acquire::Retries \"0\"; Acquire::http::Proxy \"http://127.0.0.1:1/\";").expect("it is written");
    let update = |no_proxy: &str| {
        let mut command = offers.world.aleph(["source", "update"]);
        command.env("ALEPH_SOURCES", offers.world.directory.join("sources.list"));
        Ran::of(command.env("APT_CONFIG", &config).env("no_proxy", no_proxy))
    };
    update("elsewhere.example").failed(1, &["the proxy for"]);
    update("127.0.0.1").good();
}

#[test]
fn every_view_is_updated_and_none_stops_another() {
    let offers = Offers::new();
    let tool = |version| Package::new("tool", version).file("usr/share/tool/version", 0o644, version);
    let rival = || package("rival", "", "mine");
    offers.offer(vec![tool("1"), rival()]);
    for (view, packages) in
        [("all", "tool"), ("clash", "tool"), ("clash", "rival"), ("holds", "tool=1"), ("other", "rival")]
    {
        offers.run(&["--view", view, "add", packages]).good();
    }
    let project = offers.world.directory.join("project");
    fs::create_dir(&project).expect("a directory");
    for arguments in [&["init"][..], &["add", "tool"]] {
        let mut command = offers.world.aleph(arguments);
        let sources = offers.world.directory.join("sources.list");
        Ran::of(command.env("ALEPH_SOURCES", sources).current_dir(&project)).good();
    }
    // The file of another package, which the view `clash` has.
    let newer = tool("2").file("usr/share/rival/content", 0o644, "theirs");
    offers.offer(vec![newer]);

    let fates = |arguments: &[&str], code: i32| {
        let ran = offers.run(&[&["--format", "json", "update", "--all-views"], arguments].concat());
        assert_eq!(ran.code, Some(code), "{ran:?}");
        let answer: serde_json::Value = serde_json::from_str(&ran.out).expect("JSON");
        let views = answer["data"]["views"].as_array().expect("views").clone();
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let line = |view: &serde_json::Value| {
            let name = text(&view["view"]).split('-').next().unwrap_or_default().to_owned();
            format!("{name} {} {}", text(&view["fate"]), text(&view["now"][0]["version"]))
        };
        views.iter().map(line).collect::<Vec<_>>()
    };
    assert_eq!(
        fates(&["tool", "--dry-run"], 0),
        ["all planned 1", "clash planned 1", "holds unchanged 1", "project left 1"]
    );
    let done = fates(&["tool"], 3);
    assert_eq!(done, ["all changed 2", "clash failed 1", "holds unchanged 1", "project left 1"]);
    let said = offers.run(&["update", "--all-views", "tool"]);
    said.failed(3, &["usr/share/rival/content"]);
    for line in [
        "4 views\n",
        "left alone: its lock file decides: `aleph update` in /",
        "not changed: ",
        "as it was: it asks for tool=1\n",
    ] {
        assert!(said.out.contains(line), "{said:?}");
    }
    let nobody = offers.run(&["update", "--all-views", "nothing"]).good().out;
    assert_eq!(nobody, "no view holds that\n");
    // With nothing named, all that is newer anywhere.
    assert_eq!(
        fates(&[], 3),
        ["all unchanged ", "clash failed ", "holds unchanged ", "other unchanged ", "project left "]
    );
}

/// Answers one request for a file of the directory.
fn serve(mut stream: TcpStream, directory: &Path) {
    let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
    let line = lines.next().unwrap_or_default();
    lines.take_while(|line| !line.is_empty()).for_each(drop);
    let path = line.split(' ').nth(1).unwrap_or_default().trim_start_matches('/');
    let (status, body) = match fs::read(directory.join(path)) {
        Ok(body) => ("200 OK", body),
        Err(_) => ("404 Not Found", Vec::new()),
    };
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    let _ = stream.write_all(&[head.as_bytes(), &body].concat());
}
