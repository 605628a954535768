//! A port of a bridge: one interface, or a bond of several.
//!
//! Invariants: what is so already is not written, so a changed MTU does not make a port anew. A port is as it was asked for
//! only when `ovs-vswitchd` made its interfaces without an error and with that MTU.

mod rows;

use std::time::{Duration, Instant};

use flyover_core::{Action, OvsPort, PortState};
use flyover_ovs::Transaction;

use super::{Change, SLOW, because, needs_vswitchd, no_row, refused};
use crate::hands::Hand;
use crate::ovs::{LogMark, Snapshot, connect, port_state, snapshot, vswitchd};
use crate::root::{HostError, HostRoot};

/// How long the daemon may take to tell of an MTU: it looks each five seconds at least.
const PATIENCE: Duration = Duration::from_secs(12);

const OTHER_MTU: &str = " was to have an MTU of ";

fn look(wish: &OvsPort, host: &HostRoot) -> Result<Snapshot, HostError> {
    let found = snapshot(&mut connect(host, &wish.switch, super::QUICK)?)?;
    if found.switch.is_some() { Ok(found) } else { Err(no_row(&wish.switch)) }
}

fn found(wish: &OvsPort, found: &Snapshot) -> OvsPort {
    let mine = found
        .port(wish.name.as_str())
        .filter(|port| found.bridge_of(port).is_some_and(|bridge| bridge.name == wish.bridge.as_str()));
    OvsPort { port: mine.map(|row| port_state(found, row, wish.port.as_ref())), ..wish.clone() }
}

fn refuse(wish: &OvsPort, found: &Snapshot) -> Result<(), HostError> {
    let Some(wished) = &wish.port else { return Ok(()) };
    if found.bridge(wish.bridge.as_str()).is_none() {
        return Err(refused(
            format!("there is no bridge {} for port {}", wish.bridge, wish.name),
            "make the bridge first",
        ));
    }
    let there = found.port(wish.name.as_str());
    if let Some(other) = there.and_then(|port| found.bridge_of(port))
        && other.name != wish.bridge.as_str()
    {
        return Err(refused(
            format!("port {} is in bridge {}, not in {}", wish.name, other.name, wish.bridge),
            "choose another name, or take it out there first",
        ));
    }
    if there.is_some() && wish.name.as_str() == wish.bridge.as_str() {
        return Err(refused(format!("port {} is the bridge's own", wish.name), "choose another name"));
    }
    let own = there.map(|port| &port.interfaces);
    let foreign = found.interfaces.iter().find(|interface| {
        wished.interfaces.contains_key(&interface.name)
            && own.is_none_or(|own| !own.contains(&interface.uuid))
    });
    foreign.map_or(Ok(()), |interface| {
        Err(refused(
            format!("interface {} belongs to another port than {}", interface.name, wish.name),
            "choose another name",
        ))
    })
}

fn transaction(wish: &OvsPort, found: &Snapshot) -> Result<Transaction, HostError> {
    refuse(wish, found)?;
    let there = found.port(wish.name.as_str());
    Ok(match (&wish.port, there) {
        (None, None) => Transaction::default(),
        (None, Some(there)) => rows::removal(found, there, &wish.bridge),
        (Some(wished), None) => rows::insertion(wish, wished, found),
        (Some(wished), Some(there)) => rows::change(wished, there, found),
    })
}

/// What `ovs-vswitchd` did not make as it is wished; none where it made all, or does not run.
fn wrong(wish: &OvsPort, found: &Snapshot) -> Option<String> {
    let wished = wish.port.as_ref()?;
    let mut wrong = Vec::new();
    for interface in found.interfaces.iter().filter(|each| wished.interfaces.contains_key(&each.name)) {
        let name = &interface.name;
        let mtu = wished.interfaces[name].mtu_request.map(i64::from);
        if let Some(error) = &interface.error {
            wrong.push(format!("interface {name}: {error}"));
        } else if interface.ofport.is_none_or(|number| number < 0) {
            wrong.push(format!("interface {name} was not made"));
        } else if let Some((wanted, has)) = mtu.zip(interface.mtu).filter(|(wanted, has)| wanted != has) {
            wrong.push(format!("interface {name}{OTHER_MTU}{wanted}, and has {has}"));
        }
    }
    (!wrong.is_empty()).then(|| wrong.join("; "))
}

/// What is wrong once the daemon has had time to tell the MTU, which it does some moments after it has changed it.
fn settled(wish: &OvsPort, host: &HostRoot) -> Result<Option<String>, HostError> {
    let end = Instant::now() + PATIENCE;
    loop {
        let wrong = wrong(wish, &look(wish, host)?);
        let may_come = wrong.as_ref().is_some_and(|wrong| wrong.contains(OTHER_MTU));
        if !may_come || Instant::now() > end {
            return Ok(wrong);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The interface of the kernel that an argument for DPDK names: `net_af_packet0,iface=eth1`.
fn kernel_interface(state: &PortState) -> Option<&str> {
    let arguments = state.interfaces.values().filter_map(|interface| interface.options.get("dpdk-devargs"));
    let mut words = arguments.flat_map(|text| text.split(','));
    words.find_map(|word| word.strip_prefix("iface="))
}

/// What to look at, for errors of DPDK that name nothing.
fn hint_of(state: &PortState) -> String {
    let takes = |word: &str| state.interfaces.values().any(|interface| interface.kind == word);
    match kernel_interface(state) {
        Some(name) => format!("see that there is an interface `{name}` where ovs-vswitchd runs: ip link show {name}"),
        None if takes("dpdk") => {
            "see that DPDK runs, that the device is bound to vfio-pci (flyover node) and its driver is installed".to_owned()
        }
        None => "flyover switch status tells more".to_owned(),
    }
}

impl Hand for OvsPort {
    fn check(&self, host: &HostRoot) -> Result<(), HostError> {
        refuse(self, &look(self, host)?)?;
        match &self.port {
            Some(_) => needs_vswitchd(host, &self.switch, &format!("port {}", self.name)),
            None => Ok(()),
        }
    }

    fn observe(&self, host: &HostRoot) -> Result<Action, HostError> {
        Ok(Action::OvsPort(found(self, &look(self, host)?)))
    }

    fn holds(&self, host: &HostRoot) -> Result<bool, HostError> {
        let now = look(self, host)?;
        let made =
            self.port.is_none() || (vswitchd(host, &self.switch).is_some() && wrong(self, &now).is_none());
        Ok(made && found(self, &now) == *self)
    }

    fn act(&self, host: &HostRoot) -> Result<(), HostError> {
        let verb = if self.port.is_some() { "set" } else { "remove" };
        let what = format!("{verb} port {}", self.name);
        let log = LogMark::now(host, &self.switch);
        // A port of DPDK may have gigabytes to take and to clear.
        Change { host, at: &self.switch, what, limit: SLOW }.make(|found| transaction(self, found))?;
        if vswitchd(host, &self.switch).is_none() {
            return Ok(());
        }
        match (&self.port, settled(self, host)?) {
            (Some(state), Some(wrong)) => {
                Err(HostError::Daemon(format!("{wrong}{}\n  hint: {}", because(&log), hint_of(state))))
            }
            _ => Ok(()),
        }
    }
}
