//! What can be wrong with a process.

/// Something that keeps a process from starting, or makes it do something else.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Problem {
    /// A library that is needed is not there.
    Missing {
        /// Who needs it.
        by: String,
        /// Its soname.
        soname: String,
    },
    /// One soname means two files that differ, depending on who asks.
    Twice {
        /// The soname.
        soname: String,
        /// The files, the one that is taken first.
        files: Vec<String>,
    },
    /// A version node is not there.
    Node {
        /// Who needs it.
        by: String,
        /// Of which library.
        of: String,
        /// The node.
        node: String,
    },
    /// A symbol is not there.
    Symbol {
        /// Who needs it.
        by: String,
        /// The symbol, demangled, with its version.
        symbol: String,
    },
    /// A symbol comes from another library than it did, which is still there and still has it.
    Diverted {
        /// The process.
        by: String,
        /// The symbol, demangled, with its version.
        symbol: String,
        /// The library that it came from.
        from: String,
        /// The library that it comes from now.
        to: String,
    },
}

impl Problem {
    /// The soname of a library that is not there, if that is what is wrong.
    pub fn soname(&self) -> Option<&str> {
        match self {
            Self::Missing { soname, .. } => Some(soname),
            _ => None,
        }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing { by, soname } => write!(f, "{by} needs {soname}, which is not there"),
            Self::Twice { soname, files } => write!(f, "{soname} is there more than once: {}", files.join(", ")),
            Self::Node { by, of, node } => write!(f, "{by} needs {node} of {of}, which does not have it"),
            Self::Symbol { by, symbol } => write!(f, "{by} needs `{symbol}`, which nothing defines"),
            Self::Diverted { by, symbol, from, to } => {
                write!(f, "{by} gets `{symbol}` of {to} now, no longer that of {from}")
            }
        }
    }
}
