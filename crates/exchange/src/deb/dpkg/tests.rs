//! Plans for small sets of packages, and dpkg's own opinion of the database that they give.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
};

use aleph_component::{Digest, Entry, FORMAT, Kind, Manifest, Node, Owner, Source, TreePath};

use super::{divert::resolve_conflict, *};

/// Contents by digest, as a store would have them.
#[derive(Default)]
struct Pool(BTreeMap<Digest, Vec<u8>>);

impl Pool {
    fn file(&mut self, path: &str, text: &str) -> Entry {
        let digest = Digest::of(text.as_bytes());
        self.0.insert(digest, text.as_bytes().to_vec());
        let node = Node::File { digest, size: text.len() as u64, mode: 0o644 };
        Entry { path: TreePath::new(path).unwrap(), owner: Owner::default(), node }
    }

    /// A package: `name version`, lines of fields, and files; those whose names have no slash are control members.
    fn manifest(&mut self, name: &str, version: &str, fields: &str, files: &[(&str, &str)]) -> Manifest {
        let head =
            format!("Package: {name}\nVersion: {version}\nArchitecture: amd64\nMaintainer: Somebody <a@b.example>\n");
        let text = format!("{head}{fields}Description: a test\n It has no use.\n");
        let control = crate::deb::parse_control(text.as_bytes()).unwrap();
        let (mut tree, mut members) = (Vec::new(), vec![self.file("control", &text)]);
        for (path, content) in files {
            let list = if path.contains('/') { &mut tree } else { &mut members };
            list.push(self.file(path, content));
        }
        tree.sort_by(|a, b| a.path.cmp(&b.path));
        members.sort_by(|a, b| a.path.cmp(&b.path));
        let conffiles = files.iter().find(|(path, _)| *path == "conffiles").map_or("", |(_, text)| text);
        Manifest {
            format: FORMAT,
            kind: Kind::Deb,
            name: name.to_owned(),
            version: version.to_owned(),
            architecture: "amd64".to_owned(),
            source: Source { name: name.to_owned(), version: version.to_owned() },
            summary: String::new(),
            fields: control.fields,
            conffiles: conffiles.lines().map(str::to_owned).collect(),
            cves: Vec::new(),
            native: None,
            tree,
            control: members,
        }
    }

    fn contents(&self) -> impl Fn(&Digest, u16) -> std::io::Result<Box<dyn std::io::Read>> + '_ {
        |digest, _| Ok(Box::new(std::io::Cursor::new(self.0[digest].clone())))
    }

    fn packages<'a>(&self, manifests: &'a [Manifest]) -> Vec<Package<'a>> {
        manifests.iter().map(|manifest| Package::read(manifest, &self.contents()).unwrap()).collect()
    }

    fn fresh(&self, packages: &[Package<'_>]) -> ConfigurePlan {
        fresh(packages, &self.contents()).unwrap()
    }

    fn update(&self, before: &[Package<'_>], after: &[Package<'_>], previous: Previous<'_>) -> UpdatePlan {
        update(before, after, previous, &self.contents()).unwrap()
    }

    fn write(&self, root: &Path, placements: &[Placement]) {
        for placement in placements {
            let path = root.join(&placement.path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let bytes = match &placement.content {
                Content::Pool { digest, .. } => &self.0[digest],
                Content::Bytes(bytes) => bytes,
            };
            fs::write(path, bytes).unwrap();
        }
    }
}

fn text<'a>(placements: &'a [Placement], path: &str) -> &'a str {
    let found = placements.iter().find(|placement| placement.path.as_str() == format!("var/lib/dpkg/{path}"));
    match &found.unwrap_or_else(|| panic!("no {path}")).content {
        Content::Bytes(bytes) => std::str::from_utf8(bytes).unwrap(),
        Content::Pool { .. } => "pooled",
    }
}

/// The label of the step that ends every configuration.
const LAST: &str = "configure what is left, and process triggers";

fn labels(steps: &[Step]) -> Vec<&str> {
    steps.iter().map(|step| step.label.as_str()).collect()
}

