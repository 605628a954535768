//! One call of the plugin.

use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use serde_json::Value;

/// The newest version, for most tests.
pub(crate) const NEWEST: &str = "1.1.0";

/// What is called.
#[derive(Clone, Debug)]
pub(crate) struct Plugin {
    pub(crate) variables: Vec<(String, String)>,
    pub(crate) input: String,
}

/// How it ended.
#[derive(Clone, Debug)]
pub(crate) struct Ran {
    pub(crate) status: ExitStatus,
    pub(crate) answer: Value,
}

impl Plugin {
    /// A call with nothing but a verb and a configuration.
    pub(crate) fn new(root: &Path, verb: &str, configuration: &Value) -> Self {
        let variables =
            vec![("FLYOVER_ROOT".into(), root.display().to_string()), ("CNI_COMMAND".into(), verb.into())];
        Self { variables, input: configuration.to_string() }
    }

    /// With the names of an attachment.
    pub(crate) fn of(self, container: &str, ifname: &str) -> Self {
        self.with("CNI_CONTAINERID", container)
            .with("CNI_IFNAME", ifname)
            .with("CNI_NETNS", "/run/netns/pod")
            .with("CNI_PATH", "/usr/lib/cni")
    }

    /// With a variable, in place of what it was.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Without a variable.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.variables.retain(|(known, _)| known != name);
        self
    }

    /// Killed before its n-th side effect.
    pub(crate) fn dying_at(self, number: u32) -> Self {
        self.with("FLYOVER_FAILPOINT", &number.to_string())
    }

    /// Starts it, and leaves it to the test.
    pub(crate) fn start(&self) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flyover-cni"));
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").envs(self.variables.iter().cloned());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A plugin that died does not read.
        let _written = child.stdin.take().unwrap().write_all(self.input.as_bytes());
        child
    }

    pub(crate) fn run(&self) -> Ran {
        let child = self.start();
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let answer = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() };
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "standard error is silent");
        Ran { status: output.status, answer }
    }
}

impl Ran {
    /// The answer of a call that went well.
    pub(crate) fn good(self) -> Value {
        assert!(self.status.success(), "{self:?}");
        self.answer
    }

    /// The code of a call that did not.
    pub(crate) fn code(&self) -> u64 {
        assert_eq!(self.status.code(), Some(1), "{self:?}");
        assert!(self.answer["msg"].as_str().is_some_and(|msg| !msg.is_empty()), "{self:?}");
        self.answer["code"].as_u64().unwrap()
    }

    /// Whether it was killed.
    pub(crate) fn was_killed(&self) -> bool {
        self.status.signal() == Some(9)
    }
}
