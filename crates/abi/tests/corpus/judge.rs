//! Where the crate is asked. All that the corpus knows of its interface is in here.

use crate::{
    build::{Built, Variant},
    case::{Answer, Case},
};

/// What the crate says of a case.
#[derive(Debug)]
pub(crate) struct Judgement {
    pub(crate) answer: Answer,
    /// All reasons, a line each.
    pub(crate) reasons: String,
}

/// Asks for the verdict on a consumer: the files are in `built`; headers are shown if the case says so.
///
/// `None` as long as the crate has no verdict.
pub(crate) fn judge(_case: &Case, _built: &Built, _variant: Variant) -> Option<Judgement> {
    None
}
