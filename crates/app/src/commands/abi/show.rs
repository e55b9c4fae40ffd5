//! `aleph abi show`.

use std::{path::Path, process::ExitCode};

use aleph_abi::{
    demangle,
    elf::{Binding, Facts, FileKind, Inclusion, Symbol, SymbolKind, Visibility},
};
use aleph_audit::crates::{self, Crate};
use serde_json::{Value, json};

use super::UNKNOWN;
use crate::{
    failure::Outcome,
    host::Host,
    ops::abi::side::{Binary, Finder, Keep},
    output::{Printer, bold, count, table, yellow},
};

pub(super) fn show(host: &Host, printer: &Printer, name: &Path) -> Outcome {
    let side = Finder::new(host).side(name, Keep::Facts)?;
    // All symbols of all files are long, and people are shown those of one file only.
    let files: Vec<Value> = side.binaries.iter().filter(|_| printer.is_json()).map(describe).collect();
    let unread: Vec<Value> = side.unread.iter().map(|(file, why)| json!({ "file": file, "why": why })).collect();
    let data = json!({ "files": files, "unread": unread });
    printer.answer("abi-facts", &data, |_| {
        let shown = side.binaries.iter().map(|binary| human(binary, side.binaries.len() == 1));
        let unread = side.unread.iter().map(|(file, why)| format!("{}: {}\n", bold(file), yellow(why)));
        shown.chain(unread).collect::<Vec<_>>().join("\n")
    });
    Ok(if side.unread.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(UNKNOWN) })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn kind(facts: &Facts) -> &'static str {
    match facts.kind() {
        FileKind::Executable => "program at a fixed address",
        FileKind::Pie => "program",
        FileKind::Shared if facts.soname().is_none() => "plugin",
        FileKind::Shared => "library",
        FileKind::Relocatable => "object",
        FileKind::Archive => "archive",
        FileKind::Other => "other",
    }
}

