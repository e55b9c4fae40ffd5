//! What is done in each phase of a build, by build system, and in which environment.

use std::fmt::Write as _;

use crate::{Patches, Recipe, Source, System, prefix, recipe::variable};

/// Where sources are, one directory for each, numbered.
pub(crate) const SOURCES: &str = "/sources";
/// Where crates are among them.
pub(crate) const CRATES: &str = "crates";
/// Where it is built.
pub(crate) const WORK: &str = "/build";
/// What is installed goes below this.
pub(crate) const OUT: &str = "/out";
/// The names of all headers that a compiler read, a line each.
pub(crate) const HEADERS: &str = "/used/headers";
/// Where compilers write what they read, as they are asked to by a variable, where nobody asks them otherwise.
const READ: &str = "/used/read";
/// Noon of the first day that every archive format can tell: when everything is made, as far as it is told.
const EPOCH: &str = "315576000";
/// The recipe of the C library. Its headers and what is linked statically come with the compiler.
const LIBC: &str = "glibc";
/// Its dynamic linker.
const INTERPRETER: &str = if cfg!(target_arch = "aarch64") { "ld-linux-aarch64.so.1" } else { "ld-linux-x86-64.so.2" };

/// One step of a build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phase {
    /// What it is called.
    pub name: &'static str,
    /// What is done, as shell.
    pub script: String,
    /// Where, inside.
    pub directory: String,
}

/// The phases of a recipe. Tests are among them only `with_tests`.
pub fn phases(recipe: &Recipe, with_tests: bool) -> Vec<Phase> {
    let source = format!("{WORK}/source");
    let project = match &recipe.build.directory {
        Some(directory) => format!("{source}/{directory}"),
        None => source.clone(),
    };
    let build = if recipe.build.outside { format!("{WORK}/outside") } else { project.clone() };
    let phase = |name, directory: &str, script: String| {
        (!script.is_empty()).then(|| Phase { name, script, directory: directory.to_owned() })
    };
    let own = &recipe.build.phase;
    let or = |own: &Option<String>, usual: String| own.clone().unwrap_or(usual);
    let [configure, make, test, install] = usual(recipe, &project);
    let mut prepare = unpack(recipe, &source, &build);
    if recipe.build.system == System::Cargo {
        prepare.push_str(VENDOR);
    }
    if let Some(own) = &own.prepare {
        let _ = writeln!(prepare, "cd {source}\n{own}");
    }
    let all = [
        phase("prepare", "/", prepare),
        phase("configure", &build, or(&own.configure, configure)),
        phase("build", &build, or(&own.build, make)),
        phase("test", &build, if with_tests { or(&own.test, test) } else { String::new() }),
        phase("install", &build, or(&own.install, install)),
        phase("finish", &build, format!("{}\n{FINISH}", own.finish.as_deref().unwrap_or_default())),
    ];
    all.into_iter().flatten().collect()
}

/// Unpacks the sources and applies patches.
fn unpack(recipe: &Recipe, source: &str, build: &str) -> String {
    let mut script = format!("mkdir -p {source} {OUT} /used\n");
    for (number, one) in recipe.sources.iter().enumerate() {
        let into = one.into.as_ref().map_or(source.to_owned(), |into| format!("{source}/{into}"));
        let from = format!("{SOURCES}/{number}");
        let _ = match one.origin().and_then(|origin| origin.file()) {
            Some(file) => {
                let from = quoted(&format!("{from}/{file}"));
                writeln!(script, "mkdir -p {into}\n{}", unpacked(&file, &from, &into))
            }
            None => writeln!(script, "mkdir -p {into}\ncp -R {from}/. {into}"),
        };
        patch(&mut script, one, &from, &into);
    }
    let _ = writeln!(script, "mkdir -p {build}");
    script
}

