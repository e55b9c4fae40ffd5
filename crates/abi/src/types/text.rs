//! Types and symbols as a person writes them.

use super::{
    graph::{Graph, Qualifier, Type, TypeId},
    record::{Record, RecordKind},
};

/// How much of a nested type is written out.
const DEEPEST: u32 = 8;

/// A type: `const struct foo *`.
pub(crate) fn type_name(graph: &Graph, id: TypeId) -> String {
    written(graph, id, 0)
}

fn written(graph: &Graph, id: TypeId, depth: u32) -> String {
    if depth > DEEPEST {
        return "…".to_owned();
    }
    let inner = |id| written(graph, id, depth + 1);
    match graph.get(id) {
        Type::Void => "void".to_owned(),
        Type::Unknown(_) => "a type that cannot be read".to_owned(),
        Type::Unspecified(name) | Type::Typedef { name, .. } => graph.text(*name).to_owned(),
        Type::Base(scalar) => graph.text(scalar.name).to_owned(),
        Type::Pointer(to) => match graph.get(graph.strip_typedefs(*to)) {
            Type::Function(_) if !matches!(graph.get(*to), Type::Typedef { .. }) => inner(*to).replacen('(', "(*)(", 1),
            Type::Array { .. } if !matches!(graph.get(*to), Type::Typedef { .. }) => {
                inner(*to).replacen('[', "(*)[", 1)
            }
            _ => format!("{} *", inner(*to)).replace("* *", "**"),
        },
        Type::Reference { to, rvalue } => format!("{} {}", inner(*to), if *rvalue { "&&" } else { "&" }),
        Type::MemberPointer { class, to } => format!("{} {}::*", inner(*to), inner(*class)),
        Type::Qualified { qualifier, of } => {
            let word = match qualifier {
                Qualifier::Const => "const",
                Qualifier::Volatile => "volatile",
                Qualifier::Restrict => "restrict",
                Qualifier::Atomic => "_Atomic",
            };
            match graph.get(*of) {
                Type::Pointer(_) => format!("{} {word}", inner(*of)),
                _ => format!("{word} {}", inner(*of)),
            }
        }
        Type::Array { of, count } => {
            let count = count.map_or_else(String::new, |count| count.to_string());
            let element = inner(*of);
            match element.split_once('[') {
                Some((of, rest)) => format!("{of}[{count}][{rest}"),
                None => format!("{element}[{count}]"),
            }
        }
        Type::Vector { of, count } => format!("vector of {count} {}", inner(*of)),
        Type::Function(function) => {
            let mut parameters: Vec<String> = function.parameters.iter().map(|of| inner(*of)).collect();
            if function.variadic {
                parameters.push("...".to_owned());
            }
            if parameters.is_empty() && function.prototyped {
                parameters.push("void".to_owned());
            }
            format!("{}({})", inner(function.returns), parameters.join(", "))
        }
        Type::Record(record) => record_name(graph, record),
        Type::Enumeration(enumeration) => match enumeration.name {
            Some(name) => format!("enum {}", graph.text(name)),
            None => "an enumeration without a name".to_owned(),
        },
    }
}

/// A record with its keyword: `struct foo`.
pub(crate) fn record_name(graph: &Graph, record: &Record) -> String {
    let keyword = match record.kind {
        RecordKind::Struct => "struct",
        RecordKind::Class => "class",
        RecordKind::Union => "union",
    };
    match record.name {
        Some(name) => format!("{keyword} {}", graph.text(name)),
        None => format!("a {keyword} without a name"),
    }
}

/// A symbol as the source has it: demangled, without parameters for C.
pub(crate) fn symbol_name(name: &[u8]) -> String {
    let plain = || String::from_utf8_lossy(name).into_owned();
    if !name.starts_with(b"_Z") {
        return plain();
    }
    cpp_demangle::Symbol::new(name).ok().and_then(|symbol| symbol.demangle().ok()).unwrap_or_else(plain)
}

/// A number of bytes: `1 byte`, `8 bytes`.
pub(crate) fn bytes(count: u64) -> String {
    if count == 1 { "1 byte".to_owned() } else { format!("{count} bytes") }
}

/// A place in a record: `byte 8`, or `bit 3 of byte 8`.
pub(crate) fn place(bits: u64) -> String {
    match bits % 8 {
        0 => format!("byte {}", bits / 8),
        bit => format!("bit {bit} of byte {}", bits / 8),
    }
}
