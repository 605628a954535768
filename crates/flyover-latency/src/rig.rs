//! For the tests that need the privilege: two network namespaces joined by a veth pair.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use flyover_host::cmd::Cmd;
use flyover_net::netns::Netns;

use crate::place::{Place, Way};

static COUNT: AtomicU32 = AtomicU32::new(0);

/// Two ends, gone with this value.
pub(crate) struct Rig {
    names: [String; 2],
    ends: [Arc<Netns>; 2],
}

impl Rig {
    /// Client 10.77.0.1 and fd77::1, server 10.77.0.2 and fd77::2.
    pub(crate) fn new() -> Self {
        let id = format!("fo-lat-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let names = ["c", "s"].map(|end| format!("{id}-{end}"));
        let ends = names.each_ref().map(|name| Arc::new(Netns::create(name).unwrap()));
        let [client, server] = &names;
        ip(&format!("-n {client} link add eth0 type veth peer name eth0 netns {server}"));
        for (i, name) in names.iter().enumerate() {
            ip(&format!("-n {name} addr add 10.77.0.{}/24 dev eth0", i + 1));
            ip(&format!("-n {name} addr add fd77::{}/64 dev eth0 nodad", i + 1));
            ip(&format!("-n {name} link set eth0 up"));
            ip(&format!("-n {name} link set lo up"));
        }
        Self { names, ends }
    }

    /// From the client to the server, over IPv4 or IPv6, both on CPU 0.
    pub(crate) fn way(&self, v6: bool) -> Way {
        let address = if v6 { "[fd77::2]:0" } else { "10.77.0.2:0" };
        let [client, server] = self.ends.each_ref().map(|end| Place::netns(Arc::clone(end)).on_cpu(0));
        Way::direct(client, server, address.parse().unwrap())
    }

    /// Does something to the server's network.
    pub(crate) fn in_server(&self, arguments: &str) {
        ip(&format!("-n {} {arguments}", self.names[1]));
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        for name in &self.names {
            Netns::delete(name).unwrap();
        }
    }
}

fn ip(arguments: &str) {
    Cmd::new("ip").args(arguments.split_whitespace()).run().unwrap();
}
