//! The plugin as a broker: the process that stays, between a pod that connects and a switch that connects.
//!
//! Invariant: it says one line, when it is ready or why it never will be; from then on nobody listens.

use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use flyover_cni_core::broker::{READY, WORD};
use flyover_vhost::broker::Broker;

/// Is a broker until the process is ended, if the words of the command line ask for one.
pub(crate) fn run(words: &[PathBuf]) -> Option<ExitCode> {
    let [word, front, back] = words else { return None };
    if word != Path::new(WORD) {
        return None;
    }
    let done = serve(front, back);
    if let Err(error) = done {
        let _written = writeln!(std::io::stdout(), "{}", told(&*error));
    }
    Some(ExitCode::FAILURE)
}

/// An error and its causes, in one line.
fn told(error: &dyn Error) -> String {
    let causes = error.source().map(|cause| format!(": {}", told(cause)));
    format!("{error}{}", causes.unwrap_or_default())
}

fn serve(front: &Path, back: &Path) -> Result<(), Box<dyn Error>> {
    let broker = Broker::bind(front, back)?;
    // Whoever started us may go away, and so may the directory it was in.
    std::env::set_current_dir("/")?;
    writeln!(std::io::stdout(), "{READY}")?;
    broker.run()?;
    Ok(())
}
