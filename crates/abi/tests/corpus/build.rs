//! Compiles the libraries and the consumer of a case, strips copies of them, and runs the consumer.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::case::{Case, Side};

/// The files of a case, in a directory of their own.
#[derive(Debug)]
pub(crate) struct Built {
    root: PathBuf,
    old: String,
    new: String,
    extra: bool,
}

/// What the files say of themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variant {
    /// Debug information, symbol tables.
    Full,
    /// Only what the loader needs.
    Stripped,
}

impl Variant {
    pub(crate) const ALL: [Self; 2] = [Self::Full, Self::Stripped];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Stripped => "stripped",
        }
    }
}

/// How a run of the consumer ended.
#[derive(Debug)]
pub(crate) enum Ended {
    Well,
    /// With another code than 0, or by a signal.
    Badly(String),
}

/// The exit code of `timeout` when it had to stop a program.
const TIMED_OUT: i32 = 124;

const SONAME: &str = "libcase.so.1";
const EXTRA: &str = "libextra.so.1";

impl Built {
    /// Compiles a case in an empty directory.
    pub(crate) fn make(case: &Case, root: &Path) -> Result<Self, String> {
        let soname = |key| case.value(key).unwrap_or(SONAME).to_owned();
        let extra = case.value("extra").is_some();
        let built = Self { root: root.to_owned(), old: soname("old-soname"), new: soname("new-soname"), extra };
        for side in [Side::Old, Side::New] {
            built.compile_side(case, side)?;
        }
        built.compile_consumer(case)?;
        for (full, stripped) in built.files(Variant::Full).into_iter().zip(built.files(Variant::Stripped)) {
            let parent = stripped.parent().unwrap_or(root);
            fs::create_dir_all(parent).map_err(|error| error.to_string())?;
            tool(Command::new("strip").arg("-o").arg(&stripped).arg(&full))?;
        }
        let libraries = |variant| [Side::Old, Side::New].map(|side| built.library(variant, side));
        case.debug.move_to(&built.debug_directory(), libraries(Variant::Full), libraries(Variant::Stripped))?;
        Ok(built)
    }

    /// The directory in which debug information is looked for, besides the places beside the libraries.
    pub(crate) fn debug_directory(&self) -> PathBuf {
        self.root.join("debug")
    }

    /// The consumer.
    pub(crate) fn consumer(&self, variant: Variant) -> PathBuf {
        self.root.join(variant.name()).join("consumer")
    }

    /// The library of a side.
    pub(crate) fn library(&self, variant: Variant, side: Side) -> PathBuf {
        let soname = if side == Side::Old { &self.old } else { &self.new };
        self.directory(variant, side).join(soname)
    }

    /// The other library of a side, where the case has one.
    pub(crate) fn extra(&self, variant: Variant, side: Side) -> Option<PathBuf> {
        self.extra.then(|| self.directory(variant, side).join(EXTRA))
    }

    /// The directory that holds the public header of a side.
    pub(crate) fn headers(&self, side: Side) -> PathBuf {
        self.root.join("source").join(side.name())
    }

