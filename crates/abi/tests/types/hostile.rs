//! Bytes that lie: whatever they say, reading ends, and nothing panics.

use std::{fs, time::Instant};

use aleph_abi::{
    dwarf::{Exported, Input, read, view},
    types::{Query, compare},
};

use crate::container::elf;
use crate::harness::{Case, Language, exported, library};

/// Reads both ways, and compares what was read with itself.
fn read_all(bytes: &[u8], symbols: &[Exported<'_>]) {
    let input = Input { main: bytes, ..Input::default() };
    let _ = view(&input);
    if let Ok(interface) = read(&input, symbols) {
        let changes =
            compare(&interface, &interface, &Query { wanted: &|_| true, copied: &|_| false, view: None, public: None });
        assert!(changes.iter().all(|change| change.text.contains("no debug information")));
    }
}

/// A generator of numbers that is the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize
    }
}

#[test]
fn damaged_bytes() {
    let header = "struct Base { virtual void f(); virtual ~Base(); int x; };
        struct Data { Base *base; unsigned bits : 3; enum { X, Y } kind; Data *next; int (*call)(Data &); }; int use(Data &);";
    let source = "void Base::f() {} Base::~Base() {} int use(Data &d) { return d.bits; } int table[4];";
    for flags in [&["-gdwarf-4", "-fdebug-types-section"][..], &["-gdwarf-5"]] {
        let directory = tempfile::tempdir().unwrap();
        let case = Case { language: Language::Cxx, header, source, flags, ..Case::default() };
        let whole = fs::read(library(directory.path(), &case, true)).unwrap();
        let symbols = exported(&object::File::parse(&*whole).unwrap());
        let mut random = Random(7);
        let start = Instant::now();
        for _ in 0..500 {
            let mut bytes = whole.clone();
            for _ in 0..1 + random.next() % 8 {
                // Debug information is in the second half of such a file.
                let at = bytes.len() / 4 + random.next() % (bytes.len() * 3 / 4);
                bytes[at] = match random.next() % 4 {
                    0 => 0,
                    1 => 0xff,
                    2 => bytes[at].wrapping_add(1),
                    _ => random.next() as u8,
                };
            }
            read_all(&bytes, &symbols);
        }
        for length in (0..whole.len()).step_by(97) {
            read_all(&whole[..length], &symbols);
        }
        assert!(start.elapsed().as_secs() < 600, "a loaded machine takes a few seconds");
    }
}

/// A unit of DWARF 5 with this body behind its header.
fn unit(body: &[u8]) -> Vec<u8> {
    let mut bytes = (body.len() as u32 + 8).to_le_bytes().to_vec();
    bytes.extend([5, 0, 1, 8, 0, 0, 0, 0]);
    bytes.extend_from_slice(body);
    bytes
}

/// Abbreviations: a unit, a function with a type and a parameter's type, a record with children, a typedef, an array.
const ABBREVIATIONS: &[u8] = &[
    1, 0x11, 1, 0, 0, // compile unit
    2, 0x2e, 1, 0x03, 0x08, 0x49, 0x13, 0x3f, 0x19, 0x11, 0x01, 0, 0, // subprogram: name, type, external, low_pc
    3, 0x13, 1, 0x0b, 0x0b, 0, 0, // structure: size
    4, 0x0d, 0, 0x49, 0x13, 0, 0, // member: type
    5, 0x16, 0, 0x49, 0x13, 0, 0, // typedef: type
    6, 0x0f, 0, 0x49, 0x13, 0, 0, // pointer: type
    7, 0x15, 1, 0, 0, // subroutine type
    8, 0x05, 0, 0x49, 0x13, 0, 0, // parameter: type
    9, 0x04, 0, 0x49, 0x13, 0x0b, 0x0b, 0, 0, // enumeration: type, size
    0,
];

fn exported_f() -> [Exported<'static>; 1] {
    let kind = aleph_abi::dwarf::ExportedKind::Function;
    [Exported { name: b"f", version: None, default: true, address: 0x10, kind, weak: false }]
}

/// Reads a unit whose first function, `f`, has the type at the end of its own entry.
fn read_unit(types: &[u8]) {
    const TYPE: u32 = 12 + 1 + 1 + 2 + 4 + 8 + 1;
    let mut body = vec![1, 2, b'f', 0];
    body.extend(TYPE.to_le_bytes());
    body.extend(0x10_u64.to_le_bytes());
    body.push(0);
    body.extend_from_slice(types);
    let info = unit(&body);
    let file = elf(&[(".debug_abbrev", ABBREVIATIONS), (".debug_info", &info)]);
    let start = Instant::now();
    read_all(&file, &exported_f());
    assert!(start.elapsed().as_secs() < 60, "{:?} for {} bytes", start.elapsed(), info.len());
}

const TYPE: u32 = 29;

fn reference(kind: u8, to: u32) -> Vec<u8> {
    [&[kind][..], &to.to_le_bytes()].concat()
}

#[test]
fn types_that_are_made_of_themselves() {
    read_unit(&reference(5, TYPE));
    read_unit(&reference(6, TYPE));
    read_unit(&[&reference(9, TYPE)[..], &[4]].concat());
    // A structure that contains itself twice.
    read_unit(&[&[3, 8][..], &reference(4, TYPE), &reference(4, TYPE), &[0]].concat());
    // Two typedefs of each other.
    read_unit(&[reference(5, TYPE + 5), reference(5, TYPE)].concat());
    // A function that takes itself three times.
    read_unit(&[&[7][..], &reference(8, TYPE), &reference(8, TYPE), &reference(8, TYPE), &[0]].concat());
}

#[test]
fn long_chains() {
    let count = 200_000;
    let pointers: Vec<u8> = (0..count).flat_map(|at| reference(6, TYPE + 5 * (at + 1))).collect();
    read_unit(&pointers);
    // Structures, each with the next one in it, twice: a tree with 2^count leaves.
    let size = 2 + 5 + 5 + 1;
    let nested: Vec<u8> = (0..20_000)
        .flat_map(|at| {
            let next = TYPE + size * (at + 1);
            [&[3, 8][..], &reference(4, next), &reference(4, next), &[0]].concat()
        })
        .collect();
    read_unit(&nested);
    // Functions that take the next one twice.
    let functions: Vec<u8> = (0..20_000)
        .flat_map(|at| {
            let next = TYPE + 12 * (at + 1);
            [&[7][..], &reference(8, next), &reference(8, next), &[0]].concat()
        })
        .collect();
    read_unit(&functions);
}

#[test]
fn deep_nesting() {
    // Structures in structures without an end, with pointers back to the outermost one.
    let nested: Vec<u8> = (0..100_000).flat_map(|_| [&[3, 8][..], &reference(4, TYPE)].concat()).collect();
    read_unit(&nested);
}
