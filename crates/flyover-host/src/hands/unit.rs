//! Units of systemd: whether they start at boot, and whether they run.
//!
//! What is shown belongs to the unit's own name: an alias (`chronyd` of `chrony`) must have been resolved before, for
//! masking an alias masks nothing. Enabling makes the links anew from the unit's `[Install]`, aliases among them.

use flyover_core::facts::{Enablement, ServiceFacts};
use flyover_core::{Action, HostPath, UnitLink, UnitName, UnitState};

use super::{Hand, QUICK, SLOW, refused};
use crate::facts::parse_block;
use crate::root::{HostError, HostRoot};

/// What systemd shows of a unit.
fn show(host: &HostRoot, unit: &UnitName) -> Result<ServiceFacts, HostError> {
    let asked = ["show", "--property=Id,LoadState,UnitFileState,ActiveState,Type", unit.as_str()];
    let text = host.ask("systemctl", &asked, QUICK)?;
    parse_block(&text).ok_or_else(|| HostError::Malformed {
        path: format!("systemctl show {unit}"),
        text,
        expected: "a unit's properties",
    })
}

fn systemctl(host: &HostRoot, args: &[&str], unit: &UnitName) -> Result<(), HostError> {
    tracing::info!(unit = %unit, verb = args[0], "unit changed");
    host.run("systemctl", &[args, &[unit.as_str()]].concat(), SLOW).map(drop)
}

const LINKS: &str = "/etc/systemd/system";

/// The links that enable a unit: its aliases, and itself in directories of what wants it.
fn links_of(host: &HostRoot, unit: &UnitName) -> Vec<UnitLink> {
    let directory = HostPath::fixed(LINKS);
    let mut links = Vec::new();
    for name in host.names(&directory) {
        let Ok(path) = directory.join(&name) else { continue };
        let wanting = [".wants", ".requires", ".upholds"].iter().any(|ending| name.ends_with(ending));
        let path = if wanting { path.join(unit.as_str()).unwrap_or(path) } else { path };
        let Some(target) = host.link(&path).and_then(|target| target.into_os_string().into_string().ok())
        else {
            continue;
        };
        if wanting || (name != unit.as_str() && target.rsplit('/').next() == Some(unit.as_str())) {
            links.push(UnitLink { path, target });
        }
    }
    links
}

/// Brings the links to what was found, where systemctl made others.
fn settle_links(host: &HostRoot, unit: &UnitName, wanted: &[UnitLink]) -> Result<(), HostError> {
    let now = links_of(host, unit);
    for extra in now.iter().filter(|link| !wanted.contains(link)) {
        host.remove_file(&extra.path)?;
        // As systemctl does.
        let emptied = extra.path.parent().filter(|directory| directory.as_str() != LINKS);
        emptied.map_or(Ok(()), |directory| host.remove_empty_directory(&directory))?;
    }
    for missing in wanted.iter().filter(|link| !now.contains(link)) {
        if let Some(directory) = missing.path.parent() {
            host.make_directory(&directory)?;
        }
        host.make_link(&missing.path, &missing.target)?;
    }
    if now != wanted {
        host.run("systemctl", &["daemon-reload"], QUICK)?;
    }
    Ok(())
}

/// Has systemctl enable, disable or mask, and start or stop.
fn tell(host: &HostRoot, wanted: &UnitState) -> Result<(), HostError> {
    let unit = &wanted.unit;
    let now = show(host, unit)?;
    // A crash may have left some of the links: what shows as enabled is enabled again.
    if wanted.enablement == Enablement::Masked {
        return systemctl(host, &["mask", "--now"], unit);
    }
    if now.enablement == Enablement::Masked {
        systemctl(host, &["unmask"], unit)?;
    }
    match wanted.enablement {
        Enablement::Enabled => systemctl(host, &["enable"], unit)?,
        Enablement::Disabled if !wanted.active => return systemctl(host, &["disable", "--now"], unit),
        Enablement::Disabled => systemctl(host, &["disable"], unit)?,
        // There was no unit: what made one is undone next, and takes it away.
        Enablement::NotFound if now.enablement == Enablement::NotFound => return Ok(()),
        _ => {}
    }
    let verb = if wanted.active { "start" } else { "stop" };
    if show(host, unit)?.active == wanted.active { Ok(()) } else { systemctl(host, &[verb], unit) }
}

/// The mount point of a unit of a mount, and what is above it, as far as it is not there.
fn missing_mount_point(host: &HostRoot, unit: &UnitName) -> Vec<HostPath> {
    let Some(path) = unit.mount_point().filter(|path| !host.exists(path)) else { return Vec::new() };
    let above = super::file::missing_above(host, &path);
    [vec![path], above].concat()
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
        if now.unit != self.unit {
            return Err(refused(
                format!("{} is another name of {}", self.unit, now.unit),
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
        let links = Some(links_of(host, &self.unit));
        Ok(Action::Unit(Self {
            unit: self.unit.clone(),
            enablement: now.enablement,
            active: now.active,
            links,
            dirs: if now.active { Vec::new() } else { missing_mount_point(host, &self.unit) },
        }))
    }

    fn holds(&self, host: &HostRoot) -> Result<bool, HostError> {
        let now = show(host, &self.unit)?;
        // What nothing can start does not start at boot either.
        let masked = (&now.enablement, &self.enablement) == (&Enablement::Masked, &Enablement::Disabled);
        Ok((masked || now.enablement == self.enablement) && now.active == self.active)
    }

    fn act(&self, host: &HostRoot) -> Result<(), HostError> {
        tell(host, self)?;
        self.links.as_ref().map_or(Ok(()), |links| settle_links(host, &self.unit, links))?;
        self.dirs.iter().try_for_each(|directory| host.remove_empty_directory(directory))
    }
}
