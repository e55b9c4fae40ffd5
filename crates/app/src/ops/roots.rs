//! Everything outside the store that keeps things in it alive.

use aleph_store::{Root, Store, WriteLock};
use aleph_view::Views;

use crate::{failure::Outcome, ops::once};

/// The roots of all views. Views that were made for one `aleph run` are forgotten first, and so are those of projects
/// whose directory is gone; with `dry_run` they are only left out.
pub(crate) fn all(store: &Store, lock: &WriteLock, dry_run: bool) -> Outcome<Vec<Root>> {
    let mut roots = Vec::new();
    for view in Views::new(store).list()? {
        let orphaned = view.record.project.as_ref().is_some_and(|project| !project.exists());
        if once::is_once(&view.record.name) || orphaned {
            if !dry_run {
                view.delete(store, lock)?;
            }
            continue;
        }
        roots.extend(view.roots()?);
    }
    Ok(roots)
}
