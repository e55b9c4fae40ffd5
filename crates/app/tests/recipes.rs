//! Recipes whose sources are packages of languages and commits, from where the host has them.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests, not a library")]

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use support::{Ran, Who, granted, real::Real};

/// A tree of recipes in somebody's home, whose tools are told what this host's are.
struct Tree {
    real: Real,
}

impl Tree {
    fn new(who: Who) -> Self {
        let tree = Self { real: Real::new(who, "recipes") };
        tree.write(
            "recipes/tree.toml",
            "[tools]\ndebian = ['gcc', 'libc6-dev', 'make']\nhost = ['libc.so.6', 'ld-linux-x86-64.so.2', \
             'ld-linux-aarch64.so.1', 'libgcc_s.so.1']\n",
        );
        let index = index_of_cargo();
        let cargo = "[source.crates-io]\nreplace-with = 'host'\n[source.host]\nregistry = 'sparse+";
        tree.write(".cargo/config.toml", &format!("{cargo}{index}'\n"));
        let default = "from pip._internal.models.index import PyPI; print(PyPI.simple_url)";
        tree.write(".config/pip/pip.conf", &format!("[global]\nindex-url = {}\n", told("python3", &["-c", default])));
        tree.write(".npmrc", &format!("registry = {}\n", told("npm", &["config", "get", "registry"])));
        tree
    }

    fn path(&self, name: &str) -> PathBuf {
        self.real.0.directory.join("home").join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(&path, text).expect("a file");
        for path in path.ancestors().take_while(|path| *path != self.real.0.directory) {
            self.real.0.hand_over(path);
        }
    }

    fn recipe(&self, name: &str, rest: &str) {
        let start = format!("name = \"{name}\"\nversion = \"1\"\nsummary = \"A test\"\nlicense = \"MIT\"\n");
        self.write(&format!("recipes/{name}.toml"), &format!("{start}{rest}"));
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(&mut self.real.aleph(arguments))
    }

    /// A file of the one component of this name that the store has.
    #[track_caller]
    fn file(&self, name: &str, path: &str) -> String {
        let end = format!("-{name}");
        let entries = fs::read_dir(self.real.0.store.join("store")).expect("a store").flatten();
        let ours = entries.map(|entry| entry.path()).filter(|path| path.to_string_lossy().ends_with(&end));
        let found: Vec<PathBuf> = ours.map(|component| component.join(path)).filter(|path| path.exists()).collect();
        assert_eq!(found.len(), 1, "{path} of {name}: {found:?}");
        fs::read_to_string(&found[0]).expect("it is text")
    }

    fn git(&self, arguments: &[&str]) -> String {
        let mut git = self.real.0.command("git");
        git.arg("-C").arg(self.path("repository")).args(["-c", "user.name=A", "-c", "user.email=a@example.org"]);
        Ran::of(git.args(arguments)).good().out.trim().to_owned()
    }
}

/// The index that this host's cargo uses: it was asked for what this test is built from.
fn index_of_cargo() -> String {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.unwrap_or_else(|| Path::new(&std::env::var_os("HOME").expect("a home")).join(".cargo"));
    let configured = fs::read_to_string(home.join("config.toml")).unwrap_or_default();
    let sparse = configured.lines().find_map(|line| line.split_once("sparse+")).map(|(_, rest)| rest);
    if let Some(index) = sparse {
        return index.trim_end_matches(['"', '\'', ' ']).to_owned();
    }
    let entries = fs::read_dir(home.join("registry/index")).expect("cargo has asked an index").flatten();
    let host = entries.filter_map(|entry| entry.file_name().into_string().ok()).next().expect("an index");
    format!("https://{}/", host.rsplit_once('-').expect("HOST-HASH").0)
}

/// What a program of this host prints.
fn told(program: &str, arguments: &[&str]) -> String {
    let path = "/usr/local/bin:/usr/bin:/bin";
    Ran::of(Command::new(program).args(arguments).env("PATH", path).current_dir("/")).good().out.trim().to_owned()
}

const ITOA: &str = "crate = \"itoa\"\nversion = \"1.0.9\"\n\
                    sha256 = \"af150ab688ff2122fcef229be89cb50dd66af9e01a4ff320cc137eecc9bacc38\"\n";
