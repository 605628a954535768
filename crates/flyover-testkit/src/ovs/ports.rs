//! Bridges and ports of the rig, made without the product's own hands, which are what is tested.

use std::path::Path;

use anyhow::Context;
use flyover_ovs::tables::{Bridge, Interface, OpenVswitch, Port, Table};
use flyover_ovs::transaction::row;
use flyover_ovs::{Condition, Datum, Mutation, Rows, Transaction};

use super::Rig;

/// A port to be made.
#[derive(Clone, Debug)]
pub struct NewPort {
    /// Its name, and its interface's.
    pub name: String,
    /// Of which type its interface is.
    pub kind: String,
    /// Options of its interface.
    pub options: Vec<(String, String)>,
    /// The VLAN of what has no tag.
    pub tag: Option<i64>,
    /// The MTU asked for.
    pub mtu: Option<i64>,
    /// Whose it is.
    pub external_ids: Vec<(String, String)>,
}

impl NewPort {
    /// A port of a type.
    #[must_use]
    pub fn of(kind: &str, name: &str) -> Self {
        let (name, kind) = (name.to_owned(), kind.to_owned());
        Self { name, kind, options: Vec::new(), tag: None, mtu: None, external_ids: Vec::new() }
    }

    /// A vhost-user port that connects to a socket.
    #[must_use]
    pub fn vhost(name: &str, socket: &Path) -> Self {
        Self::of("dpdkvhostuserclient", name).option("vhost-server-path", &socket.display().to_string())
    }

    /// With one more option of its interface.
    #[must_use]
    pub fn option(mut self, key: &str, value: &str) -> Self {
        self.options.push((key.to_owned(), value.to_owned()));
        self
    }

    /// In a VLAN.
    #[must_use]
    pub fn tag(mut self, tag: i64) -> Self {
        self.tag = Some(tag);
        self
    }

    /// With an MTU.
    #[must_use]
    pub fn mtu(mut self, mtu: i64) -> Self {
        self.mtu = Some(mtu);
        self
    }
}

impl Rig {
    /// Makes a bridge in user space and waits until it is there.
    pub fn add_bridge(&self, name: &str) -> anyhow::Result<()> {
        let mut transaction = Transaction::default();
        let interface =
            transaction.insert("Interface", &row([("name", name.into()), ("type", "internal".into())]));
        let port =
            transaction.insert("Port", &row([("name", name.into()), ("interfaces", interface.into())]));
        let columns = [("name", name.into()), ("datapath_type", "netdev".into()), ("ports", port.into())];
        let bridge = transaction.insert("Bridge", &row(columns));
        let insertion = Mutation::insert("bridges", bridge);
        transaction.mutate(OpenVswitch::NAME, &[], &[insertion], Rows::Exactly(1));
        self.client()?.apply(&transaction).with_context(|| format!("failed to add bridge {name}"))?;
        Ok(())
    }

    /// Adds a port to a bridge and waits until the switch has tried to make it.
    pub fn add_port(&self, bridge: &str, port: &NewPort) -> anyhow::Result<()> {
        let mut transaction = Transaction::default();
        let name = || Datum::from(port.name.as_str());
        let mut interface = row([("name", name()), ("type", port.kind.as_str().into())]);
        interface.insert("options".into(), Datum::map(port.options.iter().cloned()));
        interface.extend(port.mtu.map(|mtu| ("mtu_request".to_owned(), mtu.into())));
        let ids = || Datum::map(port.external_ids.iter().cloned());
        interface.insert("external_ids".into(), ids());
        let interface = transaction.insert(Interface::NAME, &interface);
        let mut new = row([("name", name()), ("interfaces", interface.into()), ("external_ids", ids())]);
        new.extend(port.tag.map(|tag| ("tag".to_owned(), tag.into())));
        let new = transaction.insert(Port::NAME, &new);
        let of_bridge = [Condition::equals("name", bridge)];
        transaction.mutate(Bridge::NAME, &of_bridge, &[Mutation::insert("ports", new)], Rows::Exactly(1));
        let added = self.client()?.apply(&transaction);
        added.with_context(|| format!("failed to add port {} to {bridge}", port.name))?;
        Ok(())
    }

    /// Takes a port from a bridge and waits until it is gone.
    pub fn delete_port(&self, bridge: &str, name: &str) -> anyhow::Result<()> {
        let mut client = self.client()?;
        let ports = client.rows::<Port>(&[Condition::equals("name", name)])?;
        let port = ports.into_iter().next().with_context(|| format!("there is no port {name}"))?;
        let mut transaction = Transaction::default();
        let deletion = Mutation::delete("ports", Datum::from(flyover_ovs::Atom::Uuid(port.uuid)));
        transaction.mutate(Bridge::NAME, &[Condition::equals("name", bridge)], &[deletion], Rows::Exactly(1));
        client.apply(&transaction).with_context(|| format!("failed to delete port {name}"))?;
        Ok(())
    }

    /// What the database says of an interface.
    pub fn interface(&self, name: &str) -> anyhow::Result<Interface> {
        let rows = self.client()?.rows::<Interface>(&[Condition::equals("name", name)])?;
        rows.into_iter().next().with_context(|| format!("there is no interface {name}"))
    }
}
