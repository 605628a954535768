//! Network devices, routes and sessions as sysfs and procfs show them.

use std::fmt::Write;
use std::net::IpAddr;

use flyover_core::HostPath;
use flyover_host::tree::HostTree;

use super::builder::{link, put};

/// A network device.
#[derive(Clone, Debug)]
pub struct Netdev {
    name: String,
    parent: Option<String>,
    lowers: Vec<String>,
    up: bool,
}

impl Netdev {
    /// A virtual device that is up.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), parent: None, lowers: Vec::new(), up: true }
    }

    /// The devices it stands upon: members of a bond, ports of a bridge, the parent of a VLAN.
    #[must_use]
    pub fn upon(mut self, lowers: &[&str]) -> Self {
        self.lowers = lowers.iter().map(|&name| name.to_owned()).collect();
        self
    }

    /// It is administratively down.
    #[must_use]
    pub fn down(mut self) -> Self {
        self.up = false;
        self
    }

    /// The directory of the device behind it.
    pub(super) fn behind(mut self, parent: &str) -> Self {
        self.parent = Some(parent.to_owned());
        self
    }

    /// Writes it, with an address of that number.
    pub(super) fn write(&self, tree: &mut HostTree, number: u8) {
        let parent = self.parent.as_deref().unwrap_or("/sys/devices/virtual");
        let dir = format!("{parent}/net/{}", self.name);
        link(tree, &format!("/sys/class/net/{}", self.name), &format!("../../{}", &dir["/sys/".len()..]));
        put(tree, &format!("{dir}/address"), format_args!("02:00:00:00:00:{number:02x}"));
        put(tree, &format!("{dir}/mtu"), 1500);
        put(tree, &format!("{dir}/flags"), if self.up { "0x1003" } else { "0x1002" });
        if self.up {
            put(tree, &format!("{dir}/carrier"), 1);
            put(tree, &format!("{dir}/speed"), if self.parent.is_some() { 10_000 } else { -1 });
        }
        if self.parent.is_some() {
            link(
                tree,
                &format!("{dir}/device"),
                &format!("../../../{}", parent.rsplit('/').next().unwrap_or(parent)),
            );
        }
        for lower in &self.lowers {
            link(tree, &format!("{dir}/lower_{lower}"), &format!("../{lower}"));
        }
    }
}

/// Writes both tables of routes.
pub(super) fn write_routes(tree: &mut HostTree, routes: &[(String, String)]) {
    let mut v4 =
        String::from("Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n");
    let mut v6 = String::new();
    let zero = "0".repeat(32);
    for (to, device) in routes {
        let (net, prefix) = destination(to);
        let row = match net {
            IpAddr::V4(net) => {
                let mask = u32::MAX.checked_shl(32 - prefix).unwrap_or(0).swap_bytes();
                let net = net.to_bits().swap_bytes();
                writeln!(v4, "{device}\t{net:08X}\t00000000\t0003\t0\t0\t0\t{mask:08X}\t0\t0\t0")
            }
            IpAddr::V6(net) => {
                let net = net.to_bits();
                writeln!(
                    v6,
                    "{net:032x} {prefix:02x} {zero} 00 {zero} 00000400 00000001 00000000 00000003 {device}"
                )
            }
        };
        row.expect("writing to a string does not fail");
    }
    tree.put_text(HostPath::fixed("/proc/net/route"), &v4);
    tree.put_text(HostPath::fixed("/proc/net/ipv6_route"), &v6);
}

fn destination(to: &str) -> (IpAddr, u32) {
    let to = match to {
        "default" => "0.0.0.0/0",
        "default6" => "::/0",
        to => to,
    };
    let parsed = || {
        let (net, prefix) = to.split_once('/')?;
        Some((net.parse().ok()?, prefix.parse().ok()?))
    };
    parsed().expect("the route of a fixture has the form ADDRESS/PREFIX")
}

/// Writes established sessions to the port of SSH, of IPv4.
pub(super) fn write_sessions(tree: &mut HostTree, peers: &[IpAddr]) {
    let mut table = String::from("  sl  local_address rem_address   st\n");
    for peer in peers {
        let IpAddr::V4(peer) = peer else { panic!("fixtures have sessions of IPv4 only") };
        let peer = peer.to_bits().swap_bytes();
        writeln!(table, "   0: 00000000:0016 {peer:08X}:C001 01").expect("writing to a string does not fail");
    }
    tree.put_text(HostPath::fixed("/proc/net/tcp"), &table);
}