const SIX: &str = "pypi = \"six\"\nversion = \"1.16.0\"\n\
                   sha256 = \"1e61c37477a1626458e36f7b1d82aa5c9b094fa4802892072e49de9c60c4c926\"\n";
const LEFT_PAD: &str = "npm = \"left-pad\"\nversion = \"1.3.0\"\n\
                        sha256 = \"870c0fe1096223a58d4f8832d08a7e651ea2fcadb8e6877b2fdc26b662d481dd\"\n";

/// Everything that was unpacked is installed.
const AS_IT_IS: &str = "[build]\nsystem = \"script\"\n[build.phase]\n\
                        install = \"mkdir -p $DESTDIR$PREFIX/share; cp -R . $DESTDIR$PREFIX/share\"\n";

/// Packages of each language are fetched from where the host's tools have them, and are what the recipe says or nothing.
#[test]
fn packages_of_languages_are_sources() {
    let tree = Tree::new(granted().unwrap_or(Who::Self_));
    let sources = [("itoa", ITOA), ("six", SIX), ("left-pad", LEFT_PAD)];
    let all = sources.map(|(name, source)| format!("[[source]]\n{source}into = \"{name}\"\n")).concat();
    tree.recipe("bundle", &format!("{all}{AS_IT_IS}"));
    tree.run(&["build", "bundle"]).good();
    tree.real.keep();
    assert!(tree.file("bundle", "share/itoa/Cargo.toml").contains("name = \"itoa\""));
    assert!(tree.file("bundle", "share/six/PKG-INFO").contains("Version: 1.16.0"));
    assert!(tree.file("bundle", "share/left-pad/package.json").contains("\"version\": \"1.3.0\""));
    // What is here is asked of nobody.
    tree.recipe("again", &format!("{all}{AS_IT_IS}"));
    tree.run(&["--offline", "build", "again"]).good();

    // What is not what the recipe says, and what is not there.
    tree.recipe("wrong", &format!("[[source]]\n{}{AS_IT_IS}", ITOA.replace("af150", "bf150")));
    tree.run(&["build", "wrong"]).failed(1, &["wrong 1 could not be built", "it should have bf150"]);
    tree.recipe("wrong", &format!("[[source]]\n{}{AS_IT_IS}", SIX.replace("1.16.0", "1.16.99")));
    tree.run(&["build", "wrong"]).failed(1, &["there is no version 1.16.99 of six where pip has packages from"]);
    tree.recipe("wrong", &format!("[[source]]\n{}{AS_IT_IS}", SIX.replace("version = \"1.16.0\"\n", "")));
    tree.run(&["build", "wrong"]).failed(1, &["line 6", "needs its `version`"]);
    fs::remove_file(tree.path("recipes/wrong.toml")).expect("it is there");

    // Beginnings of recipes, with and without a version.
    for (name, source, lines) in [
        ("itoa", "crate:itoa@1.0.9", ITOA),
        ("six", "pypi:six@1.16.0", SIX),
        ("left-pad", "npm:left-pad@1.3.0", LEFT_PAD),
        ("hello", "debian:hello", "debian = \"hello\"\nfile = \"hello_"),
    ] {
        tree.run(&["build", "new", name, source]).good();
        let text = fs::read_to_string(tree.path(&format!("recipes/{name}.toml"))).expect("a recipe");
        assert!(text.contains(lines), "{text}");
        assert!(name != "hello" || text.contains("system = \"autotools\""), "{text}");
    }
    for (name, source) in [("newest-crate", "crate:itoa"), ("newest-six", "pypi:six"), ("newest-pad", "npm:left-pad")] {
        tree.run(&["build", "new", name, source]).good();
        let text = fs::read_to_string(tree.path(&format!("recipes/{name}.toml"))).expect("a recipe");
        assert!(text.contains("sha256 = \"") && !text.contains("version = \"1.0.9\""), "{text}");
    }
    let nobody = tree.run(&["build", "new", "nobody", "crate:itoa@77.0.0"]);
    nobody.failed(1, &["there is no version 77.0.0 of itoa where cargo has packages from"]);
    // Where nothing is said, that is said.
    fs::remove_file(tree.path(".cargo/config.toml")).expect("it is there");
    let nowhere = tree.run(&["build", "new", "nobody", "crate:itoa@1.0.8"]);
    nowhere.failed(1, &["does not say where crates are fetched from", "replace-with"]);
    tree.real.0.is_tidy();
}

