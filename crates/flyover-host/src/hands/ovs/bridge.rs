//! A bridge of a switch.
//!
//! Invariant: a bridge goes only with nothing in it but its own port; what others put into it is named.

use flyover_core::{Action, BridgeState, OvsBridge};
use flyover_ovs::tables::Bridge;
use flyover_ovs::transaction::row;
use flyover_ovs::{Atom, Condition, Datum, Mutation, Row, Rows, Transaction};

use super::edit::{Maps, is_owned, new_maps};
use super::{Change, QUICK, needs_vswitchd, no_row, refused};
use crate::hands::Hand;
use crate::ovs::{Snapshot, bridge_state, connect, snapshot, vswitchd};
use crate::root::{HostError, HostRoot};

fn look(wish: &OvsBridge, host: &HostRoot) -> Result<Snapshot, HostError> {
    let found = snapshot(&mut connect(host, &wish.switch, QUICK)?)?;
    if found.switch.is_some() { Ok(found) } else { Err(no_row(&wish.switch)) }
}

fn found(wish: &OvsBridge, found: &Snapshot) -> OvsBridge {
    let state = |row| bridge_state(row, wish.bridge.as_ref());
    OvsBridge { bridge: found.bridge(wish.name.as_str()).map(state), ..wish.clone() }
}

/// What of the change would do harm.
fn refuse(wish: &OvsBridge, found: &Snapshot) -> Result<(), HostError> {
    let Some(there) = found.bridge(wish.name.as_str()) else { return refuse_new(wish, found) };
    let mut ports: Vec<&str> = found.ports_of(there).map(|port| port.name.as_str()).collect();
    ports.sort_unstable();
    match &wish.bridge {
        None if !ports.is_empty() => Err(refused(
            format!("bridge {} has ports: {}", wish.name, ports.join(", ")),
            "take them out first, or keep the bridge",
        )),
        Some(wished) if wished.datapath_type != there.datapath_type && !ports.is_empty() => Err(refused(
            format!(
                "bridge {} has datapath type `{}`, not `{}`, and ports that would go with the change: {}",
                wish.name,
                there.datapath_type,
                wished.datapath_type,
                ports.join(", ")
            ),
            "choose another name, or take its ports out first",
        )),
        _ => Ok(()),
    }
}

fn refuse_new(wish: &OvsBridge, found: &Snapshot) -> Result<(), HostError> {
    let name = wish.name.as_str();
    let taken = found.port(name).is_some() || found.interfaces.iter().any(|each| each.name == name);
    if wish.bridge.is_some() && taken {
        return Err(refused(
            format!("a port is called {name}, and a bridge has a port of its own name"),
            "choose another name",
        ));
    }
    Ok(())
}

fn transaction(wish: &OvsBridge, found: &Snapshot) -> Result<Transaction, HostError> {
    refuse(wish, found)?;
    Ok(match (&wish.bridge, found.bridge(wish.name.as_str())) {
        (None, None) => Transaction::default(),
        (None, Some(there)) => removal(there),
        (Some(wished), None) => insertion(wish, wished),
        (Some(wished), Some(there)) => change(wished, there),
    })
}

fn insertion(wish: &OvsBridge, wished: &BridgeState) -> Transaction {
    let name = wish.name.as_str();
    let mut transaction = Transaction::default();
    for table in ["Bridge", "Port", "Interface"] {
        let taken = format!("somebody made {name} meanwhile");
        transaction.only_if_none(table, &[Condition::equals("name", name)], taken);
    }
    let interface =
        transaction.insert("Interface", &row([("name", name.into()), ("type", "internal".into())]));
    let port = transaction.insert("Port", &row([("name", name.into()), ("interfaces", interface.into())]));
    let mut columns = row([
        ("name", name.into()),
        ("datapath_type", wished.datapath_type.as_str().into()),
        ("ports", port.into()),
    ]);
    let maps = [("other_config", &wished.other_config), ("external_ids", &wished.external_ids)];
    columns.extend(new_maps(&maps, is_owned(&wished.external_ids)));
    let bridge = transaction.insert("Bridge", &columns);
    transaction.mutate("Open_vSwitch", &[], &[Mutation::insert("bridges", bridge)], Rows::Exactly(1));
    transaction
}

/// Goes with its own port, which nothing else refers to.
fn removal(there: &Bridge) -> Transaction {
    let mut transaction = Transaction::default();
    let ports = Datum::Set(there.ports.iter().cloned().map(Atom::Uuid).collect());
    let otherwise = format!("somebody changed the ports of {} meanwhile", there.name);
    transaction.only_if("Bridge", &[Condition::is(&there.uuid)], &[row([("ports", ports)])], otherwise);
    let gone = Mutation::delete("bridges", Atom::Uuid(there.uuid.clone()));
    transaction.mutate("Open_vSwitch", &[], &[gone], Rows::Exactly(1));
    transaction
}

fn change(wished: &BridgeState, there: &Bridge) -> Transaction {
    let maps = Maps {
        columns: &[
            ("other_config", &wished.other_config, &there.other_config),
            ("external_ids", &wished.external_ids, &there.external_ids),
        ],
        external_ids: &there.external_ids,
        owned: is_owned(&wished.external_ids),
    };
    let mut columns = Row::new();
    if wished.datapath_type != there.datapath_type {
        columns.insert("datapath_type".to_owned(), wished.datapath_type.as_str().into());
    }
    let (this, mutations) = ([Condition::is(&there.uuid)], maps.mutations());
    let mut transaction = Transaction::default();
    if columns.is_empty() && mutations.is_empty() {
        return transaction;
    }
    let as_found = row([
        ("other_config", Datum::map(there.other_config.clone())),
        ("external_ids", Datum::map(there.external_ids.clone())),
        ("ports", Datum::Set(there.ports.iter().cloned().map(Atom::Uuid).collect())),
    ]);
    transaction.only_if("Bridge", &this, &[as_found], format!("somebody changed {} meanwhile", there.name));
    if !columns.is_empty() {
        transaction.update("Bridge", &this, &columns, Rows::Exactly(1));
    }
    if !mutations.is_empty() {
        transaction.mutate("Bridge", &this, &mutations, Rows::Exactly(1));
    }
    transaction
}

impl Hand for OvsBridge {
    fn check(&self, host: &HostRoot) -> Result<(), HostError> {
        refuse(self, &look(self, host)?)?;
        match &self.bridge {
            Some(_) => needs_vswitchd(host, &self.switch, &format!("bridge {}", self.name)),
            None => Ok(()),
        }
    }

    fn observe(&self, host: &HostRoot) -> Result<Action, HostError> {
        Ok(Action::OvsBridge(found(self, &look(self, host)?)))
    }

    fn holds(&self, host: &HostRoot) -> Result<bool, HostError> {
        let made = self.bridge.is_none() || vswitchd(host, &self.switch).is_some();
        Ok(made && found(self, &look(self, host)?) == *self)
    }

    fn act(&self, host: &HostRoot) -> Result<(), HostError> {
        let verb = if self.bridge.is_some() { "set" } else { "remove" };
        let what = format!("{verb} bridge {}", self.name);
        Change { host, at: &self.switch, what, limit: QUICK }.make(|found| transaction(self, found))
    }
}
