//! Running maintainer scripts.

use aleph_component::Entry;
use aleph_store::{Store, WriteLock};
use aleph_view::{CaptureRef, Generation, Layers, View};

use super::compose::Material;
use crate::{failure::Outcome, host::Host, output::Printer};

pub(crate) struct Input<'a> {
    pub(crate) host: &'a Host,
    pub(crate) printer: &'a Printer,
    pub(crate) store: &'a Store,
    pub(crate) view: &'a View,
    pub(crate) before: Option<&'a Generation>,
    pub(crate) material: &'a [Material],
    pub(crate) entries: &'a [Entry],
    pub(crate) layers: &'a Layers,
}

#[derive(Default)]
pub(crate) struct Done {
    pub(crate) entries: Vec<Entry>,
    pub(crate) reference: Option<CaptureRef>,
    pub(crate) warnings: Vec<String>,
}

pub(crate) fn run(_input: &Input<'_>, _lock: &mut WriteLock) -> Outcome<Done> {
    Ok(Done::default())
}
