//! Is a port as ADD left it?

use flyover_ovs::tables::{Bridge, Interface, Port as PortRow};
use flyover_ovs::{Client, Condition};

use super::attach::vlan_mode;
use super::owner;
use crate::error::CniError;
use crate::state::{Port, State};

/// What differs, each in a sentence; empty is nothing.
pub fn differences(client: &mut Client, state: &State, port: &Port) -> Result<Vec<String>, CniError> {
    let (mut found, interface) = compare(client, state, port)?;
    found.extend(interface.iter().flat_map(|interface| troubles(port, interface)));
    Ok(found)
}

/// What of its rows is not as it was written, whatever the switch made of them; empty is nothing.
pub fn changes(client: &mut Client, state: &State, port: &Port) -> Result<Vec<String>, CniError> {
    Ok(compare(client, state, port)?.0)
}

fn compare(
    client: &mut Client,
    state: &State,
    port: &Port,
) -> Result<(Vec<String>, Option<Interface>), CniError> {
    let named = [Condition::equals("name", port.name.as_str())];
    let Some(row) = client.rows::<PortRow>(&named)?.into_iter().next() else {
        return Ok((vec![format!("port `{}` is gone", port.name)], None));
    };
    let bridges = client.rows::<Bridge>(&[Condition::equals("name", port.wish.bridge.as_str())])?;
    let Some(interface) = client.rows::<Interface>(&named)?.into_iter().next() else {
        return Ok((vec![format!("interface `{}` is gone", port.name)], None));
    };
    let mut found = Vec::new();
    if !bridges.iter().any(|bridge| bridge.ports.contains(&row.uuid)) {
        found.push(format!("port `{}` is not in bridge `{}`", port.name, port.wish.bridge));
    }
    found.extend(row_differences(state, port, &row));
    found.extend(interface_differences(state, port, &interface));
    Ok((found, Some(interface)))
}

fn row_differences(state: &State, port: &Port, row: &PortRow) -> Vec<String> {
    let mut found = Vec::new();
    if !owner::is_of(&row.external_ids, &state.id()) {
        found.push(format!("port `{}` is not of this attachment", port.name));
    }
    let boot = owner::boot(&row.external_ids);
    if boot.is_some() && boot != state.boot.as_deref() {
        found.push(format!("port `{}` is of another start of the machine", port.name));
    }
    differs(&mut found, port, "tag", &row.tag, &port.wish.vlan.map(i64::from));
    differs(
        &mut found,
        port,
        "trunks",
        &row.trunks,
        &port.wish.trunks.iter().map(|id| i64::from(*id)).collect(),
    );
    differs(&mut found, port, "vlan_mode", &row.vlan_mode.as_deref(), &vlan_mode(port));
    found
}

fn interface_differences(state: &State, port: &Port, row: &Interface) -> Vec<String> {
    let mut found = Vec::new();
    if !owner::is_of(&row.external_ids, &state.id()) {
        found.push(format!("interface `{}` is not of this attachment", port.name));
    }
    let path = port.server_path.display().to_string();
    let policing =
        port.wish.policing.map_or((0, 0), |policing| (i64::from(policing.rate), i64::from(policing.burst)));
    differs(&mut found, port, "type", &row.kind.as_str(), &"dpdkvhostuserclient");
    differs(
        &mut found,
        port,
        "options:vhost-server-path",
        &row.options.get("vhost-server-path"),
        &Some(&path),
    );
    differs(&mut found, port, "mtu_request", &row.mtu_request, &port.wish.mtu.map(i64::from));
    differs(&mut found, port, "ingress_policing_rate", &row.ingress_policing_rate, &policing.0);
    differs(&mut found, port, "ingress_policing_burst", &row.ingress_policing_burst, &policing.1);
    let ovn = port.wish.ovn_port.as_ref().map(ToString::to_string);
    differs(&mut found, port, "external_ids:iface-id", &row.external_ids.get("iface-id"), &ovn.as_ref());
    found
}

/// What the switch says of the interface. A pod that is connected and has no link was not given memory: the database
/// calls such a port healthy otherwise.
fn troubles(port: &Port, row: &Interface) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(error) = row.error.as_ref().filter(|error| !error.is_empty()) {
        found.push(format!("the switch says of port `{}`: {error}", port.name));
    }
    if row.ofport.is_none_or(|number| number <= 0) {
        found.push(format!("port `{}` has no number in the datapath", port.name));
    }
    let connected = row.status.get("status").is_some_and(|status| status == "connected");
    if connected && row.link_state.as_deref() == Some("down") {
        found.push(format!(
            "the pod is connected to port `{}`, which is not in the datapath: memory for packets may lack",
            port.name
        ));
    }
    found
}

fn differs<T: PartialEq + std::fmt::Debug>(
    found: &mut Vec<String>,
    port: &Port,
    what: &str,
    is: &T,
    wanted: &T,
) {
    if is != wanted {
        found.push(format!("{what} of port `{}` is {is:?}, not {wanted:?}", port.name));
    }
}
