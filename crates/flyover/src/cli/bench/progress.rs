//! A line that says how far a comparison is: on a terminal, never in a pipe.

use std::io::IsTerminal;

use flyover_latency::compare::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The line.
pub(crate) struct Line(ProgressBar);

impl Line {
    /// Nothing is drawn unless standard error is a terminal.
    pub(crate) fn new() -> Self {
        let target = if std::io::stderr().is_terminal() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let style = ProgressStyle::with_template("{bar:24} {pos}/{len}  {msg}  {eta} left");
        let bar = ProgressBar::with_draw_target(None, target);
        Self(bar.with_style(style.expect("the template is well-formed")))
    }

    /// Draws it anew.
    pub(crate) fn update(&self, progress: &Progress) {
        self.0.set_length(progress.all as u64);
        self.0.set_position(progress.done as u64);
        self.0.set_message(format!("round {}: {} on {}", progress.round, progress.case, progress.path));
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
