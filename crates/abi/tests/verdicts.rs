//! Verdicts by symbols: each case compiles an old and a new library and a consumer, and says what the verdict is, as far
//! as symbols can tell, and a part of the reason.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests, not a library")]

mod support;

use std::{cell::RefCell, collections::HashMap, path::PathBuf, sync::Arc};

use aleph_abi::{
    Around, Evidence, Judgement, Options, Pair, Verdict,
    elf::{self, Facts},
    judge,
};
use support::Workshop;

use Verdict::{Rebuild, Relink, Unknown};

/// The libraries of the workshop, and the host's C library.
struct Host<'a> {
    workshop: &'a Workshop,
    known: RefCell<HashMap<Vec<u8>, Option<Arc<Facts>>>>,
}

impl Around for Host<'_> {
    fn library(&self, soname: &[u8]) -> Option<Arc<Facts>> {
        let name = String::from_utf8_lossy(soname).into_owned();
        let places =
            [self.workshop.path("lib"), PathBuf::from("/lib/x86_64-linux-gnu"), "/lib/aarch64-linux-gnu".into()];
        let find = || {
            let bytes = places.iter().find_map(|place| std::fs::read(place.join(&name)).ok())?;
            elf::read(&bytes).ok().map(Arc::new)
        };
        self.known.borrow_mut().entry(soname.to_vec()).or_insert_with(find).clone()
    }
}

/// How a library or consumer is made: C, and options of the compiler.
#[derive(Clone, Copy)]
struct Source<'a>(&'a str, &'a str);

/// Judges with symbols being enough, so that what symbols say decides.
fn judged(old: Source<'_>, new: Source<'_>, consumer: Option<Source<'_>>, prepare: &str) -> Judgement {
    let workshop = Workshop::new();
    std::fs::create_dir(workshop.path("lib")).expect("a directory");
    if !prepare.is_empty() {
        workshop.run(prepare);
    }
    for (name, Source(text, options)) in [("old", old), ("new", new)] {
        workshop.write(&format!("{name}.c"), text);
        workshop.write("map", "V1 { global: *; };");
        let soname = if options.contains("-soname") { "" } else { "-Wl,-soname,libx.so.1" };
        workshop.run(&format!("mkdir {name}; gcc -w -shared -fPIC {soname} -o {name}/libx.so {name}.c {options}"));
    }
    let facts = |name: &str| workshop.facts(name);
    let (old, new) = (facts("old/libx.so"), facts("new/libx.so"));
    let consumer = consumer.map(|Source(text, options)| {
        workshop.write("consumer.c", text);
        workshop.run(&format!("gcc -w -o consumer consumer.c {options} -Lold -lx -Wl,-rpath-link,lib"));
        facts("consumer")
    });
    let around = Host { workshop: &workshop, known: RefCell::default() };
    let options = Options { around: &around, accept_symbols: true, ..Options::NONE };
    judge(consumer.as_ref(), &Pair::new(&old, &new), &options)
}

#[track_caller]
fn check_with(prepare: &str, old: Source<'_>, new: Source<'_>, consumer: Source<'_>, verdict: Verdict, reason: &str) {
    let judgement = judged(old, new, Some(consumer), prepare);
    assert_eq!(judgement.verdict, verdict, "{judgement:#?}");
    let first = judgement.reasons.first().map_or("", |change| &change.text);
    assert!(first.contains(reason) && (reason.is_empty() == first.is_empty()), "{judgement:#?}");
}

#[track_caller]
fn check(old: Source<'_>, new: Source<'_>, consumer: Source<'_>, verdict: Verdict, reason: &str) {
    check_with("", old, new, consumer, verdict, reason);
}

/// The options with which a program copies the variables of libraries.
const COPY: &str = "-no-pie -fno-pic";
const PIC: &str = "-fPIC";
const SHARED: &str = "-shared -fPIC";
const MAP: &str = "-Wl,--version-script,";

