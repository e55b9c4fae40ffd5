//! On the host's own package lists the solver finds the sets that `apt-get -s install` finds with nothing installed.
//!
//! Needs a Debian host whose lists are there (`apt-get update`); the host's preferences and installed packages play no
//! part.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use aleph_exchange::apt::{
    index::{IndexInput, PreparedIndex},
    solve::{Kept, Request, Solution, Upgrade, VersionChoice, Want, solve},
};

/// The packages that a small system and the programs of the measurements start from.
const SEEDS: &str = "base-files base-passwd bash bsdutils coreutils dash debianutils diffutils dpkg findutils grep gzip \
    hostname init-system-helpers libc-bin login ncurses-base ncurses-bin perl-base sed sysvinit-utils tar util-linux \
    mount curl jq git python3 openssl sqlite3 vim-nox imagemagick nginx-core postgresql-client-15 ffmpeg";

/// apt with an empty status file, and the index of the lists that it uses.
struct Apt {
    directory: tempfile::TempDir,
    index: PreparedIndex,
    architecture: String,
}

impl Apt {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        for name in ["cache/archives/partial", "texts"] {
            fs::create_dir_all(directory.path().join(name)).unwrap();
        }
        fs::write(directory.path().join("status"), "").unwrap();
        let architecture = output(Command::new("dpkg").arg("--print-architecture")).trim().to_owned();
        let targets = output(Command::new("apt-get").args([
            "indextargets",
            "--format",
            "$(FILENAME)\t$(SUITE)\t$(CODENAME)\t$(COMPONENT)\t$(ARCHITECTURE)",
            "Created-By: Packages",
        ]));
        let inputs: Vec<IndexInput> = targets
            .lines()
            .filter_map(|line| input(line, &directory.path().join("texts")))
            .filter(|input| input.architecture == architecture || input.architecture == "all")
            .collect();
        assert!(!inputs.is_empty(), "apt has no package lists here: run `apt-get update`");
        let out = directory.path().join("index");
        PreparedIndex::build(&inputs, &out).unwrap();
        let index = PreparedIndex::open(&out).unwrap();
        Self { directory, index, architecture }
    }

    /// `name=version` of everything that apt would install.
    fn set(&self, names: &str, recommends: bool) -> BTreeSet<String> {
        let mut command = Command::new("apt-get");
        let path = |name: &str| self.directory.path().join(name).display().to_string();
        for option in [
            format!("Dir::State::status={}", path("status")),
            format!("Dir::Cache={}", path("cache")),
            "Dir::Etc::preferences=/dev/null".to_owned(),
            "Dir::Etc::preferencesparts=/dev/null".to_owned(),
            "Debug::NoLocking=1".to_owned(),
            format!("APT::Install-Recommends={recommends}"),
        ] {
            command.args(["-o", &option]);
        }
        let text = output(command.args(["-s", "-y", "install"]).args(names.split_whitespace()));
        // `Inst name (version suites [architecture])`
        let installed = text.lines().filter_map(|line| line.strip_prefix("Inst ")).map(|line| {
            let (name, rest) = line.split_once(" (").unwrap();
            format!("{name}={}", rest.split(' ').next().unwrap())
        });
        installed.collect()
    }

    fn request(&self, names: &str, recommends: bool) -> Request<'static> {
        let wanted = names.split_whitespace().map(|name| name.parse().unwrap()).collect();
        Request { wanted, recommends, ..Request::new(&*self.architecture) }
    }

    /// Both sets are the same. So far no difference had to be allowed.
    fn check(&self, names: &str, recommends: bool) {
        let request = self.request(names, recommends);
        let solution = solve(&self.index, &request).unwrap();
        check_closed(&solution);
        let (ours, theirs) = (set(&solution), self.set(names, recommends));
        assert!(theirs.len() > 2, "apt found nothing for {names}");
        let missing: Vec<&String> = theirs.difference(&ours).collect();
        let extra: Vec<&String> = ours.difference(&theirs).collect();
        assert!(missing.is_empty() && extra.is_empty(), "{names}, {recommends}: missing {missing:?}, extra {extra:?}");
    }
}