    /// Runs the consumer with the libraries of a side. It may fail, but has to do so in time.
    pub(crate) fn run(&self, variant: Variant, side: Side) -> Result<Ended, String> {
        let consumer = self.consumer(variant);
        let mut command = Command::new("timeout");
        command.arg("60").arg(&consumer).current_dir(&self.root);
        command.env("LD_LIBRARY_PATH", self.directory(variant, side));
        command.env_remove("LD_PRELOAD").env_remove("LD_BIND_NOW");
        let output = command.output().map_err(|error| format!("timeout: {error}"))?;
        match output.status.code() {
            Some(0) => Ok(Ended::Well),
            Some(TIMED_OUT) => Err("the consumer does not end".to_owned()),
            _ => Ok(Ended::Badly(format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim()))),
        }
    }

    fn directory(&self, variant: Variant, side: Side) -> PathBuf {
        self.root.join(variant.name()).join(side.name())
    }

    fn files(&self, variant: Variant) -> Vec<PathBuf> {
        let sides = [Side::Old, Side::New];
        let libraries = sides.map(|side| self.library(variant, side));
        let extras = sides.into_iter().filter_map(|side| self.extra(variant, side));
        libraries.into_iter().chain(extras).chain([self.consumer(variant)]).collect()
    }

    fn compile_side(&self, case: &Case, side: Side) -> Result<(), String> {
        let sources = self.headers(side);
        let target = self.directory(Variant::Full, side);
        for directory in [&sources, &target] {
            fs::create_dir_all(directory).map_err(|error| error.to_string())?;
        }
        write(&sources.join("lib.h"), case.section(side, ".h").ok_or("no section old.h")?)?;
        if let Some(text) = case.section(side, "-private.h") {
            write(&sources.join("private.h"), text)?;
        }
        let extra = self.extra(Variant::Full, side);
        if let Some(extra) = &extra {
            let (text, cxx) = case.source_of(side, "-extra").ok_or("no section extra.c")?;
            let mut command = compiler(&sources, "extra", text, cxx)?;
            command.args(["-fPIC", "-shared", "-Wl,-soname", "-Wl,libextra.so.1", "-o"]).arg(extra);
            if let Some(map) = case.section(side, "-extra.map") {
                script(&mut command, &sources.join("extra.map"), map)?;
            }
            tool(command.args(case.words("cflags")))?;
        }
        let (text, cxx) = case.source_of(side, "").ok_or("no section old.c or old.cc")?;
        let mut command = compiler(&sources, "lib", text, cxx)?;
        let library = self.library(Variant::Full, side);
        let soname = library.file_name().unwrap_or_default().to_string_lossy().into_owned();
        command.args(["-fPIC", "-shared", "-Wl,-soname", &format!("-Wl,{soname}"), "-o"]).arg(&library);
        command.args(case.words("cflags")).args(case.words(&format!("{}-cflags", side.name())));
        command.args(case.debug.linker_flag(side));
        if let Some(map) = case.section(side, ".map") {
            script(&mut command, &sources.join("lib.map"), map)?;
        }
        let linked = case.words("extra").iter().any(|who| who == "library" || who == side.name());
        command.args(extra.filter(|_| linked));
        command.args(case.words("ldflags")).args(case.words(&format!("{}-ldflags", side.name())));
        tool(&mut command)
    }

    fn compile_consumer(&self, case: &Case) -> Result<(), String> {
        let (text, cxx) = case.source("consumer").ok_or("no section consumer.c or consumer.cc")?;
        let mut command = compiler(&self.root.join("source"), "consumer", text, cxx)?;
        command.args(["-fPIE", "-pie", "-I"]).arg(self.headers(Side::Old));
        for key in ["cflags", "consumer-cflags", "consumer-ldflags"] {
            command.args(case.words(key));
        }
        command.arg("-o").arg(self.consumer(Variant::Full)).arg(self.library(Variant::Full, Side::Old));
        let linked = case.words("extra").iter().any(|who| who == "consumer");
        command.args(self.extra(Variant::Full, Side::Old).filter(|_| linked));
        command.arg(format!("-Wl,-rpath-link,{}", self.directory(Variant::Full, Side::Old).display()));
        tool(&mut command)
    }
}

/// What some distributions have their compilers do unasked, the other way.
const PLAIN: [&str; 2] = ["-Wl,--no-as-needed", "-Wl,-z,lazy"];

/// A compiler that was told of one source file.
fn compiler(directory: &Path, stem: &str, text: &str, cxx: bool) -> Result<Command, String> {
    let file = format!("{stem}.{}", if cxx { "cc" } else { "c" });
    write(&directory.join(&file), text)?;
    let mut command = Command::new(if cxx { "g++" } else { "gcc" });
    command.current_dir(directory).args(["-pipe", "-g", "-O1"]).args(PLAIN).arg(&file);
    Ok(command)
}

/// Has symbols versioned by a script.
fn script(command: &mut Command, file: &Path, text: &str) -> Result<(), String> {
    command.arg(format!("-Wl,--version-script={}", file.display()));
    write(file, text)
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

/// Runs a tool that must succeed.
pub(crate) fn tool(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr))),
    }
}
