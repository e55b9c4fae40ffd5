//! Building from recipes, with Debian's compiler in a sandbox: what is built, what is relinked, and what is left alone.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests, not a library")]

mod support;

use std::{fs, path::PathBuf, time::Duration};

use support::{
    Who,
    chance::Chance,
    farm::{Farm, HEADER, greet, outcome},
    granted,
};

/// `prog` uses `mid`, which uses `greet`; `alone` uses nothing.
fn sample(farm: &Farm) {
    farm.library("greet", "", HEADER, &greet("hello", ""));
    farm.library(
        "mid",
        "greet",
        "const char *middle(void);\n",
        "#include <greet.h>\n#include \"mid.h\"\n\
         const char *middle(void) { struct greeting g; const char *word = greet(&g); return g.count == 1 ? word : \"?\"; }\n",
    );
    farm.program("prog", "mid", "#include <mid.h>\n#include <stdio.h>\nint main(void) { puts(middle()); return 0; }\n");
    farm.program("alone", "", "int main(void) { return 0; }\n");
}

/// Who has a library's code inside is built again whenever that changes.
#[test]
fn what_is_copied_in_counts_with_its_content() {
    let farm = Farm::new(Who::Self_);
    farm.library("greet", "", HEADER, &greet("hello", ""));
    farm.program(
        "prog",
        "",
        "#include <greet.h>\n#include <stdio.h>\nint main(void) { struct greeting g; puts(greet(&g)); return 0; }\n",
    );
    let path = "recipes/prog/recipe.toml";
    let recipe = fs::read_to_string(farm.path(path)).expect("it is there");
    let build = "cc $CPPFLAGS $CFLAGS -o prog prog.c $LDFLAGS -l:libgreet.a";
    let recipe = recipe.replace("cc $CPPFLAGS $CFLAGS -o prog prog.c $LDFLAGS", build);
    // Nobody copies unseen: without that being said, the archive is not there.
    farm.write(path, &recipe.replace("linked = []", "linked = ['greet']"));
    farm.run(&["build", "prog"]).failed(1, &["cannot find -l:libgreet.a"]);
    farm.write(path, &recipe.replace("linked = []", "static = ['greet']"));
    assert_eq!(farm.world(&[]), outcome("greet:unchanged prog:built"));
    farm.run(&["add", "store:prog"]).good();
    farm.prints("hello");
    farm.library("greet", "", HEADER, &greet("fixed", ""));
    assert_eq!(farm.world(&[]), outcome("greet:built prog:built"));
    farm.run(&["update"]).good();
    farm.prints("fixed");
}

/// What was relinked by a verdict and comes out otherwise when it is built is no secret.
#[test]
fn a_rebuild_that_offers_something_else_raises_an_alarm() {
    let farm = Farm::new(Who::Self_);
    farm.library("greet", "", HEADER, &greet("hello", ""));
    farm.library(
        "mid",
        "greet",
        "const char *middle(void);\n",
        "#include <greet.h>\nconst char *middle(void) { struct greeting g; return greet(&g); }\n\
         #ifdef GREET_2\nint newer(void) { return 2; }\n#endif\n",
    );
    assert_eq!(farm.world(&[]), outcome("greet:built mid:built"));
    farm.library("greet", "", &format!("{HEADER}#define GREET_2 1\n"), &greet("hello", ""));
    assert_eq!(farm.world(&[]), outcome("greet:built mid:relinked"));
    let alarm = farm.run(&["build", "mid", "--confirm"]);
    assert_eq!(alarm.code, Some(1), "{alarm:?}");
    assert!(alarm.out.contains("mid: built with what it was linked to, it offers something else"), "{alarm:?}");
    assert_eq!(farm.world(&["--confirm"]), outcome("greet:unchanged mid:unchanged"));
}