/// A file that is no archive is put there as it is.
fn unpacked(file: &str, from: &str, into: &str) -> String {
    let is_archive = [".tar", ".tgz", ".tar.gz", ".tar.xz", ".tar.bz2", ".tar.lz", ".tar.zst", ".crate", ".txz"];
    if is_archive.iter().any(|end| file.ends_with(end)) {
        return format!("tar -xf {from} -C {into} --strip-components=1 --no-same-owner --no-same-permissions");
    }
    format!("cp {from} {into}/")
}

fn patch(script: &mut String, source: &Source, from: &str, into: &str) {
    match &source.patches {
        Patches::Files(files) => {
            for file in files {
                // Only its last name is there.
                let name = file.rsplit('/').next().unwrap_or(file);
                let _ = writeln!(script, "patch -d {into} -p1 -i {from}/{}", quoted(name));
            }
        }
        Patches::Debian { debian, .. } => {
            let _ = writeln!(
                script,
                "mkdir -p {WORK}/patches\ntar -xf {from}/{} -C {WORK}/patches\n\
                 sed -e 's/#.*//' -e 's/[[:space:]].*//' -e '/^$/d' {WORK}/patches/debian/patches/series |\n\
                 while read -r name; do patch -d {into} -p1 -i {WORK}/patches/debian/patches/$name; done",
                quoted(debian)
            );
        }
    }
}

/// Configure, build, test and install.
fn usual(recipe: &Recipe, project: &str) -> [String; 4] {
    let list = |words: &[String]| words.iter().fold(String::new(), |text, word| format!("{text} {}", quoted(word)));
    let build = &recipe.build;
    let (configure, make) = (list(&build.configure), list(&build.make));
    let install = if build.install.is_empty() { " install".to_owned() } else { list(&build.install) };
    let up = if build.outside { project } else { "." };
    match build.system {
        System::Autotools => [
            format!("{up}/configure --prefix=\"$PREFIX\" --disable-dependency-tracking{configure}"),
            format!("make{make}"),
            format!("make check{make}"),
            format!("make DESTDIR=\"$DESTDIR\"{make}{install}"),
        ],
        System::Make => [
            String::new(),
            format!("make PREFIX=\"$PREFIX\" prefix=\"$PREFIX\"{make}"),
            format!("make PREFIX=\"$PREFIX\" prefix=\"$PREFIX\" check{make}"),
            format!("make PREFIX=\"$PREFIX\" prefix=\"$PREFIX\" DESTDIR=\"$DESTDIR\"{make}{install}"),
        ],
        System::Cmake => [
            format!(
                "cmake -S {up} -B {WORK}/cmake -G Ninja -DCMAKE_INSTALL_PREFIX=\"$PREFIX\" -DCMAKE_INSTALL_LIBDIR:PATH=lib \
                 -DCMAKE_BUILD_TYPE=None -DCMAKE_SKIP_INSTALL_RPATH=ON -DBUILD_SHARED_LIBS=ON{configure}"
            ),
            format!("cmake --build {WORK}/cmake -- -d keepdepfile{make}"),
            format!("ctest --test-dir {WORK}/cmake --output-on-failure"),
            format!("cmake --install {WORK}/cmake"),
        ],
        System::Meson => [
            format!(
                "meson setup {WORK}/meson {up} --prefix=\"$PREFIX\" --libdir=lib --buildtype=plain \
                 --wrap-mode=nodownload{configure}"
            ),
            format!("ninja -C {WORK}/meson -d keepdepfile{make}"),
            format!("meson test -C {WORK}/meson"),
            format!("meson install -C {WORK}/meson --no-rebuild"),
        ],
        System::Cargo => [
            String::new(),
            format!("cargo build --release --locked --offline{configure}{make}"),
            format!("cargo test --release --locked --offline{configure}{make}"),
            format!(
                "cargo install --path . --root \"$DESTDIR$PREFIX\" --locked --offline --no-track{configure}{}",
                list(&build.install)
            ),
        ],
        System::Python => [
            String::new(),
            format!(
                "/usr/bin/python3 -m pip wheel --no-deps --no-index --no-build-isolation --no-cache-dir \
                 --disable-pip-version-check -w {WORK}/wheels{configure} ."
            ),
            String::new(),
            format!("/usr/bin/python3 -c '{WHEELS}'"),
        ],
        System::Script => Default::default(),
    }
}

