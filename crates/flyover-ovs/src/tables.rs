//! The rows of a switch's database that we touch, declared once.
//!
//! Only the columns named here are ever read or written, and maps are changed key by key: what a newer
//! Open vSwitch or another program keeps in a row survives.

use std::collections::{BTreeMap, BTreeSet};

use crate::datum::{Column, Row, Uuid};
use crate::error::OvsError;

/// A kind of row.
pub trait Table: Sized {
    /// Its name in the schema.
    const NAME: &'static str;

    /// The columns that are read, `_uuid` first.
    const COLUMNS: &'static [&'static str];

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

macro_rules! table {
    ($(#[$doc:meta])* $name:ident = $table:literal { $($(#[$field_doc:meta])* $field:ident = $column:literal: $type:ty,)* }) => {
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

            fn read(row: &Row) -> Result<Self, OvsError> {
                Ok(Self {
                    uuid: column($table, row, "_uuid")?,
                    $($field: column($table, row, $column)?,)*
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
        dpdk_initialized = "dpdk_initialized": bool,
        /// Which DPDK.
        dpdk_version = "dpdk_version": Option<String>,
        /// Which Open vSwitch.
        ovs_version = "ovs_version": Option<String>,
        /// Which kinds of ports it has.
        iface_types = "iface_types": BTreeSet<String>,
        /// Which datapaths it has.
        datapath_types = "datapath_types": BTreeSet<String>,
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
        fail_mode = "fail_mode": Option<String>,
        /// Its controllers; without one it forwards as a learning switch does.
        controller = "controller": BTreeSet<Uuid>,
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
        admin_state = "admin_state": Option<String>,
        /// What it is in fact: for a vhost port whether a peer is connected.
        status = "status": Strings,
        /// Counters.
        statistics = "statistics": BTreeMap<String, i64>,
        /// The MTU it has.
        mtu = "mtu": Option<i64>,
        /// The MTU that was asked for.
        mtu_request = "mtu_request": Option<i64>,
        /// The MAC address it has.
        mac_in_use = "mac_in_use": Option<String>,
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
