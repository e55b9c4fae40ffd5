//! The cast that needs no sources: a library in two versions and two programs, compiled by the host's C compiler, and
//! the host's own loader and C library so that they can run.

use std::{
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{
    cast::{Cast, From, Program, Versions},
    pack::{Member, Pack},
};
use crate::failure::{Failure, Outcome};

const HEADER: &str = include_str!("../../../tour/greet.h");
const MAIN: &str = include_str!("../../../tour/main.c");
const LIBRARIES: [(&str, &str); 3] = [
    ("1.0", include_str!("../../../tour/greet-1.0.c")),
    ("1.1", include_str!("../../../tour/greet-1.1.c")),
    ("2.0", include_str!("../../../tour/greet-2.0.c")),
];
const PROGRAMS: [(&str, &str); 2] = [("greet", "Hello"), ("farewell", "Goodbye")];

/// Whether this host has a compiler, and the C library's headers.
pub(super) fn can_compile() -> bool {
    let preprocess = ["-E", "-include", "stdio.h", "-x", "c", "/dev/null"];
    Command::new("cc").args(preprocess).stdin(Stdio::null()).output().is_ok_and(|output| output.status.success())
}

/// Compiles and packs everything below `workshop`, an empty directory; the archives lie there afterwards.
pub(super) fn cast(workshop: &Path, native: &str) -> Outcome<Cast> {
    let written =
        |(name, text): (&str, &str)| fs::write(workshop.join(name), text).map_err(|e| cannot_write(workshop, e));
    written(("greet.h", HEADER))?;
    written(("main.c", MAIN))?;
    let mut archives = Vec::new();
    for (version, source) in LIBRARIES {
        let (source_name, library) = (format!("greet-{version}.c"), format!("libgreet-{version}.so"));
        written((&source_name, source))?;
        cc(workshop, &["-shared", "-fPIC", "-Wl,-soname,libgreet.so.1", "-o", &library, &source_name])?;
        archives.push(Pack {
            name: "libgreet1",
            version,
            architecture: native,
            depends: "host-libc".to_owned(),
            summary: "says hello: the library",
            shlibs: "libgreet 1 libgreet1 (>= 1.0)\n",
            files: vec![member(workshop, &library, "usr/lib/libgreet.so.1")?],
        });
    }
    for (name, word) in PROGRAMS {
        let word = format!("-DWORD=\"{word}\"");
        // Found beside the program wherever the view's tree is.
        let search = "-Wl,-rpath,$ORIGIN/../lib";
        cc(workshop, &[&word, search, "-o", name, "main.c", "libgreet-1.0.so"])?;
        archives.push(Pack {
            name,
            version: "1.0",
            architecture: native,
            depends: "libgreet1 (>= 1.0), host-libc".to_owned(),
            summary: "says something: a program that was built with libgreet 1.0",
            shlibs: "",
            files: vec![member(workshop, name, &format!("usr/bin/{name}"))?],
        });
    }
    let version = libc_version();
    archives.push(host_libc(workshop, native, &version)?);
    for archive in &archives {
        archive.write(workshop).map_err(|source| cannot_write(workshop, source))?;
    }
    let file = |name: &str, version: &str| format!("./{name}_{version}_{native}.deb");
    let libc = file("host-libc", &version);
    let older = file("libgreet1", "1.0");
    Ok(Cast {
        from: From::Own,
        versions: vec![Versions { name: "libgreet1".to_owned(), older: "1.0".to_owned(), newer: "1.1".to_owned() }],
        alice: vec![file("greet", "1.0"), file("farewell", "1.0"), older.clone(), libc.clone()],
        bob: vec![file("greet", "1.0"), older, libc],
        update: vec![file("libgreet1", "1.1")],
        replaced: vec!["libgreet1".to_owned()],
        broken: vec![file("libgreet1", "2.0")],
        both: vec![Program::new(&["greet", "Aleph"])],
        of_alice: vec![Program::new(&["farewell", "Aleph"])],
        of_bob: Vec::new(),
        witness: "usr/bin/greet",
        vouched: "Nobody vouches for them but this machine, which made them.",
    })
}

/// The loader and the libraries that a program built here needs, where it looks for them.
fn host_libc<'a>(workshop: &Path, native: &'a str, version: &'a str) -> Outcome<Pack<'a>> {
    let output = Command::new("ldd").arg(workshop.join("greet")).env("LC_ALL", "C").stdin(Stdio::null()).output();
    let text = output.map_err(|source| Failure::from(source).hint("the tour needs `ldd` to find the C library"))?;
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    let mut files = Vec::new();
    for path in libraries(&text).into_iter().filter(|path| !path.starts_with(workshop)) {
        let inside = path.to_string_lossy().trim_start_matches('/').to_owned();
        let bytes = fs::read(&path).map_err(|source| aleph_store::FsError { action: "read", path, source })?;
        files.push(Member { path: inside, bytes });
    }
    if files.is_empty() {
        return Err(Failure::new("cannot find the C library that `cc` links programs to; `ldd` named none"));
    }
    let summary = "this machine's own loader and C library";
    Ok(Pack { name: "host-libc", version, architecture: native, depends: String::new(), summary, shlibs: "", files })
}

/// The absolute paths in what `ldd` prints, once each.
fn libraries(text: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    for line in text.lines() {
        let path = line.split_whitespace().find(|word| word.starts_with('/'));
        found.extend(path.map(PathBuf::from));
    }
    found.sort();
    found.dedup();
    found
}

/// The version in the first line of `ldd --version`; the package only needs to have one.
fn libc_version() -> String {
    let output = Command::new("ldd").arg("--version").env("LC_ALL", "C").stdin(Stdio::null()).output();
    let Ok(output) = output else { return "0".to_owned() };
    let text = [output.stdout, output.stderr].concat();
    version_in(&String::from_utf8_lossy(&text)).unwrap_or("0").to_owned()
}

fn version_in(text: &str) -> Option<&str> {
    let is_version = |word: &&str| {
        word.starts_with(|c: char| c.is_ascii_digit()) && word.chars().all(|c| c.is_ascii_digit() || c == '.')
    };
    text.lines().take(2).find_map(|line| line.split_whitespace().rfind(is_version))
}

fn member(workshop: &Path, file: &str, path: &str) -> Outcome<Member> {
    let from = workshop.join(file);
    let bytes = fs::read(&from).map_err(|source| aleph_store::FsError { action: "read", path: from, source })?;
    Ok(Member { path: path.to_owned(), bytes })
}

fn cc<S: AsRef<OsStr>>(workshop: &Path, arguments: &[S]) -> Outcome<()> {
    let run =
        Command::new("cc").args(["-O1", "-I."]).args(arguments).current_dir(workshop).stdin(Stdio::null()).output();
    let output = match run {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(Failure::new(
                "there is no C compiler `cc` on this host, and no apt source to take packages from",
            )
            .hint("install a C compiler (gcc or clang), or name apt sources with --sources FILE"));
        }
        other => other?,
    };
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Failure::new(format!("`cc` cannot compile the tour's packages ({}): {said}", output.status))
        .hint("a C compiler without its library's headers does not do: install them too (libc6-dev, glibc-devel, …)"))
}

