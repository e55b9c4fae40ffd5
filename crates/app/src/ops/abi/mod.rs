//! Judging binaries: from files, packages and directories to verdicts.

pub(crate) mod around;
pub(crate) mod check;
pub(crate) mod diff;
pub(crate) mod impact;
pub(crate) mod judging;
pub(crate) mod moved;
pub(crate) mod pairs;
pub(crate) mod side;
pub(crate) mod stored;
pub(crate) mod suppress;
pub(crate) mod types;
