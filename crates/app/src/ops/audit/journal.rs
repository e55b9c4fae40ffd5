//! Putting on record what is done to the store and its views.

use aleph_audit::{Entry, Journal};
use aleph_store::{Store, WriteLock};

use crate::{failure::Outcome, host::Host, output::Printer};

/// What is put on record, as long as the store's lock is held.
pub(crate) struct Deed<'a> {
    /// In a word.
    pub(crate) did: &'a str,
    /// The view, if it was done to one.
    pub(crate) view: Option<&'a str>,
    /// The rest, in words.
    pub(crate) what: String,
}

/// Records what is about to be done. What cannot be put on record is not done.
pub(crate) fn record(host: &Host, store: &Store, _lock: &WriteLock, deed: Deed<'_>) -> Outcome<()> {
    let Deed { did, view, what } = deed;
    let entry =
        Entry { at: Host::now(), by: host.login.clone(), did: did.to_owned(), view: view.map(str::to_owned), what };
    Ok(Journal::append(store.layout().root(), entry)?)
}

/// Records what was done and has to be possible also where nothing can be written down, such as on a full disk.
pub(crate) fn try_to_record(host: &Host, printer: &Printer, store: &Store, lock: &WriteLock, deed: Deed<'_>) {
    if let Err(failure) = record(host, store, lock, deed) {
        printer.warning(&format!("it is not on record: {}", failure.chain().join(": ")));
    }
}
