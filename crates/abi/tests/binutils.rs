//! The facts of the host's own files are those that binutils tell.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests, not a library")]

mod support;

use std::{path::Path, process::Command};

use aleph_abi::elf::{Binding, Facts, Symbol, SymbolKind};

/// How many files are compared: enough to meet every kind that there is, few enough to wait for.
const FILES: usize = 200;

fn readelf(options: &str, path: &Path) -> String {
    let ran = Command::new("readelf").args(options.split(' ')).arg(path).env("LC_ALL", "C").output();
    String::from_utf8_lossy(&ran.expect("binutils are installed").stdout).into_owned()
}

/// Symbols as `readelf --dyn-syms -W` prints them: size, type, binding, name with version.
fn expected_symbols(path: &Path) -> Vec<String> {
    let mut symbols = Vec::new();
    // Where a file does not say that it is for GNU systems, `readelf` does not know what only these have.
    let listing = readelf("-W --dyn-syms", path).replace("<OS specific>: 10", "UNIQUE");
    for line in listing.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [number, _, size, kind, binding, _, rest @ ..] = fields.as_slice() else { continue };
        // `readelf` puts marks of some machines between visibility and section.
        let Some((section, name)) = rest
            .iter()
            .position(|field| *field == "UND" || *field == "ABS" || field.parse::<u32>().is_ok())
            .and_then(|at| Some((rest[at], *rest.get(at + 1)?)))
        else {
            continue;
        };
        // Absolute symbols of no size mark version nodes.
        if !number.ends_with(':') || *binding == "LOCAL" || (section == "ABS" && *size == "0") {
            continue;
        }
        let size = size.strip_prefix("0x").map_or_else(|| size.parse(), |hex| u64::from_str_radix(hex, 16));
        let size = size.expect("a size");
        let is_undefined = section == "UND";
        symbols.push(format!("{is_undefined} {size} {kind} {binding} {name}"));
    }
    symbols.sort();
    symbols
}

fn found_symbols(facts: &Facts) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let describe = |symbol: &Symbol, is_undefined: bool, name: String| {
        let kind = match symbol.kind {
            SymbolKind::Unknown => "NOTYPE",
            SymbolKind::Object => "OBJECT",
            SymbolKind::Function => "FUNC",
            SymbolKind::Indirect => "IFUNC",
            SymbolKind::Tls => "TLS",
            SymbolKind::Other => "OTHER",
        };
        let binding = match symbol.binding {
            Binding::Global => "GLOBAL",
            Binding::Weak => "WEAK",
            Binding::Unique => "UNIQUE",
        };
        format!("{is_undefined} {} {kind} {binding} {name}", symbol.size)
    };
    let exports = facts.exports().iter().map(|symbol| {
        let at = if symbol.is_hidden() { "@" } else { "@@" };
        let version = facts.export_version(symbol).filter(|_| has_node(facts, symbol));
        let version = version.map(|version| format!("{at}{}", text(version))).unwrap_or_default();
        describe(symbol, false, text(facts.name(symbol)) + &version)
    });
    let imports = facts.imports().iter().map(|symbol| {
        let version = facts.import_version(symbol).map(|(version, _)| format!("@{}", text(version)));
        describe(symbol, !symbol.is_copied(), text(facts.name(symbol)) + &version.unwrap_or_default())
    });
    let mut symbols: Vec<String> = exports.chain(imports).collect();
    symbols.sort();
    symbols
}

/// Whether its version is one that is not the file itself.
fn has_node(facts: &Facts, symbol: &Symbol) -> bool {
    let version = facts.export_version(symbol);
    facts.defined_versions().any(|(node, _)| Some(node) == version)
}

fn expected_dynamic(path: &Path) -> Vec<String> {
    let interesting = ["(NEEDED)", "(SONAME)", "(RUNPATH)", "(RPATH)"];
    let listing = readelf("-W -d", path);
    let lines = listing.lines().filter(|line| interesting.iter().any(|tag| line.contains(tag)));
    let value = |line: &str| {
        let tag = line.split(['(', ')']).nth(1).unwrap_or_default().to_owned();
        format!("{tag} {}", line.split(['[', ']']).nth(1).unwrap_or_default())
    };
    let mut values: Vec<String> = lines.map(value).collect();
    values.sort();
    values
}

fn found_dynamic(facts: &Facts) -> Vec<String> {
    let text = |tag: &str, bytes: &[u8]| format!("{tag} {}", String::from_utf8_lossy(bytes));
    let mut values: Vec<String> = facts.needed().map(|needed| text("NEEDED", needed)).collect();
    values.extend(facts.soname().map(|soname| text("SONAME", soname)));
    values.extend(facts.runpath().map(|path| text("RUNPATH", path)));
    values.extend(facts.rpath().map(|path| text("RPATH", path)));
    values.sort();
    values
}

#[test]
fn facts_are_what_readelf_says() {
    let files = support::host_files();
    let step = (files.len() / FILES).max(1);
    let mut symbols = 0;
    for path in files.iter().step_by(step) {
        let facts = support::facts(path);
        // An object that is called an archive (libmcheck.a) has no dynamic symbols to compare.
        if !facts.is_dynamic() {
            continue;
        }
        assert_eq!(found_dynamic(&facts), expected_dynamic(path), "{}", path.display());
        let (found, expected) = (found_symbols(&facts), expected_symbols(path));
        let differs = found.iter().zip(&expected).find(|(found, expected)| found != expected);
        assert!(differs.is_none() && found.len() == expected.len(), "{}: {differs:?}", path.display());
        symbols += found.len();
        let notes = readelf("-n", path);
        let id = facts.build_id().map(|id| id.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        let expected = notes.lines().find_map(|line| line.trim().strip_prefix("Build ID: ").map(str::to_owned));
        assert_eq!(id, expected, "{}", path.display());
        let kernel = facts.notes().kernel.map(|version| version.map(|number| number.to_string()).join("."));
        let expected = notes.lines().find_map(|line| line.split_once("ABI: ").map(|(_, version)| version.to_owned()));
        assert_eq!(kernel, expected, "{}", path.display());
    }
    assert!(symbols > 10_000, "{symbols} symbols are few for a host");
}
