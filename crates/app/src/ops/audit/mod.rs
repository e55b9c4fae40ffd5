//! Asking the store: what is in it, what of that is affected, who uses it, what runs with it, and what mends it.

mod fix;
pub(crate) mod journal;
mod processes;
pub(crate) mod quarantine;
mod stock;
mod uses;

pub(crate) use fix::{Fix, Outlook, fix};
pub(crate) use processes::{Running, running};
pub(crate) use stock::Stock;
pub(crate) use uses::{Use, Uses};
