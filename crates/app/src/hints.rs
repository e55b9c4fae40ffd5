//! What to do about an error, by kind. Hints are data of the libraries' errors, put into words here.

use std::{error::Error, io};

use aleph_build::GraphError;
use aleph_exchange::{
    apt::{
        solve::{Reason, Unsolvable},
        update::SourceFailure,
    },
    net::{Advice, FetchError},
};
use aleph_sandbox::{EnterError, workshop::WorkshopError};
use aleph_store::{FormatError, StoreError};
use aleph_view::{ConfigureError, ProjectError, ViewError};

use crate::failure::{DAMAGED, UNSATISFIABLE};

/// What to do about this error; its causes are asked separately.
fn of(error: &(dyn Error + 'static)) -> Vec<String> {
    if let Some(error) = error.downcast_ref::<io::Error>() {
        return io_hints(error);
    }
    if let Some(error) = error.downcast_ref::<FetchError>() {
        return vec![advice(error.advice()).to_owned()];
    }
    if let Some(error) = store_error(error) {
        return store_hints(error);
    }
    match error.downcast_ref() {
        Some(ViewError::NoGeneration { .. }) => return vec!["`aleph history` lists the generations".to_owned()],
        Some(ViewError::Gone { .. }) => return vec!["run this again".to_owned()],
        Some(ViewError::Damaged { .. }) => {
            return vec![
                "`aleph store repair` mends what can be mended; `aleph rollback` goes back to a generation that is whole"
                    .to_owned(),
            ];
        }
        _ => {}
    }
    if let Some(SourceFailure::Changed { .. }) = error.downcast_ref() {
        let setting = "Acquire::AllowReleaseInfoChange \"true\";";
        return vec![format!("if that is right, accept it with `{setting}` in apt's configuration, and update again")];
    }
    if let Some(ProjectError::Foreign { .. }) = error.downcast_ref() {
        return vec!["take the file over with chown if you trust it, or name a view with --view".to_owned()];
    }
    if let Some(error) = error.downcast_ref::<Unsolvable>() {
        let apart = |reason: &Reason| matches!(reason, Reason::Conflict { .. } | Reason::Versions { .. });
        let hint = "put one of them into another view (`aleph --view NAME add …`), or `aleph remove` it first";
        return error.reasons.iter().any(apart).then(|| hint.to_owned()).into_iter().collect();
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
        next = error.source().filter(|_| !is_of_the_kernel(error));
    }
    hints.dedup();
    hints
}

/// Whether what is below is the kernel's reason not to make a namespace, mount or program of a view's: it reads like a
/// file's, and is no matter of the store's.
fn is_of_the_kernel(error: &(dyn Error + 'static)) -> bool {
    let entering = error.downcast_ref::<EnterError>();
    entering.is_some_and(|error| !matches!(error, EnterError::Layer { .. }))
        || matches!(error.downcast_ref(), Some(WorkshopError::Namespaces { .. }))
}

/// What a store said, also where another error stands for it.
fn store_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a StoreError> {
    match (error.downcast_ref(), error.downcast_ref()) {
        (Some(ViewError::Store(error)), _) | (_, Some(ConfigureError::Store(error))) => Some(error),
        _ => error.downcast_ref(),
    }
}

fn advice(advice: Advice) -> &'static str {
    match advice {
        Advice::GoOnline => "run this again without --offline",
        Advice::CheckNetwork => {
            "look at the network connection, the name of the host, and http_proxy and https_proxy if they are set"
        }
        Advice::CheckProxy => "look at Acquire::http::Proxy in apt's configuration and at http_proxy and https_proxy",
        Advice::CheckCertificates => "look at Acquire::https::CaInfo in apt's configuration and at SSL_CERT_FILE",
        Advice::CheckCredentials => "look at the user name and password in apt's auth.conf",
        Advice::UpdateSources => "`aleph source update`: what was heard of the source is older than the source",
        Advice::TryLater => "try again later: the server has trouble",
        Advice::FreeSpace => "free space on the file system of the cache",
        Advice::CheckFiles => "look at the owner and permissions of that file's directory",
    }
}

/// The exit code that an error asks for: its own, or that of what caused it.
pub(crate) fn code_of(error: &(dyn Error + 'static)) -> u8 {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(code) = own_code(error) {
            return code;
        }
        next = error.source();
    }
    1
}

