//! How a command ends when it does not end well.

use std::{error::Error, process::ExitCode};

/// What went wrong and how the process exits.
pub(crate) struct Failure {
    error: Box<dyn Error + Send + Sync>,
    code: u8,
    hints: Vec<String>,
}

/// The result of a command.
pub(crate) type Outcome<T = ExitCode> = Result<T, Failure>;

/// Exit code: the request cannot be satisfied.
pub(crate) const UNSATISFIABLE: u8 = 3;
/// Exit code: the store is damaged.
pub(crate) const DAMAGED: u8 = 4;

impl Failure {
    /// A failure with a message of the command's own.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { error: message.into().into(), code: 1, hints: Vec::new() }
    }

    /// The view is not what the plan started from.
    pub(crate) fn stale() -> Self {
        Self { error: Box::new(Stale), code: 1, hints: Vec::new() }
    }

    /// Whether it is [`Failure::stale`].
    pub(crate) fn is_stale(&self) -> bool {
        self.error.is::<Stale>()
    }

    /// Whether it says that there is no store.
    pub(crate) fn is_no_store(&self) -> bool {
        matches!(self.error.downcast_ref(), Some(aleph_store::StoreError::Missing { .. }))
    }

    /// With this exit code.
    pub(crate) fn with_code(mut self, code: u8) -> Self {
        self.code = code;
        self
    }

    /// With one more thing to do about it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// What the process exits with.
    pub(crate) fn code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }

    /// The message and what caused it, outermost first.
    pub(crate) fn chain(&self) -> Vec<String> {
        let mut chain: Vec<String> = Vec::new();
        let mut next: Option<&(dyn Error + 'static)> = Some(self.error.as_ref());
        while let Some(error) = next {
            let text = error.to_string();
            // Some libraries repeat their cause.
            if chain.last().is_none_or(|last| !last.ends_with(&text)) {
                chain.push(text);
            }
            next = error.source();
        }
        chain
    }

    /// What to do about it.
    pub(crate) fn hints(&self) -> Vec<String> {
        let mut hints = self.hints.clone();
        hints.extend(crate::hints::all(self.error.as_ref()));
        hints.dedup();
        hints
    }
}

/// Another process changed the view between plan and application.
#[derive(Debug, thiserror::Error)]
#[error("the view was changed by another process")]
struct Stale;

impl<E: Error + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        let code = crate::hints::code_of(&error);
        Self { error: Box::new(error), code, hints: Vec::new() }
    }
}
