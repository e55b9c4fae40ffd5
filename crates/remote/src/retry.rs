//! Trying again what may go better the next time.

use std::{future::Future, time::Duration};

use backon::{ExponentialBuilder, Retryable as _};
use tonic::{Code, Status};

/// How often and when something is tried again: for about half a minute, in which a server has time to be started again.
fn pauses() -> ExponentialBuilder {
    let pauses = ExponentialBuilder::default().with_min_delay(Duration::from_millis(200));
    pauses.with_factor(2.0).with_max_delay(Duration::from_secs(8)).with_max_times(8).with_jitter()
}

/// Whether the same call may be answered otherwise a little later.
pub(crate) fn is_passing(status: &Status) -> bool {
    match status.code() {
        Code::Unavailable | Code::ResourceExhausted | Code::Aborted | Code::DeadlineExceeded => true,
        // A connection that broke while an answer was on its way is told so.
        Code::Unknown | Code::Internal | Code::Cancelled => {
            std::error::Error::source(status).is_some() || is_broken(status)
        }
        _ => false,
    }
}

/// What the transport says of a connection that ended too early.
fn is_broken(status: &Status) -> bool {
    ["h2 protocol error", "transport error", "connection", "RST_STREAM", "error reading a body"]
        .iter()
        .any(|text| status.message().contains(text))
}

/// Does something until it is done, cannot be done, or was tried often enough.
pub(crate) async fn retry<T, F>(attempt: impl FnMut() -> F) -> Result<T, Status>
where
    F: Future<Output = Result<T, Status>>,
{
    attempt.retry(pauses()).when(is_passing).await
}

/// The same for somebody who was never spoken to: most likely the address is wrong, or a certificate.
pub(crate) async fn retry_briefly<T, F>(attempt: impl FnMut() -> F) -> Result<T, Status>
where
    F: Future<Output = Result<T, Status>>,
{
    attempt.retry(pauses().with_max_times(2)).when(is_passing).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_for_good_is_not_tried_again() {
        for code in [Code::Unavailable, Code::ResourceExhausted, Code::Aborted, Code::DeadlineExceeded] {
            assert!(is_passing(&Status::new(code, "")), "{code:?}");
        }
        for code in [
            Code::InvalidArgument,
            Code::NotFound,
            Code::PermissionDenied,
            Code::Unauthenticated,
            Code::FailedPrecondition,
            Code::Unimplemented,
            Code::OutOfRange,
            Code::DataLoss,
            Code::Internal,
            Code::Unknown,
        ] {
            assert!(!is_passing(&Status::new(code, "no")), "{code:?}");
        }
        assert!(is_passing(&Status::new(Code::Unknown, "h2 protocol error: error reading a body from connection")));
    }
}
