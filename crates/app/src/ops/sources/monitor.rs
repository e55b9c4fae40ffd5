//! Downloads as one line of progress.

use std::{collections::HashMap, sync::Mutex};

use aleph_exchange::net::{Event, Monitor, TransferId};
use indicatif::ProgressBar;

use crate::output::Printer;

/// Shows what a fetcher does.
pub(super) struct Line<'a> {
    printer: &'a Printer,
    phase: &'static str,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    bar: Option<ProgressBar>,
    /// How much there is of each transfer.
    present: HashMap<TransferId, u64>,
    /// Whether somebody was told that something is tried again.
    retried: bool,
}

impl<'a> Line<'a> {
    pub(super) fn new(printer: &'a Printer, phase: &'static str) -> Self {
        Self { printer, phase, state: Mutex::default() }
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        self.printer.progress().clear();
    }
}

impl Monitor for Line<'_> {
    fn event(&self, event: &Event<'_>) {
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match event {
            Event::Planned { bytes, .. } => {
                state.present.clear();
                state.bar = Some(self.printer.progress().bytes(self.phase, *bytes));
            }
            Event::Started { id, present, .. } => {
                state.present.insert(*id, *present);
            }
            Event::Advanced { id, bytes } => *state.present.entry(*id).or_default() += bytes,
            Event::Restarted { id } => {
                state.present.insert(*id, 0);
            }
            // Where the network is gone every transfer says so, several times: once will do.
            Event::Retrying { why, .. } if !std::mem::replace(&mut state.retried, true) => {
                self.printer.note(&format!("{why}; trying again"));
            }
            Event::Waiting { .. } | Event::Locked { .. } => {
                self.printer.note("another process is downloading the same; waiting for it");
            }
            Event::Retrying { .. } | Event::Finished { .. } | Event::Failed { .. } => {}
        }
        if let Some(bar) = &state.bar {
            let present = state.present.values().sum();
            // A size that nobody announced is known only as it comes.
            bar.set_length(bar.length().unwrap_or(0).max(present));
            bar.set_position(present);
        }
    }
}
