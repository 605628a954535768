//! Units of systemd: whether they start at boot, and whether they run.
//!
//! What is shown belongs to the unit's own name: an alias (`chronyd` of `chrony`) must have been resolved before, for
//! masking an alias masks nothing. Enabling makes the links anew from the unit's `[Install]`, aliases among them.

use flyover_core::facts::Enablement;
use flyover_core::{Action, HostPath, UnitName, UnitState};

use super::{Hand, QUICK, SLOW, refused};
use crate::root::{HostError, HostRoot};

/// What systemd shows of a unit.
struct Shown {
    id: String,
    enablement: Enablement,
    active: bool,
}

fn show(host: &HostRoot, unit: &UnitName) -> Result<Shown, HostError> {
    let asked = ["show", "--property=Id,LoadState,UnitFileState,ActiveState", unit.as_str()];
    let text = host.ask("systemctl", &asked, QUICK)?;
    let value = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.unwrap_or_default().to_owned()
    };
    let enablement = match (value("LoadState").as_str(), value("UnitFileState")) {
        ("not-found", _) => Enablement::NotFound,
        ("masked", file) if file.is_empty() => Enablement::Masked,
        (_, file) => file.into(),
    };
    let active =
        matches!(value("ActiveState").as_str(), "active" | "activating" | "reloading" | "refreshing");
    Ok(Shown { id: value("Id"), enablement, active })
}

fn systemctl(host: &HostRoot, args: &[&str], unit: &UnitName) -> Result<(), HostError> {
    tracing::info!(unit = %unit, verb = args[0], "unit changed");
    host.run("systemctl", &[args, &[unit.as_str()]].concat(), SLOW).map(drop)
}

impl Hand for UnitState {
    fn check(&self, host: &HostRoot) -> Result<(), HostError> {
        if !host.exists(&HostPath::fixed("/run/systemd/system")) {
            return Err(refused(
                format!("{} is a unit of systemd, which does not run here", self.unit),
                "leave it out",
            ));
        }
        let now = show(host, &self.unit)?;
        if now.id != self.unit.as_str() {
            return Err(refused(
                format!("{} is another name of {}", self.unit, now.id),
                "name the unit itself",
            ));
        }
        match (&self.enablement, &now.enablement) {
            (Enablement::Other(word), _) => Err(refused(
                format!("{} cannot be made {word}", self.unit),
                "ask for enabled, disabled or masked",
            )),
            (wanted, Enablement::NotFound)
                if *wanted != Enablement::NotFound && *wanted != Enablement::Masked =>
            {
                Err(refused(
                    format!("there is no unit {}", self.unit),
                    "systemctl list-unit-files lists them",
                ))
            }
            (Enablement::Enabled | Enablement::Disabled, Enablement::Other(word)) => Err(refused(
                format!("{} is {word}, which could not be brought back", self.unit),
                "mask it instead: unmasking brings back what was",
            )),
            _ => Ok(()),
        }
    }

    fn observe(&self, host: &HostRoot) -> Result<Action, HostError> {
        let now = show(host, &self.unit)?;
        Ok(Action::Unit(Self { unit: self.unit.clone(), enablement: now.enablement, active: now.active }))
    }

    fn holds(&self, host: &HostRoot) -> Result<bool, HostError> {
        let now = show(host, &self.unit)?;
        Ok((now.enablement, now.active) == (self.enablement.clone(), self.active))
    }

    fn act(&self, host: &HostRoot) -> Result<(), HostError> {
        let now = show(host, &self.unit)?;
        let unit = &self.unit;
        // A crash may have left some of the links: what shows as enabled is enabled again.
        if self.enablement == Enablement::Masked {
            return systemctl(host, &["mask", "--now"], unit);
        }
        if now.enablement == Enablement::Masked {
            systemctl(host, &["unmask"], unit)?;
        }
        match self.enablement {
            Enablement::Enabled => systemctl(host, &["enable"], unit)?,
            Enablement::Disabled if !self.active => return systemctl(host, &["disable", "--now"], unit),
            Enablement::Disabled => systemctl(host, &["disable"], unit)?,
            // There was no unit: what made one is undone next, and takes it away.
            Enablement::NotFound if now.enablement == Enablement::NotFound => return Ok(()),
            _ => {}
        }
        let verb = if self.active { "start" } else { "stop" };
        if show(host, unit)?.active == self.active { Ok(()) } else { systemctl(host, &[verb], unit) }
    }
}