/// Crates become what cargo takes in place of a registry.
const VENDOR: &str = r#"mkdir -p /build/vendor /build/.cargo
for file in /sources/crates/*.crate; do
    test -e "$file" || continue
    tar -xf "$file" -C /build/vendor --no-same-owner --no-same-permissions
    name=${file##*/}
    sum=$(sha256sum "$file" | cut -d' ' -f1)
    echo "{\"files\":{},\"package\":\"$sum\"}" > "/build/vendor/${name%.crate}/.cargo-checksum.json"
done
cat > /build/.cargo/config.toml << 'END'
[source.crates-io]
replace-with = "vendored"
[source.vendored]
directory = "/build/vendor"
END
"#;

/// Installs wheels where Python has things of its own prefix, not where Debian's Python looks. Programs find their modules from
/// where they are. It stands between single quotes.
const WHEELS: &str = r##"
import glob, os, sysconfig
from installer import install
from installer.destinations import SchemeDictionaryDestination
from installer.sources import WheelFile
home, out = os.environ["PREFIX"], os.environ["DESTDIR"]
scheme = sysconfig.get_paths("posix_prefix", vars={"base": home, "platbase": home})
for wheel in glob.glob("/build/wheels/*.whl"):
    with WheelFile.open(wheel) as source:
        scheme["headers"] = os.path.join(home, "include", source.distribution)
        to = SchemeDictionaryDestination(scheme, interpreter="/usr/bin/python3", script_kind="posix", destdir=out)
        install(source=source, destination=to, additional_metadata={})
modules = os.path.relpath(scheme["purelib"], home)
find = "import os, sys; sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), \"%s\"))\n"
for path in glob.glob(out + home + "/bin/*"):
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        lines = file.readlines()
    if lines and lines[0].startswith("#!/usr/bin/python3"):
        start = 2 if lines[1:] and lines[1].startswith("#") else 1
        lines.insert(start, find % modules)
        with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.writelines(lines)
"##;

/// What follows every build: what only knows where it was built goes, and debug information moves into files of its own,
/// where verdicts and debuggers look for it.
const FINISH: &str = r#"
find /build -name '*.d' -type f -exec cat {} + >> /used/read
tr -s ' \t\\' '\n' < /used/read | grep '^/' | sort -u > /used/headers || true
test -d "$DESTDIR$PREFIX" || { echo "nothing was installed below $PREFIX"; exit 1; }
outside=$(find "$DESTDIR" ! -type d ! -path "$DESTDIR$PREFIX/*" | head -5)
test -z "$outside" || { echo "installed outside of $PREFIX:"; echo "$outside"; exit 1; }
cd "$DESTDIR$PREFIX"
find . -name '*.la' -type f -delete
rm -f share/info/dir
find . -type f -print | while read -r file; do
    case $(head -c 4 "$file" | od -An -c | tr -d ' ') in 177ELF) ;; *) continue ;; esac
    case $file in *.o | *.ko) strip -g "$file"; continue ;; esac
    id=$(readelf -n "$file" 2>/dev/null | sed -n 's/^ *Build ID: //p')
    if [ -n "$id" ] && readelf -SW "$file" | grep -q ' \.debug_info '; then
        rest=${id#??}
        debug=lib/debug/.build-id/${id%"$rest"}/$rest.debug
        mkdir -p "${debug%/*}"
        objcopy --only-keep-debug --compress-debug-sections "$file" "$debug"
        chmod 644 "$debug"
    fi
    writable=$(stat -c %a "$file")
    chmod u+w "$file"
    strip -g "$file"
    chmod "$writable" "$file"
done
# What is called so may be a linker's script.
find . -name '*.a' -type f -print | while read -r file; do
    case $(head -c 7 "$file") in '!<arch>') strip -g -D "$file" ;; esac