fn own_code(error: &(dyn Error + 'static)) -> Option<u8> {
    let is_damaged = |error: &StoreError| {
        matches!(error, StoreError::Manifest { .. } | StoreError::Format(FormatError::Damaged { .. }))
            || error.is_damaged_database()
    };
    match error.downcast_ref() {
        Some(EnterError::CommandNotFound { .. }) => return Some(127),
        Some(EnterError::NotExecutable { .. }) => return Some(126),
        _ => {}
    }
    if store_error(error).is_some_and(is_damaged) || matches!(error.downcast_ref(), Some(ViewError::Damaged { .. })) {
        return Some(DAMAGED);
    }
    (error.is::<Unsolvable>() || error.is::<GraphError>()).then_some(UNSATISFIABLE)
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

/// The longest path that SQLite opens.
const LONGEST: usize = 500;

fn store_hints(error: &StoreError) -> Vec<String> {
    let hint = match error {
        StoreError::Missing { .. } => "`aleph add PACKAGE` makes a store",
        StoreError::Format(FormatError::Version { .. } | FormatError::Feature { .. }) => {
            "another version of aleph made it: use that one, or another store with --store DIR"
        }
        StoreError::Mistaken { .. } => {
            "`aleph source update`; if it stays so, the source is wrong about that archive: choose another version"
        }
        StoreError::Database { .. } if error.is_full_database() => {
            "free space on that file system: `aleph store gc` removes what no generation needs; if that finds no room to \
             work in either, something else has to go first"
        }
        StoreError::Database { path, .. } if path.as_os_str().len() > LONGEST => {
            "its path is too long for a database: choose a store with a shorter one with --store DIR"
        }
        StoreError::Manifest { .. } | StoreError::Database { .. } => "`aleph store repair` mends what can be mended",
        _ => return Vec::new(),
    };
    vec![hint.to_owned()]
}

#[cfg(test)]
mod tests {
    use aleph_component::{ComponentId, Digest};
    use aleph_exchange::apt::update::InfoChange;
    use aleph_sandbox::probe::Forbidden;

    use super::*;

    fn io(code: i32) -> io::Error {
        io::Error::from_raw_os_error(code)
    }

    fn damaged() -> StoreError {
        let source = serde_json::from_str::<u8>("x").expect_err("it is no number");
        StoreError::Manifest { path: "x".into(), source: source.into() }
    }

    fn check(error: &(dyn Error + 'static), expected: &[&str]) {
        let hints = all(error);
        assert_eq!(hints.len(), expected.len(), "{hints:?}");
        for (hint, expected) in hints.iter().zip(expected) {
            assert!(hint.contains(expected), "{hint}");
        }
    }

    #[test]
    fn the_kernels_reasons_are_not_taken_for_the_file_systems() {
        let prepare = |code| EnterError::Prepare { doing: "make a namespace", source: io(code) };
        check(&prepare(libc::EPERM), &[]);
        let reason = Forbidden::LimitReached;
        check(&EnterError::Namespaces { reason, source: io(libc::ENOSPC) }, &[reason.hint()]);
        check(&WorkshopError::Namespaces { reason, source: io(libc::EPERM) }, &[reason.hint()]);
        check(&prepare(libc::ENOSPC), &[]);
        let layer = EnterError::Layer { path: "x".into(), source: io(libc::EACCES) };
        check(&layer, &["use a store of your own"]);
        check(&io(libc::ENOSPC), &["free space"]);
        check(&ViewError::Store(damaged()), &["`aleph store repair`"]);
    }

    #[test]
    fn what_a_source_says_wrongly_has_a_hint() {
        let change = InfoChange { field: "Suite", was: "stable".into(), is: "testing".into() };
        check(&SourceFailure::Changed { changes: vec![change] }, &["Acquire::AllowReleaseInfoChange"]);
        let id = ComponentId::from_digest(Digest::of(b""));
        check(&StoreError::Mistaken { id, chosen: "a".into(), found: "b".into() }, &["`aleph source update`"]);
    }

    #[test]
    fn a_damaged_store_has_its_own_code_wherever_it_is_found() {
        #[derive(Debug, thiserror::Error)]
        #[error("outer")]
        struct Outer(#[source] Box<dyn Error + Send + Sync>);

        let check = |error: &(dyn Error + 'static), expected| assert_eq!(code_of(error), expected, "{error}");
        check(&damaged(), DAMAGED);
        check(&ViewError::Store(damaged()), DAMAGED);
        check(&ConfigureError::Store(damaged()), DAMAGED);
        check(&Outer(damaged().into()), DAMAGED);
        let source = serde_json::from_str::<u8>("").expect_err("it is no number");
        check(&ViewError::Damaged { path: "x".into(), source }, DAMAGED);
        check(&Outer(io(libc::EPERM).into()), 1);
    }
}