#[test]
fn functions_come_and_go() {
    let one = Source("int f(void) { return 1; }", "");
    let two = Source("int f(void) { return 1; } int g(void) { return 2; }", "");
    let uses_f = Source("int f(void); int main(void) { return f(); }", "");
    let uses_g = Source("int g(void); int main(void) { return g(); }", "");
    let weak = Source("int g(void) __attribute__((weak)); int main(void) { return g ? g() : 0; }", "");
    check(one, two, uses_f, Relink, "");
    check(two, one, uses_f, Relink, "");
    check(two, one, uses_g, Rebuild, "function `g` is gone");
    check(two, one, weak, Unknown, "can do without");
    let asks_anyway =
        Source("int g(void) __attribute__((weak)); int main(void) { return g ? g() : 0; }", "-Wl,--no-as-needed");
    check(one, two, asks_anyway, Unknown, "which the consumer did without");
    let hidden =
        Source("int f(void) { return 1; } __attribute__((visibility(\"hidden\"))) int g(void) { return 2; }", "");
    check(two, hidden, uses_g, Rebuild, "function `g` is gone");
    let unused = Source("int main(void) { return 0; }", "-Wl,--no-as-needed");
    check(two, one, unused, Relink, "");
}

#[test]
fn kinds_change() {
    let function = Source("int f(void) { return 1; }", "");
    let chosen = Source(
        "static int g(void) { return 1; } static void *pick(void) { return g; } int f(void) __attribute__((ifunc(\"pick\")));",
        "",
    );
    let variable = Source("int f = 1;", "");
    let thread = Source("__thread int f = 1;", "");
    let calls = Source("int f(void); int main(void) { return f(); }", "");
    let reads = Source("extern int f; int main(void) { return f; }", PIC);
    let reads_thread = Source("extern __thread int f; int main(void) { return f; }", PIC);
    check(function, chosen, calls, Relink, "");
    check(chosen, function, calls, Relink, "");
    check(function, variable, calls, Rebuild, "is a variable now");
    check(variable, function, reads, Rebuild, "is a function now");
    check(variable, thread, reads, Rebuild, "is a thread variable now");
    check(thread, variable, reads_thread, Rebuild, "is a variable now");
}

#[test]
fn variables_are_copied_or_not() {
    let small = Source("int v[2] = {1, 2}; int f(void) { return v[0]; }", "");
    let large = Source("int v[4] = {1, 2}; int f(void) { return v[0]; }", "");
    let text = "extern int v[]; extern int f(void); int main(void) { return v[1] + f(); }";
    check(small, large, Source(text, COPY), Rebuild, "grew from 8 to 16 bytes; the program has a copy");
    check(large, small, Source(text, COPY), Rebuild, "shrank from 16 to 8 bytes; the program has a copy");
    check(large, small, Source(text, &format!("{PIC} -mcmodel=large")), Rebuild, "may use all of it");
    check(small, large, Source(text, SHARED), Unknown, "its type may be another one");
    check(small, small, Source(text, COPY), Relink, "");
    let protected =
        Source("__attribute__((visibility(\"protected\"))) int v[2] = {1, 2}; int f(void) { return v[0]; }", "");
    check(small, protected, Source(text, COPY), Rebuild, "is protected now");
    check(small, protected, Source(text, SHARED), Relink, "");
    let symbolic = Source(small.0, "-Wl,-Bsymbolic");
    check(small, symbolic, Source(text, COPY), Rebuild, "-Bsymbolic now");
    check(small, symbolic, Source(text, SHARED), Relink, "");
    let listed = Source(small.0, "-Wl,--dynamic-list,list");
    check_with(
        "echo '{ f; };' > list",
        small,
        listed,
        Source(text, COPY),
        Unknown,
        "no longer reached through the dynamic linker",
    );
    let constant = Source("const int v[2] = {1, 2}; int f(void) { return v[0]; }", "");
    check(small, constant, Source(text, SHARED), Unknown, "cannot be written any more");
    let alias =
        Source("int v[2] = {1, 2}; extern int w[2] __attribute__((alias(\"v\"))); int f(void) { return v[0]; }", "");
    let alias_grown =
        Source("int v[3] = {1, 2}; extern int w[3] __attribute__((alias(\"v\"))); int f(void) { return v[0]; }", "");
    check(alias, alias_grown, Source("extern int w[]; int main(void) { return w[1]; }", COPY), Rebuild, "has a copy");
}