done
cd /
rm -rf /build /sources
"#;

/// The environment of every phase, but what says how many things may be done at once. `home` is the prefix that it is built for,
/// `around` are the names of the recipes whose components are there.
pub fn environment(recipe: &Recipe, home: &str, around: &[&str]) -> Vec<(String, String)> {
    let homes: Vec<String> = around.iter().map(|name| prefix(name)).collect();
    let linked: Vec<String> = around.iter().filter(|name| **name != LIBC).map(|name| prefix(name)).collect();
    let list = |below: &str, separator: &str| {
        homes.iter().map(|home| format!("{home}/{below}")).collect::<Vec<_>>().join(separator)
    };
    let flags = |homes: &[String], start: &str, below: &str| {
        homes.iter().map(|home| format!("{start}{home}/{below}")).collect::<Vec<_>>().join(" ")
    };
    // Names of files that were compiled are relative to where it was built.
    let maps = format!("-ffile-prefix-map={WORK}/source=. -ffile-prefix-map={WORK}=.");
    let mut path = list("bin", ":");
    path.push_str(if path.is_empty() { "" } else { ":" });
    path.push_str("/usr/sbin:/usr/bin:/sbin:/bin");
    let mut link = vec![flags(&linked, "-L", "lib"), flags(&homes, "-Wl,-rpath,", "lib")];
    // A program and its C library's dynamic linker are from one build.
    if around.contains(&LIBC) {
        link.push(format!("-Wl,--dynamic-linker={}/lib/{INTERPRETER}", prefix(LIBC)));
    }
    link.retain(|words| !words.is_empty());
    let mut variables: Vec<(String, String)> = [
        ("PREFIX", home.to_owned()),
        ("DESTDIR", OUT.to_owned()),
        ("NAME", recipe.name.clone()),
        ("VERSION", recipe.version.clone()),
        ("SOURCE", format!("{WORK}/source")),
        ("CFLAGS", format!("-O2 -g {maps}")),
        ("CXXFLAGS", format!("-O2 -g {maps}")),
        ("CPPFLAGS", flags(&linked, "-I", "include")),
        ("LDFLAGS", link.join(" ")),
        ("PATH", path),
        ("PKG_CONFIG_PATH", [list("lib/pkgconfig", ":"), list("share/pkgconfig", ":")].join(":")),
        ("CMAKE_PREFIX_PATH", homes.join(":")),
        ("ACLOCAL_PATH", list("share/aclocal", ":")),
        // `FILE TARGET`, in GCC's terms; the target is of no use here.
        ("SUNPRO_DEPENDENCIES", format!("{READ} read")),
        ("SOURCE_DATE_EPOCH", EPOCH.to_owned()),
        ("HOME", WORK.to_owned()),
        ("TMPDIR", "/tmp".to_owned()),
        ("LC_ALL", "C.UTF-8".to_owned()),
        ("TZ", "UTC".to_owned()),
        ("TERM", "dumb".to_owned()),
        ("USER", "root".to_owned()),
        // Some refuse to be configured by root, which there is nobody else than here.
        ("FORCE_UNSAFE_CONFIGURE", "1".to_owned()),
        ("PYTHONHASHSEED", "0".to_owned()),
        ("PYTHONDONTWRITEBYTECODE", "1".to_owned()),
        ("PERL_HASH_SEED", "0".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    if recipe.build.system == System::Cargo {
        let mut words = vec!["-Cdebuginfo=1".to_owned()];
        words.extend([format!("{WORK}/source=."), format!("{WORK}=.")].map(|map| format!("--remap-path-prefix={map}")));
        words.extend(link.iter().flat_map(|words| words.split(' ')).map(|word| format!("-Clink-arg={word}")));
        variables.push(("RUSTFLAGS".to_owned(), words.join(" ")));
        variables.push(("CARGO_TARGET_DIR".to_owned(), format!("{WORK}/target")));
    }
    variables.extend(recipe.chosen.iter().map(|(option, value)| (variable(option), value.to_string())));
    for (name, home) in around.iter().zip(&homes) {
        let tame = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
        variables.push((format!("{}_PREFIX", name.chars().map(tame).collect::<String>()), home.clone()));
    }
    variables
}

/// What says how many things may be done at once.
pub(crate) fn parallel(jobs: usize) -> [(String, String); 4] {
    [
        ("JOBS", jobs.to_string()),
        ("MAKEFLAGS", format!("-j{jobs}")),
        ("CMAKE_BUILD_PARALLEL_LEVEL", jobs.to_string()),
        ("CARGO_BUILD_JOBS", jobs.to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
}

/// The recipe's own variables, for the shell that runs a phase: they may refer to the others.
pub(crate) fn exports(recipe: &Recipe) -> String {
    let one = |(name, value): (&String, &String)| format!("export {name}=\"{value}\"\n");
    recipe.build.environment.iter().map(one).collect()
}

/// A word for the shell, which may name variables.
fn quoted(word: &str) -> String {
    format!("\"{}\"", word.replace('\\', r"\\").replace('"', "\\\"").replace('`', "\\`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(rest: &str) -> Recipe {
        let text = format!("name = 'a'\nversion = '1'\nsummary = 's'\nlicense = 'MIT'\n{rest}");
        Recipe::parse(&text, std::path::Path::new("a.toml")).unwrap()
    }

    #[test]
    fn phases_are_those_of_the_system_unless_the_recipe_has_its_own() {
        let names = |recipe: &Recipe, tests| phases(recipe, tests).iter().map(|phase| phase.name).collect::<Vec<_>>();
        let plain = recipe("");
        assert_eq!(names(&plain, false), ["prepare", "configure", "build", "install", "finish"]);
        assert_eq!(names(&plain, true), ["prepare", "configure", "build", "test", "install", "finish"]);
        let script = recipe("[build]\nsystem = 'script'\n[build.phase]\nbuild = 'cc x.c'\n");
        assert_eq!(names(&script, true), ["prepare", "build", "finish"]);
        let outside = recipe("[build]\ndirectory = 'a/b'\noutside = true\nconfigure = ['--with-x=$PREFIX/\"y\"']\n");
        let configure = &phases(&outside, false)[1];
        assert_eq!(configure.directory, "/build/outside");
        assert!(configure.script.starts_with("/build/source/a/b/configure "), "{}", configure.script);
        assert!(configure.script.ends_with(r#" "--with-x=$PREFIX/\"y\"""#), "{}", configure.script);
    }

    #[test]
    fn crates_are_built_with_what_is_there_and_nothing_else() {
        let cargo = recipe("[build]\nsystem = 'cargo'\nconfigure = ['--no-default-features']\n");
        let phases = phases(&cargo, false);
        let script = |name: &str| &phases.iter().find(|phase| phase.name == name).unwrap().script;
        assert!(script("prepare").contains("replace-with = \"vendored\""));
        assert!(script("build").ends_with(r#"--locked --offline "--no-default-features""#), "{}", script("build"));
        assert!(script("install").contains("--root \"$DESTDIR$PREFIX\" --locked --offline"));
        let all = environment(&cargo, "/p", &["zlib"]);
        let flags = &all.iter().find(|(name, _)| name == "RUSTFLAGS").unwrap().1;
        assert!(flags.contains(&format!("-Clink-arg=-L{}/lib", prefix("zlib"))), "{flags}");
        assert!(!WHEELS.contains('\''));
    }

    #[test]
    fn what_is_around_is_found() {
        let all = environment(&recipe(""), "/p", &["zlib", "gcc-runtime"]);
        let get = |name: &str| &all.iter().find(|(known, _)| known == name).unwrap().1;
        assert_eq!(*get("GCC_RUNTIME_PREFIX"), prefix("gcc-runtime"));
        assert!(get("CPPFLAGS").contains(&format!("-I{}/include", prefix("zlib"))));
        assert!(get("PATH").starts_with(&format!("{}/bin:", prefix("zlib"))));
    }
}