/// Runs a command that must succeed, in plain language.
fn output(command: &mut Command) -> String {
    let output = command.env("LC_ALL", "C").output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// One of apt's lists, unpacked into `texts`; nothing if apt has not fetched it.
fn input(line: &str, texts: &Path) -> Option<IndexInput> {
    let [file, suite, codename, component, architecture] = line.split('\t').collect::<Vec<_>>()[..] else {
        panic!("apt-get indextargets says `{line}`");
    };
    let file = Path::new(file);
    if !file.exists() {
        return None;
    }
    let text: PathBuf = texts.join(file.file_name().unwrap());
    let unpacked = Command::new("/usr/lib/apt/apt-helper").arg("cat-file").arg(file).output().unwrap();
    assert!(unpacked.status.success());
    fs::write(&text, unpacked.stdout).unwrap();
    // Suites that install nothing of themselves, such as backports.
    let release = file.to_str().unwrap().split(&format!("_{component}_binary-")).next().unwrap().to_owned();
    let release = ["InRelease", "Release"].iter().find_map(|name| fs::read_to_string(format!("{release}_{name}")).ok());
    let says =
        |field: &str| release.as_ref().is_some_and(|text| text.lines().any(|line| line == format!("{field}: yes")));
    let priority = match (says("NotAutomatic"), says("ButAutomaticUpgrades")) {
        (true, true) => 100,
        (true, false) => 1,
        _ => 500,
    };
    Some(IndexInput {
        text,
        id: file.display().to_string(),
        origin: String::new(),
        suite: suite.to_owned(),
        codename: codename.to_owned(),
        component: component.to_owned(),
        architecture: architecture.to_owned(),
        base_uri: "http://mirror.example/debian".to_owned(),
        priority,
    })
}

fn set(solution: &Solution<'_>) -> BTreeSet<String> {
    solution.packages.iter().map(|chosen| format!("{}={}", chosen.name, chosen.version)).collect()
}

/// No package fills its own slot, and slots lead to the packages.
fn check_closed(solution: &Solution<'_>) {
    let mut reached: Vec<bool> = solution.packages.iter().map(|chosen| chosen.requested).collect();
    let mut queue: Vec<usize> = (0..reached.len()).filter(|&at| reached[at]).collect();
    while let Some(at) = queue.pop() {
        for &provider in solution.packages[at].slots.values() {
            assert_ne!(provider, at, "{:?}", solution.packages[at]);
            if !std::mem::replace(&mut reached[provider], true) {
                queue.push(provider);
            }
        }
    }
    // What only a second alternative leads to stays, as with apt, but that is rare.
    let unreached = reached.iter().filter(|&&reached| !reached).count();
    assert!(unreached * 100 <= reached.len(), "{unreached} of {} packages fill no slot", reached.len());
}

const REQUESTS: [&str; 9] = [
    SEEDS,
    "ffmpeg",
    "gnome-core",
    "libreoffice",
    "build-essential",
    "nginx-core",
    "default-jre-headless",
    "postfix",
    "exim4 mutt",
];

#[test]
fn the_sets_are_those_of_apt() {
    let apt = Apt::new();
    for names in REQUESTS {
        apt.check(names, false);
    }
}

#[test]
fn the_sets_with_recommendations_are_those_of_apt() {
    let apt = Apt::new();
    for names in REQUESTS {
        apt.check(names, true);
    }
}

#[test]
fn essential_packages_make_a_system() {
    let apt = Apt::new();
    let request = Request { essential: true, ..apt.request("curl", false) };
    let solution = solve(&apt.index, &request).unwrap();
    let names: BTreeSet<&str> = solution.packages.iter().map(|chosen| chosen.name).collect();
    for name in ["bash", "base-files", "coreutils", "dpkg", "libc6", "curl"] {
        assert!(names.contains(name), "{name}");
    }
    let essential: Vec<&str> =
        apt.index.all().filter(|candidate| candidate.essential()).map(|candidate| candidate.name()).collect();
    assert!(essential.len() > 10 && essential.iter().all(|name| names.contains(name)));
}

/// Every older version on offer can be asked for, brings what it needs, stays, and is left by an upgrade.
#[test]
fn older_versions_can_be_had_and_left() {
    let apt = Apt::new();
    let older = ["openssl", "libssl3", "libc6", "libexpat1", "curl", "git"];
    let wants: Vec<Want> = older
        .iter()
        .filter_map(|name| {
            let candidates: Vec<_> = apt.index.candidates(name).collect();
            let oldest = candidates.last().filter(|_| candidates.len() > 1)?;
            Some(Want { version: VersionChoice::Exact(oldest.version().to_owned()), ..Want::named(*name) })
        })
        .collect();
    for want in wants {
        let VersionChoice::Exact(version) = &want.version else { unreachable!("made above") };
        let request = Request { wanted: vec![want.clone()], ..apt.request("", false) };
        let solution = solve(&apt.index, &request).unwrap_or_else(|error| panic!("{want}: {error}"));
        assert!(set(&solution).contains(&format!("{}={version}", want.name)));
        let keep = solution.packages.iter().map(|chosen| Kept {
            name: chosen.name.to_owned(),
            version: chosen.version.to_owned(),
            architecture: chosen.architecture.to_owned(),
            ..Kept::default()
        });
        let request = Request { keep: keep.collect(), ..apt.request(&want.name, false) };
        assert_eq!(set(&solve(&apt.index, &request).unwrap()), set(&solution));
        let request = Request { upgrade: Upgrade::All, ..request };
        let fresh = apt.request(&want.name, false);
        assert_eq!(set(&solve(&apt.index, &request).unwrap()), set(&solve(&apt.index, &fresh).unwrap()));
    }
}

#[test]
fn real_conflicts_are_explained() {
    let apt = Apt::new();
    let message = |names| solve(&apt.index, &apt.request(names, false)).unwrap_err().to_string();
    let mail = message("postfix exim4");
    for part in ["postfix", "conflicts with mail-transport-agent", "you asked for exim4", "exim4-daemon-light"] {
        assert!(mail.contains(part), "{mail}");
    }
    assert!(message("opnessl").contains("did you mean openssl"));
    assert!(message("openssl=0").contains("`openssl=0` is not on offer"));
    assert!(message("mail-transport-agent").contains("virtual package"));
}
