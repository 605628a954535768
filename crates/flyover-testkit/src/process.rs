//! Processes of a rig: each dies with the program that started it, and is ended by its own id.
//!
//! Invariant: none outlives the test program, also one that is killed. The kernel kills a child when the thread that
//! started it ends, so all are started by one thread that lives as long as the program.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use flyover_host::cmd::Cmd;
use flyover_net::netns::Netns;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How much of what a process said stands in an error.
const TOLD_LINES: usize = 15;

/// How often a process is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// A process that a rig started.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a command, in a named network namespace if there is one; what it prints is appended to `log`.
    pub fn start(
        name: &str,
        command: &[String],
        namespace: Option<&str>,
        log: &Path,
    ) -> anyhow::Result<Self> {
        let output = File::options().create(true).append(true).open(log);
        let output = output.with_context(|| format!("failed to open `{}`", log.display()))?;
        // None of the tools before it forks: the process that is started becomes the command.
        let command = Cmd::new("setpriv").args(["--pdeathsig", "KILL"]).args(command);
        let namespace = namespace.map(Netns::named).transpose()?;
        let child = on_starter(move || match namespace {
            Some(namespace) => {
                namespace.run(|| command.daemon(output)).map(|started| started.map_err(anyhow::Error::from))
            }
            None => Ok(command.daemon(output).map_err(anyhow::Error::from)),
        })??;
        Ok(Self { name: name.to_owned(), child, log: log.to_owned() })
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let id = i32::try_from(self.id()).expect("the kernel's ids are positive and small");
        kill(Pid::from_raw(id), signal).with_context(|| format!("failed to send {signal} to {}", self.name))
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> anyhow::Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// Waits until it ends by itself.
    pub fn wait(&mut self, limit: Duration) -> anyhow::Result<Option<ExitStatus>> {
        let deadline = Instant::now() + limit;
        loop {
            match self.child.try_wait()? {
                None if Instant::now() < deadline => thread::sleep(LOOK),
                ended => return Ok(ended),
            }
        }
    }

    /// Asks it to end, also if it is stopped, and kills it if it does not within the limit.
    pub fn end(&mut self, signal: Signal, limit: Duration) -> anyhow::Result<ExitStatus> {
        if let Some(status) = self.child.try_wait()? {
            return Ok(status);
        }
        self.signal(signal)?;
        self.signal(Signal::SIGCONT)?;
        if let Some(status) = self.wait(limit)? {
            return Ok(status);
        }
        self.child.kill()?;
        Ok(self.child.wait()?)
    }

    /// Waits until something holds; an error if the process ends before, or the time is over.
    pub fn until(
        &mut self,
        what: &str,
        limit: Duration,
        mut holds: impl FnMut() -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let deadline = Instant::now() + limit;
        while !holds()? {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended with {status} before it {what}; it said:\n{}", self.name, self.said());
            }
            if Instant::now() > deadline {
                bail!("{} has not {what} within {limit:?}; it said:\n{}", self.name, self.said());
            }
            thread::sleep(LOOK);
        }
        Ok(())
    }

    /// The last lines of what it printed.
    #[must_use]
    pub fn said(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(TOLD_LINES)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It is dead already if this fails.
        let _gone = self.child.kill().and_then(|()| self.child.wait());
    }
}

type Job = Box<dyn FnOnce() + Send>;

/// Does something on the thread that starts processes, and gives what came of it.
fn on_starter<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    static STARTER: OnceLock<mpsc::Sender<Job>> = OnceLock::new();
    let starter = STARTER.get_or_init(|| {
        let (jobs, waiting) = mpsc::channel::<Job>();
        thread::spawn(move || waiting.into_iter().for_each(|job| job()));
        jobs
    });
    let (result, done) = mpsc::channel();
    let job = move || result.send(work()).expect("whoever asked waits for the answer");
    starter.send(Box::new(job)).expect("the starter ends with the program");
    done.recv().expect("starting a process does not panic")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str, folder: &Path) -> Process {
        let command = ["sh", "-c", script].map(str::to_owned);
        Process::start("sh", &command, None, &folder.join("log")).unwrap()
    }

    #[test]
    fn a_process_outlives_the_thread_that_asked_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_owned();
        let mut process = thread::spawn(move || sh("sleep 60", &path)).join().unwrap();
        thread::sleep(Duration::from_millis(50));
        assert!(process.runs().unwrap());
    }

    #[test]
    fn a_stopped_process_can_be_ended() {
        let folder = tempfile::tempdir().unwrap();
        let mut process = sh("sleep 60", folder.path());
        process.signal(Signal::SIGSTOP).unwrap();
        let status = process.end(Signal::SIGTERM, Duration::from_secs(5)).unwrap();
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(15));
    }

    #[test]
    fn one_that_ends_too_early_is_quoted() {
        let folder = tempfile::tempdir().unwrap();
        let mut process = sh("echo no memory; exit 3", folder.path());
        let error = process.until("opened its socket", Duration::from_secs(5), || Ok(false)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "sh ended with exit status: 3 before it opened its socket; it said:\nno memory"
        );
    }
}
