//! Recipes whose sources are a few lines, in a world with the sources of this host.

use std::{collections::BTreeMap, fs, path::PathBuf};

use super::{Ran, Who, real::Real};

/// A tree of recipes with sources beside them, in a world.
pub(crate) struct Farm {
    pub(crate) real: Real,
}

/// What became of each recipe, by name.
pub(crate) type Outcome = BTreeMap<String, String>;

impl Farm {
    pub(crate) fn new(who: Who) -> Self {
        let farm = Self { real: Real::new(who, "farm") };
        farm.write("recipes/tree.toml", &format!("[tools]\ndebian = ['gcc', 'libc6-dev', 'make']\nhost = {HOST}\n"));
        farm
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.real.0.directory.join("home").join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(&path, text).expect("a file");
        for path in path.ancestors().take_while(|path| *path != self.real.0.directory) {
            self.real.0.hand_over(path);
        }
    }

    /// A library: its header and its source.
    pub(crate) fn library(&self, name: &str, linked: &str, header: &str, source: &str) {
        self.write(&format!("recipes/{name}/src/{name}.h"), header);
        self.write(&format!("recipes/{name}/src/{name}.c"), source);
        let build = format!(
            "cc $CPPFLAGS $CFLAGS -shared -fPIC -Wl,-soname,lib{name}.so.1 -o lib{name}.so.1 {name}.c $LDFLAGS {}\n\
             cc $CPPFLAGS $CFLAGS -c {name}.c\nar rc lib{name}.a {name}.o",
            libraries(linked)
        );
        let install = format!(
            "mkdir -p $DESTDIR$PREFIX/lib $DESTDIR$PREFIX/include\ncp lib{name}.so.1 lib{name}.a $DESTDIR$PREFIX/lib\n\
             ln -s lib{name}.so.1 $DESTDIR$PREFIX/lib/lib{name}.so\ncp {name}.h $DESTDIR$PREFIX/include"
        );
        self.recipe(name, linked, &build, &install, "");
    }

    /// A program.
    pub(crate) fn program(&self, name: &str, linked: &str, source: &str) {
        self.write(&format!("recipes/{name}/src/{name}.c"), source);
        let build = format!("cc $CPPFLAGS $CFLAGS -o {name} {name}.c $LDFLAGS {}", libraries(linked));
        let install = format!("mkdir -p $DESTDIR$PREFIX/bin\ncp {name} $DESTDIR$PREFIX/bin");
        self.recipe(name, linked, &build, &install, "");
    }

    pub(crate) fn recipe(&self, name: &str, linked: &str, build: &str, install: &str, rest: &str) {
        let linked: Vec<String> = linked.split_whitespace().map(|name| format!("{name:?}")).collect();
        self.write(
            &format!("recipes/{name}/recipe.toml"),
            &format!(
                "name = '{name}'\nversion = '1'\nsummary = 'A test'\nlicense = 'MIT'\n[[source]]\ndirectory = 'src'\n\
                 [needs]\nlinked = [{}]\n[build]\nsystem = 'script'\n[build.phase]\nbuild = '''\n{build}\n'''\n\
                 install = '''\n{install}\n'''\n{rest}",
                linked.join(", ")
            ),
        );
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(&mut self.real.aleph(arguments))
    }

    /// Builds everything; what became of each recipe.
    #[track_caller]
    pub(crate) fn world(&self, more: &[&str]) -> Outcome {
        let ran = self.run(&[["--format", "json", "build", "world"].as_slice(), more].concat());
        assert!(ran.code.is_some_and(|code| code < 2), "{ran:?}");
        let answer: serde_json::Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{ran:?}"));
        let rows = answer["data"].as_array().expect("rows");
        let text = |row: &serde_json::Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
        rows.iter().map(|row| (text(row, "name"), text(row, "what"))).collect()
    }

    /// Whose headers were read to build each recipe: `NAME: DEPENDENCY`, sorted.
    pub(crate) fn read_headers_of(&self) -> Vec<String> {
        let records =
            fs::read_dir(self.real.0.store.join("builds")).expect("builds").flatten().map(|entry| entry.path());
        let mut read = Vec::new();
        for path in records.filter(|path| path.is_file()) {
            let text = fs::read_to_string(path).expect("a record");
            let record: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
            for (name, dependency) in record["dependencies"].as_object().expect("dependencies") {
                if dependency["headers"] == true {
                    read.push(format!("{}: {name}", record["name"].as_str().expect("a name")));
                }
            }
        }
        read.sort();
        read
    }

    #[track_caller]
    pub(crate) fn prints(&self, text: &str) {
        assert_eq!(self.run(&["run", "--", "prog"]).good().out.trim(), text);
    }
}

fn libraries(linked: &str) -> String {
    linked.split_whitespace().map(|name| format!(" -l{name}")).collect()
}

const HOST: &str = "['libc.so.6', 'ld-linux-x86-64.so.2', 'ld-linux-aarch64.so.1']";

pub(crate) const HEADER: &str = "struct greeting { int count; };\nconst char *greet(struct greeting *g);\n";

pub(crate) fn greet(word: &str, more: &str) -> String {
    format!(
        "#include \"greet.h\"\nconst char *greet(struct greeting *g) {{ g->count = 1; return \"{word}\"; }}\n{more}\n"
    )
}

/// What became of each recipe, in few words.
pub(crate) fn outcome(text: &str) -> Outcome {
    text.split_whitespace()
        .map(|word| {
            let (name, what) = word.split_once(':').expect("NAME:WHAT");
            (name.to_owned(), what.to_owned())
        })
        .collect()
}
