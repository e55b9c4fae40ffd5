//! What headers say, for one consumer.

use std::collections::HashSet;

use super::Types;
use crate::{
    Change,
    headers::{Headers, Known, compare},
    text::{bare, demangle},
};

/// The differences of the public headers that concern somebody who uses these exports of the old provider; `None` for
/// whoever may use any of it.
pub(super) fn find<'f>(
    (old, new): (&Headers, &Headers),
    types: Option<&dyn Types>,
    used: Option<impl Iterator<Item = &'f [u8]>>,
) -> Vec<Change> {
    let used = used.map(|names| names.map(|name| bare(&demangle(name)).to_owned()).collect());
    compare(old, new, &Reader { types, used })
}

struct Reader<'a> {
    types: Option<&'a dyn Types>,
    /// Functions by name, with scopes and without parameters.
    used: Option<HashSet<String>>,
}

impl Known for Reader<'_> {
    fn is_compared(&self, name: &str) -> bool {
        self.types.is_some_and(|types| types.describes(name))
    }

    fn uses(&self, function: &str) -> Option<bool> {
        let used = self.used.as_ref()?;
        let is_it = |name: &String| name == function || name.rsplit("::").next() == Some(function);
        Some(used.iter().any(is_it))
    }
}
