//! Whether an archive is still what it was: a key may sign several suites, and one must not take another's place.

use super::{InfoChange, SourceFailure, SourceWarning, state::ArchiveState};
use crate::apt::config::AptConfig;

/// Compares what an archive says of itself with what it said before, as apt does. What may change is a warning; numbers
/// change all the time.
pub(super) fn check(
    before: Option<&ArchiveState>,
    now: &ArchiveState,
    config: &AptConfig,
) -> Result<Vec<SourceWarning>, SourceFailure> {
    // Of an archive without a Release file nothing was heard.
    let Some(before) = before.filter(|before| before.release.is_some()) else { return Ok(Vec::new()) };
    let priority = |state: &ArchiveState| state.priority().to_string();
    let fields = [
        ("Origin", &before.origin, &now.origin),
        ("Label", &before.label, &now.label),
        ("Suite", &before.archive, &now.archive),
        ("Codename", &before.codename, &now.codename),
        ("DefaultPin", &priority(before), &priority(now)),
    ];
    let all = config.config.find_bool(SETTING);
    let (mut allowed, mut refused) = (Vec::new(), Vec::new());
    for (field, was, is) in fields.into_iter().filter(|(_, was, is)| was != is) {
        // That a release grows older is no surprise.
        let usually = field == "Suite" || all == Some(true);
        let change = InfoChange { field, was: was.clone(), is: is.clone() };
        match config.config.find_bool(&format!("{SETTING}::{field}")).unwrap_or(usually) {
            true => allowed.push(SourceWarning::Changed(change)),
            false => refused.push(change),
        }
    }
    if refused.is_empty() { Ok(allowed) } else { Err(SourceFailure::Changed { changes: refused }) }
}

/// apt's setting, as a whole or by field.
const SETTING: &str = "Acquire::AllowReleaseInfoChange";
