//! Trying again after a passing failure, ever more slowly.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

use super::{error::FetchError, settings::Settings};

const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// The waits between the attempts of one transfer.
#[derive(Debug)]
pub(super) struct Retry {
    builder: ExponentialBuilder,
    waits: ExponentialBackoff,
}

impl Retry {
    pub(super) fn new(settings: &Settings) -> Self {
        let builder = ExponentialBuilder::default()
            .with_min_delay(settings.backoff)
            .with_max_delay(LONGEST_WAIT)
            .with_max_times(settings.retries as usize)
            .with_jitter();
        Self { builder, waits: builder.build() }
    }

    /// Begins to count anew: there was progress.
    pub(super) fn reset(&mut self) {
        self.waits = self.builder.build();
    }

    /// How long to wait before the next attempt after `why`; `None` if there is to be no other.
    pub(super) fn wait(&mut self, why: &FetchError) -> Option<Duration> {
        if !why.is_transient() {
            return None;
        }
        let wait = self.waits.next()?;
        match why {
            FetchError::Status { retry_after: Some(after), .. } => Some(wait.max(*after).min(LONGEST_WAIT)),
            _ => Some(wait),
        }
    }
}
