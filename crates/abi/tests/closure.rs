//! Whole processes: those of this host start, and those that would not are told why.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests, not a library")]

mod support;

use aleph_abi::{
    closure::{Libraries, Member},
    elf::{Facts, FileKind},
};
use support::Workshop;

/// Compiles two libraries and a program that needs both, and says what is wrong with the process.
fn check(first: &str, second: &str, program: &str, rebuilt_first: &str, expected: &[&str]) {
    let workshop = Workshop::new();
    for (name, text) in [("a.c", first), ("b.c", second), ("main.c", program), ("a2.c", rebuilt_first)] {
        workshop.write(name, text);
    }
    workshop.write("map", "V1 { global: a*; };");
    let library = "gcc -w -shared -fPIC -nostdlib";
    workshop.run(&format!("{library} -Wl,-soname,liba.so -Wl,--version-script,map -o liba.so a.c"));
    workshop.run(&format!("{library} -Wl,-soname,libb.so -o libb.so b.c -L. -la"));
    workshop.run("gcc -w -nostdlib -nostartfiles -e main -o main main.c -L. -lb -la");
    if !rebuilt_first.is_empty() {
        workshop.run(&format!(
            "{library} -Wl,-soname,liba.so $(cat options 2>/dev/null) -Wl,--version-script,map -o liba.so a2.c"
        ));
    }
    let files = ["main", "liba.so", "libb.so"].map(|name| (name, workshop.facts(name)));
    let members = files.iter().map(|(label, facts)| Member { label, facts });
    let problems = Libraries::new(members.clone().skip(1)).check(members.clone().next().expect("there are three"));
    assert_eq!(problems.iter().map(ToString::to_string).collect::<Vec<_>>(), expected);
}

#[test]
fn unresolved_imports_are_told() {
    let (a, b) = ("int a(void) { return 1; } int a2(void) { return 2; }", "int a(void); int b(void) { return a(); }");
    let program = "int b(void); int a2(void); int main(void) { return b() + a2(); }";
    check(a, b, program, "", &[]);
    check(a, b, program, "int a(void) { return 1; }", &["main needs `a2@V1`, which nothing defines"]);
    let neither = ["libb.so needs `a@V1`, which nothing defines", "main needs `a2@V1`, which nothing defines"];
    check(a, b, program, "int a3(void) { return 1; }", &neither);
    let weak = "int b(void); int a2(void) __attribute__((weak)); int main(void) { return b() + (a2 ? a2() : 0); }";
    check(a, b, weak, "int a(void) { return 1; }", &[]);
}

#[test]
fn missing_and_doubled_libraries_are_told() {
    let workshop = Workshop::new();
    workshop.write("a.c", "int a(void) { return 1; }");
    workshop.write("a2.c", "int a(void) { return 1; } int b(void) { return 2; }");
    workshop.write("main.c", "int a(void); int main(void) { return a(); }");
    workshop.run("for name in a a2; do gcc -shared -fPIC -nostdlib -Wl,-soname,liba.so.1 -o lib$name.so $name.c; done");
    workshop.run("gcc -nostdlib -nostartfiles -e main -o main main.c liba.so");
    let [main, one, two] = ["main", "liba.so", "liba2.so"].map(|name| workshop.facts(name));
    let check = |libraries: &[(&'static str, &Facts)], expected: &[&str]| {
        let members = libraries.iter().map(|&(label, facts)| Member { label, facts });
        let problems = Libraries::new(members).check(Member { label: "main", facts: &main });
        assert_eq!(problems.iter().map(ToString::to_string).collect::<Vec<_>>(), expected);
    };
    check(&[("x/liba.so.1", &one)], &[]);
    check(&[("x/liba.so.1", &one), ("y/liba.so.1", &one)], &[]);
    check(
        &[("x/liba.so.1", &one), ("y/liba.so.1", &two)],
        &["liba.so.1 is there more than once: x/liba.so.1, y/liba.so.1"],
    );
    check(&[], &["main needs liba.so.1, which is not there", "main needs `a`, which nothing defines"]);
}

/// Programs of this host work, so nothing may be wrong with them.
#[test]
fn this_hosts_programs_are_whole() {
    let files: Vec<(String, Facts)> = support::host_files()
        .into_iter()
        .filter(|path| path.to_string_lossy().contains("/lib") || path.to_string_lossy().contains("/bin/"))
        .filter_map(|path| {
            let facts = aleph_abi::elf::read(&std::fs::read(&path).ok()?).ok()?;
            Some((path.display().to_string(), facts))
        })
        .collect();
    let member = |(label, facts): &'static (String, Facts)| Member { label, facts };
    let files: &'static Vec<(String, Facts)> = Box::leak(Box::new(files));
    let libraries = Libraries::new(files.iter().filter(|(_, facts)| facts.kind() == FileKind::Shared).map(member));
    let programs = files.iter().filter(|(label, facts)| facts.interpreter().is_some() && label.contains("/bin/"));
    let mut checked = 0;
    for program in programs.step_by(4) {
        // Some find libraries in directories of their own.
        if program.1.runpath().is_some() || program.1.rpath().is_some() {
            continue;
        }
        let problems = libraries.check(member(program));
        let told: Vec<String> =
            problems.iter().map(ToString::to_string).filter(|text| !text.contains("is not there")).collect();
        let is_complete = told.len() == problems.len();
        assert!(!is_complete || told.is_empty(), "{}: {told:?}", program.0);
        checked += usize::from(is_complete);
    }
    assert!(checked > 50, "only {checked} programs of this host could be checked");
}
