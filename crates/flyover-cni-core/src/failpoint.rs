//! Where a crash would hurt: a call before each side effect.
//!
//! Why: a test kills the plugin before its first, second, … side effect, lets DEL or the collection run, and looks whether
//! anything is left. In a program that is shipped the call does nothing.

/// Called before each side effect; `what` is for who reads a trace.
#[cfg(not(feature = "failpoints"))]
pub fn before(what: &str) {
    let _ = what;
}

/// Called before each side effect. `FLYOVER_FAILPOINT=n` kills the process, as by `kill -9`, before the n-th, and
/// `FLYOVER_FAILTRACE` names a file that gets a line for each.
#[cfg(feature = "failpoints")]
pub fn before(what: &str) {
    use std::io::Write;
    use std::sync::atomic::{AtomicU64, Ordering};

    static PASSED: AtomicU64 = AtomicU64::new(0);
    let number = PASSED.fetch_add(1, Ordering::SeqCst) + 1;
    if let Some(path) = std::env::var_os("FLYOVER_FAILTRACE")
        && let Ok(mut file) = std::fs::OpenOptions::new().append(true).create(true).open(path)
    {
        // A trace is for people; a test does not depend on it.
        let _written = writeln!(file, "{number} {what}");
    }
    let wanted = std::env::var("FLYOVER_FAILPOINT").ok().and_then(|n| n.parse::<u64>().ok());
    if wanted == Some(number) {
        // No destructor, no buffer, no handler: as a kill from outside.
        let _sent = nix::sys::signal::kill(nix::unistd::getpid(), nix::sys::signal::Signal::SIGKILL);
    }
}