/// A commit is taken as it was committed: nothing that it has, and nothing that its repository is configured for, runs or
/// changes it.
#[test]
fn commits_are_sources() {
    let tree = Tree::new(granted().unwrap_or(Who::Self_));
    let attributes = "* text eol=crlf ident filter=evil export-subst\nhidden export-ignore\n";
    tree.write("repository/.gitattributes", attributes);
    tree.write("repository/hidden", "seen");
    tree.write("repository/file", "$Id$ $Format:%H$\n");
    tree.git(&["init", "-q", "--template="]);
    tree.git(&["add", "-A"]);
    tree.git(&["commit", "-q", "-m", "one"]);
    let rev = tree.git(&["rev-parse", "HEAD"]);
    tree.git(&["tag", "-a", "-m", "two", "v2"]);
    let tag = tree.git(&["rev-parse", "v2"]);
    // What comes later counts for nothing; nor do the repository's own filters.
    tree.git(&["config", "filter.evil.smudge", "echo changed"]);
    tree.git(&["config", "filter.evil.clean", "cat"]);
    tree.write("repository/file", "later\n");
    tree.git(&["commit", "-qam", "two"]);
    let source = |rev: &str| format!("[[source]]\ngit = \"../repository\"\nrev = \"{rev}\"\n{AS_IT_IS}");
    tree.recipe("commit", &source(&rev));
    tree.run(&["build", "commit"]).good();
    assert_eq!(tree.file("commit", "share/file"), "$Id$ $Format:%H$\n");
    assert_eq!(tree.file("commit", "share/hidden"), "seen");
    let again = tree.run(&["build", "commit"]).good();
    assert!(again.out.contains("1 unchanged"), "{again:?}");

    // An archive in the cache that was changed is not used.
    let kept = Ran::of(tree.real.0.command("find").arg(tree.real.cache().join("sources/git")).args(["-name", "*.tar"]));
    let kept: Vec<String> = kept.good().out.lines().map(str::to_owned).collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
    support::flip(Path::new(&kept[0]), 600);
    tree.recipe("again", &source(&rev));
    tree.run(&["build", "again"]).good();
    assert_eq!(tree.file("again", "share/file"), "$Id$ $Format:%H$\n");

    tree.recipe("commit", &source(&"0".repeat(40)));
    tree.run(&["build", "commit"]).failed(1, &["commit 1 could not be built", "repository"]);
    tree.recipe("commit", &source(&tag));
    tree.run(&["build", "commit"]).failed(1, &["is no commit of"]);
    tree.recipe("commit", &source("main"));
    tree.run(&["build", "commit"]).failed(1, &["line 6", "names of branches move"]);
    fs::remove_file(tree.path("recipes/commit.toml")).expect("it is there");
    let repository = format!("git:{}", tree.path("repository").display());
    tree.run(&["build", "new", "begun", &repository, "--version", "2"]).good();
    let text = fs::read_to_string(tree.path("recipes/begun.toml")).expect("a recipe");
    assert!(text.contains(&tree.git(&["rev-parse", "HEAD"])), "{text}");
    tree.real.0.is_tidy();
}

const CHOOSE: &str = "crate = \"choose\"\nversion = \"1.3.4\"\n\
                      sha256 = \"2cb005221dbc736ab16663c1c0676b9513778891a7ce115612ef17059109245c\"\n";
const TABULATE: &str = "pypi = \"tabulate\"\nversion = \"0.8.10\"\n\
                        sha256 = \"6c57f3f3dd7ac2782770155f3adb2db0b1a269637e42f27599925e64b114f519\"\n";

