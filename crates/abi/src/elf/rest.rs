//! The part of facts that is long and seldom looked at: what a file offers. Stored facts have it read when it is asked
//! for, so that thousands of consumers can be judged by what they need.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use super::{
    Symbol, codec,
    names::{Name, Names},
    sketch::Sketch,
};

/// What a file offers, and what it may look up.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rest {
    /// The names of stored facts: those of facts that were just read are with all others.
    pub(crate) names: Names,
    pub(crate) exports: Vec<Symbol>,
    pub(crate) members: Vec<Name>,
    pub(crate) strings: Vec<Name>,
}

impl Rest {
    /// One of its own names.
    pub(super) fn name(&self, name: Name) -> &[u8] {
        name.of_rest().map(|name| self.names.get(name)).unwrap_or_default()
    }
}

/// Finds the stored bytes of the rest.
pub(crate) type Source = Arc<dyn Fn() -> Option<Vec<u8>> + Send + Sync>;

/// The rest of some facts, there or to be read.
#[derive(Clone, Default)]
pub(crate) struct Lazy {
    /// Nothing, if it could not be read.
    known: OnceLock<Option<Rest>>,
    source: Option<Source>,
    /// Which names may be in it, where it is still to be read.
    pub(super) sketches: Option<Sketches>,
}

/// Which names may be in the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sketches {
    pub(crate) exports: Sketch,
    pub(crate) strings: Sketch,
}

impl fmt::Debug for Lazy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.known.fmt(f)
    }
}

impl Lazy {
    /// The rest of facts that are being read.
    pub(super) fn empty() -> Self {
        Self { known: OnceLock::from(Some(Rest::default())), ..Self::default() }
    }

    pub(super) fn later(source: Source, sketches: Sketches) -> Self {
        Self { known: OnceLock::new(), source: Some(source), sketches: Some(sketches) }
    }

    pub(super) fn now(rest: Rest) -> Self {
        Self { known: OnceLock::from(Some(rest)), ..Self::default() }
    }

    /// What is to be changed, while facts are being read.
    pub(super) fn edit(&mut self) -> &mut Rest {
        self.known.get_mut().and_then(Option::as_mut).expect("facts that are being read have all parts")
    }

    /// Reads it, for a file with so many version nodes.
    pub(super) fn get(&self, nodes: usize) -> &Rest {
        static NOTHING: Rest =
            Rest { names: Names { bytes: Vec::new() }, exports: Vec::new(), members: Vec::new(), strings: Vec::new() };
        let read = || codec::read_rest((self.source.as_ref()?)()?, nodes).ok();
        self.known.get_or_init(read).as_ref().unwrap_or(&NOTHING)
    }

    /// Whether it was asked for and could not be read.
    pub(super) fn is_lost(&self) -> bool {
        matches!(self.known.get(), Some(None))
    }
}
