//! Differences of two files as a whole, which any consumer meets.

use super::finding::Finding;
use crate::{
    elf::{Facts, FileKind},
    text::lossy,
};

/// Compares what is said outside of symbols.
pub(crate) fn compare(old: &Facts, new: &Facts, findings: &mut Vec<Finding>) {
    if old.platform() != new.platform() {
        let (old, new) = (old.platform(), new.platform());
        let describe = |p: crate::elf::Platform| {
            let order = if p.little_endian { "little" } else { "big" };
            format!("machine {}, {} bits, {order} endian, flags {:#x}", p.machine, p.bits, p.flags)
        };
        let text = format!("it is for another machine: {} instead of {}", describe(new), describe(old));
        findings.push(Finding::breaks("", text));
    }
    compare_sonames(old, new, findings);
    let (old_notes, new_notes) = (old.notes(), new.notes());
    let kernel = |version: [u32; 3]| version.map(|number| number.to_string()).join(".");
    match (old_notes.kernel, new_notes.kernel) {
        (was, Some(is)) if was.is_some_and(|was| is > was) || was.is_none() && is > [2, 6, 32] => {
            let was = was.map_or_else(String::new, |was| format!(" instead of {}", kernel(was)));
            findings.push(Finding::unclear("", format!("it needs Linux {}{was}", kernel(is))));
        }
        _ => {}
    }
    let (was, is) = (old_notes.isa_level().max(1), new_notes.isa_level().max(1));
    if is > was {
        findings.push(Finding::unclear("", format!("it needs a processor of level x86-64-v{is} instead of v{was}")));
    }
    if new.has_executable_stack() && !old.has_executable_stack() {
        findings.push(Finding::unclear("", "it asks for an executable stack, which a system may refuse"));
    }
    if matches!(new.kind(), FileKind::Executable | FileKind::Pie) && old.kind() == FileKind::Shared {
        findings.push(Finding::breaks("", "it is a program now, which cannot be loaded as a library"));
    }
    let lost = old_notes.features & !new_notes.features;
    if lost != 0 {
        let text = "it lost marks of control-flow protection (IBT, SHSTK, BTI or PAC), which a process with it then does without";
        findings.push(Finding::compatible("", text));
    }
}

fn compare_sonames(old: &Facts, new: &Facts, findings: &mut Vec<Finding>) {
    match (old.soname(), new.soname()) {
        (Some(was), Some(is)) if was != is => {
            let text = format!("the soname changed from {} to {}", lossy(was), lossy(is));
            findings.push(Finding::breaks("", text));
        }
        (Some(was), None) => findings.push(Finding::breaks("", format!("it lost its soname {}", lossy(was)))),
        _ => {}
    }
}

/// Whether the file is loaded with a program at its start only: what needs room in the static block for thread
/// variables may not find any later.
pub(crate) fn compare_tls(old: &Facts, new: &Facts, consumer: Option<&Facts>, findings: &mut Vec<Finding>) {
    let is_new = new.is_static_tls() && !old.is_static_tls();
    let starts = consumer.is_some_and(|facts| matches!(facts.kind(), FileKind::Executable | FileKind::Pie));
    if is_new && !starts {
        let text = "its thread variables need static room now: opening it in a running program (dlopen) may fail";
        findings.push(Finding::unclear("", text));
    }
}
