//! What an ADD is to make.
//!
//! Invariants: what is not supported is refused here with code 2, before anything has been changed; what contradicts itself
//! with code 7. Of two sides that say only half, each is completed from the other, as the plugin before us did.

use std::collections::BTreeSet;
use std::str::FromStr;

use flyover_core::{MacAddr, OvsName};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::config;
use super::raw::{Raw, Side, Trunk};
use crate::error::{CniError, Code};
use crate::request::CniArgs;

/// Which end makes the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The host connects to a socket that the pod makes.
    Client,
    /// The pod connects to a socket that is there.
    Server,
}

/// What may come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policing {
    /// kbit/s.
    pub rate: u32,
    /// kbit above it.
    pub burst: u32,
}

/// What an ADD is to make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    /// What the host's end does.
    pub mode: Mode,
    /// The bridge.
    pub bridge: OvsName,
    /// The name of the socket, where one is asked for.
    pub socketfile: Option<OvsName>,
    /// The group that the socket's directory is to belong to, where one is asked for.
    pub group: Option<String>,
    /// A directory of the host in which the pod finds its sockets.
    pub shared_dir: Option<String>,
    /// Who may write the pod's annotations for us.
    pub kubeconfig: Option<String>,
    /// The MTU.
    pub mtu: Option<u16>,
    /// The Ethernet address.
    pub mac: Option<MacAddr>,
    /// The VLAN of what has no tag.
    pub vlan: Option<u16>,
    /// The VLANs it carries; none is all, unless there is a `vlan`.
    pub trunks: BTreeSet<u16>,
    /// Pairs of queues the pod should have.
    pub queues: Option<u16>,
    /// What may come in.
    pub policing: Option<Policing>,
    /// The logical port of OVN.
    pub ovn_port: Option<OvsName>,
}

impl Wish {
    /// What a configuration and the runtime's arguments ask for.
    pub fn of(configuration: &Value, args: &CniArgs) -> Result<Self, CniError> {
        let raw: Raw = serde_json::from_value(configuration.clone()).map_err(|error| {
            CniError::new(Code::Decode, "the network's configuration has a field of the wrong kind")
                .because(&error)
        })?;
        supported("host", &raw.host)?;
        supported("container", &raw.container)?;
        let vhost = &raw.host.vhost;
        let (mtu, queues) = (number("mtu", raw.mtu, 68, 9702)?, number("queues", raw.queues, 1, 256)?);
        let mac = raw.runtime_config.mac.as_deref().or(raw.mac.as_deref());
        let mac = mac.map(|mac| word("mac", mac)).transpose()?.or(args.mac).map(unicast).transpose()?;
        let ovn_port = raw.ovn_port.as_deref().map(|port| word("ovnPort", port)).transpose()?;
        Ok(Self {
            mode: mode(&vhost.mode, &raw.container.vhost.mode)?,
            bridge: word("host.bridge.bridgeName", some(&raw.host.bridge.bridge_name).unwrap_or("br0"))?,
            socketfile: some(&vhost.socketfile)
                .map(|file| word("host.vhost.socketfile", file))
                .transpose()?,
            group: some(&vhost.group).map(str::to_owned),
            vlan: vlan(raw.vlan, raw.host.bridge.vlan_id)?,
            trunks: trunks(&raw.trunks)?,
            policing: raw.ingress_policing.as_ref().map(policing).transpose()?,
            shared_dir: raw.shared_dir.filter(|dir| !dir.is_empty()),
            kubeconfig: raw.kubeconfig.filter(|file| !file.is_empty()),
            ovn_port: ovn_port.or_else(|| args.ovn_port.clone()),
            mtu,
            mac,
            queues,
        })
    }
}