/// A library without scripts, one with, and a program that has everything.
fn set(pool: &mut Pool, version: &str) -> Vec<Manifest> {
    let script = "#!/bin/sh\nexit 0\n";
    vec![
        pool.manifest("libplain", "1", "Multi-Arch: same\n", &[("usr/lib/libplain.so", "p"), ("md5sums", "")]),
        pool.manifest(
            "libwith",
            version,
            "Depends: libplain\n",
            &[
                ("usr/lib/libwith.so", version),
                ("postinst", script),
                ("prerm", script),
                ("postrm", script),
                ("triggers", "activate-noawait ldconfig\n"),
            ],
        ),
        pool.manifest(
            "program",
            "3",
            "Depends: libwith\nPre-Depends: shell | nothing\n",
            &[
                ("etc/program.conf", "a = 1\n"),
                ("usr/share/fonts/one", "f"),
                ("conffiles", "/etc/program.conf\n"),
                ("preinst", script),
                ("postinst", script),
            ],
        ),
        pool.manifest(
            "linker",
            "1",
            "Essential: yes\nProvides: shell\n",
            &[("postinst", script), ("triggers", "interest-noawait ldconfig\ninterest /usr/share/fonts\n")],
        ),
    ]
}

#[test]
fn a_fresh_view_is_unpacked_and_ready_to_be_configured() {
    let mut pool = Pool::default();
    let manifests = set(&mut pool, "2");
    let plan = pool.fresh(&pool.packages(&manifests));
    let expected = ["configure packages", "preinst install of program", "configure packages", LAST];
    assert_eq!(labels(&plan.steps), expected);
    let configured = |step: usize| plan.steps[step].argv[5..].join(" ");
    assert_eq!(configured(0), "--no-triggers --configure linker:amd64");
    assert_eq!(configured(2), "--no-triggers --configure libwith:amd64 program:amd64");
    let status = text(&plan.placements, "status");
    let state = |name: &str| {
        let stanza = status.split("\n\n").find(|stanza| stanza.starts_with(&format!("Package: {name}\n"))).unwrap();
        stanza.lines().find_map(|line| line.strip_prefix("Status: install ok ")).unwrap()
    };
    assert_eq!((state("libplain"), state("libwith"), state("program")), ("installed", "unpacked", "unpacked"));
    assert!(status.contains("Conffiles:\n /etc/program.conf 9358f2568f3316fe7e78a4fa7707c414\n"));
    assert_eq!(text(&plan.placements, "info/program.list"), "/.\n/etc/program.conf\n/usr/share/fonts/one\n");
    assert_eq!(text(&plan.placements, "info/libplain:amd64.md5sums"), "pooled");
    assert!(text(&plan.placements, "info/libwith.md5sums").ends_with("  usr/lib/libwith.so\n"));
    assert_eq!(text(&plan.placements, "triggers/ldconfig"), "linker/noawait\n");
    assert_eq!(text(&plan.placements, "triggers/File"), "/usr/share/fonts linker\n");
    assert_eq!(text(&plan.placements, "triggers/Unincorp"), "");
}

#[test]
fn control_members_that_dpkg_skips_are_not_placed() {
    let mut pool = Pool::default();
    let manifest = pool.manifest("a", "1", "", &[("b.postinst", "x"), ("list", "x"), ("config", "x"), ("md5sums", "")]);
    let placements = pool.fresh(&pool.packages(&[manifest])).placements;
    let names = placements.iter().filter_map(|placement| placement.path.as_str().strip_prefix("var/lib/dpkg/info/a."));
    assert_eq!(names.collect::<BTreeSet<_>>(), BTreeSet::from(["config", "list", "md5sums"]));
}

