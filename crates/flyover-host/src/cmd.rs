//! Starts processes: logged, bounded in time, with both their outputs in the error.
//!
//! Invariant: no other module of the house starts a process. A child inherits the network namespace of the
//! calling thread, so a caller that has entered one runs its tools there.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, setsid};

use crate::pidfd::Pidfd;

/// How long a tool may run unless told otherwise.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// A process to be started.
#[derive(Clone, Debug)]
pub struct Cmd {
    program: OsString,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    removed: Vec<OsString>,
    stdin: Vec<u8>,
    timeout: Duration,
    inherits: Option<Arc<OwnedFd>>,
}

/// How a process ended, and what it said.
#[derive(Clone, Debug)]
pub struct Ended {
    /// How.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

/// Why a process did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum CmdError {
    /// The program could not be started at all.
    #[error("failed to start `{command}`")]
    Start {
        /// What was to run.
        command: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// It ran and said no.
    #[error("`{command}` ended with {status}: {stderr}")]
    Failed {
        /// What ran.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// What it said on standard error.
        stderr: String,
    },
    /// It ran for too long and was killed.
    #[error("`{command}` did not end within {timeout:?}")]
    Timeout {
        /// What ran.
        command: String,
        /// How long it had.
        timeout: Duration,
    },
}

impl Cmd {
    /// A process with no arguments and empty standard input.
    #[must_use]
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            program: program.as_ref().to_owned(),
            args: Vec::new(),
            env: Vec::new(),
            removed: Vec::new(),
            stdin: Vec::new(),
            timeout: DEFAULT_TIMEOUT,
            inherits: None,
        }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(|a| a.as_ref().to_owned()));
        self
    }

    /// Sets a variable, besides those it inherits.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Keeps a variable from it that it would inherit.
    #[must_use]
    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Self {
        self.removed.push(name.as_ref().to_owned());
        self
    }

    /// Gives it something to read.
    #[must_use]
    pub fn stdin(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.stdin = input.into();
        self
    }

    /// Bounds its time.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Lets it inherit a descriptor when it runs to its end: what hangs on it, as a lock, then lasts as long as the
    /// process, also where we are killed before.
    #[must_use]
    pub fn inherits(mut self, descriptor: OwnedFd) -> Self {
        self.inherits = Some(Arc::new(descriptor));
        self
    }

    /// Runs it to its end; standard output is the result.
    pub fn run(self) -> Result<String, CmdError> {
        let command = self.to_string();
        let Ended { status, stdout, stderr } = self.end()?;
        if status.success() {
            Ok(stdout)
        } else {
            Err(CmdError::Failed { command, status, stderr: stderr.trim().to_owned() })
        }
    }

    /// Runs it to its end, whichever that is: for tools that say why they failed on standard output.
    pub fn end(self) -> Result<Ended, CmdError> {
        let command = self.to_string();
        tracing::debug!(%command, "starting");
        let started = Instant::now();
        let mut child = self.command();
        let leads = self.inherits.is_some();
        if let Some(descriptor) = self.inherits {
            // What it starts in turn has the descriptor too, and ends with it.
            child.process_group(0);
            first(&mut child, move || {
                fcntl(&*descriptor, FcntlArg::F_SETFD(FdFlag::empty()))?;
                Ok(())
            });
        }
        let pipes = child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child =
            pipes.spawn().map_err(|source| CmdError::Start { command: command.clone(), source })?;
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            unreachable!("all three were asked to be pipes");
        };
        let input = self.stdin;
        // A tool that ends without reading all of its input is judged by its exit status, not by our EPIPE.
        let feeder = thread::spawn(move || {
            let mut stdin = stdin;
            stdin.write_all(&input).is_ok()
        });
        let (out, err) = (drain(stdout), drain(stderr));
        let status = wait(&mut child, self.timeout, &command, leads)?;
        feeder.join().expect("the feeder does not panic");
        let stdout = out.join().expect("a drain does not panic");
        let stderr = err.join().expect("a drain does not panic");
        tracing::debug!(%command, %status, elapsed = ?started.elapsed(), "ended");
        Ok(Ended { status, stdout, stderr })
    }

    /// Runs it in the foreground on our own standard streams, without a bound in time; tells how it ended.
    pub fn foreground(self) -> Result<ExitStatus, CmdError> {
        let command = self.to_string();
        self.command().status().map_err(|source| CmdError::Start { command, source })
    }

    /// Starts it in a session of its own, its outputs appended to `log`, and leaves it to itself.
    pub fn daemon(self, log: std::fs::File) -> Result<Child, CmdError> {
        let command = self.to_string();
        let start = |source| CmdError::Start { command: command.clone(), source };
        let second = log.try_clone().map_err(start)?;
        let mut child = self.command();
        child.stdin(Stdio::null()).stdout(log).stderr(second);
        first(&mut child, || {
            setsid()?;
            Ok(())
        });
        child.spawn().map_err(start)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.args);
        for name in &self.removed {
            command.env_remove(name);
        }
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }
}

