//! The exported symbols that a reader is asked for, and which entry describes each of them.

use std::collections::HashMap;

use super::units::Die;

/// One exported symbol, as the dynamic symbol table has it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Exported<'a> {
    /// Its name, without a version.
    pub name: &'a [u8],
    /// The version node it is in.
    pub version: Option<&'a [u8]>,
    /// Whether a reference without a version gets this one (`foo@@V`).
    pub default: bool,
    /// Its value: an address, or an offset in the thread-local block.
    pub address: u64,
    /// What it is.
    pub kind: ExportedKind,
    /// `STB_WEAK` or `STB_GNU_UNIQUE`: others may carry a definition of their own.
    pub weak: bool,
}

/// What an exported symbol is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ExportedKind {
    /// `STT_FUNC`
    Function,
    /// `STT_GNU_IFUNC`: its address is that of a function that chooses the real one.
    Indirect,
    /// `STT_OBJECT`, `STT_COMMON`
    Object,
    /// `STT_TLS`
    ThreadLocal,
    /// `STT_NOTYPE`: an assembler did not say.
    Other,
}

impl ExportedKind {
    fn may_be_function(self) -> bool {
        matches!(self, Self::Function | Self::Indirect | Self::Other)
    }

    fn may_be_variable(self) -> bool {
        matches!(self, Self::Object | Self::ThreadLocal | Self::Other)
    }
}

/// How well an entry fits a symbol; later is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fit {
    /// A declaration with the symbol's name: the prototype, as the library's own headers have it.
    Declared,
    /// A definition at the symbol's address. For an indirect function this is the function that chooses.
    Placed,
    /// A definition with the symbol's name and no address: the linker or the compiler has folded it with another one of
    /// the same code, which may have another type.
    Named,
    /// A definition with the symbol's name at its address.
    Exact,
}

/// An entry that may describe symbols.
pub(super) struct Candidate<'a> {
    pub(super) die: Die,
    pub(super) function: bool,
    /// The linkage name, or else the name.
    pub(super) name: &'a [u8],
    pub(super) address: Option<u64>,
    pub(super) declaration: bool,
    pub(super) external: bool,
}

/// The symbols, by name and by address, and what was found for each.
pub(super) struct Wanted<'s> {
    pub(super) symbols: &'s [Exported<'s>],
    pub(super) found: Vec<Option<(Fit, Die)>>,
    /// Declarations, also of symbols for which there is something better: an indirect function may have a prototype.
    pub(super) declared: HashMap<u32, Die>,
    by_name: HashMap<&'s [u8], Vec<u32>>,
    by_address: HashMap<u64, Vec<u32>>,
}

impl<'s> Wanted<'s> {
    pub(super) fn new(symbols: &'s [Exported<'s>]) -> Self {
        let mut by_name: HashMap<&[u8], Vec<u32>> = HashMap::with_capacity(symbols.len());
        let mut by_address: HashMap<u64, Vec<u32>> = HashMap::with_capacity(symbols.len());
        for (at, symbol) in symbols.iter().enumerate() {
            by_name.entry(symbol.name).or_default().push(at as u32);
            if symbol.address != 0 && symbol.kind != ExportedKind::ThreadLocal {
                by_address.entry(symbol.address).or_default().push(at as u32);
            }
        }
        Self { symbols, found: vec![None; symbols.len()], declared: HashMap::new(), by_name, by_address }
    }

    /// Whether some symbol has this address.
    pub(super) fn is_placed(&self, address: u64) -> bool {
        self.by_address.contains_key(&address)
    }

    /// Whether some symbol has this name.
    pub(super) fn is_named(&self, name: &[u8]) -> bool {
        self.by_name.contains_key(name)
    }

    /// Gives the entry to the symbols that it fits better than what they have.
    pub(super) fn offer(&mut self, candidate: &Candidate<'_>) {
        let placed = candidate.address.and_then(|address| self.by_address.get(&address));
        for at in placed.into_iter().flatten().copied() {
            let symbol = &self.symbols[at as usize];
            let fit = if symbol.name == candidate.name { Fit::Exact } else { Fit::Placed };
            keep(&mut self.found, symbol, at, fit, candidate);
        }
        let named = self.by_name.get(candidate.name).filter(|_| candidate.external);
        for at in named.into_iter().flatten().copied() {
            let symbol = &self.symbols[at as usize];
            if candidate.declaration && candidate.function && symbol.kind == ExportedKind::Indirect {
                self.declared.entry(at).or_insert(candidate.die);
            }
            let fit = match candidate {
                Candidate { declaration: true, .. } => Fit::Declared,
                // At another address it is another version of the symbol, or a stranger of the same name.
                Candidate { address: Some(address), .. } if symbol.kind != ExportedKind::ThreadLocal => {
                    if symbol.address == 0 || symbol.address == *address { Fit::Named } else { continue }
                }
                _ => Fit::Named,
            };
            keep(&mut self.found, symbol, at, fit, candidate);
        }
    }
}

fn keep(found: &mut [Option<(Fit, Die)>], symbol: &Exported<'_>, at: u32, fit: Fit, candidate: &Candidate<'_>) {
    let kind = if candidate.function { symbol.kind.may_be_function() } else { symbol.kind.may_be_variable() };
    let place = &mut found[at as usize];
    if kind && place.is_none_or(|(known, _)| known < fit) {
        *place = Some((fit, candidate.die));
    }
}