fn rebuilds_stop_where_the_interface_did(who: Who) {
    let farm = Farm::new(who);
    sample(&farm);
    // Before there are any tools, or anything else that was built.
    farm.run(&["import", "--prefix", "/p", "--name", "p", "--version", "1", "recipes"]).good();
    assert_eq!(farm.world(&["-n"]), outcome("alone:planned greet:planned mid:planned prog:planned"));
    assert_eq!(farm.world(&[]), outcome("alone:built greet:built mid:built prog:built"));
    farm.real.keep();
    // What a compiler read is known, and what a recipe says for nothing is told.
    assert_eq!(farm.read_headers_of(), ["mid: greet", "prog: mid"]);
    farm.program("alone", "greet", "int main(void) { return 0; }\n");
    let told = farm.run(&["build", "alone"]).good();
    assert!(told.err.contains("alone: it uses nothing of greet, which its recipe says it is linked to"), "{told:?}");
    farm.program("alone", "", "int main(void) { return 0; }\n");
    let unchanged = outcome("alone:unchanged greet:unchanged mid:unchanged prog:unchanged");
    assert_eq!(farm.world(&[]), unchanged);
    farm.run(&["add", "store:prog"]).good();
    farm.prints("hello");

    // A comment, and then a fix: what is linked to it is not touched.
    farm.library("greet", "", HEADER, &greet("hello", "/* documented */"));
    assert_eq!(farm.world(&[]), outcome("alone:unchanged greet:built mid:unchanged prog:unchanged"));
    farm.library("greet", "", HEADER, &greet("fixed", ""));
    assert_eq!(farm.world(&[]), outcome("alone:unchanged greet:built mid:unchanged prog:unchanged"));
    farm.run(&["update"]).good();
    farm.prints("fixed");

    // One function more: the interface is another one, and a verdict says that nobody minds.
    let more = format!("{HEADER}int more(void);\n");
    farm.library("greet", "", &more, &greet("more", "int more(void) { return 1; }"));
    assert_eq!(farm.world(&["--dry-run"]), outcome("alone:unchanged greet:planned mid:open prog:open"));
    assert_eq!(farm.world(&[]), outcome("alone:unchanged greet:built mid:relinked prog:unchanged"));
    assert_eq!(farm.world(&[]), unchanged);
    farm.run(&["update"]).good();
    farm.prints("more");
    // What is linked to something else than it was built with is built with that, once.
    let confirmed = "alone:unchanged greet:unchanged mid:confirmed prog:unchanged";
    assert_eq!(farm.world(&["--confirm"]), outcome(confirmed));
    assert_eq!(farm.world(&["--confirm"]), unchanged);
    // The same comes of the same.
    let again = "alone:reproduced greet:reproduced mid:reproduced prog:reproduced";
    assert_eq!(farm.world(&["--check"]), outcome(again));

    // A struct has grown: who was compiled with it is built again, and nobody behind him.
    let grown = more.replace("int count", "long before; int count");
    farm.library("greet", "", &grown, &greet("grown", "int more(void) { return 1; }"));
    assert_eq!(farm.world(&[]), outcome("alone:unchanged greet:built mid:built prog:unchanged"));
    farm.run(&["update"]).good();
    farm.prints("grown");

    // Somebody builds the library alone: its consumer keeps the old one for itself, unless it is built again.
    let back = grown.replace("long before; ", "");
    farm.library("greet", "", &back, &greet("back", "int more(void) { return 1; }"));
    farm.run(&["build", "greet"]).good();
    farm.run(&["update", "-n"]).failed(3, &["mid cannot move from greet 1 to another build", "update --rebuild"]);
    let rebuilt = farm.run(&["update", "--rebuild"]).good();
    assert!(rebuilt.err.contains("rebuilding mid") && !rebuilt.out.contains("for itself"), "{rebuilt:?}");
    farm.prints("back");

    // What was built stays, also when it is in no view.
    farm.run(&["store", "gc"]).good();
    assert_eq!(farm.world(&[]), unchanged);
    farm.real.0.is_whole();
    farm.real.0.is_tidy();
}

#[test]
fn rebuilds_stop_where_the_interface_did_as_oneself() {
    rebuilds_stop_where_the_interface_did(Who::Self_);
}

#[test]
fn rebuilds_stop_where_the_interface_did_as_an_ordinary_user() {
    if let Some(who) = granted() {
        rebuilds_stop_where_the_interface_did(who);
    }
}