impl fmt::Display for Cmd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.program.to_string_lossy())?;
        self.args.iter().try_for_each(|a| write!(f, " {}", a.to_string_lossy()))
    }
}

/// What the child does before it becomes the program: one system call, no more.
#[expect(unsafe_code, reason = "what a child does before it becomes a program cannot be checked")]
fn first(command: &mut Command, call: impl FnMut() -> std::io::Result<()> + Send + Sync + 'static) {
    // SAFETY: between fork and exec only calls that are safe in a signal's handler are allowed; both callers make one
    // system call, allocate nothing and take no lock.
    unsafe { command.pre_exec(call) };
}

/// Where a program is, looked for where starting it will look.
#[must_use]
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|file| is_executable(file))
}

fn is_executable(file: &Path) -> bool {
    let mode = |meta: std::fs::Metadata| std::os::unix::fs::PermissionsExt::mode(&meta.permissions());
    file.is_file() && file.metadata().is_ok_and(|meta| mode(meta) & 0o111 != 0)
}

fn drain(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read before an error is all there is to say.
        let _read = pipe.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn wait(child: &mut Child, timeout: Duration, command: &str, leads: bool) -> Result<ExitStatus, CmdError> {
    let failed = |source| CmdError::Start { command: command.to_owned(), source };
    // It is our child and not waited for, so its number is nobody else's.
    let process = Pidfd::open(child.id()).map_err(failed)?;
    if process.map_or(Ok(true), |process| process.ends_within(timeout)).map_err(failed)? {
        return child.wait().map_err(failed);
    }
    if leads {
        // It is not waited for yet, so its group is nobody else's.
        let _gone = killpg(Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL);
    }
    child.kill().map_err(failed)?;
    child.wait().map_err(failed)?;
    Err(CmdError::Timeout { command: command.to_owned(), timeout })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_output_of_a_tool_is_its_result() {
        assert_eq!(Cmd::new("cat").stdin("hello").run().unwrap(), "hello");
    }

    #[test]
    fn a_tool_that_fails_has_still_said_something() {
        let ended = Cmd::new("sh").args(["-c", "echo $WORD; exit 3"]).env("WORD", "because").end().unwrap();
        assert_eq!((ended.status.code(), ended.stdout.as_str()), (Some(3), "because\n"));
    }

    #[test]
    fn a_variable_that_is_removed_is_not_inherited() {
        let told = || Cmd::new("sh").args(["-c", "echo ${CARGO_PKG_NAME-none}"]);
        assert_eq!(told().run().unwrap(), "flyover-host\n");
        assert_eq!(told().env_remove("CARGO_PKG_NAME").run().unwrap(), "none\n");
    }

    #[test]
    fn a_failure_names_the_command_and_quotes_what_it_said() {
        let error = Cmd::new("sh").args(["-c", "echo no such thing >&2; exit 3"]).run().unwrap_err();
        assert_eq!(
            error.to_string(),
            "`sh -c echo no such thing >&2; exit 3` ended with exit status: 3: no such thing"
        );
    }

    #[test]
    fn a_descriptor_is_inherited_and_a_daemon_has_a_session_of_its_own() {
        let file = tempfile::tempfile().unwrap();
        let number = std::os::fd::AsRawFd::as_raw_fd(&file);
        let script = format!("[ -e /proc/self/fd/{number} ] && echo there");
        let tool = || Cmd::new("sh").args(["-c", &script]);
        assert_eq!(tool().end().unwrap().stdout, "");
        assert_eq!(tool().inherits(file.into()).end().unwrap().stdout, "there\n");
        let null = std::fs::File::options().write(true).open("/dev/null").unwrap();
        let mut child = Cmd::new("sleep").args(["60"]).daemon(null).unwrap();
        let pid = Pid::from_raw(child.id().cast_signed());
        let session = nix::unistd::getsid(Some(pid));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(session, Ok(pid));
    }

    #[test]
    fn a_tool_that_hangs_is_killed() {
        let error = Cmd::new("sleep").args(["60"]).timeout(Duration::from_millis(50)).run().unwrap_err();
        assert!(matches!(error, CmdError::Timeout { .. }), "{error}");
    }

    #[test]
    fn a_program_is_found_where_the_system_would_find_it() {
        assert!(find("sh").is_some_and(|file| file.is_absolute()));
        assert_eq!(find("no-such-tool"), None);
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = Cmd::new("/nonexistent/tool").run().unwrap_err();
        assert_eq!(error.to_string(), "failed to start `/nonexistent/tool`");
    }
}
