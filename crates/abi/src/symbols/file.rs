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

/// The room for thread variables that a running program has to spare: glibc's tunable `rtld.optional_static_tls`.
const SPARE: u64 = 512;

/// What needs room in the static block for thread variables finds it at a program's start, and may not find any later.
pub(crate) fn compare_tls(old: &Facts, new: &Facts, consumer: Option<&Facts>, findings: &mut Vec<Finding>) {
    let is_more = new.is_static_tls() && (!old.is_static_tls() || new.tls_size() > old.tls_size());
    let needs = |facts: &Facts| facts.needed().any(|needed| Some(needed) == old.soname());
    let is_program = |facts: &Facts| matches!(facts.kind(), FileKind::Executable | FileKind::Pie);
    if !is_more || consumer.is_some_and(|facts| is_program(facts) && needs(facts)) {
        return;
    }
    let text = format!("{} bytes of its thread variables need static room now", new.tls_size());
    let opens = consumer.is_some_and(|facts| !needs(facts));
    findings.push(if opens && new.tls_size() > SPARE {
        Finding::breaks("", format!("{text}, which a program that runs already does not have"))
    } else {
        Finding::unclear("", format!("{text}: opening it in a program that runs already (dlopen) may fail"))
    });
}

/// `DF_1_NOOPEN`: the dynamic linker refuses to open the file at run time.
const NOOPEN: u64 = 0x40;

/// What may not be opened any more is lost to those who open it.
pub(crate) fn compare_opening(old: &Facts, new: &Facts, consumer: Option<&Facts>, findings: &mut Vec<Finding>) {
    let forbids = |facts: &Facts| facts.flags_1() & NOOPEN != 0;
    let needs = |facts: &Facts| facts.needed().any(|needed| Some(needed) == old.soname());
    if !forbids(new) || forbids(old) || consumer.is_some_and(needs) {
        return;
    }
    let text = "it says that it may not be opened at run time (DF_1_NOOPEN)";
    findings.push(if consumer.is_some() { Finding::breaks("", text) } else { Finding::unclear("", text) });
}
