//! What to do about an error, by kind. Hints are data of the libraries' errors, put into words here.

use std::{error::Error, io};

use aleph_exchange::net::{Advice, FetchError};
use aleph_sandbox::{EnterError, workshop::WorkshopError};
use aleph_store::StoreError;
use aleph_view::{ProjectError, ViewError};

use crate::failure::{DAMAGED, UNSATISFIABLE};

/// What to do about this error; its causes are asked separately.
fn of(error: &(dyn Error + 'static)) -> Vec<String> {
    if let Some(error) = error.downcast_ref::<io::Error>() {
        return io_hints(error);
    }
    if let Some(error) = error.downcast_ref::<FetchError>() {
        return vec![advice(error.advice()).to_owned()];
    }
    if let Some(error) = error.downcast_ref::<StoreError>() {
        return store_hints(error);
    }
    if let Some(ViewError::NoGeneration { .. }) = error.downcast_ref() {
        return vec!["`aleph history` lists the generations".to_owned()];
    }
    if let Some(ProjectError::Foreign { .. }) = error.downcast_ref() {
        return vec!["take the file over with chown if you trust it, or name a view with --view".to_owned()];
    }
    if let Some(error) = error.downcast_ref::<EnterError>() {
        return enter_hints(error);
    }
    if let Some(WorkshopError::Namespaces { reason, .. }) = error.downcast_ref() {
        return vec![reason.hint().to_owned()];
    }
    Vec::new()
}

/// What to do about this error and its causes.
pub(crate) fn all(error: &(dyn Error + 'static)) -> Vec<String> {
    let mut hints = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        hints.extend(of(error));
        // What cannot be run is a file of the view's: the kernel's reason is no matter of the store's.
        let ends = matches!(error.downcast_ref(), Some(EnterError::NotExecutable { .. }));
        next = error.source().filter(|_| !ends);
    }
    hints.dedup();
    hints
}

fn advice(advice: Advice) -> &'static str {
    match advice {
        Advice::GoOnline => "run this again without --offline",
        Advice::CheckNetwork => "look at the network connection and the name of the host",
        Advice::CheckProxy => "look at Acquire::http::Proxy in apt's configuration and at http_proxy and https_proxy",
        Advice::CheckCertificates => "look at Acquire::https::CaInfo in apt's configuration and at SSL_CERT_FILE",
        Advice::CheckCredentials => "look at the user name and password in apt's auth.conf",
        Advice::UpdateSources => "`aleph source update`: what was heard of the source is older than the source",
        Advice::TryLater => "try again later: the server has trouble",
        Advice::FreeSpace => "free space on the file system of the cache",
        Advice::CheckFiles => "look at the owner and permissions of that file's directory",
    }
}

/// The exit code that an error asks for.
pub(crate) fn code_of(error: &(dyn Error + 'static)) -> u8 {
    match (error.downcast_ref::<StoreError>(), error.downcast_ref::<EnterError>()) {
        (Some(StoreError::Manifest { .. }), _) => DAMAGED,
        (Some(error), _) if error.is_damaged_database() => DAMAGED,
        (_, Some(EnterError::CommandNotFound { .. })) => 127,
        (_, Some(EnterError::NotExecutable { .. })) => 126,
        _ if error.is::<aleph_exchange::apt::solve::Unsolvable>() => UNSATISFIABLE,
        _ => 1,
    }
}

fn enter_hints(error: &EnterError) -> Vec<String> {
    match error {
        EnterError::CommandNotFound { command } => {
            let command = command.display();
            vec![format!("`aleph search {command}` finds packages; `aleph add PACKAGE` puts one into the view")]
        }
        EnterError::Namespaces { reason, .. } | EnterError::Overlay { reason, .. } => vec![reason.hint().to_owned()],
        _ => Vec::new(),
    }
}

fn io_hints(error: &io::Error) -> Vec<String> {
    let hint = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free space on that file system: `aleph view prune` forgets old generations, `aleph store gc` removes what \
             no generation needs; nothing was changed"
        }
        io::ErrorKind::PermissionDenied => {
            "use a store of your own (the default for users, or --store DIR), or run this as the owner of the store"
        }
        io::ErrorKind::ReadOnlyFilesystem => "choose a store on a writable file system with --store DIR",
        _ => return Vec::new(),
    };
    vec![hint.to_owned()]
}

fn store_hints(error: &StoreError) -> Vec<String> {
    let hint = match error {
        StoreError::Missing { .. } => "`aleph add PACKAGE` makes a store",
        StoreError::Format(_) => "use a newer version of aleph, or another store with --store DIR",
        StoreError::Manifest { .. } | StoreError::Database { .. } => "`aleph store repair` mends what can be mended",
        _ => return Vec::new(),
    };
    vec![hint.to_owned()]
}