fn cannot_write(workshop: &Path, source: io::Error) -> Failure {
    aleph_store::FsError { action: "write", path: workshop.to_owned(), source }.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ldd_is_understood_for_glibc_and_musl() {
        let check = |text: &str, expected: &[&str]| {
            assert_eq!(libraries(text), expected.iter().map(PathBuf::from).collect::<Vec<_>>());
        };
        let glibc = "\tlinux-vdso.so.1 (0x00007ffd)\n\tlibgreet.so.1 => not found\n\
                     \tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f)\n\t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n";
        check(glibc, &["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"]);
        let musl = "\t/lib/ld-musl-x86_64.so.1 (0x7f)\n\tlibc.musl-x86_64.so.1 => /lib/ld-musl-x86_64.so.1 (0x7f)\n";
        check(musl, &["/lib/ld-musl-x86_64.so.1"]);
        check("\tstatically linked\n", &[]);
    }

    #[test]
    fn the_c_librarys_version_is_found() {
        let check = |text: &str, expected: Option<&str>| assert_eq!(version_in(text), expected);
        check("ldd (Debian GLIBC 2.36-9+deb12u14) 2.36\nCopyright (C) 2022\n", Some("2.36"));
        check("musl libc (x86_64)\nVersion 1.2.4\nDynamic Program Loader\n", Some("1.2.4"));
        check("", None);
    }
}
