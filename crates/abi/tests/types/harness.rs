//! Compiles a library in an old and a new version and compares the two.
//!
//! One text serves both: `OLD(…)` is there in the old version only, and `NEW(…)` in the new one.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use aleph_abi::{
    Change, Effect,
    dwarf::{self, Exported, ExportedKind},
    types::{Interface, Query, Symbol, View, compare},
};
use object::{Object, ObjectSymbol, SymbolFlags, elf};

/// The languages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    C,
    Cxx,
}

/// How a case is built and who asks.
#[derive(Clone, Debug)]
pub(crate) struct Case<'c> {
    pub(crate) language: Language,
    pub(crate) header: &'c str,
    pub(crate) source: &'c str,
    pub(crate) flags: &'c [&'c str],
    pub(crate) old_flags: &'c [&'c str],
    pub(crate) new_flags: &'c [&'c str],
    /// A program; its debug information is the view, and its imports are what is wanted.
    pub(crate) consumer: Option<&'c str>,
}

impl Default for Case<'_> {
    fn default() -> Self {
        Self {
            language: Language::C,
            header: "",
            source: "",
            flags: &[],
            old_flags: &[],
            new_flags: &[],
            consumer: None,
        }
    }
}

/// Compiles and compares; the changes must be these, each as `effect: text`, in any order.
#[track_caller]
pub(crate) fn check(language: Language, header: &str, source: &str, expected: &[&str]) {
    check_case(&Case { language, header, source, ..Case::default() }, expected);
}

/// The same with all choices.
#[track_caller]
pub(crate) fn check_case(case: &Case<'_>, expected: &[&str]) {
    let mut found: Vec<String> = run(case).iter().map(line).collect();
    found.sort();
    found.dedup();
    let mut expected: Vec<String> = expected.iter().map(|text| (*text).to_owned()).collect();
    expected.sort();
    assert_eq!(found, expected, "header:\n{}\nsource:\n{}", case.header, case.source);
}

fn line(change: &Change) -> String {
    let effect = match change.effect {
        Effect::Compatible => "compatible",
        Effect::Unclear => "unclear",
        Effect::Breaks => "breaks",
    };
    format!("{effect}: {}", change.text)
}

/// Compiles and compares.
pub(crate) fn run(case: &Case<'_>) -> Vec<Change> {
    let directory = tempfile::tempdir().unwrap();
    let old = library(directory.path(), case, true);
    let new = library(directory.path(), case, false);
    let (old_file, new_file) = (read_library(&old), read_library(&new));
    let Some(consumer) = case.consumer else {
        return compare(
            &old_file,
            &new_file,
            &Query { wanted: &|_| true, copied: &|_| false, view: None, public: None },
        );
    };
    let program = program(directory.path(), case, consumer, &old);
    let (view, imports) = read_program(&program);
    let wanted = |symbol: &Symbol| imports.contains(&symbol.name.to_vec());
    compare(&old_file, &new_file, &Query { wanted: &wanted, copied: &|_| false, view: Some(&view), public: None })
}

/// Compiles one version of a library.
pub(crate) fn library(directory: &Path, case: &Case<'_>, old: bool) -> PathBuf {
    let side = directory.join(if old { "old" } else { "new" });
    fs::create_dir_all(&side).unwrap();
    fs::write(side.join("lib.h"), case.header).unwrap();
    let source = if case.language == Language::C { "lib.c" } else { "lib.cc" };
    fs::write(side.join(source), format!("#include \"lib.h\"\n{}", case.source)).unwrap();
    let mut command = compiler(case.language, old);
    command.current_dir(&side).args(["-shared", "-fPIC", "-o", "lib.so", source]).args(case.flags);
    run_to_end(command.args(if old { case.old_flags } else { case.new_flags }));
    side.join("lib.so")
}

fn program(directory: &Path, case: &Case<'_>, text: &str, library: &Path) -> PathBuf {
    let source = directory.join(if case.language == Language::C { "main.c" } else { "main.cc" });
    fs::write(&source, format!("#include \"old/lib.h\"\n{text}")).unwrap();
    let program = directory.join("main");
    let mut command = compiler(case.language, true);
    run_to_end(command.current_dir(directory).arg("-o").args([&program, &source, &library.to_owned()]));
    program
}

fn compiler(language: Language, old: bool) -> Command {
    let mut command = Command::new(if language == Language::C { "gcc" } else { "g++" });
    let macros =
        if old { ["-DOLD(...)=__VA_ARGS__", "-DNEW(...)="] } else { ["-DOLD(...)=", "-DNEW(...)=__VA_ARGS__"] };
    command.args(["-g", "-O1", "-w"]).args(macros);
    command
}

/// Runs a command that must succeed.
pub(crate) fn run_to_end(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Reads the interface of a library, wherever its debug information is.
pub(crate) fn read_library(path: &Path) -> Interface {
    read_library_in(path, &[])
}

pub(crate) fn read_library_in(path: &Path, directories: &[&Path]) -> Interface {
    let bytes = fs::read(path).unwrap();
    let file = object::File::parse(&*bytes).unwrap();
    let symbols = exported(&file);
    let found = dwarf::find(path, directories).unwrap();
    found.with(|input| dwarf::read(input, &symbols)).unwrap()
}

/// The exported symbols of a file.
pub(crate) fn exported<'f>(file: &object::File<'f>) -> Vec<Exported<'f>> {
    file.dynamic_symbols()
        .filter(|symbol| !symbol.is_undefined() && symbol.is_global())
        .map(|symbol| {
            let SymbolFlags::Elf { st_info, .. } = symbol.flags() else { panic!("not ELF") };
            let kind = match st_info.0 & 0xf {
                2 => ExportedKind::Function,
                10 => ExportedKind::Indirect,
                6 => ExportedKind::ThreadLocal,
                1 | 5 => ExportedKind::Object,
                _ => ExportedKind::Other,
            };
            let weak = st_info.0 >> 4 != elf::STB_GLOBAL.0;
            Exported {
                name: symbol.name_bytes().unwrap(),
                version: None,
                default: true,
                address: symbol.address(),
                kind,
                weak,
            }
        })
        .collect()
}

fn read_program(path: &Path) -> (View, Vec<Vec<u8>>) {
    let bytes = fs::read(path).unwrap();
    let file = object::File::parse(&*bytes).unwrap();
    let names = file.dynamic_symbols().map(|symbol| symbol.name_bytes().unwrap().to_vec()).collect();
    let view = dwarf::find(path, &[]).unwrap().with(dwarf::view).unwrap();
    (view, names)
}