#[test]
fn what_fails_is_told_and_the_rest_is_built() {
    let farm = Farm::new(Who::Self_);
    sample(&farm);
    farm.library("mid", "greet", "", "#include <greet.h>\n#error this does not compile\n");
    assert_eq!(farm.world(&[]), outcome("alone:built greet:built mid:failed prog:skipped"));
    let told = farm.run(&["build", "prog", "--keep"]);
    told.failed(1, &["mid 1 could not be built: build exited with 1", "#error this does not compile", "all of it: "]);
    let farm = Farm::new(Who::Self_);
    farm.program("odd", "", "int main(void) { return 0; }\n");
    for (line, says) in
        [("touch $DESTDIR/elsewhere", "installed outside of"), ("rm -r $DESTDIR$PREFIX", "nothing was installed below")]
    {
        farm.recipe(
            "odd",
            "",
            "cc -o odd odd.c",
            &format!("mkdir -p $DESTDIR$PREFIX/bin\ncp odd $DESTDIR$PREFIX/bin\n{line}"),
            "",
        );
        farm.run(&["build", "odd"]).failed(1, &["odd 1 could not be built: finish exited with 1", says]);
    }
    let stamped = "date +%N > stamp; cc -DSTAMP=$(date +%N | cut -c1-8) -o odd odd.c";
    farm.write("recipes/odd/src/odd.c", "#include <stdio.h>\nint main(void) { printf(\"%d\", STAMP); return 0; }\n");
    let install = "mkdir -p $DESTDIR$PREFIX/bin\ncp odd stamp $DESTDIR$PREFIX/bin";
    farm.recipe("odd", "", &stamped.replace("%N", "1%N"), install, "");
    farm.run(&["build", "odd"]).good();
    let differs = farm.run(&["build", "odd", "--check"]);
    assert_eq!(differs.code, Some(1), "{differs:?}");
    assert!(differs.out.contains("odd: bin/odd differs in .note.gnu.build-id, .text"), "{differs:?}");
    assert!(differs.out.contains("odd: bin/stamp differs from byte"), "{differs:?}");
    // A prefix that stands where it is known to stand, and one that hides.
    farm.write(
        "recipes/odd/src/odd.c",
        "#include <stdio.h>\nint main(void) { puts(HOME \"/share/odd\"); return 0; }\n",
    );
    let open = "cc $CFLAGS -DHOME='\"'$PREFIX'\"' -o odd odd.c; echo prefix=$PREFIX > stamp";
    farm.recipe("odd", "", open, install, "");
    farm.run(&["build", "odd"]).good();
    let same = farm.run(&["build", "odd", "--check-prefix"]).good();
    assert!(same.out.contains("1 reproduced"), "{same:?}");
    farm.recipe("odd", "", &format!("{open}; echo $PREFIX | rev > stamp"), install, "");
    farm.run(&["build", "odd"]).good();
    let hidden = farm.run(&["build", "odd", "--check-prefix"]);
    assert!(hidden.code == Some(1) && hidden.out.contains("bin/stamp differs from byte"), "{hidden:?}");
    // A source that is nowhere to be had does not keep others from being built.
    farm.recipe("odd", "", "true", install, "");
    let recipe = fs::read_to_string(farm.path("recipes/odd/recipe.toml")).expect("it is there");
    let (url, sha256) = ("file:///nonexistent/odd-1.tar.gz", "0".repeat(64));
    let lost = recipe.replace("directory = 'src'", &format!("url = '{url}'\nsha256 = '{sha256}'"));
    farm.write("recipes/odd/recipe.toml", &lost);
    farm.program("alone", "", "int main(void) { return 0; }\n");
    assert_eq!(farm.world(&[]), outcome("alone:built odd:failed"));
    // The beginning of a recipe builds what is in a directory.
    farm.write(
        "source/Makefile",
        "all: other\ninstall:\n\tmkdir -p $(DESTDIR)$(PREFIX)/bin; cp other $(DESTDIR)$(PREFIX)/bin\n",
    );
    farm.write("source/other.c", "int main(void) { return 0; }\n");
    farm.run(&["build", "new", "other", "source", "--version", "2"]).good();
    farm.run(&["build", "new", "other", "source", "--version", "2"]).failed(2, &["there is a recipe `other` already"]);
    let built = farm.run(&["build", "other"]).good();
    assert!(built.out.contains("built  other  2"), "{built:?}");
    farm.run(&["build", "nobody"]).failed(3, &["there is no recipe `nobody`"]);
    farm.real.0.is_tidy();
}

