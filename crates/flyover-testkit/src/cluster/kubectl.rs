//! What is asked of a cluster by `kubectl`, as its administrator.

use std::time::Duration;

use flyover_host::cmd::Cmd;

use super::Cluster;

/// For one question to the API.
const ANSWER: Duration = Duration::from_secs(60);
/// For what is on its way, a little shorter.
const WAIT: &str = "--timeout=55s";

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
}
