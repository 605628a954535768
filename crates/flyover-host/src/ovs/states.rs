//! Rows as the states that actions set: all of them, or only what is ours.

use flyover_core::{BridgeState, InterfaceState, PortState, Strings};
use flyover_ovs::tables::{Bridge, Interface, Port};

use super::record::{RECORD, Record};
use super::{PENDING, Snapshot};

/// Which keys of a map are kept.
enum Keep<'a> {
    /// All, but what only we note down.
    All,
    /// Those that are wished, and those that are ours already.
    Ours(&'a Strings, &'a Record),
}

impl Keep<'_> {
    fn of(&self, column: &str, map: &Strings) -> Strings {
        let kept = |key: &&String| match self {
            Self::All => key.as_str() != RECORD && key.as_str() != PENDING,
            Self::Ours(wished, record) => {
                key.as_str() != RECORD
                    && (wished.contains_key(*key) || record.keys(column).any(|ours| ours == *key))
            }
        };
        map.iter().filter(|(key, _)| kept(key)).map(|(key, value)| (key.clone(), value.clone())).collect()
    }
}

/// A bridge with all its keys.
#[must_use]
pub fn all_of_bridge(row: &Bridge) -> BridgeState {
    BridgeState {
        datapath_type: row.datapath_type.clone(),
        other_config: Keep::All.of("other_config", &row.other_config),
        external_ids: Keep::All.of("external_ids", &row.external_ids),
    }
}

/// A bridge with those keys that are ours, or are to be.
pub(crate) fn bridge_state(row: &Bridge, wished: Option<&BridgeState>) -> BridgeState {
    let (record, nothing) = (Record::of(&row.external_ids), BridgeState::default());
    let wished = wished.unwrap_or(&nothing);
    BridgeState {
        datapath_type: row.datapath_type.clone(),
        other_config: Keep::Ours(&wished.other_config, &record).of("other_config", &row.other_config),
        external_ids: Keep::Ours(&wished.external_ids, &record).of("external_ids", &row.external_ids),
    }
}

/// A port with all its keys.
#[must_use]
pub fn all_of_port(snapshot: &Snapshot, row: &Port) -> PortState {
    let interfaces = snapshot.interfaces_of(row).map(|interface| {
        let options = Keep::All.of("options", &interface.options);
        let other_config = Keep::All.of("other_config", &interface.other_config);
        (interface.name.clone(), of_interface(interface, options, other_config))
    });
    let interfaces = interfaces.collect();
    PortState {
        interfaces,
        other_config: Keep::All.of("other_config", &row.other_config),
        external_ids: Keep::All.of("external_ids", &row.external_ids),
        ..of_port(row)
    }
}

/// A port with those keys that are ours, or are to be.
pub(crate) fn port_state(snapshot: &Snapshot, row: &Port, wished: Option<&PortState>) -> PortState {
    let (record, nothing) = (Record::of(&row.external_ids), PortState::default());
    let wished = wished.unwrap_or(&nothing);
    let no_interface = InterfaceState::default();
    let interfaces = snapshot.interfaces_of(row).map(|interface| {
        let wished = wished.interfaces.get(&interface.name).unwrap_or(&no_interface);
        let record = Record::of(&interface.external_ids);
        let options = Keep::Ours(&wished.options, &record).of("options", &interface.options);
        let other_config =
            Keep::Ours(&wished.other_config, &record).of("other_config", &interface.other_config);
        (interface.name.clone(), of_interface(interface, options, other_config))
    });
    PortState {
        interfaces: interfaces.collect(),
        other_config: Keep::Ours(&wished.other_config, &record).of("other_config", &row.other_config),
        external_ids: Keep::Ours(&wished.external_ids, &record).of("external_ids", &row.external_ids),
        ..of_port(row)
    }
}

/// The columns that are no maps.
fn of_port(row: &Port) -> PortState {
    PortState {
        // The schema bounds them by 4095.
        tag: row.tag.and_then(|tag| u16::try_from(tag).ok()),
        trunks: row.trunks.iter().filter_map(|vlan| u16::try_from(*vlan).ok()).collect(),
        bond_mode: row.bond_mode.clone(),
        lacp: row.lacp.clone(),
        ..PortState::default()
    }
}

fn of_interface(row: &Interface, options: Strings, other_config: Strings) -> InterfaceState {
    let mtu_request = row.mtu_request.and_then(|mtu| u32::try_from(mtu).ok());
    InterfaceState { kind: row.kind.clone(), options, mtu_request, other_config }
}