fn some(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

fn supported(side: &str, of: &Side) -> Result<(), CniError> {
    let fields = [
        ("engine", &of.engine, &["ovs-dpdk"][..]),
        ("iftype", &of.iftype, &["vhostuser"]),
        ("netType", &of.net_type, &["bridge", "interface"]),
    ];
    for (field, value, known) in fields {
        if !value.is_empty() && !known.contains(&value.as_str()) {
            let value: String = value.chars().take(64).flat_map(char::escape_default).collect();
            return Err(CniError::new(
                Code::Unsupported,
                format!("{side}.{field} `{value}` is not supported"),
            )
            .details(format!("supported is {}", known.join(" or "))));
        }
    }
    Ok(())
}

/// What the host's end does: as it says, else the opposite of what the container's end does, else it serves.
fn mode(host: &str, container: &str) -> Result<Mode, CniError> {
    let read = |side: &str, text: &str| match text {
        "" => Ok(None),
        "client" => Ok(Some(Mode::Client)),
        "server" => Ok(Some(Mode::Server)),
        _ => Err(config(format!("{side}.vhost.mode is neither `client` nor `server`"))),
    };
    match (read("host", host)?, read("container", container)?) {
        (Some(host), Some(container)) if host == container => Err(config(
            "host.vhost.mode and container.vhost.mode are the same: one end serves, the other connects",
        )),
        (Some(host), _) => Ok(host),
        (None, Some(Mode::Server)) => Ok(Mode::Client),
        (None, _) => Ok(Mode::Server),
    }
}

fn word<T: FromStr<Err: std::error::Error>>(field: &str, text: &str) -> Result<T, CniError> {
    text.parse().map_err(|bad| {
        let _: &T::Err = &bad;
        config(format!("{field} is malformed")).because(&bad)
    })
}

fn number(field: &str, given: Option<i64>, least: u16, most: u16) -> Result<Option<u16>, CniError> {
    let read = |given: i64| u16::try_from(given).ok().filter(|number| (least..=most).contains(number));
    let wrong = || config(format!("{field} is not a number from {least} to {most}"));
    given.map(|given| read(given).ok_or_else(wrong)).transpose()
}

fn unicast(mac: MacAddr) -> Result<MacAddr, CniError> {
    let good = mac.0[0] & 1 == 0 && mac.0 != [0; 6];
    if good { Ok(mac) } else { Err(config(format!("{mac} is the address of no single interface"))) }
}

/// The tag: ours and the one of the plugin before us, whose 0 is none.
fn vlan(vlan: Option<i64>, bridge: i64) -> Result<Option<u16>, CniError> {
    let vlan = number("vlan", vlan, 1, 4094)?;
    let bridge = number("host.bridge.vlanId", Some(bridge).filter(|id| *id != 0), 1, 4094)?;
    match (vlan, bridge) {
        (Some(a), Some(b)) if a != b => Err(config(format!("vlan is {a}, and host.bridge.vlanId {b}"))),
        _ => Ok(vlan.or(bridge)),
    }
}

fn trunks(given: &[Trunk]) -> Result<BTreeSet<u16>, CniError> {
    let mut all = BTreeSet::new();
    for trunk in given {
        let (first, last) = match trunk {
            Trunk::Number(id) => (Some(*id), Some(*id)),
            Trunk::Range(range) => (range.id.or(range.min), range.id.or(range.max)),
        };
        let (first, last) = (number("trunks", first, 0, 4095)?, number("trunks", last, 0, 4095)?);
        let (Some(first), Some(last)) = (first, last) else {
            return Err(config(
                "an entry of trunks is neither a number, nor an id, nor a minID with a maxID",
            ));
        };
        all.extend(first..=last);
    }
    Ok(all)
}

fn policing(given: &super::raw::Policing) -> Result<Policing, CniError> {
    let read = |field: &str, number: i64| {
        u32::try_from(number)
            .map_err(|bad| config(format!("ingressPolicing.{field} is out of range")).because(&bad))
    };
    Ok(Policing { rate: read("rate", given.rate)?, burst: read("burst", given.burst)? })
}
