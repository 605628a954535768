//! What is being waited for: a line that changes on a terminal, a line for each change elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The line.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    said: String,
    until: Instant,
}

impl Progress {
    /// Waiting that may take so long.
    pub(super) fn within(limit: Duration) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template("{spinner} {elapsed} {wide_msg}");
            bar.with_style(style.expect("the template is well-formed"))
        });
        Self { bar, said: String::new(), until: Instant::now() + limit }
    }

    /// Says what is waited for now.
    pub(super) fn say(&mut self, what: &str) {
        match &self.bar {
            Some(bar) => {
                bar.set_message(what.to_owned());
                bar.tick();
            }
            None if self.said != what => eprintln!("{what}"),
            None => {}
        }
        what.clone_into(&mut self.said);
    }

    /// Whether waiting has taken too long.
    pub(super) fn is_over(&self) -> bool {
        Instant::now() >= self.until
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
