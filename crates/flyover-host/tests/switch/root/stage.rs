//! A world with a network namespace, and wishes for it. The daemon is the one without DPDK: it starts at once, and has
//! bridges in user space all the same.

use std::sync::atomic::{AtomicU32, Ordering};

use flyover_core::{Action, BridgeState, InterfaceState, OvsBridge, OvsPort, OvsRestart, PortState, Strings};
use flyover_host::cmd::Cmd;

use crate::world::World;

/// Debian's daemon without DPDK.
const VSWITCHD: &str = "/usr/lib/openvswitch-switch/ovs-vswitchd";

/// A network namespace that goes with its guard.
pub(crate) struct Netns(pub(crate) String);

impl Netns {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("fo-sw-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        Cmd::new("ip").args(["netns", "add", &name]).run().unwrap();
        Self(name)
    }

    /// Its links but `lo`.
    pub(crate) fn links(&self) -> String {
        let shown = Cmd::new("ip").args(["-n", &self.0, "-br", "link"]).run().unwrap();
        shown.lines().filter(|line| !line.starts_with("lo ")).map(|line| line.to_owned() + "\n").collect()
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        let _gone = Cmd::new("ip").args(["netns", "del", &self.0]).run();
    }
}

pub(crate) fn world(netns: &Netns) -> World {
    World::new(Some(&netns.0), VSWITCHD)
}

pub(crate) fn strings(pairs: &[(&str, &str)]) -> Strings {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

pub(crate) fn owned() -> Strings {
    strings(&[("flyover-owner", "flyover-switch")])
}

pub(crate) fn bridge(world: &World, name: &str) -> OvsBridge {
    let state = BridgeState {
        datapath_type: "netdev".to_owned(),
        other_config: strings(&[("mac-table-size", "4096")]),
        external_ids: owned(),
    };
    OvsBridge { switch: world.at.clone(), name: name.parse().unwrap(), bridge: Some(state) }
}

pub(crate) fn port(world: &World, bridge: &str, name: &str, mtu: u32) -> OvsPort {
    let interface = InterfaceState {
        kind: "tap".to_owned(),
        options: strings(&[("n_rxq", "1")]),
        mtu_request: Some(mtu),
        other_config: Strings::new(),
    };
    let state = PortState {
        interfaces: [(name.to_owned(), interface)].into(),
        tag: Some(7),
        external_ids: owned(),
        ..PortState::default()
    };
    OvsPort {
        switch: world.at.clone(),
        bridge: bridge.parse().unwrap(),
        name: name.parse().unwrap(),
        port: Some(state),
    }
}

/// One of each kind.
pub(crate) fn everything(world: &World) -> Vec<Action> {
    let options = strings(&[("userspace-tso-enable", "true")]);
    vec![
        Action::OvsDaemons(world.daemons()),
        world.option("userspace-tso-enable", Some("true")),
        Action::OvsRestart(OvsRestart { switch: world.at.clone(), options }),
        world.option("tx-flush-interval", Some("100")),
        Action::OvsBridge(bridge(world, "br0")),
        Action::OvsPort(port(world, "br0", "t0", 1400)),
    ]
}
