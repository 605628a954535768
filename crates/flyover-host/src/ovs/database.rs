//! What the database of a switch holds, read in one transaction.

use std::time::Duration;

use flyover_core::SwitchAt;
use flyover_ovs::tables::{Bridge, Interface, OpenVswitch, Port};
use flyover_ovs::{Atom, Client, Condition, Transaction, Uuid};

use super::failed;
use crate::root::{HostError, HostRoot};

/// Rows of one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The switch itself; none in a database that nobody has begun to use.
    pub switch: Option<OpenVswitch>,
    /// Its bridges.
    pub bridges: Vec<Bridge>,
    /// Their ports.
    pub ports: Vec<Port>,
    /// The interfaces of those.
    pub interfaces: Vec<Interface>,
}

/// A connection to the database of a switch.
pub fn connect(host: &HostRoot, at: &SwitchAt, limit: Duration) -> Result<Client, HostError> {
    Client::connect(&host.path(&at.database), limit).map_err(|_| {
        HostError::Unsupported(format!(
            "no database answers at `{}`\n  hint: start the switch, or name its socket in `runtime`",
            at.database
        ))
    })
}

/// How many interfaces are asked for at once by those who take them in parts.
const PART: usize = 64;

/// All that is read of a database, but interfaces by and by: a thousand of them in one answer take many times the room
/// that they need. One that came or went meanwhile may be missing.
pub fn snapshot_in_parts(client: &mut Client) -> Result<Snapshot, HostError> {
    let mut read = || {
        let mut found = Snapshot {
            switch: client.rows::<OpenVswitch>(&[])?.into_iter().next(),
            bridges: client.rows(&[])?,
            ports: client.rows(&[])?,
            interfaces: Vec::new(),
        };
        let uuids: Vec<&Uuid> = found.ports.iter().flat_map(|port| &port.interfaces).collect();
        for part in uuids.chunks(PART) {
            let mut transaction = Transaction::default();
            let one = |uuid: &Uuid| [Condition::equals("_uuid", Atom::Uuid(uuid.clone()))];
            let selections: Vec<usize> =
                part.iter().map(|uuid| transaction.select::<Interface>(&one(uuid))).collect();
            let mut answered = client.transact(&transaction)?;
            for selection in selections {
                found.interfaces.extend(answered.take::<Interface>(selection)?);
            }
        }
        Ok(found)
    };
    read().map_err(failed("read the switch's database"))
}

/// All that is read of a database, at one moment.
pub fn snapshot(client: &mut Client) -> Result<Snapshot, HostError> {
    let mut transaction = Transaction::default();
    let switch = transaction.select::<OpenVswitch>(&[]);
    let bridges = transaction.select::<Bridge>(&[]);
    let ports = transaction.select::<Port>(&[]);
    let interfaces = transaction.select::<Interface>(&[]);
    let read = |client: &mut Client| {
        let mut found = client.transact(&transaction)?;
        Ok(Snapshot {
            switch: found.take(switch)?.into_iter().next(),
            bridges: found.take(bridges)?,
            ports: found.take(ports)?,
            interfaces: found.take(interfaces)?,
        })
    };
    read(client).map_err(failed("read the switch's database"))
}

impl Snapshot {
    /// The bridge of that name.
    #[must_use]
    pub fn bridge(&self, name: &str) -> Option<&Bridge> {
        self.bridges.iter().find(|bridge| bridge.name == name)
    }

    /// The port of that name.
    #[must_use]
    pub fn port(&self, name: &str) -> Option<&Port> {
        self.ports.iter().find(|port| port.name == name)
    }

    /// The bridge that a port is in.
    #[must_use]
    pub fn bridge_of(&self, port: &Port) -> Option<&Bridge> {
        self.bridges.iter().find(|bridge| bridge.ports.contains(&port.uuid))
    }

    /// The ports of a bridge but its own.
    pub fn ports_of<'a>(&'a self, bridge: &'a Bridge) -> impl Iterator<Item = &'a Port> {
        self.ports.iter().filter(|port| bridge.ports.contains(&port.uuid) && port.name != bridge.name)
    }

    /// The interfaces of a port.
    pub fn interfaces_of<'a>(&'a self, port: &'a Port) -> impl Iterator<Item = &'a Interface> {
        self.interfaces.iter().filter(|interface| port.interfaces.contains(&interface.uuid))
    }
}