#[test]
fn versions_change() {
    let text = "int f(void) { return 1; }";
    let plain = Source(text, "");
    let first = Source(text, "-Wl,--version-script,map");
    let calls = Source("int f(void); int main(void) { return f(); }", "");
    check(plain, first, calls, Relink, "");
    check(first, plain, calls, Rebuild, "version node V1 of libx.so.1 is gone");
    let maps = "echo 'V1 { global: f; };' > v1; echo 'V2 { global: f; };' > v2; echo 'V1 {}; V2 { global: f; } V1;' > v12; \
                echo 'V1 { global: f; }; V2 { global: f; } V1;' > both; echo 'V1 { global: other; }; V2 { global: f; } V1;' > moved";
    let with = |map: &str| format!("{MAP}{map}");
    let (v1, v2, moved, both) = (with("v1"), with("v2"), with("moved"), with("both"));
    let two = "int a(void) { return 1; } int b(void) { return 2; } __asm__(\".symver a,f@V1\\n.symver b,f@@V2\");";
    check_with(maps, Source(text, &v1), Source(text, &v2), calls, Rebuild, "version node V1 of libx.so.1 is gone");
    check_with(maps, Source(text, &v1), Source(two, &both), calls, Relink, "");
    check_with(maps, Source(two, &both), Source(text, &v1), calls, Rebuild, "version node V2 of libx.so.1 is gone");
    let text_other = "int f(void) { return 1; } int other(void) { return 2; }";
    check_with(maps, Source(text, &v1), Source(text_other, &moved), calls, Rebuild, "there is one of version V2");
}

#[test]
fn the_file_as_a_whole() {
    let text = "int f(void) { return 1; }";
    let one = Source(text, "");
    let calls = Source("int f(void); int main(void) { return f(); }", "");
    check(one, Source(text, "-Wl,-soname,libx.so.2"), calls, Rebuild, "the soname changed from libx.so.1 to libx.so.2");
    check(one, Source(text, "-Wl,-z,execstack"), calls, Unknown, "executable stack");
    let level = "-Wl,-z,x86-64-v3";
    check(one, Source(text, level), calls, Unknown, "level x86-64-v3 instead of v1");
    let thread = "static __thread int t; int f(void) { return t++; }";
    let fixed = Source(thread, "-ftls-model=initial-exec");
    check(Source(thread, ""), fixed, calls, Relink, "");
    check(
        Source(thread, ""),
        fixed,
        Source("int f(void); int g(void) { return f(); }", SHARED),
        Unknown,
        "static room now",
    );
}

#[test]
fn what_the_new_one_needs() {
    let one = Source("int f(void) { return 1; }", "");
    let calls = Source("int f(void); int main(void) { return f(); }", "");
    let missing = Source("int nowhere(void); int f(void) { return nowhere(); }", "");
    check(one, missing, calls, Rebuild, "`nowhere`");
    let provides = Source("int f(void); int nowhere(void) { return 3; } int main(void) { return f(); }", "-rdynamic");
    check(one, missing, provides, Relink, "");
    check(missing, one, provides, Relink, "");
    let library = "echo 'int nowhere(void) { return 2; }' > b.c; gcc -shared -fPIC -Wl,-soname,libb.so.1 -o lib/libb.so.1 b.c; ln -s libb.so.1 lib/libb.so";
    check_with(library, one, Source(missing.0, "-Llib -lb"), calls, Relink, "it needs libb.so.1 now");
    let gone = &format!("{library}; cp lib/libb.so.1 libc1.so; rm lib/libb.so.1; ln -s ../libc1.so lib/libb.so.1");
    check_with(gone, one, Source(missing.0, "-Llib -lb"), calls, Relink, "it needs libb.so.1 now");
    let absent = "echo 'int nowhere(void) { return 2; }' > b.c; gcc -shared -fPIC -Wl,-soname,libb.so.1 -o libb.so b.c";
    check_with(absent, one, Source(missing.0, "-L. -lb"), calls, Unknown, "not found to be looked at");
    // The consumer has it only because the library needs it.
    let relies = Source(
        "int f(void); int nowhere(void); int main(void) { return f() + nowhere(); }",
        "-Wl,--copy-dt-needed-entries -Wl,--unresolved-symbols=ignore-all",
    );
    let plain = Source("int f(void) { return 1; }", "");
    check_with(
        library,
        Source(missing.0, "-Llib -lb"),
        plain,
        Source(relies.0, "-Wl,--unresolved-symbols=ignore-all"),
        Rebuild,
        "no longer needs libb.so.1",
    );
    let moved = Source("int g(void) { return 1; }", "-Llib -Wl,--no-as-needed -lb");
    let both = Source("int g(void) { return 1; } int nowhere(void) { return 2; }", "");
    let uses = Source("int nowhere(void); int main(void) { return nowhere(); }", "");
    check_with(library, both, moved, uses, Relink, "needs libb.so.1");
}

