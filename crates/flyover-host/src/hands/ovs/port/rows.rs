//! The transactions that make a port, change it and take it away.

use std::collections::BTreeSet;

use flyover_core::{InterfaceState, OvsName, OvsPort, PortState};
use flyover_ovs::tables::{Bridge, Interface, Port};
use flyover_ovs::transaction::row;
use flyover_ovs::{Atom, Condition, Datum, Mutation, Row, Rows, Transaction, Uuid};

use crate::hands::ovs::edit::{Maps, is_owned, new_maps};
use crate::ovs::Snapshot;

fn uuids(set: &BTreeSet<Uuid>) -> Datum {
    Datum::Set(set.iter().cloned().map(Atom::Uuid).collect())
}

fn optional<T: Into<Datum>>(value: Option<T>) -> Datum {
    value.map_or_else(Datum::empty, Into::into)
}

/// The columns of a port that are no maps and refer to nothing.
fn plain(state: &PortState) -> [(&'static str, Datum); 4] {
    let trunks = state.trunks.iter().map(|vlan| Atom::Integer(i64::from(*vlan)));
    [
        ("tag", optional(state.tag.map(i64::from))),
        ("trunks", Datum::Set(trunks.collect())),
        ("bond_mode", optional(state.bond_mode.clone())),
        ("lacp", optional(state.lacp.clone())),
    ]
}

fn plain_of(there: &Port) -> [(&'static str, Datum); 4] {
    [
        ("tag", optional(there.tag)),
        ("trunks", Datum::Set(there.trunks.iter().copied().map(Atom::Integer).collect())),
        ("bond_mode", optional(there.bond_mode.clone())),
        ("lacp", optional(there.lacp.clone())),
    ]
}

fn differing<const N: usize>(wished: [(&str, Datum); N], there: &[(&str, Datum); N]) -> Row {
    let differ = wished.into_iter().zip(there).filter(|((_, wished), (_, there))| wished != there);
    differ.map(|((column, datum), _)| (column.to_owned(), datum)).collect()
}

fn meanwhile(name: &str) -> String {
    format!("somebody changed {name} meanwhile")
}

/// Takes a port out of its bridge; its rows, which nothing else refers to, go with that.
pub(super) fn removal(found: &Snapshot, there: &Port, bridge: &OvsName) -> Transaction {
    let mut transaction = Transaction::default();
    // In another bridge it is somebody else's by now.
    let Some(bridge) = found.bridge_of(there).filter(|found| found.name == bridge.as_str()) else {
        return transaction;
    };
    let gone = Mutation::delete("ports", Atom::Uuid(there.uuid.clone()));
    still_in(&mut transaction, bridge);
    transaction.mutate("Bridge", &[Condition::is(&bridge.uuid)], &[gone], Rows::Exactly(1));
    transaction
}

fn still_in(transaction: &mut Transaction, bridge: &Bridge) {
    let as_found = row([("ports", uuids(&bridge.ports))]);
    transaction.only_if("Bridge", &[Condition::is(&bridge.uuid)], &[as_found], meanwhile(&bridge.name));
}

fn insert_interface(transaction: &mut Transaction, name: &str, state: &InterfaceState, owned: bool) -> Atom {
    transaction.only_if_none("Interface", &[Condition::equals("name", name)], meanwhile(name));
    let mut columns = row([("name", name.into()), ("type", state.kind.as_str().into())]);
    if let Some(mtu) = state.mtu_request {
        columns.insert("mtu_request".to_owned(), i64::from(mtu).into());
    }
    columns.extend(new_maps(&[("options", &state.options), ("other_config", &state.other_config)], owned));
    transaction.insert("Interface", &columns)
}

/// Makes a port in a bridge that is there.
pub(super) fn insertion(port: &OvsPort, wished: &PortState, found: &Snapshot) -> Transaction {
    let mut transaction = Transaction::default();
    let Some(bridge) = found.bridge(port.bridge.as_str()) else { return transaction };
    let (name, owned) = (port.name.as_str(), is_owned(&wished.external_ids));
    still_in(&mut transaction, bridge);
    transaction.only_if_none("Port", &[Condition::equals("name", name)], meanwhile(name));
    let interfaces = wished.interfaces.iter();
    let interfaces: Vec<Atom> =
        interfaces.map(|(name, state)| insert_interface(&mut transaction, name, state, owned)).collect();
    let mut columns = row([("name", name.into()), ("interfaces", Datum::Set(interfaces))]);
    columns.extend(plain(wished).map(|(column, datum)| (column.to_owned(), datum)));
    let maps = [("other_config", &wished.other_config), ("external_ids", &wished.external_ids)];
    columns.extend(new_maps(&maps, owned));
    let new = transaction.insert("Port", &columns);
    let this = [Condition::is(&bridge.uuid)];
    transaction.mutate("Bridge", &this, &[Mutation::insert("ports", new)], Rows::Exactly(1));
    transaction
}

/// Changes what differs, and no more.
pub(super) fn change(wished: &PortState, there: &Port, found: &Snapshot) -> Transaction {
    let (mut transaction, this) = (Transaction::default(), [Condition::is(&there.uuid)]);
    let owned = is_owned(&wished.external_ids);
    let columns = differing(plain(wished), &plain_of(there));
    let maps = Maps {
        columns: &[
            ("other_config", &wished.other_config, &there.other_config),
            ("external_ids", &wished.external_ids, &there.external_ids),
        ],
        external_ids: &there.external_ids,
        owned,
    };
    let mut mutations = maps.mutations();
    for interface in found.interfaces_of(there) {
        match wished.interfaces.get(&interface.name) {
            Some(state) => change_interface(&mut transaction, state, interface, owned),
            None => mutations.push(Mutation::delete("interfaces", Atom::Uuid(interface.uuid.clone()))),
        }
    }
    let is_there = |name: &str| found.interfaces_of(there).any(|interface| interface.name == name);
    for (name, state) in wished.interfaces.iter().filter(|(name, _)| !is_there(name)) {
        let new = insert_interface(&mut transaction, name, state, owned);
        mutations.push(Mutation::insert("interfaces", new));
    }
    if !columns.is_empty() || !mutations.is_empty() {
        let as_found = row([
            ("interfaces", uuids(&there.interfaces)),
            ("other_config", Datum::map(there.other_config.clone())),
            ("external_ids", Datum::map(there.external_ids.clone())),
        ]);
        transaction.only_if("Port", &this, &[as_found], meanwhile(&there.name));
    }
    if !columns.is_empty() {
        transaction.update("Port", &this, &columns, Rows::Exactly(1));
    }
    if !mutations.is_empty() {
        transaction.mutate("Port", &this, &mutations, Rows::Exactly(1));
    }
    transaction
}

fn change_interface(transaction: &mut Transaction, wished: &InterfaceState, there: &Interface, owned: bool) {
    let maps = Maps {
        columns: &[
            ("options", &wished.options, &there.options),
            ("other_config", &wished.other_config, &there.other_config),
        ],
        external_ids: &there.external_ids,
        owned,
    };
    let wished =
        [("type", wished.kind.as_str().into()), ("mtu_request", optional(wished.mtu_request.map(i64::from)))];
    let now = [("type", there.kind.as_str().into()), ("mtu_request", optional(there.mtu_request))];
    let (columns, mutations, this) =
        (differing(wished, &now), maps.mutations(), [Condition::is(&there.uuid)]);
    if columns.is_empty() && mutations.is_empty() {
        return;
    }
    let as_found = row([
        ("options", Datum::map(there.options.clone())),
        ("other_config", Datum::map(there.other_config.clone())),
        ("external_ids", Datum::map(there.external_ids.clone())),
    ]);
    transaction.only_if("Interface", &this, &[as_found], meanwhile(&there.name));
    if !columns.is_empty() {
        transaction.update("Interface", &this, &columns, Rows::Exactly(1));
    }
    if !mutations.is_empty() {
        transaction.mutate("Interface", &this, &mutations, Rows::Exactly(1));
    }
}
