//! What programs in pods ask the API server: its own word for it, an audit log.
//!
//! The server's metrics count requests too, but of all who have the same account together. The log names each one's pod.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::Context;
use serde::Deserialize;

/// A line for each request that an account of a pod makes, when it arrives: one that stays open is one request.
const POLICY: &str = "apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [ResponseStarted, ResponseComplete, Panic]
rules:
  - {level: Metadata, userGroups: [\"system:serviceaccounts\"]}
";
pub(super) const FILE: &str = "audit.yaml";
const LOG: &str = "log/audit.log";

/// A request of a program in a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The pod.
    pub pod: String,
    /// The node it runs on.
    pub node: String,
    /// What it wants: `get`, `watch`, `patch` and so on.
    pub verb: String,
    /// Of which address.
    pub address: String,
}

/// A line of the log.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    verb: String,
    #[serde(rename = "requestURI")]
    address: String,
    user: User,
}

#[derive(Deserialize)]
struct User {
    #[serde(default)]
    extra: Extra,
}

/// What a token says of the pod it was made for.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Extra {
    #[serde(rename = "authentication.kubernetes.io/pod-name")]
    pod: Vec<String>,
    #[serde(rename = "authentication.kubernetes.io/node-name")]
    node: Vec<String>,
}

/// The server's arguments; the policy is written to the machine's folder.
pub(super) fn arguments(machine: &Path) -> anyhow::Result<[String; 2]> {
    let policy = machine.join(FILE);
    fs::write(&policy, POLICY).with_context(|| format!("failed to write `{}`", policy.display()))?;
    Ok([
        format!("--audit-policy-file={}", policy.display()),
        format!("--audit-log-path={}", machine.join(LOG).display()),
    ])
}

/// All requests so far.
pub(super) fn read(machine: &Path) -> anyhow::Result<Vec<Asked>> {
    let path = machine.join(LOG);
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        text => text.with_context(|| format!("failed to read `{}`", path.display()))?,
    };
    // The last line may not be whole yet.
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let asked = whole.lines().map(asked).collect::<Result<_, _>>();
    asked.with_context(|| format!("failed to make sense of `{}`", path.display()))
}

fn asked(line: &str) -> Result<Asked, serde_json::Error> {
    let Line { verb, address, user } = serde_json::from_str(line)?;
    let first = |words: Vec<String>| words.into_iter().next().unwrap_or_default();
    Ok(Asked { pod: first(user.extra.pod), node: first(user.extra.node), verb, address })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_not_whole_yet_is_left_for_the_next_look() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path()).unwrap(), []);
        fs::create_dir(folder.path().join("log")).unwrap();
        let line = r#"{"kind":"Event","verb":"patch","requestURI":"/a?b","user":{"username":"system:serviceaccount:n:s","extra":{"authentication.kubernetes.io/node-name":["node1"],"authentication.kubernetes.io/pod-name":["p-1"]}},"stage":"RequestReceived"}"#;
        fs::write(folder.path().join(LOG), format!("{line}\n{}", &line[..40])).unwrap();
        let asked =
            Asked { pod: "p-1".into(), node: "node1".into(), verb: "patch".into(), address: "/a?b".into() };
        assert_eq!(read(folder.path()).unwrap(), [asked]);
    }
}