#[test]
fn names_move() {
    let extra = "echo 'int three(void) { return 3; }' > e.c; gcc -shared -fPIC -Wl,-soname,libe.so.1 -o lib/libe.so.1 e.c; \
                 ln -s libe.so.1 lib/libe.so";
    let takes = "echo 'int g(void) { return 3; }' > e.c; gcc -shared -fPIC -Wl,-soname,libe.so.1 -o lib/libe.so.1 e.c; ln -s libe.so.1 lib/libe.so";
    let one = Source("int f(void) { return 1; }", "");
    let two = Source("int f(void) { return 1; } int g(void) { return 2; }", "");
    let asks_first = Source(
        "int f(void); int g(void); int main(void) { return f() + g(); }",
        "-Wl,--no-as-needed -Lold -lx -Llib -le",
    );
    let asks_last = Source(asks_first.0, "-Wl,--no-as-needed -Llib -le");
    check_with(takes, one, two, asks_first, Rebuild, "takes its place");
    check_with(takes, one, two, asks_last, Relink, "");
    // What was there before under the same name is not what is gone.
    check_with(takes, two, one, asks_first, Unknown, "which may be another one");
    check_with(extra, two, one, asks_first, Rebuild, "function `g` is gone");
}

#[test]
fn names_collide() {
    let one = Source("int f(void) { return 1; }", "");
    let helped = Source("int helper(void) { return 1; } int f(void) { return helper(); }", "");
    let own = "int f(void); int helper(void) { return 7; } int main(void) { return f() + helper(); }";
    check(one, helped, Source(own, "-rdynamic"), Rebuild, "would use the consumer's");
    check(one, helped, Source(own, ""), Relink, "");
    check(one, Source(helped.0, "-Wl,-Bsymbolic"), Source(own, "-rdynamic"), Relink, "");
    check(helped, Source(helped.0, "-Wl,-Bsymbolic"), Source(own, "-rdynamic"), Rebuild, "no longer uses it");
    let plugin = "int f(void); int helper(void) { return 7; } int g(void) { return f() + helper(); }";
    check(one, helped, Source(plugin, SHARED), Rebuild, "would use the consumer's");
}

#[test]
fn code_that_is_inside_is_not_relinked() {
    let text = "int f(int n) { int sum = 0; for (int i = 0; i < n; i++) sum += i * n; return sum; }";
    let prepare = &format!("echo '{text}' > s.c; gcc -c s.c; ar rcs libs.a s.o");
    let holds = Source("int f(int); int main(void) { return f(3); }", "libs.a");
    check_with(
        prepare,
        Source(text, ""),
        Source("int f(int n) { return n; }", ""),
        holds,
        Rebuild,
        "has function `f` of libx.so.1 inside",
    );
    let unrelated = Source("int main(void) { return 0; }", "");
    check(Source(text, ""), Source(text, ""), unrelated, Relink, "does not use it");
    let opens =
        Source("#include <dlfcn.h>\nint main(int n, char **names) { return dlopen(names[1], RTLD_NOW) == 0; }", "");
    check(Source(text, ""), Source(text, ""), opens, Unknown, "dlopen");
}

#[test]
fn names_are_looked_up_at_run_time() {
    let two = Source("int f(void) { return 1; } int g(void) { return 2; }", "");
    let one = Source("int f(void) { return 1; }", "");
    let text = "#include <dlfcn.h>\nint main(void) { void *library = dlopen(\"libx.so.1\", RTLD_NOW); \
                int (*g)(void) = (int (*)(void))dlsym(library, \"g\"); return g ? g() : 1; }";
    let text = text.replace("\"g\"", "\"gamma\"");
    let (two, renamed) = (two.0.replace('g', "gamma"), one.0);
    check(Source(&two, ""), Source(renamed, ""), Source(&text, "-Wl,--as-needed"), Rebuild, "function `gamma` is gone");
    check(Source(&two, ""), Source(&two, ""), Source(&text, "-Wl,--as-needed"), Relink, "");
    // The default version is found, whatever older ones there are.
    let versions = "int a(void) { return 1; } int b(void) { return 2; } \
                    __asm__(\".symver a,gamma@V1\\n.symver b,gamma@@V2\");";
    let both = Source(versions, "-Wl,--version-script,both");
    let maps = "echo 'V1 { global: gamma; }; V2 { global: gamma; } V1;' > both";
    check_with(maps, both, both, Source(&text, "-Wl,--as-needed"), Relink, "");
}

