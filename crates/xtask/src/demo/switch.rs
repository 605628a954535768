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

    /// What `flyover switch status` says. That it ends with 3 is an answer too.
    pub(super) fn status(&self) -> anyhow::Result<String> {
        match self.flyover(&["switch", "status"]) {
            Err(CmdError::Failed { stderr, .. }) => Ok(stderr),
            said => Ok(said?),
        }
    }

    /// Puts all back.
    pub(super) fn take_down(&self) -> anyhow::Result<()> {
        say("== flyover switch rollback --to 0");
        say(self.flyover(&["switch", "rollback", "--to", "0"])?);
        Ok(())
    }

    fn flyover(&self, args: &[&str]) -> Result<String, CmdError> {
        Cmd::new(&self.flyover).args(args).timeout(LIMIT).run().map(|said| said.trim_end().to_owned())
    }
}
