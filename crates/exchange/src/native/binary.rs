//! What of a program or library matters to linking.

use aleph_abi::elf::{Facts, FileKind};

/// A program or library of a tree.
#[derive(Clone, Debug)]
pub(super) struct Binary {
    pub(super) is_library: bool,
    pub(super) machine: u16,
    pub(super) soname: Option<String>,
    pub(super) needed: Vec<String>,
    /// Its search path, in order.
    pub(super) searched: Vec<String>,
    pub(super) interpreter: Option<String>,
    /// Names of libraries among its strings, which it may open when it runs.
    pub(super) openable: Vec<String>,
}

impl Binary {
    /// What facts say; nothing of a file that is not loaded.
    pub(super) fn of(facts: &Facts) -> Option<Self> {
        let is_library = facts.kind() == FileKind::Shared;
        if !is_library && !matches!(facts.kind(), FileKind::Executable | FileKind::Pie) {
            return None;
        }
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let searched = facts.runpath().or(facts.rpath()).map(text).unwrap_or_default();
        Some(Self {
            is_library,
            machine: facts.platform().machine,
            soname: facts.soname().map(text),
            needed: facts.needed().map(text).collect(),
            searched: searched.split(':').filter(|part| !part.is_empty()).map(str::to_owned).collect(),
            interpreter: facts.interpreter().map(text),
            openable: facts.openable().map(text).collect(),
        })
    }
}

/// Whether a library is the dynamic linker, which is in every process before anything is looked for.
pub(super) fn is_interpreter(soname: &str) -> bool {
    soname.starts_with("ld-linux") || soname.starts_with("ld64.so") || soname.starts_with("ld.so")
}

/// Whether a library is in every process before those of its libraries: every program needs it itself.
pub(super) fn is_libc(soname: &str) -> bool {
    soname == "libc.so.6"
}