/// What a hostile recipe tries stays in its sandbox, or is told.
#[test]
fn hostile_recipes_are_contained() {
    let farm = Farm::new(granted().unwrap_or(Who::Self_));
    let canary = farm.path("canary");
    fs::write(&canary, "mine").expect("a file");
    let install = "mkdir -p $DESTDIR$PREFIX/bin\ncp odd $DESTDIR$PREFIX/bin";
    farm.write("recipes/odd/src/odd.c", "int main(void) { return 0; }\n");
    let attempts = format!(
        "cc -o odd odd.c\n\
         ! cat {canary}\n! ls /home/* /root/.ssh\n! echo x > /proc/sys/kernel/hostname\n! mknod disk b 8 0 2> /dev/null || ! head -c1 disk\n\
         ! mount -t tmpfs none /mnt\nkill -9 $PPID || true\n! (echo > /dev/tcp/1.1.1.1/80)\n\
         test \"$(cat /proc/net/dev | grep -c :)\" = 1\necho root::0:0:::: > /etc/passwd\n",
        canary = canary.display()
    );
    farm.recipe("odd", "", &attempts, install, "");
    farm.run(&["build", "odd", "-v"]).good();
    assert_eq!(fs::read_to_string(&canary).expect("it is there"), "mine");
    for (line, says) in [
        ("yes | head -c 200000000", None),
        ("chmod 4755 odd", None),
        ("bomb() { bomb & bomb & sleep 1; }; bomb; sleep 60", Some("more than 4096 processes")),
        ("mkfifo $DESTDIR$PREFIX/pipe; ln -s ../../../../../../etc/passwd $DESTDIR$PREFIX/escape", None),
    ] {
        farm.recipe("odd", "", &format!("cc -o odd odd.c\nmkdir -p $DESTDIR$PREFIX\n{line}"), install, "");
        let ran = farm.run(&["build", "odd"]);
        if let Some(says) = says {
            ran.failed(1, &["odd 1 could not be built", says]);
        } else {
            ran.good();
        }
    }
    let built = fs::read_dir(farm.real.0.store.join("store")).expect("components").flatten().map(|entry| entry.path());
    let odd: Vec<PathBuf> = built.filter(|path| path.to_string_lossy().ends_with("-odd")).collect();
    assert!(!odd.is_empty() && odd.iter().all(|path| !path.join("pipe").exists()), "{odd:?}");
    let logs = fs::read_dir(farm.real.0.store.join("log")).expect("logs").flatten();
    let longest = logs.map(|log| log.metadata().expect("a log").len()).max();
    assert!(longest.is_some_and(|length| length < 80 << 20), "{longest:?}");
    farm.real.0.is_whole();
    farm.real.0.is_tidy();
}

/// Killed at any moment, a build leaves nothing half done; what was finished stays, and the next one goes on.
#[test]
fn killed_while_building() {
    let farm = Farm::new(Who::Self_);
    sample(&farm);
    farm.world(&[]);
    farm.real.keep();
    let chance = Chance::new(1);
    let (mut killed, mut round) = (0, 0);
    while killed < 25 {
        assert!(round < 200, "only {killed} were killed in time");
        round += 1;
        // Something else each time, so that there is something to build.
        let version = format!("{HEADER}int more{round}(void);\n");
        farm.library("greet", "", &version, &greet("hello", &format!("int more{round}(void) {{ return 1; }}")));
        let mut child = farm.real.aleph(&["-q", "build", "world", "--same-tools"]).spawn().expect("aleph starts");
        std::thread::sleep(chance.below(Duration::from_millis(250)));
        child.kill().expect("a child can be killed");
        killed += usize::from(child.wait().expect("a child ends").code().is_none());
        farm.real.0.is_whole();
        let after = farm.world(&[]);
        assert!(after.values().all(|what| what != "failed" && what != "skipped"), "{after:?}");
        farm.real.0.is_tidy();
        let work: Vec<_> =
            fs::read_dir(farm.real.0.store.join("builds/work")).expect("a directory").flatten().collect();
        assert!(work.is_empty(), "{work:?}");
    }
}
