//! Network devices: made, changed, listed and deleted.
//!
//! A device to be made is data ([`NewLink`]), so that a plan can be read, printed and compared before anything
//! happens. One message makes, names, enslaves and raises it: there is no moment in which it is half made. Only a
//! veth's peer, which is made first and in another namespace, is raised by its owner.

mod list;
mod message;

use std::fmt;
use std::net::IpAddr;

use flyover_core::{IfName, MacAddr};
use futures::TryStreamExt;
use rtnetlink::{LinkBridgePort, LinkMessageBuilder, LinkUnspec};

pub use self::list::Link;
use crate::netlink::{Netlink, NetlinkError};

/// A device to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewLink {
    /// Its name.
    pub name: IfName,
    /// What it is.
    pub kind: LinkKind,
    /// Its Ethernet address; the kernel chooses one if there is none.
    pub mac: Option<MacAddr>,
    /// Its MTU; the kernel's default if there is none.
    pub mtu: Option<u32>,
    /// The bridge it is a port of.
    pub master: Option<IfName>,
}

/// Kinds of devices that can be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkKind {
    /// A bridge.
    Bridge,
    /// One end of a pair.
    Veth(VethPeer),
    /// A VXLAN tunnel device that learns nothing.
    Vxlan(Vxlan),
    /// A Geneve tunnel device to one peer, with checksums outside.
    Geneve(Geneve),
}

/// The other end of a pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VethPeer {
    /// Its name.
    pub name: IfName,
    /// The named network namespace it is made in.
    pub netns: String,
    /// Its Ethernet address; the kernel chooses one if there is none.
    pub mac: Option<MacAddr>,
}

/// What a VXLAN device needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vxlan {
    /// Network identifier.
    pub vni: u32,
    /// UDP destination port.
    pub port: u16,
    /// Outer source address.
    pub local: IpAddr,
    /// The device the tunnel leaves by.
    pub device: IfName,
}

/// What a Geneve device needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Geneve {
    /// Network identifier.
    pub vni: u32,
    /// UDP destination port.
    pub port: u16,
    /// Outer destination address.
    pub remote: IpAddr,
}

impl LinkKind {
    /// What people call it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Bridge => "bridge",
            Self::Veth(_) => "veth",
            Self::Vxlan(_) => "VXLAN",
            Self::Geneve(_) => "Geneve",
        }
    }
}

impl Netlink {
    /// Makes a device and raises it; a veth's peer stays down.
    pub fn add_link(&self, link: &NewLink) -> Result<(), NetlinkError> {
        let what = format!("make the {} device `{}`", link.kind.name(), link.name);
        let making = message::of(self, link)?;
        let done = self.ask(&what, self.handle().link().add(making.message.clone()).execute());
        match done {
            Err(NetlinkError::Refused { source, .. }) if source.raw_os_error() == Some(libc::EOPNOTSUPP) => {
                Err(NetlinkError::NoSuchKind { what, kind: link.kind.name() })
            }
            done => done,
        }
    }

    /// Raises a device.
    pub fn set_up(&self, name: &IfName) -> Result<(), NetlinkError> {
        self.change(name, format_args!("raise `{name}`"), LinkMessageBuilder::up)
    }

    /// Lowers a device.
    pub fn set_down(&self, name: &IfName) -> Result<(), NetlinkError> {
        self.change(name, format_args!("lower `{name}`"), LinkMessageBuilder::down)
    }

    /// Changes a device's MTU.
    pub fn set_mtu(&self, name: &IfName, mtu: u32) -> Result<(), NetlinkError> {
        self.change(name, format_args!("set the MTU of `{name}`"), |m| m.mtu(mtu))
    }

    /// Writes a device's alias: a remark that the kernel keeps with it.
    pub fn set_alias(&self, name: &IfName, alias: &str) -> Result<(), NetlinkError> {
        self.change(name, format_args!("set the alias of `{name}`"), |m| m.alias(alias))
    }

    /// Lets a bridge send a frame back through the port it came from.
    pub fn set_hairpin(&self, port: &IfName) -> Result<(), NetlinkError> {
        let message = LinkBridgePort::new(self.link_index(port)?).hairpin(true).build();
        self.ask(
            format_args!("set hairpin mode on `{port}`"),
            self.handle().link().set_port(message).execute(),
        )
    }

    /// Deletes a device.
    pub fn delete_link(&self, name: &IfName) -> Result<(), NetlinkError> {
        let index = self.link_index(name)?;
        self.ask(format_args!("delete `{name}`"), self.handle().link().del(index).execute())
    }

    /// The index of a device.
    pub fn link_index(&self, name: &IfName) -> Result<u32, NetlinkError> {
        let mut answers = Box::pin(self.handle().link().get().match_name(name.as_str()).execute());
        match self.ask(format_args!("look up `{name}`"), async { answers.try_next().await }) {
            Ok(Some(link)) => Ok(link.header.index),
            Ok(None) => Err(NetlinkError::NoSuchDevice { name: name.clone() }),
            Err(NetlinkError::Refused { source, .. }) if source.raw_os_error() == Some(libc::ENODEV) => {
                Err(NetlinkError::NoSuchDevice { name: name.clone() })
            }
            Err(e) => Err(e),
        }
    }

    fn change(
        &self,
        name: &IfName,
        what: impl fmt::Display,
        how: impl FnOnce(LinkMessageBuilder<LinkUnspec>) -> LinkMessageBuilder<LinkUnspec>,
    ) -> Result<(), NetlinkError> {
        let message = how(LinkUnspec::new_with_index(self.link_index(name)?)).build();
        self.ask(what, self.handle().link().change(message).execute())
    }
}

#[cfg(test)]
mod root {
    use super::*;
    use crate::netns::Netns;

    #[test]
    fn a_device_is_made_changed_listed_and_deleted_in_the_namespace_of_the_handle() {
        let name = format!("fo-link-{}", std::process::id());
        let netlink = Netlink::open_in(&Netns::create(&name).unwrap()).unwrap();
        let bridge: IfName = "br0".parse().unwrap();
        let mac = MacAddr([2, 0, 0, 0, 0, 1]);
        let wanted = NewLink {
            name: bridge.clone(),
            kind: LinkKind::Bridge,
            mac: Some(mac),
            mtu: Some(1400),
            master: None,
        };
        netlink.add_link(&wanted).unwrap();
        netlink.set_alias(&bridge, "a remark").unwrap();
        netlink.add_address(&bridge, "fd00::1/64".parse().unwrap()).unwrap();
        let links = netlink.links().unwrap();
        let found = links.iter().find(|link| link.name == bridge).unwrap();
        assert_eq!((found.kind.as_str(), found.mac, found.mtu), ("bridge", Some(mac), 1400));
        assert_eq!(found.alias.as_deref(), Some("a remark"));
        assert!(netlink.addresses().unwrap().contains(&(found.index, "fd00::1/64".parse().unwrap())));
        let again = netlink.add_link(&wanted).unwrap_err();
        assert_eq!(again.to_string(), "failed to make the bridge device `br0`");
        netlink.delete_link(&bridge).unwrap();
        let gone = netlink.set_up(&bridge).unwrap_err();
        assert_eq!(gone.to_string(), "there is no network device `br0`");
        Netns::delete(&name).unwrap();
    }
}