fn describe(binary: &Binary) -> Value {
    let facts = &binary.facts;
    let (platform, notes) = (facts.platform(), facts.notes());
    json!({
        "file": binary.label, "kind": kind(facts), "soname": facts.soname().map(text),
        "platform": {
            "bits": platform.bits, "little_endian": platform.little_endian, "machine": platform.machine,
            "flags": platform.flags,
        },
        "needed": facts.needed().map(text).collect::<Vec<_>>(),
        "runpath": facts.runpath().map(text), "rpath": facts.rpath().map(text),
        "interpreter": facts.interpreter().map(text),
        "flags_1": facts.flags_1(), "symbolic": facts.is_symbolic(), "static_tls": facts.is_static_tls(),
        "tls_size": facts.tls_size(), "executable_stack": facts.has_executable_stack(),
        "build_id": facts.build_id().map(hex), "debug_link": facts.debug_link().map(|(name, _)| text(name)),
        "minimum_kernel": notes.kernel.map(|numbers| numbers.map(|number| number.to_string()).join(".")),
        "isa_level": notes.isa_level(), "features": notes.features,
        "defined_versions": facts.defined_versions().map(|(name, parents)| json!({
            "name": text(name), "parents": parents.into_iter().map(text).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
        "needed_versions": facts.needed_versions().map(|(file, name, weak)| json!({
            "file": text(file), "name": text(name), "weak": weak,
        })).collect::<Vec<_>>(),
        "exports": facts.exports().iter().map(|symbol| {
            let version = facts.export_version(symbol).map(text);
            symbol_value(facts, symbol, &json!({ "version": version, "default": !symbol.is_hidden() }))
        }).collect::<Vec<_>>(),
        "imports": facts.imports().iter().map(|symbol| {
            let (version, file) = facts.import_version(symbol).map(|(v, f)| (text(v), text(f))).unzip();
            symbol_value(facts, symbol, &json!({ "version": version, "file": file, "copied": symbol.is_copied() }))
        }).collect::<Vec<_>>(),
        "inside": facts.inclusions().iter().map(included).collect::<Vec<_>>(),
        "members": facts.members().map(text).collect::<Vec<_>>(),
    })
}

fn symbol_value(facts: &Facts, symbol: &Symbol, more: &Value) -> Value {
    let name = facts.name(symbol);
    let mut value = json!({
        "name": text(name), "demangled": demangle(name), "kind": symbol_kind(symbol.kind), "size": symbol.size,
        "binding": match symbol.binding {
            Binding::Global => "global",
            Binding::Weak => "weak",
            Binding::Unique => "unique",
        },
        "protected": symbol.visibility == Visibility::Protected,
    });
    if let (Some(value), Some(more)) = (value.as_object_mut(), more.as_object()) {
        value.extend(more.iter().map(|(key, value)| (key.clone(), value.clone())));
    }
    value
}

fn symbol_kind(kind: SymbolKind) -> &'static str {
    match kind {
        SymbolKind::Unknown => "unknown",
        SymbolKind::Object => "variable",
        SymbolKind::Function => "function",
        SymbolKind::Indirect => "indirect function",
        SymbolKind::Tls => "thread variable",
        SymbolKind::Other => "other",
    }
}

fn included(inclusion: &Inclusion) -> Value {
    match inclusion {
        Inclusion::Library { name, version } => json!({ "library": name, "version": version }),
        Inclusion::Go { compiler } => json!({ "go": compiler }),
        Inclusion::GoModule { path, version } => json!({ "go_module": path, "version": version }),
        Inclusion::RustCrates { packed } => {
            let pair = |one: Crate| json!({ "name": one.name, "version": one.version });
            let crates: Option<Vec<Value>> = crates::read(packed).map(|all| all.into_iter().map(pair).collect());
            json!({ "rust_crates": crates })
        }
        Inclusion::LinkTimeCode => json!({ "link_time_code": true }),
    }
}

fn human(binary: &Binary, in_full: bool) -> String {
    let facts = &binary.facts;
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut row = |name: &str, value: String| {
        if !value.is_empty() {
            rows.push(vec![format!("  {name}"), value]);
        }
    };
    let list = |names: Vec<String>| names.join(", ");
    row("is", kind(facts).to_owned());
    row("soname", facts.soname().map(text).unwrap_or_default());
    row("needs", list(facts.needed().map(text).collect()));
    row("runpath", facts.runpath().or(facts.rpath()).map(text).unwrap_or_default());
    row("interpreter", facts.interpreter().map(text).unwrap_or_default());
    row("build id", facts.build_id().map(hex).unwrap_or_default());
    row("debug link", facts.debug_link().map(|(name, _)| text(name)).unwrap_or_default());
    let kernel = facts.notes().kernel.map(|numbers| numbers.map(|number| number.to_string()).join("."));
    row("kernel", kernel.map(|kernel| format!("Linux {kernel} or later")).unwrap_or_default());
    row("inside", list(facts.inclusions().iter().filter_map(inside).collect()));
    row("versions", list(facts.defined_versions().map(|(name, _)| text(name)).collect()));
    row("exports", count(facts.exports().len(), "symbol"));
    row("imports", count(facts.imports().len(), "symbol"));
    let mut shown = format!("{}\n{}\n", bold(&binary.label), table(&rows));
    if in_full {
        shown.push_str(&symbols(facts));
    }
    shown
}

fn inside(inclusion: &Inclusion) -> Option<String> {
    match inclusion {
        Inclusion::Library { name, version: Some(version) } => Some(format!("{name} {version}")),
        Inclusion::Library { name, version: None } => Some(name.clone()),
        Inclusion::Go { compiler } => Some(format!("Go ({compiler})")),
        Inclusion::RustCrates { packed } => Some(match crates::read(packed) {
            Some(all) => count(all.len(), "Rust crate"),
            None => "Rust crates (the list cannot be read)".to_owned(),
        }),
        Inclusion::GoModule { .. } | Inclusion::LinkTimeCode => None,
    }
}

fn symbols(facts: &Facts) -> String {
    let export = |symbol: &Symbol| {
        let at = if symbol.is_hidden() { "@" } else { "@@" };
        let version = facts.export_version(symbol).map(|version| format!("{at}{}", text(version)));
        let name = format!("{}{}", demangle(facts.name(symbol)), version.unwrap_or_default());
        vec!["  exports".to_owned(), symbol_kind(symbol.kind).to_owned(), symbol.size.to_string(), name]
    };
    let import = |symbol: &Symbol| {
        let from = facts.import_version(symbol).map(|(version, file)| format!("@{} of {}", text(version), text(file)));
        let name = format!("{}{}", demangle(facts.name(symbol)), from.unwrap_or_default());
        let kind = if symbol.is_copied() { "copied variable" } else { symbol_kind(symbol.kind) };
        let size = if symbol.is_copied() { symbol.size.to_string() } else { String::new() };
        vec!["  imports".to_owned(), kind.to_owned(), size, name]
    };
    let rows: Vec<Vec<String>> = facts.exports().iter().map(export).chain(facts.imports().iter().map(import)).collect();
    table(&rows)
}
