//! One honest progress display: one line, a phase and how far it is.

use std::sync::Mutex;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The display. Shows nothing when standard error is no terminal.
pub(crate) struct Progress {
    enabled: bool,
    bar: Mutex<Option<ProgressBar>>,
}

impl Progress {
    pub(crate) fn new(enabled: bool) -> Self {
        Self { enabled, bar: Mutex::new(None) }
    }

    /// Whether anybody sees it.
    pub(crate) fn is_shown(&self) -> bool {
        self.enabled
    }

    /// A phase that is counted in bytes.
    pub(crate) fn bytes(&self, phase: &str, total: u64) -> ProgressBar {
        self.start(phase, total, "{msg:<12} {bar:30} {bytes:>10} of {total_bytes} {bytes_per_sec:>12} {eta:>4}")
    }

    /// A phase whose length nobody knows.
    pub(crate) fn busy(&self, phase: &str) -> ProgressBar {
        let bar = self.start(phase, 0, "{msg:<12} {spinner} {elapsed}");
        bar.enable_steady_tick(std::time::Duration::from_millis(120));
        bar
    }

    /// Takes the display away.
    pub(crate) fn clear(&self) {
        if let Some(bar) = self.slot().take() {
            bar.finish_and_clear();
        }
    }

    /// Prints something with the display out of the way.
    pub(crate) fn suspend(&self, print: impl FnOnce()) {
        let bar = self.slot().clone();
        match bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    fn start(&self, phase: &str, total: u64, template: &str) -> ProgressBar {
        self.clear();
        let target = if self.enabled { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(total), target);
        let style = ProgressStyle::with_template(template).expect("the template is valid");
        bar.set_style(style.progress_chars("━╸─"));
        bar.set_message(phase.to_owned());
        *self.slot() = Some(bar.clone());
        bar
    }

    fn slot(&self) -> std::sync::MutexGuard<'_, Option<ProgressBar>> {
        self.bar.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
