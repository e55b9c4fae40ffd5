//! What there is to choose from.

use std::sync::Arc;

use aleph_component::{ComponentId, Native};

/// A component that can be linked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Candidate {
    /// What it is called: what fills a slot has the slot's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its id.
    pub id: ComponentId,
}

/// The native components there are.
pub trait Offers {
    /// Why one could not be read.
    type Error;

    /// All that have a name, the newest first.
    fn named(&self, name: &str) -> &[Candidate];

    /// How one of them is linked.
    ///
    /// # Errors
    /// If it cannot be read.
    fn native(&mut self, candidate: &Candidate) -> Result<Arc<Native>, Self::Error>;

    /// The one of this name that has this id.
    fn with_id(&self, name: &str, id: &ComponentId) -> Option<Candidate> {
        self.named(name).iter().find(|candidate| candidate.id == *id).cloned()
    }

    /// The newest of this name.
    fn newest(&self, name: &str) -> Option<Candidate> {
        self.named(name).first().cloned()
    }

    /// Where among those of its name it is, the newest first.
    fn rank(&self, candidate: &Candidate) -> usize {
        let named = self.named(&candidate.name);
        named.iter().position(|known| known.id == candidate.id).unwrap_or(named.len())
    }
}
