//! A reboot. It is asked for, never judged: whoever asked is gone when it is done.

use flyover_core::{Action, HostPath, Reboot};

use super::{Hand, QUICK};
use crate::root::{HostError, HostRoot};

impl Hand for Reboot {
    fn check(&self, _host: &HostRoot) -> Result<(), HostError> {
        Ok(())
    }

    fn observe(&self, _host: &HostRoot) -> Result<Action, HostError> {
        Ok(Action::Reboot(self.clone()))
    }

    fn holds(&self, _host: &HostRoot) -> Result<bool, HostError> {
        Ok(false)
    }

    fn act(&self, host: &HostRoot) -> Result<(), HostError> {
        tracing::info!(why = %self.why, "rebooting");
        if host.exists(&HostPath::fixed("/run/systemd/system")) {
            host.run("systemctl", &["reboot"], QUICK)?;
        } else {
            host.run("reboot", &[], QUICK)?;
        }
        Ok(())
    }
}
