//! Puts a port into a bridge.

use flyover_ovs::tables::{self, Interface};
use flyover_ovs::transaction::row;
use flyover_ovs::{Atom, Client, Condition, Datum, Mutation, OvsError, Row, Rows, Transaction};

use super::{inspect, owner, remove};
use crate::error::{CniError, Code};
use crate::failpoint;
use crate::node::Node;
use crate::state::{Port, State};

/// How often another process may get in our way.
const PATIENCE: usize = 5;

/// Puts the port of an attachment into its bridge, and tells what the switch made of it.
pub fn attach(client: &mut Client, node: &Node, state: &State, port: &Port) -> Result<Interface, CniError> {
    let mut make_bridge = false;
    for _ in 0..PATIENCE {
        failpoint::before("put a port into the bridge");
        // A port that could not be made gets a number too, which is none.
        let insertion = insertion(state, port, make_bridge);
        match client.transact_until::<Interface>(&insertion, &named(port), "ofport") {
            Ok(rows) => return made(rows, port),
            Err(OvsError::Changed(_)) => {}
            Err(error) => return Err(error.into()),
        }
        match obstacle(client, state, port)? {
            Obstacle::Ours => return made(client.rows(&named(port))?, port),
            Obstacle::OursOtherwise => remove(client, &state.id())?,
            Obstacle::NoBridge if node.create_bridges => make_bridge = true,
            Obstacle::NoBridge => {
                return Err(refused(format!("bridge `{}` is not there", port.wish.bridge))
                    .details("hint: `flyover switch apply` makes bridges; createBridges in the node's configuration lets us"));
            }
            Obstacle::None => make_bridge = false,
        }
    }
    Err(CniError::new(Code::TryAgain, format!("port `{}` is changed by others all the time", port.name)))
}

/// What the guards of a transaction ran into.
enum Obstacle {
    /// It is there already, as it is to be.
    Ours,
    /// It is there already, and is to be another way.
    OursOtherwise,
    /// There is no such bridge.
    NoBridge,
    /// Nothing any more.
    None,
}

fn obstacle(client: &mut Client, state: &State, port: &Port) -> Result<Obstacle, CniError> {
    let wanted = &port.wish.bridge;
    let bridges = client.rows::<tables::Bridge>(&[Condition::equals("name", wanted.as_str())])?;
    let there = client.rows::<tables::Port>(&[Condition::equals("name", port.name.as_str())])?;
    if let Some(there) = there.first() {
        if !owner::is_of(&there.external_ids, &state.id()) {
            return Err(refused(format!(
                "port `{}` is there already, and not of this attachment",
                port.name
            )));
        }
        let as_it_is_to_be = inspect::differences(client, state, port)?.is_empty();
        return Ok(if as_it_is_to_be { Obstacle::Ours } else { Obstacle::OursOtherwise });
    }
    match bridges.first() {
        None => Ok(Obstacle::NoBridge),
        Some(bridge) if bridge.datapath_type != "netdev" => Err(refused(format!(
            "bridge `{wanted}` is not in user space: its datapath_type is `{}`, not `netdev`",
            bridge.datapath_type
        ))),
        Some(_) => Ok(Obstacle::None),
    }
}

fn named(port: &Port) -> [Condition; 1] {
    [Condition::equals("name", port.name.as_str())]
}

/// What the switch made of it. That a transaction was carried out does not say that the port is there.
fn made(rows: Vec<Interface>, port: &Port) -> Result<Interface, CniError> {
    let interface = rows.into_iter().next();
    let interface = interface.ok_or_else(|| refused(format!("port `{}` was removed at once", port.name)))?;
    match (&interface.error, interface.ofport) {
        (Some(error), _) if !error.is_empty() => {
            Err(refused(format!("the switch could not make port `{}`", port.name)).details(error.clone()))
        }
        (_, None | Some(-1)) => Err(refused(format!("the switch did not make port `{}`", port.name))
            .details("it has no number in the datapath; hint: is `dpdk_initialized` true?")),
        _ => Ok(interface),
    }
}

