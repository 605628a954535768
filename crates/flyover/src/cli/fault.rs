//! What a person sees when something failed: what and which, why, and what to do.

use std::fmt;
use std::process::ExitCode;

/// How a run ends when not with success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It failed.
    Failed = 1,
    /// Wrong usage or invalid input.
    Usage = 2,
    /// The state differs from what was asked.
    Differs = 3,
    /// Not possible on this machine.
    Impossible = 4,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A context for [`anyhow::Error`] that carries the exit code and a hint.
#[derive(Debug)]
pub(crate) struct Fault {
    exit: Exit,
    what: String,
    hint: Option<String>,
}

impl Fault {
    /// A fault that says what failed.
    pub(crate) fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self { exit, what: what.into(), hint: None }
    }

    /// Adds what the user can do.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Fault {}

/// Prints the error, its causes and its hint; the exit code is the outermost fault's.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    say(error);
    error.downcast_ref::<Fault>().map_or(Exit::Failed, |fault| fault.exit).into()
}

/// Prints the error, its causes and what can be done; a library's error says that on a line of its own.
pub(crate) fn say(error: &anyhow::Error) {
    let mut hints = Vec::new();
    for (depth, each) in error.chain().enumerate() {
        let text = each.to_string();
        let (what, hint) = text.split_once("\n  hint: ").unwrap_or((&text, ""));
        if depth == 0 {
            eprintln!("error: {what}");
        } else {
            eprintln!("  cause: {what}");
        }
        hints.push(hint.to_owned());
    }
    hints.extend(error.downcast_ref::<Fault>().and_then(|fault| fault.hint.clone()));
    hints.iter().filter(|hint| !hint.is_empty()).for_each(|hint| eprintln!("  hint:  {hint}"));
}

/// Ends with an error unless the user may change machines.
pub(crate) fn root_only(what: &str) -> anyhow::Result<()> {
    if nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    Err(Fault::new(Exit::Failed, format!("only root can change {what}")).hint("run it with sudo").into())
}