#[test]
fn without_a_consumer_everything_counts() {
    let check = |old: &str, new: &str, verdict: Verdict, reason: &str| {
        let judgement = judged(Source(old, ""), Source(new, ""), None, "");
        assert_eq!(judgement.verdict, verdict, "{judgement:#?}");
        assert!(judgement.reasons.first().is_some_and(|change| change.text.contains(reason)), "{judgement:#?}");
    };
    check("int f(void) { return 1; }", "int f(void) { return 1; } int g(void) { return 1; }", Relink, "`g` is new");
    check("int f(void) { return 1; }", "int g(void) { return 1; }", Rebuild, "`f` is gone");
    check("int v[2];", "int v[3];", Rebuild, "programs may have a copy");
}

#[test]
fn evidence_decides_what_is_enough() {
    let workshop = Workshop::new();
    workshop.write("x.c", "int f(void) { return 1; }");
    workshop.write("y.c", "int f(void) { return 2; }");
    workshop.write("main.c", "int f(void); int main(void) { return f(); }");
    workshop.run("for name in x y; do gcc -g -shared -fPIC -Wl,-soname,libx.so.1 -o lib$name.so $name.c; done");
    workshop.run("gcc -o main main.c -L. -lx; strip -o stripped.so libx.so");
    let (old, new, consumer) = (workshop.facts("libx.so"), workshop.facts("liby.so"), workshop.facts("main"));
    let pair = Pair::new(&old, &new);
    let check = |consumer: Option<&Facts>, options: Options<'_>, verdict: Verdict, evidence: &[Evidence]| {
        let judgement = judge(consumer, &pair, &options);
        assert_eq!((judgement.verdict, judgement.evidence.as_slice()), (verdict, evidence), "{judgement:#?}");
    };
    use Evidence::{Declared, Static, Symbols, Types};
    let one = Some(&consumer);
    check(one, Options::NONE, Unknown, &[Symbols]);
    check(one, Options { accept_symbols: true, ..Options::NONE }, Relink, &[Symbols, Static]);
    check(one, Options { is_declared: true, ..Options::NONE }, Relink, &[Symbols, Static, Declared]);
    check(one, Options { is_same: true, ..Options::NONE }, Relink, &[Symbols, Types]);
    struct Seen(&'static [aleph_abi::Effect]);
    impl aleph_abi::Types for Seen {
        fn describes(&self, _: &str) -> bool {
            false
        }

        fn compare(&self, wanted: &aleph_abi::Wanted<'_>, _: &aleph_abi::Wanted<'_>) -> Vec<aleph_abi::Change> {
            assert!(wanted(b"f", None) && !wanted(b"g", None) || wanted(b"anything", None));
            let change = |&effect| aleph_abi::Change { effect, symbol: "f".into(), text: "its type".into() };
            self.0.iter().map(change).collect()
        }
    }
    let see = |seen| Options { types: Some(seen), ..Options::NONE };
    check(one, see(&Seen(&[])), Relink, &[Symbols, Types, Static]);
    check(None, see(&Seen(&[])), Relink, &[Symbols, Types]);
    check(one, see(&Seen(&[aleph_abi::Effect::Breaks])), Rebuild, &[Types]);
    check(one, see(&Seen(&[aleph_abi::Effect::Unclear])), Unknown, &[Symbols, Types, Static]);
    let bytes = |name: &str| std::fs::read(workshop.path(name)).expect("it was made");
    assert!(elf::loads_the_same(&bytes("libx.so"), &bytes("stripped.so")));
    assert!(!elf::loads_the_same(&bytes("libx.so"), &bytes("liby.so")));
}
