//! The demo's switch, by `flyover switch`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flyover_host::cmd::{Cmd, CmdError};

use super::private::Private;
use super::say;

/// A switch on any machine: no NIC, no hugepages, threads that sleep when idle.
const SPEC: &str = include_str!("switch.yaml");

const LIMIT: Duration = Duration::from_secs(120);

/// A switch that was raised.
#[derive(Debug)]
pub(super) struct Switch {
    flyover: PathBuf,
    rundir: PathBuf,
    folder: PathBuf,
}

impl Switch {
    /// Raises it: the plan is shown, then carried out.
    pub(super) fn raise(place: &Private, flyover: &Path) -> anyhow::Result<Self> {
        let rundir = place.folder().join("ovs");
        let spec = place.folder().join("switch.yaml");
        let text = SPEC.replace("RUNDIR", &rundir.display().to_string()).replace("NETNS", place.netns());
        fs::write(&spec, &text)?;
        let switch = Self { flyover: flyover.to_owned(), rundir, folder: place.folder().to_owned() };
        say("== switch.yaml");
        say(text.trim_end());
        say("== flyover switch plan");
        say(switch.flyover(&["switch", "plan", "-f", &spec.display().to_string()])?);
        say("== flyover switch apply");
        say(switch.flyover(&["switch", "apply", "-f", &spec.display().to_string()])?);
        Ok(switch)
    }

    /// The socket of its database.
    pub(super) fn database(&self) -> PathBuf {
        self.rundir.join("db.sock")
    }

    /// A folder for files of the demo's programs.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// What `flyover switch status` says, whether or not all is well.
    pub(super) fn status(&self) -> anyhow::Result<String> {
        let at = self.rundir.display().to_string();
        let ended = self.command(&["switch", "status", "--at", &at]).end()?;
        Ok(format!("{}{}", ended.stdout, ended.stderr).trim_end().to_owned())
    }

    /// Puts all back.
    pub(super) fn take_down(&self) -> anyhow::Result<()> {
        let at = self.rundir.display().to_string();
        say(format!("== flyover switch rollback --at {at} --to 0"));
        say(self.flyover(&["switch", "rollback", "--at", &at, "--to", "0"])?);
        Ok(())
    }

    fn flyover(&self, args: &[&str]) -> Result<String, CmdError> {
        self.command(args).run().map(|said| said.trim_end().to_owned())
    }

    fn command(&self, args: &[&str]) -> Cmd {
        Cmd::new(&self.flyover).args(args).timeout(LIMIT)
    }
}
