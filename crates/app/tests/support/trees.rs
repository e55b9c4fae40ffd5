//! Trees that are compiled here, for a prefix, and linked to each other: a library in several versions and a program.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::World;

/// What trees are made for: long enough for the path of any store that tests have.
pub(crate) const PREFIX: &str = "/opt/the-prefix-that-native-trees-are-made-for/which-is-so-long-that-the-path-of-a-\
package-in-any-store-has-room-where-it-was/because-programs-cannot-grow-when-they-are-linked/and-are-not-compiled-again";

/// How a version of the library differs from the first.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Greet {
    /// It says this.
    Says(&'static str),
    /// It lacks a function.
    Lacks,
    /// A struct of its interface has another member.
    Grown,
    /// It lies in another directory.
    Moved,
}

/// Trees and where they are made.
pub(crate) struct Trees<'a> {
    pub(crate) world: &'a World,
}

impl Trees<'_> {
    fn path(&self, name: &str) -> PathBuf {
        self.world.directory.join("trees").join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(&path, text).expect("a file");
        path
    }

    fn sh(&self, line: &str) {
        let ran = Command::new("sh").args(["-ec", line]).current_dir(self.path("")).output().expect("a shell");
        assert!(ran.status.success(), "{line}\n{}", String::from_utf8_lossy(&ran.stderr));
    }

    /// The library in a version: its tree.
    pub(crate) fn greet(&self, version: &str, how: Greet) -> PathBuf {
        let word = if let Greet::Says(word) = how { word } else { "changed" };
        let member = if how == Greet::Grown { "int before;" } else { "" };
        let both =
            if how == Greet::Lacks { "" } else { "int greet_count(const struct greeting *g) { return g->count; }" };
        let lib = if how == Greet::Moved { "lib64" } else { "lib" };
        let tree = format!("greet-{version}");
        self.write(
            &format!("{tree}/include/greet.h"),
            &format!(
                "struct greeting {{ {member} int count; }};\n\
                 const char *greet(struct greeting *g);\nint greet_count(const struct greeting *g);\n"
            ),
        );
        self.write(
            &format!("greet-{version}.c"),
            &format!(
                "#include \"{tree}/include/greet.h\"\n\
                 const char *greet(struct greeting *g) {{ g->count = 1; return \"{word}\"; }}\n{both}\n"
            ),
        );
        let pc = format!(
            "prefix={PREFIX}\nlibdir=${{prefix}}/{lib}\nName: greet\nDescription: greets\nVersion: {version}\n"
        );
        self.write(&format!("{tree}/{lib}/pkgconfig/greet.pc"), &pc);
        self.write(&format!("{tree}/share/doc/greet/README"), "about greeting\n");
        self.sh(&format!(
            "cc -g -shared -fPIC -Wl,-soname,libgreet.so.1 -o {tree}/{lib}/libgreet.so.1.0 greet-{version}.c
             ln -sf libgreet.so.1.0 {tree}/{lib}/libgreet.so.1
             ln -sf {PREFIX}/{lib}/libgreet.so.1 {tree}/{lib}/libgreet.so"
        ));
        self.path(&tree)
    }

    /// Programs that use the first version: `prog` holds its prefix in strings of all kinds, `plain` nowhere, `script` in
    /// its text. They are linked with a search path that leads nowhere.
    pub(crate) fn prog(&self) -> PathBuf {
        let greet = self.path("greet-1/lib/libgreet.so.1");
        let uses = "#include \"greet-1/include/greet.h\"\n";
        self.write("plain.c", &format!(
            "#include <stdio.h>\n{uses}int main(void) {{ struct greeting g; puts(greet(&g)); return greet_count(&g) - 1; }}\n"
        ));
        self.write(
            "prog.c",
            &format!(
                "#include <stdio.h>\n#include <uchar.h>\n{uses}\
             static const char *where = \"{PREFIX}/share/prog/words\";\n\
             const char16_t wide[] = u\"{PREFIX}/share/prog/words\";\n\
             const char32_t wider[] = U\"{PREFIX}/share/prog/words\";\n\
             int main(void) {{\n\
                 struct greeting g;\n  char narrow[2][4096] = {{{{0}}}}, word[64] = \"\";\n\
                 for (int i = 0; wide[i]; i++) narrow[0][i] = wide[i];\n\
                 for (int i = 0; wider[i]; i++) narrow[1][i] = wider[i];\n\
                 const char *paths[] = {{ where, narrow[0], narrow[1] }};\n\
                 for (int i = 0; i < 3; i++) {{\n\
                     FILE *file = fopen(paths[i], \"r\");\n\
                     if (!file || fscanf(file, \"%60s\", word) != 1) {{ perror(paths[i]); return 1; }}\n\
                 }}\n\
                 printf(\"%s %s\\n\", greet(&g), word);\n  return greet_count(&g) - 1;\n}}\n"
            ),
        );
        self.write("prog-1/share/prog/words", "world\n");
        self.write("prog-1/share/prog/more/words", "worlds\n");
        self.write("prog-1/bin/script", &format!("#!{PREFIX}/bin/sh\ncat {PREFIX}/share/prog/words\n"));
        self.sh(&format!(
            "cc -o prog-1/bin/plain plain.c {greet} -Wl,-rpath,{PREFIX}/lib
             cc -o prog-1/bin/prog prog.c {greet} -Wl,-rpath,{PREFIX}/lib
             ln -sf /bin/sh prog-1/bin/sh; chmod +x prog-1/bin/script; ln -sf prog prog-1/bin/link",
            greet = greet.display()
        ));
        self.path("prog-1")
    }

    /// A program that uses less of the library's first version than the others do.
    pub(crate) fn simple(&self) -> PathBuf {
        self.write(
            "simple.c",
            "#include <stdio.h>\n#include \"greet-1/include/greet.h\"\n\
             int main(void) { char g[64]; puts(greet((struct greeting *)g)); return 0; }\n",
        );
        fs::create_dir_all(self.path("simple-1/bin")).expect("a directory");
        self.sh("cc -o simple-1/bin/simple simple.c greet-1/lib/libgreet.so.1");
        self.path("simple-1")
    }

    /// A C library with a program of its own, and another program: both were linked to run with the library's dynamic linker
    /// at the prefix.
    pub(crate) fn own_libc(&self) -> [PathBuf; 2] {
        self.write("own.c", "#include <stdio.h>\nint main(void) { puts(\"with its own\"); return 0; }\n");
        for directory in ["libc-1/lib", "libc-1/bin", "user-1/bin"] {
            fs::create_dir_all(self.path(directory)).expect("a directory");
        }
        self.sh(&format!(
            "cc -o libc-1/bin/own own.c -Wl,--dynamic-linker={PREFIX}/lib/ld-linux-x86-64.so.2
             for file in ld-linux-x86-64.so.2 libc.so.6; do cp -L $(cc -print-file-name=$file) libc-1/lib; done
             cp libc-1/bin/own user-1/bin/user"
        ));
        [self.path("libc-1"), self.path("user-1")]
    }

    /// A program that opens the library by a name that it makes up when it runs.
    pub(crate) fn late(&self) -> PathBuf {
        self.write(
            "late.c",
            "#include <dlfcn.h>\n#include <stdio.h>\n\
             int main(void) {\n  char name[32], room[64];\n  snprintf(name, sizeof name, \"lib%s.so.%d\", \"greet\", 1);\n\
               void *library = dlopen(name, RTLD_NOW);\n  if (!library) { puts(dlerror()); return 1; }\n\
               const char *(*greet)(void *) = (const char *(*)(void *))dlsym(library, \"greet\");\n\
               puts(greet(room));\n  return 0;\n}\n",
        );
        fs::create_dir_all(self.path("late-1/bin")).expect("a directory");
        self.sh("cc -o late-1/bin/late late.c -ldl");
        self.path("late-1")
    }

    /// A program that needs nothing at all.
    pub(crate) fn still(&self) -> PathBuf {
        self.write("still.c", "#include <stdio.h>\nint main(void) { puts(\"still here\"); return 0; }\n");
        fs::create_dir_all(self.path("still-1/bin")).expect("a directory");
        self.sh("cc -static -o still-1/bin/still still.c");
        self.path("still-1")
    }

    /// A program of one file that runs the one it is told to, as a shell does.
    pub(crate) fn runner(&self) -> Vec<u8> {
        self.write("runner.c", "#include <unistd.h>\nint main(int n, char **v) { execvp(v[1], v + 1); return 9; }\n");
        self.sh("cc -static -s -o runner runner.c");
        fs::read(self.path("runner")).expect("cc wrote it")
    }

    /// Takes a tree in; the host brings its C library.
    pub(crate) fn import(&self, tree: &Path) -> super::Ran {
        let host = ["--host", "libc.so.6", "--host", "ld-linux-x86-64.so.2"];
        let tree = tree.to_str().expect("a path in UTF-8");
        self.world.run(["import", "--prefix", PREFIX, tree].into_iter().chain(host))
    }
}
