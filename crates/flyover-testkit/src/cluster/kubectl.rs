//! What is asked of a cluster by `kubectl`, as its administrator.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::ensure;
use flyover_host::cmd::Cmd;

use super::Cluster;

/// For one question to the API.
const ANSWER: Duration = Duration::from_secs(60);
/// For what is on its way, a little shorter.
const WAIT: &str = "--timeout=55s";
/// For what a cluster needs to come up. Where all is emulated it takes minutes.
const UP: Duration = Duration::from_secs(600);
/// For whatever is on its way and cannot be waited for otherwise.
const SOON: Duration = Duration::from_secs(60);

/// Tries until it holds.
pub fn soon(what: &str, holds: impl Fn() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let deadline = Instant::now() + SOON;
    while !holds()? {
        ensure!(Instant::now() < deadline, "still not so: {what}");
        thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

impl Cluster {
    /// `kubectl` with these arguments, not run yet.
    #[must_use]
    pub fn ask(&self, arguments: &[&str]) -> Cmd {
        let kubeconfig = format!("--kubeconfig={}", self.kubeconfig().display());
        Cmd::new(self.record.tool("kubectl")).args([kubeconfig]).args(arguments).timeout(ANSWER)
    }

    /// Runs `kubectl`; its standard output.
    pub fn kubectl(&self, arguments: &[&str]) -> anyhow::Result<String> {
        Ok(self.ask(arguments).run()?)
    }

    /// Makes the cluster have what the manifest says.
    pub fn apply(&self, manifest: &str) -> anyhow::Result<()> {
        self.ask(&["apply", "--filename=-"]).stdin(manifest).run()?;
        Ok(())
    }

    /// Waits for objects: what and for what, as `kubectl wait` takes it.
    pub fn wait(&self, what: &[&str]) -> anyhow::Result<()> {
        self.kubectl(&[&["wait", WAIT], what].concat()).map(drop)
    }

    /// A field of an object by its path, e.g. `.status.podIP`.
    pub fn field(&self, object: &str, path: &str) -> anyhow::Result<String> {
        self.kubectl(&["get", object, &format!("--output=jsonpath={{{path}}}")])
    }

    /// Waits as long as it takes to come up. A server that has a lot to do may not answer at the first time.
    pub(super) fn until(&self, what: &[&str]) -> anyhow::Result<()> {
        let deadline = Instant::now() + UP;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let limit = format!("--timeout={}s", left.as_secs().max(1));
            let waited = self.ask(&[&["wait", &limit], what].concat()).timeout(left + ANSWER).run();
            match waited {
                Err(_) if Instant::now() < deadline => thread::sleep(Duration::from_secs(1)),
                done => return done.map(drop).map_err(Into::into),
            }
        }
    }
}
