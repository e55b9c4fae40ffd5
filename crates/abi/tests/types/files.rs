//! Debug information in files of its own.

use std::{fs, path::Path, process::Command};

use aleph_abi::{
    dwarf::{FindError, find},
    types::{Fingerprint, Interface},
};
use object::Object;

use crate::harness::{Case, Language::Cxx, library, read_library, read_library_in, run_to_end};

const HEADER: &str = "#include <string>
    struct Base { virtual void f(); virtual ~Base(); std::string name; };
    struct Data { Base *base; unsigned bits : 3; enum { X, Y } kind; }; int use(Data &, const std::string &);";
const SOURCE: &str =
    "void Base::f() {} Base::~Base() {} int use(Data &d, const std::string &s) { return d.bits; } int table[4];";

fn case<'c>(flags: &'c [&'c str]) -> Case<'c> {
    Case { language: Cxx, header: HEADER, source: SOURCE, flags, ..Case::default() }
}

fn objcopy(arguments: &[&str], directory: &Path) {
    run_to_end(Command::new("objcopy").current_dir(directory).args(arguments));
}

/// What is left when types of the standard library are read or not does not matter here: the items and their types do.
fn prints(interface: &Interface) -> Vec<(String, Fingerprint)> {
    let items = interface.items.iter();
    items.map(|(symbol, item)| (symbol.to_string(), interface.fingerprint_of(item.of))).collect()
}

#[test]
fn by_link_and_by_build_id() {
    let directory = tempfile::tempdir().unwrap();
    let whole = library(directory.path(), &case(&["-Wl,--build-id"]), true);
    let expected = read_library(&whole);
    assert!(expected.items.len() >= 4, "{:?}", expected.items);
    let side = whole.parent().unwrap();
    objcopy(&["--only-keep-debug", "lib.so", "lib.debug"], side);
    objcopy(&["--strip-debug", "--add-gnu-debuglink=lib.debug", "lib.so"], side);
    let beside = read_library(&whole);
    assert_eq!(beside.fingerprint(), expected.fingerprint());

    // A file of that name with another checksum is another file.
    let debug = fs::read(side.join("lib.debug")).unwrap();
    fs::write(side.join("lib.debug"), [&debug[..], b"x"].concat()).unwrap();
    assert!(matches!(find(&whole, &[]), Err(FindError::Missing { .. })));

    let bytes = fs::read(&whole).unwrap();
    let id = object::File::parse(&*bytes).unwrap().build_id().unwrap().unwrap().to_vec();
    let hex: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    let root = directory.path().join("debug");
    let place = root.join(".build-id").join(&hex[..2]);
    fs::create_dir_all(&place).unwrap();
    fs::write(place.join(format!("{}.debug", &hex[2..])), &debug).unwrap();
    assert_eq!(read_library_in(&whole, &[&root]).fingerprint(), expected.fingerprint());
}

#[test]
fn compressed_sections() {
    let directory = tempfile::tempdir().unwrap();
    let whole = library(directory.path(), &case(&[]), true);
    let expected = read_library(&whole);
    let kinds = ["zlib", "zlib-gnu", "zstd"];
    for kind in kinds {
        let flag = format!("--compress-debug-sections={kind}");
        let packed =
            Command::new("objcopy").current_dir(whole.parent().unwrap()).args([&flag, "lib.so", "packed.so"]).output();
        if !packed.unwrap().status.success() {
            // An objcopy without zstd.
            assert_eq!(kind, "zstd");
            continue;
        }
        let packed = read_library(&whole.parent().unwrap().join("packed.so"));
        assert_eq!(packed.fingerprint(), expected.fingerprint(), "{kind}");
    }
}

#[test]
fn shared_by_dwz() {
    if Command::new("dwz").arg("--version").output().is_err() {
        return;
    }
    for flags in [&["-gdwarf-4"], &["-gdwarf-5"]] {
        let directory = tempfile::tempdir().unwrap();
        let old = library(directory.path(), &case(flags), true);
        let new = library(directory.path(), &case(flags), false);
        let expected = (read_library(&old), read_library(&new));
        let shared = directory.path().join("shared.dwz");
        let mut command = Command::new("dwz");
        command.current_dir(directory.path()).arg("-m").arg(&shared).args([&old, &new]);
        run_to_end(&mut command);
        let bytes = fs::read(&old).unwrap();
        assert!(
            object::File::parse(&*bytes).unwrap().gnu_debugaltlink().unwrap().is_some(),
            "dwz found nothing to share"
        );
        assert_eq!(prints(&read_library(&old)), prints(&expected.0), "{flags:?}");
        assert_eq!(prints(&read_library(&new)), prints(&expected.1), "{flags:?}");
        fs::remove_file(&shared).unwrap();
        assert!(matches!(find(&old, &[]), Err(FindError::NoSupplement { .. })));
    }
}

#[test]
fn split_off_by_the_compiler() {
    for version in ["-gdwarf-4", "-gdwarf-5"] {
        for types in [&[][..], &["-fdebug-types-section"]] {
            let flags = [&[version], types].concat();
            let directory = tempfile::tempdir().unwrap();
            let expected = prints(&read_library(&library(directory.path(), &case(&flags), true)));
            let flags = [&flags[..], &["-gsplit-dwarf"]].concat();
            let split = library(directory.path(), &case(&flags), false);
            assert_eq!(prints(&read_library(&split)), expected, "{flags:?}");
            let side = split.parent().unwrap();
            if Command::new("dwp")
                .current_dir(side)
                .args(["-e", "lib.so", "-o", "lib.so.dwp"])
                .output()
                .is_ok_and(|output| output.status.success())
            {
                for entry in fs::read_dir(side).unwrap() {
                    let path = entry.unwrap().path();
                    if path.extension().is_some_and(|ending| ending == "dwo") {
                        fs::remove_file(path).unwrap();
                    }
                }
                assert_eq!(prints(&read_library(&split)), expected, "{flags:?} in one file");
            }
        }
    }
}
