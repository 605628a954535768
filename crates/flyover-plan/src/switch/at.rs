//! Where a switch is, and who keeps its daemons.

use flyover_api::{ProcessesSpec, RuntimeSpec};
use flyover_core::facts::{Enablement, HostFacts};
use flyover_core::{HostPath, Keeper, Processes, SwitchAt, UnitName};

/// Where distributions have it.
const RUNDIR: &str = "/run/openvswitch";

/// Debian's daemon with DPDK. Its alternatives link `ovs-vswitchd` to it or not, so it is named itself.
const DEBIANS: &str = "/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk";

/// The daemon of others, who build only one.
const VSWITCHD: &str = "/usr/sbin/ovs-vswitchd";

const OVSDB_SERVER: &str = "/usr/sbin/ovsdb-server";

const SCHEMA: &str = "/usr/share/openvswitch/vswitch.ovsschema";

/// Units that restart the daemon, the narrowest first; the facts of a host hold those that were asked for.
pub const UNITS: [&str; 3] = ["ovs-vswitchd.service", "openvswitch-switch.service", "openvswitch.service"];

/// The switch that `spec` means on a host.
#[must_use]
pub fn at(spec: &RuntimeSpec, facts: &HostFacts) -> SwitchAt {
    let rundir = spec.directory.clone().unwrap_or_else(|| HostPath::fixed(RUNDIR));
    let database = spec.database.clone().unwrap_or_else(|| below(&rundir, "db.sock"));
    let keeper = keeper(spec, facts, &rundir);
    SwitchAt { rundir, database, keeper }
}

fn keeper(spec: &RuntimeSpec, facts: &HostFacts, rundir: &HostPath) -> Keeper {
    if let Some(processes) = &spec.processes {
        return Keeper::Flyover(of_processes(processes, rundir, facts));
    }
    if let Some(service) = &spec.service {
        return Keeper::Unit(service.clone());
    }
    // The units are those of the system's own switch; one elsewhere is none of theirs.
    if spec.directory.as_ref().is_some_and(|dir| !is_usual(dir)) {
        return Keeper::Others;
    }
    unit(facts).map_or(Keeper::Others, Keeper::Unit)
}

/// The unit that restarts the system's own switch, where there is one.
pub(super) fn unit(facts: &HostFacts) -> Option<UnitName> {
    UNITS.iter().filter_map(|name| name.parse::<UnitName>().ok()).find(|unit| is_there(facts, unit))
}

/// Whether that is the directory of the system's own switch.
pub(super) fn is_usual(dir: &HostPath) -> bool {
    matches!(dir.as_str(), RUNDIR | "/var/run/openvswitch")
}

fn is_there(facts: &HostFacts, unit: &UnitName) -> bool {
    let service = facts.services.get(unit);
    service.is_some_and(|service| !matches!(service.enablement, Enablement::NotFound | Enablement::Masked))
}

fn of_processes(spec: &ProcessesSpec, rundir: &HostPath, facts: &HostFacts) -> Processes {
    let is_debian = facts.os.id == "debian" || facts.os.like.iter().any(|like| like == "debian");
    let daemon = if is_debian { DEBIANS } else { VSWITCHD };
    Processes {
        file: spec.file.clone().unwrap_or_else(|| below(rundir, "conf.db")),
        vswitchd: spec.vswitchd.clone().unwrap_or_else(|| HostPath::fixed(daemon)),
        ovsdb_server: HostPath::fixed(OVSDB_SERVER),
        schema: HostPath::fixed(SCHEMA),
        netns: spec.netns.clone(),
    }
}

fn below(rundir: &HostPath, name: &str) -> HostPath {
    rundir.join(name).expect("a directory and a plain name make a path")
}