/// A program of Rust is built with what its lock names and Debian's compiler, one of Python becomes a wheel; neither has a network.
#[test]
fn programs_of_other_languages_are_built() {
    let tree = Tree::new(Who::Self_);
    let cargo = "[needs]\ndebian = [\"cargo\"]\n[build]\nsystem = \"cargo\"\n";
    tree.recipe("choose", &format!("[[source]]\n{CHOOSE}{cargo}"));
    let python = "debian = [\"python3-installer\", \"python3-pip\", \"python3-setuptools\", \"python3-wheel\"]";
    let check = "[check]\ncommands = [\"echo 6 7 | tabulate\"]\n";
    tree.recipe("tabulate", &format!("[[source]]\n{TABULATE}[needs]\n{python}\n[build]\nsystem = \"python\"\n{check}"));
    tree.run(&["build", "choose", "tabulate"]).good();
    tree.real.keep();
    tree.run(&["add", "store:choose", "store:tabulate"]).good();
    tree.write("words", "6 7\n");
    let words = tree.path("words").display().to_string();
    assert_eq!(tree.run(&["run", "--", "choose", "-i", &words, "1"]).good().out.trim(), "7");
    assert_eq!(tree.run(&["run", "--", "tabulate", &words]).good().out.trim(), "-  -\n6  7\n-  -");
    // Whoever builds again has the same, though everything was laid out anew.
    let same = tree.run(&["build", "--check", "tabulate"]).good();
    assert!(same.out.contains("1 reproduced"), "{same:?}");

    tree.recipe("itoa", &format!("[[source]]\n{ITOA}{cargo}"));
    tree.run(&["build", "itoa"]).failed(1, &["itoa 1 could not be built", "has no `Cargo.lock`"]);
    tree.recipe("itoa", &format!("[[source]]\n{ITOA}{}", cargo.replace("cargo\"]", "./cargo\"]")));
    tree.run(&["build", "itoa"]).failed(1, &["no Debian package can be called so", "line 10"]);
    tree.real.0.is_tidy();
}

/// An option is what was chosen, stays it until something else is, and what only one value needs is needed with no other.
#[test]
fn options_are_chosen_and_stay() {
    let tree = Tree::new(Who::Self_);
    tree.recipe(
        "itoa",
        &format!(
            "[[source]]\n{ITOA}[options.docs]\nsummary = \"Words\"\ndefault = false\n\
             [options.tone]\nsummary = \"How it speaks\"\ndefault = \"plain\"\nvalues = [\"plain\", \"loud\"]\n\
             [[when]]\noption = \"docs\"\nneeds.tools = [\"six\"]\nenvironment.MORE = \"words\"\n\
             [build]\nsystem = \"script\"\n[build.phase]\n\
             install = \"mkdir -p $DESTDIR$PREFIX/share; echo $OPTION_DOCS $OPTION_TONE $MORE > $DESTDIR$PREFIX/share/said\"\n"
        ),
    );
    tree.recipe("six", &format!("[[source]]\n{SIX}{AS_IT_IS}"));
    // What it says that was built with these arguments.
    let said = |arguments: &[&str]| {
        let ran = tree.run(&[&["--format", "json", "build", "itoa"], arguments].concat()).good();
        let answer: serde_json::Value = serde_json::from_str(&ran.out).expect("it is JSON");
        let rows = answer["data"].as_array().expect("rows");
        let row = rows.iter().find(|row| row["name"] == "itoa").expect("a row");
        let id = row["component"].as_str().expect("a component");
        let path = tree.real.0.store.join("store").join(format!("{id}-itoa/share/said"));
        fs::read_to_string(path).expect("it says something").trim().to_owned()
    };
    assert_eq!(said(&[]), "no plain");
    let planned = tree.run(&["-n", "build", "itoa", "--with", "docs"]).good();
    assert!(planned.out.contains("itoa  1 docs=yes tone=plain"), "{planned:?}");
    let planned = tree.run(&["-n", "build", "itoa", "--with", "tone=loud"]).good();
    assert!(planned.out.contains("build  itoa  1 docs=no tone=loud"), "{planned:?}");
    assert!(planned.out.contains("other options were chosen"), "{planned:?}");
    assert_eq!(said(&["--with", "docs", "--with", "tone=loud"]), "yes loud words");
    assert!(tree.run(&["build", "itoa"]).good().out.contains("2 unchanged"));
    assert_eq!(said(&["--without", "docs"]), "no loud");
    let back = tree.run(&["build", "itoa", "--with", "tone=plain"]).good();
    assert!(back.out.contains("1 unchanged"), "what was built once is that build: {back:?}");

    tree.run(&["build", "itoa", "--with", "tone=shrill"]).failed(2, &["is plain or loud, not `shrill`"]);
    tree.run(&["build", "itoa", "--with", "colour"]).failed(2, &["itoa has no option `colour`", "docs, tone"]);
    tree.real.0.is_tidy();
}
