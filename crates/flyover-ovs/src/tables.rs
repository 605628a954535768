//! The rows of a switch's database that we touch, declared once.
//!
//! Only the columns named here are ever read or written, and maps are changed key by key: what a newer
//! Open vSwitch or another program keeps in a row survives. A column that we only show may be missing from a server.

use std::collections::{BTreeMap, BTreeSet};

use crate::datum::{Column, Row, Uuid};
use crate::error::OvsError;
use crate::schema::Declared;

/// A kind of row.
pub trait Table: Sized {
    /// Its name in the schema.
    const NAME: &'static str;

    /// The columns that are read, `_uuid` first.
    const COLUMNS: &'static [&'static str];

    /// What the columns but `_uuid` must be like.
    const DECLARED: &'static [Declared];

    /// Reads a row.
    fn read(row: &Row) -> Result<Self, OvsError>;
}

fn column<T: Column>(table: &'static str, row: &Row, name: &'static str) -> Result<T, OvsError> {
    let datum = row.get(name);
    datum.and_then(T::read).ok_or_else(|| OvsError::Column {
        table,
        column: name,
        found: datum.map_or_else(|| "nothing".to_owned(), |datum| datum.json().to_string()),
        wanted: T::WANTED,
    })
}

macro_rules! read {
    ($table:literal, $row:ident, $column:literal) => {
        column($table, $row, $column)?
    };
    ($table:literal, $row:ident, $column:literal, $absent:expr) => {
        if $row.contains_key($column) { column($table, $row, $column)? } else { $absent }
    };
}

macro_rules! needed {
    () => {
        true
    };
    ($absent:expr) => {
        false
    };
}

// A column with `= value` may be missing, and is read as that value then.
macro_rules! table {
    ($(#[$doc:meta])* $name:ident = $table:literal {
        $($(#[$field_doc:meta])* $field:ident = $column:literal: $type:ty $(= $absent:expr)?,)*
    }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            /// The row's name.
            pub uuid: Uuid,
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl Table for $name {
            const NAME: &'static str = $table;
            const COLUMNS: &'static [&'static str] = &["_uuid", $($column,)*];
            const DECLARED: &'static [Declared] = &[$(Declared {
                name: $column,
                needed: needed!($($absent)?),
                wanted: <$type as Column>::WANTED,
                fits: <$type as Column>::fits,
            },)*];

            fn read(row: &Row) -> Result<Self, OvsError> {
                Ok(Self {
                    uuid: column($table, row, "_uuid")?,
                    $($field: read!($table, row, $column $(, $absent)?),)*
                })
            }
        }
    };
}

/// Strings by key.
pub type Strings = BTreeMap<String, String>;

table! {
    /// The switch itself; the table has one row.
    OpenVswitch = "Open_vSwitch" {
        /// Its bridges.
        bridges = "bridges": BTreeSet<Uuid>,
        /// Which configuration was asked for last.
        next_cfg = "next_cfg": i64,
        /// Which configuration `ovs-vswitchd` has carried out.
        cur_cfg = "cur_cfg": i64,
        /// `dpdk-init`, `pmd-cpu-mask`, …
        other_config = "other_config": Strings,
        /// What others keep here.
        external_ids = "external_ids": Strings,
        /// Whether DPDK runs: the truth, where `dpdk-init` is the wish.
        dpdk_initialized = "dpdk_initialized": bool = false,
        /// Which DPDK.
        dpdk_version = "dpdk_version": Option<String> = None,
        /// Which Open vSwitch.
        ovs_version = "ovs_version": Option<String> = None,
        /// Which kinds of ports it has.
        iface_types = "iface_types": BTreeSet<String> = BTreeSet::new(),
        /// Which datapaths it has.
        datapath_types = "datapath_types": BTreeSet<String> = BTreeSet::new(),
    }
}

