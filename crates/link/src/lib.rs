//! Who binds to whom: which components a view has, what their slots are filled with, who keeps what it had, and which of
//! many new bindings is the one that does not work.
//!
//! Everything here decides and nothing acts: what components there are is asked of an [`Offers`], whether a binding works
//! of the caller.

mod bisect;
mod choose;
mod keep;
mod offers;
mod picture;

pub use bisect::first_bad;
pub use choose::{Asked, Blocked, ChooseError, Member, Moves, Why, choose};
pub use keep::Hold;
pub use offers::{Candidate, Offers};
pub use picture::{Card, Picture, Tone};
