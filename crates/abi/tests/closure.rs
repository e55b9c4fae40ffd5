//! Whole processes: those of this host start, and those that would not are told why.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests, not a library")]

mod support;

use std::collections::HashMap;

use aleph_abi::{
    closure::{Member, Problem, Space},
    elf::Facts,
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
    workshop.run("gcc -w -nostdlib -nostartfiles -Wl,--no-dynamic-linker -e main -o main main.c -L. -lb -la");
    if !rebuilt_first.is_empty() {
        workshop.run(&format!(
            "{library} -Wl,-soname,liba.so $(cat options 2>/dev/null) -Wl,--version-script,map -o liba.so a2.c"
        ));
    }
    let files = ["main", "liba.so", "libb.so"].map(|name| (format!("/lib/{name}"), workshop.facts(name)));
    assert_eq!(problems(&files, &["/lib"]), expected);
}

/// What is wrong with the process that begins with the first of some files.
fn problems(files: &[(String, Facts)], directories: &[&str]) -> Vec<String> {
    let at = |path: &str| files.iter().position(|(known, _)| known == path);
    let directories: Vec<String> = directories.iter().map(|&directory| directory.to_owned()).collect();
    let members = files.iter().map(|(path, facts)| Member { path, facts });
    let process = Space::new(members, &at, &directories).process(0);
    process.problems.iter().map(ToString::to_string).collect()
}

#[test]
fn unresolved_imports_are_told() {
    let (a, b) = ("int a(void) { return 1; } int a2(void) { return 2; }", "int a(void); int b(void) { return a(); }");
    let program = "int b(void); int a2(void); int main(void) { return b() + a2(); }";
    check(a, b, program, "", &[]);
    check(a, b, program, "int a(void) { return 1; }", &["/lib/main needs `a2@V1`, which nothing defines"]);
    let neither =
        ["/lib/libb.so needs `a@V1`, which nothing defines", "/lib/main needs `a2@V1`, which nothing defines"];
    check(a, b, program, "int a3(void) { return 1; }", &neither);
    let weak = "int b(void); int a2(void) __attribute__((weak)); int main(void) { return b() + (a2 ? a2() : 0); }";
    check(a, b, weak, "int a(void) { return 1; }", &[]);
}

#[test]
fn missing_and_doubled_libraries_are_told() {
    let workshop = Workshop::new();
    workshop.write("a.c", "int a(void) { return 1; }");
    workshop.write("a2.c", "int a(void) { return 1; } int b(void) { return 2; }");
    workshop.write("c.c", "int a(void); int c(void) { return a(); }");
    workshop.write("main.c", "int a(void), c(void); int main(void) { return a() + c(); }");
    workshop.run("for name in a a2; do gcc -shared -fPIC -nostdlib -Wl,-soname,liba.so.1 -o lib$name.so $name.c; done");
    workshop.run("gcc -shared -fPIC -nostdlib -Wl,-soname,libc.so.1 -o libc.so c.c liba.so -Wl,-rpath,'$ORIGIN/own'");
    workshop.run("gcc -nostdlib -nostartfiles -Wl,--no-dynamic-linker -e main -o main main.c liba.so libc.so");
    let check = |libraries: &[(&str, &str)], expected: &[&str]| {
        let files = [("/main", "main")].iter().chain(libraries);
        let files: Vec<_> = files.map(|(path, file)| ((*path).to_owned(), workshop.facts(file))).collect();
        assert_eq!(problems(&files, &["/x", "/y"]), expected);
    };
    let (c, own) = (("/x/libc.so.1", "libc.so"), "/x/own/liba.so.1");
    check(&[("/x/liba.so.1", "liba.so"), c], &[]);
    check(&[("/y/liba.so.1", "liba.so"), c], &[]);
    // The first directory counts, and copies do no harm.
    check(&[("/x/liba.so.1", "liba.so"), ("/y/liba.so.1", "liba2.so"), c], &[]);
    check(&[("/x/liba.so.1", "liba.so"), (own, "liba.so"), c], &[]);
    check(
        &[("/x/liba.so.1", "liba.so"), (own, "liba2.so"), c],
        &["liba.so.1 is there more than once: /x/liba.so.1, /x/own/liba.so.1"],
    );
    check(&[c], &["/main needs liba.so.1, which is not there"]);
    check(&[(own, "liba.so"), c], &["/main needs liba.so.1, which is not there"]);
}

/// A library that begins to define what another has is searched first, or not.
#[test]
fn symbols_from_elsewhere_are_told() {
    let workshop = Workshop::new();
    workshop.write("a.c", "int a(void) { return 1; }");
    workshop.write("b.c", "int b(void) { return 1; }");
    workshop.write("b2.c", "int b(void) { return 1; } int a(void) { return 2; }");
    workshop.write("main.c", "int a(void), b(void); int main(void) { return a() + b(); }");
    workshop.run("gcc -shared -fPIC -nostdlib -Wl,-soname,liba.so -o liba.so a.c");
    workshop.run("for name in b b2; do gcc -shared -fPIC -nostdlib -Wl,-soname,libb.so -o lib$name.so $name.c; done");
    workshop.run("gcc -nostdlib -nostartfiles -Wl,--no-dynamic-linker -e main -o first main.c -L. -lb -la");
    workshop.run("gcc -nostdlib -nostartfiles -Wl,--no-dynamic-linker -e main -o last main.c -L. -la -lb");
    let diverted = |program: &str, before: &str, after: &str| -> Vec<String> {
        let files = |b: &str| {
            [("/main", program), ("/liba.so", "liba.so"), ("/libb.so", b)]
                .map(|(path, file)| (path, workshop.facts(file)))
        };
        let (before, after) = (files(before), files(after));
        let at = |path: &str| ["/main", "/liba.so", "/libb.so"].iter().position(|known| *known == path);
        let directories = [String::new()];
        let then = Space::new(before.iter().map(|(path, facts)| Member { path, facts }), &at, &directories);
        let now = Space::new(after.iter().map(|(path, facts)| Member { path, facts }), &at, &directories);
        now.diverted(&now.process(0), &then.process(0), &then).iter().map(ToString::to_string).collect()
    };
    let told = |to: &str, from: &str| vec![format!("/main gets `a` of {to} now, no longer that of {from}")];
    assert_eq!(diverted("first", "libb.so", "libb2.so"), told("libb.so", "liba.so"));
    assert_eq!(diverted("first", "libb2.so", "libb.so"), Vec::<String>::new());
    assert_eq!(diverted("last", "libb.so", "libb2.so"), Vec::<String>::new());
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
    let places: HashMap<&str, usize> = files.iter().enumerate().map(|(at, (path, _))| (path.as_str(), at)).collect();
    let at = |path: &str| {
        let path = std::fs::canonicalize(path).ok()?;
        places.get(path.to_str()?).copied()
    };
    let directories = ["/usr/local/lib", "/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib", "/usr/lib"];
    let directories = directories.map(str::to_owned);
    let space = Space::new(files.iter().map(|(path, facts)| Member { path, facts }), &at, &directories);
    let mut checked = 0;
    for program in (0..files.len()).filter(|&at| files[at].1.interpreter().is_some() && files[at].0.contains("/bin/")) {
        let problems = space.process(program).problems;
        let is_complete = !problems.iter().any(|problem| matches!(problem, Problem::Missing { .. }));
        assert!(!is_complete || problems.is_empty(), "{}: {problems:?}", files[program].0);
        checked += usize::from(is_complete);
    }
    assert!(checked > 50, "only {checked} programs of this host could be checked");
}