#[test]
fn dpkg_takes_the_database_for_its_own() {
    let mut pool = Pool::default();
    let manifests = set(&mut pool, "2");
    let plan = pool.fresh(&pool.packages(&manifests));
    let root = tempfile::tempdir().unwrap();
    pool.write(root.path(), &plan.placements);
    let query = |arguments: &[&str]| {
        let admindir = format!("--admindir={}", root.path().join("var/lib/dpkg").display());
        let output = Command::new("dpkg-query").arg(admindir).args(arguments).env("LC_ALL", "C").output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let listed = query(&["-W", "-f", "${binary:Package} ${Version} ${db:Status-Status} ${db:Status-Eflag};"]);
    assert_eq!(
        listed,
        "libplain:amd64 1 installed ok;libwith 2 unpacked ok;linker 1 unpacked ok;program 3 unpacked ok;"
    );
    assert_eq!(query(&["-L", "program"]), "/.\n/etc/program.conf\n/usr/share/fonts/one\n");
    assert_eq!(query(&["-S", "/usr/lib/libplain.so"]), "libplain:amd64: /usr/lib/libplain.so\n");
    assert!(query(&["--control-list", "libwith"]).contains("postrm"));
    let status = text(&plan.placements, "status").replace("unpacked", "half-configured");
    assert_eq!(unconfigured(&status).len(), 3);
    assert_eq!(unconfigured(&status)[0].state, "half-configured");
}

/// The status text once everything is configured.
fn configured(pool: &Pool, packages: &[Package<'_>]) -> String {
    text(&pool.fresh(packages).placements, "status").replace("ok unpacked", "ok installed")
}

#[test]
fn an_update_runs_what_dpkg_would_run() {
    let mut pool = Pool::default();
    let (old, new) = (set(&mut pool, "2"), set(&mut pool, "2.1"));
    let (old, new) = (pool.packages(&old), pool.packages(&new));
    let status = configured(&pool, &old);
    let nothing = BTreeSet::new();
    let previous = Previous { status: &status, changed_conffiles: &nothing };
    let UpdatePlan::Update { leaving, plan, forget } = pool.update(&old, &new, previous) else { panic!() };
    assert_eq!(labels(&leaving), ["prerm upgrade 2.1 of libwith"]);
    assert_eq!(labels(&plan.steps), ["postrm upgrade 2.1 of libwith", "configure packages", LAST]);
    assert!(plan.covers.iter().any(|cover| format!("/{}", cover.path) == plan.steps[0].argv[0]));
    assert_eq!(plan.steps[1].argv[5..], ["--no-triggers", "--configure", "libwith:amd64"]);
    assert_eq!(text(&plan.placements, "triggers/Unincorp"), "ldconfig -\n");
    let status = text(&plan.placements, "status");
    assert!(status.contains("Package: libwith\nStatus: install ok unpacked\nConfig-Version: 2\nVersion: 2.1\n"));
    assert_eq!(status.matches("install ok installed").count(), 3);
    assert!(forget.is_empty());
}

#[test]
fn what_was_never_configured_is_not_said_to_have_been() {
    let mut pool = Pool::default();
    let (old, new) = (set(&mut pool, "2"), set(&mut pool, "2.1"));
    let (old, new) = (pool.packages(&old), pool.packages(&new));
    let check = |state: &str, prerm: bool, version: Option<&str>| {
        let status = configured(&pool, &old).replace(
            "Package: libwith\nStatus: install ok installed\n",
            &format!("Package: libwith\nStatus: install ok {state}\n"),
        );
        let nothing = BTreeSet::new();
        let previous = Previous { status: &status, changed_conffiles: &nothing };
        let UpdatePlan::Update { leaving, plan, .. } = pool.update(&old, &new, previous) else { panic!() };
        assert_eq!(labels(&leaving).contains(&"prerm upgrade 2.1 of libwith"), prerm, "{state}");
        let version = version.map_or_else(String::new, |version| format!("Config-Version: {version}\n"));
        let expected = format!("Package: libwith\nStatus: install ok unpacked\n{version}Version: 2.1\n");
        assert!(text(&plan.placements, "status").contains(&expected), "{state}");
        let UpdatePlan::Update { leaving, .. } = pool.update(&old, &old[..1], previous) else { panic!() };
        assert_eq!(labels(&leaving).contains(&"prerm remove of libwith"), prerm, "{state}");
    };
    check("installed", true, Some("2"));
    check("triggers-pending", true, Some("2"));
    check("half-configured", true, None);
    check("half-configured\nConfig-Version: 1", true, Some("1"));
    check("unpacked", false, None);
    check("unpacked\nConfig-Version: 1", false, Some("1"));
    check("half-installed", false, None);
}

#[test]
fn scripts_are_told_how_many_architectures_are_there() {
    let mut pool = Pool::default();
    let script = "#!/bin/sh\n";
    let files = [("preinst", script), ("prerm", script), ("postrm", script)];
    let own = pool.manifest("lib", "1", "Multi-Arch: same\n", &files);
    let mut foreign = own.clone();
    foreign.architecture = "i386".to_owned();
    let text = "Package: lib\nVersion: 1\nArchitecture: i386\nMulti-Arch: same\nDescription: a test\n";
    *foreign.control.iter_mut().find(|entry| entry.path.as_str() == "control").unwrap() = pool.file("control", text);
    let (one, both) = ([own.clone()], [own, foreign]);
    let (none, one, both) = (Vec::new(), pool.packages(&one), pool.packages(&both));
    let counts = |before: &[Package<'_>], after: &[Package<'_>]| -> String {
        let (status, nothing) = (configured(&pool, before), BTreeSet::new());
        let previous = Previous { status: &status, changed_conffiles: &nothing };
        let UpdatePlan::Update { leaving, plan, .. } = pool.update(before, after, previous) else { panic!() };
        let refcount = |step: &Step| {
            let found = step.env.iter().find(|(name, _)| name == "DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT");
            found.map(|(_, value)| format!("{} {value}", step.label.split(" of ").next().unwrap_or_default()))
        };
        leaving.iter().chain(&plan.steps).filter_map(refcount).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(counts(&none, &one), "preinst install 1");
    assert_eq!(counts(&one, &both), "preinst install 2");
    assert_eq!(counts(&both, &one), "prerm remove 2, postrm remove 2, postrm purge 2");
    let gone = "postrm remove 2, postrm purge 2, postrm remove 1, postrm purge 1";
    assert_eq!(counts(&both, &none), format!("prerm remove 2, prerm remove 2, {gone}"));
}

#[test]
fn what_changes_nothing_runs_nothing() {
    let mut pool = Pool::default();
    let manifests = set(&mut pool, "2");
    let packages = pool.packages(&manifests);
    let status = configured(&pool, &packages);
    let nothing = BTreeSet::new();
    let previous = Previous { status: &status, changed_conffiles: &nothing };
    let UpdatePlan::Update { leaving, plan, .. } = pool.update(&packages, &packages, previous) else { panic!() };
    assert!(leaving.is_empty() && plan.steps.is_empty() && plan.covers.is_empty());
    assert_eq!(text(&plan.placements, "status"), status);
    let half = status.replacen("ok installed", "ok half-configured", 1);
    let previous = Previous { status: &half, changed_conffiles: &nothing };
    let UpdatePlan::Update { plan, .. } = pool.update(&packages, &packages, previous) else { panic!() };
    assert_eq!(labels(&plan.steps), [LAST]);
    let previous = Previous { status: "", changed_conffiles: &nothing };
    assert!(matches!(pool.update(&packages, &packages, previous), UpdatePlan::NeedsFresh { .. }));
}

#[test]
fn changed_conffiles_stay_and_those_of_removed_packages_go() {
    let mut pool = Pool::default();
    let conf = |pool: &mut Pool, version: &str, text: &str| {
        let files =
            [("etc/a", text), ("etc/b", "same"), ("conffiles", "/etc/a\n/etc/b\n"), ("prerm", "x"), ("postrm", "x")];
        vec![pool.manifest("conf", version, "", &files)]
    };
    let (old, new) = (conf(&mut pool, "1", "old"), conf(&mut pool, "2", "new"));
    let (old, new) = (pool.packages(&old), pool.packages(&new));
    let status = configured(&pool, &old);
    let changed = BTreeSet::from(["/etc/a".to_owned(), "/etc/b".to_owned()]);
    let previous = Previous { status: &status, changed_conffiles: &changed };
    let UpdatePlan::Update { plan, forget, .. } = pool.update(&old, &new, previous) else { panic!() };
    let beside: Vec<&str> = plan
        .placements
        .iter()
        .map(|placement| placement.path.as_str())
        .filter(|path| path.starts_with("etc"))
        .collect();
    assert_eq!((beside, forget.len()), (vec!["etc/a.dpkg-dist"], 0));
    let UpdatePlan::Update { leaving, plan, forget } = pool.update(&old, &[], previous) else { panic!() };
    assert_eq!(labels(&leaving), ["prerm remove of conf"]);
    assert_eq!(labels(&plan.steps), ["postrm remove of conf", "postrm purge of conf"]);
    assert_eq!(forget, [TreePath::new("etc/a").unwrap(), TreePath::new("etc/b").unwrap()]);
}

#[test]
fn a_trigger_does_not_replace_files_of_dpkg() {
    let mut pool = Pool::default();
    let triggers = "interest File\ninterest Unincorp\ninterest /usr/share/x\ninterest own\n";
    let manifests = [pool.manifest("a", "1", "", &[("triggers", triggers)])];
    let plan = pool.fresh(&pool.packages(&manifests));
    assert_eq!(text(&plan.placements, "triggers/File"), "/usr/share/x a\n");
    assert_eq!(text(&plan.placements, "triggers/own"), "a\n");
    let paths: BTreeSet<_> = plan.placements.iter().map(|placement| &placement.path).collect();
    assert_eq!(paths.len(), plan.placements.len());
}

#[test]
fn a_conffile_that_is_listed_often_is_one() {
    let mut pool = Pool::default();
    let often = "/etc/a\n".repeat(1000);
    let manifests = [pool.manifest("often", "1", "", &[("etc/a", "x"), ("conffiles", &often)])];
    let packages = pool.packages(&manifests);
    assert_eq!(text(&pool.fresh(&packages).placements, "status").matches("/etc/a").count(), 1);
}

#[test]
fn changed_conffiles_that_another_package_has_stay() {
    let mut pool = Pool::default();
    let conf = |pool: &mut Pool, name: &str, path: &str| {
        pool.manifest(name, "1", "", &[(path, "x"), ("conffiles", &format!("/{path}\n"))])
    };
    let old = vec![conf(&mut pool, "old", "lib/conf")];
    let changed = BTreeSet::from(["/lib/conf".to_owned()]);
    let check = |pool: &Pool, after: &[Manifest], expected: &[&str]| {
        let (old, new) = (pool.packages(&old), pool.packages(after));
        let status = configured(pool, &old);
        let previous = Previous { status: &status, changed_conffiles: &changed };
        let UpdatePlan::Update { forget, .. } = pool.update(&old, &new, previous) else { panic!() };
        assert_eq!(forget.iter().map(TreePath::as_str).collect::<Vec<_>>(), expected);
    };
    let mut foreign = old[0].clone();
    foreign.architecture = "i386".to_owned();
    let (renamed, other) = (conf(&mut pool, "renamed", "lib/conf"), conf(&mut pool, "other", "lib/other"));
    check(&pool, &[], &["usr/lib/conf"]);
    check(&pool, &[foreign], &[]);
    check(&pool, &[renamed], &[]);
    check(&pool, &[other], &["usr/lib/conf"]);
}

#[test]
fn triggers_on_files_are_set_off_by_what_changes_below_them() {
    let mut pool = Pool::default();
    let before = set(&mut pool, "2");
    let check = |pool: &mut Pool, path: &str, expected: &str| {
        let mut after = before.clone();
        after.push(pool.manifest("new", "1", "", &[(path, "x"), ("md5sums", "")]));
        let (old, new) = (pool.packages(&before), pool.packages(&after));
        let (status, nothing) = (configured(pool, &old), BTreeSet::new());
        let previous = Previous { status: &status, changed_conffiles: &nothing };
        let UpdatePlan::Update { plan, .. } = pool.update(&old, &new, previous) else { panic!() };
        assert_eq!(text(&plan.placements, "triggers/Unincorp"), expected, "{path}");
    };
    check(&mut pool, "usr/share/fonts/x/y", "/usr/share/fonts -\n");
    check(&mut pool, "usr/share/fonts", "/usr/share/fonts -\n");
    check(&mut pool, "usr/share/fonts.d/x", "");
    check(&mut pool, "usr/share/font", "");
}

#[test]
fn circles_and_long_chains_have_an_order() {
    let mut pool = Pool::default();
    let mut manifests: Vec<Manifest> = (0..3000)
        .map(|n| pool.manifest(&format!("p{n}"), "1", &format!("Depends: p{}\n", (n + 1) % 3000), &[]))
        .collect();
    manifests[2999].fields.insert("Provides".to_owned(), "last (= 1)".to_owned());
    let mut order = configure_order(&pool.packages(&manifests));
    assert_eq!(order[0], 2999);
    order.sort_unstable();
    assert_eq!(order, (0..3000).collect::<Vec<_>>());
}

#[test]
fn a_diversion_that_keeps_two_apart_is_in_force_from_the_start() {
    let mut pool = Pool::default();
    let divert = "dpkg-divert --add --rename --divert /bin/x.b /bin/x\n";
    let manifests = [
        pool.manifest("a", "1", "", &[("preinst", divert), ("bin/x", "1")]),
        pool.manifest("b", "1", "", &[("usr/bin/x", "2")]),
    ];
    let packages = pool.packages(&manifests);
    assert_eq!(text(&pool.fresh(&packages).placements, "diversions"), "/bin/x\n/bin/x.b\na\n");
    assert_eq!(text(&pool.fresh(&packages[..1]).placements, "diversions"), "");
    let (status, nothing) = (configured(&pool, &packages), BTreeSet::new());
    let previous = Previous { status: &status, changed_conffiles: &nothing };
    assert!(matches!(pool.update(&packages, &packages[..1], previous), UpdatePlan::NeedsFresh { .. }));
}

#[test]
fn what_replaces_takes_is_struck_off_the_list() {
    let mut pool = Pool::default();
    let manifests = [
        pool.manifest("old", "1", "", &[("lib/x", "1"), ("lib/y", "1"), ("lib/same", "s")]),
        pool.manifest("new", "1", "Replaces: old (<< 2)\n", &[("usr/lib/x", "2"), ("usr/lib/same", "s")]),
        pool.manifest("late", "1", "Replaces: old (<< 1)\n", &[("usr/lib/y", "2")]),
    ];
    let placements = pool.fresh(&pool.packages(&manifests)).placements;
    assert_eq!(text(&placements, "info/old.list"), "/.\n/lib/same\n/lib/y\n");
    assert_eq!(text(&placements, "info/new.list"), "/.\n/usr/lib/same\n/usr/lib/x\n");
}

#[test]
fn two_owners_of_a_path_are_reconciled_by_diversion_or_replaces() {
    let mut pool = Pool::default();
    let divert = "dpkg-divert --package a --add --rename --divert /usr/bin/x.b /bin/x\n";
    let manifests = [
        pool.manifest("a", "1", "", &[("preinst", divert)]),
        pool.manifest("b", "1", "", &[]),
        pool.manifest("c", "1", "Replaces: b (<< 2)\n", &[]),
        pool.manifest("d", "1", "Replaces: b (<< 1)\n", &[]),
    ];
    let [a, b, c, d] = &pool.packages(&manifests)[..] else { panic!() };
    let known = diversions(&[a.clone(), b.clone()]);
    let path = TreePath::new("usr/bin/x").unwrap();
    let check = |first, second, expected| assert_eq!(resolve_conflict(&path, first, second, &known), expected);
    let to = TreePath::new("usr/bin/x.b").unwrap();
    check(a, b, Resolution::Diverted { first_stays: true, to: to.clone() });
    check(b, a, Resolution::Diverted { first_stays: false, to });
    check(b, c, Resolution::Second);
    check(c, b, Resolution::First);
    check(b, d, Resolution::Conflict);
}
