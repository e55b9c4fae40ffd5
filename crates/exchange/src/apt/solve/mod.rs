//! Finding the set of packages that a request needs.
//!
//! Two steps. First `mark.rs` walks the dependencies as apt does and chooses as apt would, without ever going back. If
//! these choices fit together, they are the solution: the set that `apt-get install` gives on a bare system. If they do
//! not, a SAT solver takes them as preferences, and finds the nearest set that does fit, or proves that there is none.

mod error;
mod explain;
mod mark;
mod provider;
mod request;
mod solution;
mod universe;

pub use error::{Offer, Reason, Step, Unsolvable};
pub use request::{Kept, Request, Upgrade, VersionChoice, Want, WantError};
pub use solution::{Chosen, Solution};

use crate::apt::index::PreparedIndex;

/// Finds the packages of `index` that `request` needs.
///
/// # Errors
/// If there is no such set; the error says why in words.
pub fn solve<'a>(index: &'a PreparedIndex, request: &'a Request<'a>) -> Result<Solution<'a>, Unsolvable> {
    let mut universe = universe::Universe::new(index, request);
    let demands = universe::demands(&mut universe)?;
    let marks = mark::mark(&mut universe, &demands);
    let marked: Vec<_> = marks.chosen.iter().flatten().copied().collect();
    if solution::fits(&mut universe, &demands, &marked) {
        return Ok(solution::assemble(universe, &demands, &marked));
    }
    let (universe, chosen) = provider::run(universe, &demands, &marks)?;
    Ok(solution::assemble(universe, &demands, &chosen))
}

#[cfg(test)]
mod tests;