fn insertion(state: &State, port: &Port, make_bridge: bool) -> Transaction {
    let (name, bridge) = (port.name.as_str(), port.wish.bridge.as_str());
    let mut transaction = Transaction::default();
    let is_bridge = [Condition::equals("name", bridge)];
    if make_bridge {
        transaction.only_if_none("Bridge", &is_bridge, format!("bridge `{bridge}` is there"));
    } else {
        let as_is = row([("name", bridge.into()), ("datapath_type", "netdev".into())]);
        transaction.only_if(
            "Bridge",
            &is_bridge,
            &[as_is],
            format!("there is no bridge `{bridge}` in user space"),
        );
    }
    transaction.only_if_none("Port", &[Condition::equals("name", name)], format!("port `{name}` is there"));
    transaction.only_if_none(
        "Interface",
        &[Condition::equals("name", name)],
        format!("interface `{name}` is there"),
    );
    let interface = transaction.insert("Interface", &interface(state, port));
    let port_row = port_columns(state, port, Datum::from(interface));
    let port_row = transaction.insert("Port", &port_row);
    if make_bridge {
        insert_bridge(&mut transaction, bridge, port_row);
    } else {
        let add = [Mutation::insert("ports", Datum::from(port_row))];
        transaction.mutate("Bridge", &is_bridge, &add, Rows::Exactly(1));
    }
    transaction.comment(&format!("flyover-cni: attach {}", state.attachment));
    transaction
}

/// A bridge with its own port. It stays when the attachments are gone: others may use it by then.
fn insert_bridge(transaction: &mut Transaction, name: &str, port: Atom) {
    let internal =
        transaction.insert("Interface", &row([("name", name.into()), ("type", "internal".into())]));
    let local =
        transaction.insert("Port", &row([("name", name.into()), ("interfaces", Datum::from(internal))]));
    let bridge = transaction.insert(
        "Bridge",
        &row([
            ("name", name.into()),
            ("datapath_type", "netdev".into()),
            ("ports", Datum::Set(vec![local, port])),
            ("external_ids", Datum::map([("flyover-made-by", "flyover-cni")])),
        ]),
    );
    let add = [Mutation::insert("bridges", Datum::from(bridge))];
    transaction.mutate("Open_vSwitch", &[], &add, Rows::Exactly(1));
}

fn interface(state: &State, port: &Port) -> Row {
    let wish = &port.wish;
    let mut marks = owner::marks(state);
    marks.extend(wish.ovn_port.as_ref().map(|id| ("iface-id".to_owned(), id.to_string())));
    marks.insert("attached-mac".to_owned(), mac(state, port).to_string());
    marks.extend(wish.queues.map(|queues| ("flyover-queues".to_owned(), queues.to_string())));
    let mut columns = row([
        ("name", port.name.as_str().into()),
        ("type", "dpdkvhostuserclient".into()),
        ("options", Datum::map([("vhost-server-path", port.server_path.display().to_string())])),
        ("external_ids", Datum::map(marks)),
    ]);
    if let Some(mtu) = wish.mtu {
        columns.insert("mtu_request".to_owned(), i64::from(mtu).into());
    }
    if let Some(policing) = wish.policing {
        columns.insert("ingress_policing_rate".to_owned(), i64::from(policing.rate).into());
        columns.insert("ingress_policing_burst".to_owned(), i64::from(policing.burst).into());
    }
    columns
}

fn port_columns(state: &State, port: &Port, interface: Datum) -> Row {
    let wish = &port.wish;
    let mut columns = row([
        ("name", port.name.as_str().into()),
        ("interfaces", interface),
        ("external_ids", Datum::map(owner::marks(state))),
    ]);
    if let Some(tag) = wish.vlan {
        columns.insert("tag".to_owned(), i64::from(tag).into());
    }
    if !wish.trunks.is_empty() {
        let trunks = wish.trunks.iter().map(|id| Atom::Integer(i64::from(*id))).collect();
        columns.insert("trunks".to_owned(), Datum::Set(trunks));
    }
    if let Some(mode) = vlan_mode(port) {
        columns.insert("vlan_mode".to_owned(), mode.into());
    }
    columns
}

/// How tag and trunks go together.
pub(super) fn vlan_mode(port: &Port) -> Option<&'static str> {
    match (port.wish.vlan.is_some(), port.wish.trunks.is_empty()) {
        (false, true) => None,
        (true, true) => Some("access"),
        (false, false) => Some("trunk"),
        (true, false) => Some("native-untagged"),
    }
}

/// The address the pod is told to have.
pub(crate) fn mac(state: &State, port: &Port) -> flyover_core::MacAddr {
    port.wish.mac.unwrap_or_else(|| state.attachment.mac())
}

fn refused(msg: String) -> CniError {
    CniError::new(Code::Switch, msg)
}