table! {
    /// A bridge.
    Bridge = "Bridge" {
        /// Its name.
        name = "name": String,
        /// `netdev` is the one in user space.
        datapath_type = "datapath_type": String,
        /// Its ports, its own among them.
        ports = "ports": BTreeSet<Uuid>,
        /// `secure` forwards nothing without a controller.
        fail_mode = "fail_mode": Option<String> = None,
        /// Its controllers; without one it forwards as a learning switch does.
        controller = "controller": BTreeSet<Uuid> = BTreeSet::new(),
        /// Settings.
        other_config = "other_config": Strings,
        /// Whose it is.
        external_ids = "external_ids": Strings,
    }
}

table! {
    /// A port: one interface, or a bond of several.
    Port = "Port" {
        /// Its name.
        name = "name": String,
        /// Its interfaces.
        interfaces = "interfaces": BTreeSet<Uuid>,
        /// The VLAN of what has no tag.
        tag = "tag": Option<i64>,
        /// The VLANs it carries; none is all.
        trunks = "trunks": BTreeSet<i64>,
        /// `access`, `trunk`, `native-tagged`, `native-untagged`.
        vlan_mode = "vlan_mode": Option<String>,
        /// `active-backup`, `balance-slb`, `balance-tcp`.
        bond_mode = "bond_mode": Option<String>,
        /// `active`, `passive`, `off`.
        lacp = "lacp": Option<String>,
        /// Settings.
        other_config = "other_config": Strings,
        /// Whose it is.
        external_ids = "external_ids": Strings,
    }
}

table! {
    /// An interface.
    Interface = "Interface" {
        /// Its name.
        name = "name": String,
        /// `dpdk`, `dpdkvhostuserclient`, `internal`, …
        kind = "type": String,
        /// `dpdk-devargs`, `vhost-server-path`, `n_rxq`, …
        options = "options": Strings,
        /// Its number in the datapath; -1 says it could not be made.
        ofport = "ofport": Option<i64>,
        /// What `ovs-vswitchd` says went wrong. That it says nothing does not mean that nothing did.
        error = "error": Option<String>,
        /// `up` or `down`.
        link_state = "link_state": Option<String>,
        /// Whether it was asked to be up.
        admin_state = "admin_state": Option<String> = None,
        /// What it is in fact: for a vhost port whether a peer is connected.
        status = "status": Strings,
        /// Counters.
        statistics = "statistics": BTreeMap<String, i64> = BTreeMap::new(),
        /// The MTU it has.
        mtu = "mtu": Option<i64> = None,
        /// The MTU that was asked for.
        mtu_request = "mtu_request": Option<i64>,
        /// The MAC address it has.
        mac_in_use = "mac_in_use": Option<String> = None,
        /// The most that may come in, in kbit/s; 0 is all.
        ingress_policing_rate = "ingress_policing_rate": i64,
        /// How much above it, in kbit.
        ingress_policing_burst = "ingress_policing_burst": i64,
        /// Settings.
        other_config = "other_config": Strings,
        /// Whose it is.
        external_ids = "external_ids": Strings,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datum::{Atom, Datum};
    use crate::transaction::row;

    fn bridge() -> Row {
        let name = Datum::from(Atom::Uuid(Uuid("b".to_owned())));
        let strings = || Datum::Map(Vec::new());
        row([
            ("_uuid", name),
            ("name", "br0".into()),
            ("datapath_type", "netdev".into()),
            ("ports", Datum::empty()),
            ("other_config", strings()),
            ("external_ids", strings()),
            ("from_the_future", 7.into()),
        ])
    }

    #[test]
    fn a_row_is_read_without_what_is_only_shown_and_with_what_is_not_known() {
        let read = Bridge::read(&bridge()).unwrap();
        assert_eq!((read.name.as_str(), read.fail_mode, read.controller), ("br0", None, BTreeSet::new()));
    }

    #[test]
    fn a_column_that_is_needed_or_holds_something_else_is_named() {
        let mut without = bridge();
        without.remove("ports");
        let error = Bridge::read(&without).unwrap_err();
        assert_eq!(error.to_string(), "column `ports` of table Bridge holds nothing, not a set");
        let mut other = bridge();
        other.insert("fail_mode".to_owned(), 7.into());
        let error = Bridge::read(&other).unwrap_err();
        assert_eq!(error.to_string(), "column `fail_mode` of table Bridge holds 7, not a string");
    }
}
