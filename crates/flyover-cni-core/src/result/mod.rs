//! What an attachment is, in every version of the specification.
//!
//! Invariants: inside there is only the newest form; a result is read from any version and written in exactly the one that
//! was asked for: what that version has no field for is left out.

use flyover_core::IfName;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::{CniError, Code};
use crate::version::Version;

/// A result.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CniResult {
    /// Interfaces.
    #[serde(deserialize_with = "list")]
    pub interfaces: Vec<Interface>,
    /// Addresses.
    #[serde(deserialize_with = "list")]
    pub ips: Vec<Ip>,
    /// Routes.
    #[serde(deserialize_with = "list")]
    pub routes: Vec<Route>,
    /// Name servers and such, as they were given.
    pub dns: Value,
}

/// An interface.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Its Ethernet address.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub mac: String,
    /// Its MTU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// The network namespace it is in; none is the host's.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sandbox: String,
    /// The socket it is reached by.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub socket_path: String,
    /// The PCI device it is.
    #[serde(rename = "pciID", skip_serializing_if = "String::is_empty")]
    pub pci_id: String,
}

/// An address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ip {
    /// With the length of its prefix.
    pub address: String,
    /// The gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
    /// Which of the interfaces has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interface: Option<usize>,
}

/// A route.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Route {
    /// Where to.
    pub dst: String,
    /// By which gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gw: Option<String>,
    /// `mtu`, `advmss`, `priority`, `table`, `scope`.
    #[serde(flatten)]
    pub more: serde_json::Map<String, Value>,
}

impl CniResult {
    /// Reads a result of any version.
    pub fn parse(json: &Value) -> Result<Self, CniError> {
        serde_json::from_value(json.clone()).map_err(|error| {
            CniError::new(Code::Decode, "a result has a field of the wrong kind").because(&error)
        })
    }

    /// Writes it in a version.
    #[must_use]
    pub fn render(&self, version: Version) -> Value {
        let mut json = json!({"cniVersion": version.as_str()});
        let mut put = |key: &str, list: Vec<Value>| {
            if !list.is_empty() {
                json[key] = Value::Array(list);
            }
        };
        put("interfaces", self.interfaces.iter().map(|interface| interface.render(version)).collect());
        put("ips", self.ips.iter().map(|ip| ip.render(version)).collect());
        put("routes", self.routes.iter().map(|route| route.render(version)).collect());
        if self.dns.as_object().is_some_and(|dns| !dns.is_empty()) {
            json["dns"] = self.dns.clone();
        }
        json
    }

    /// Takes the addresses a plugin gave to the last of our interfaces.
    pub fn take_addresses(&mut self, of: Self) {
        let last = self.interfaces.len().checked_sub(1);
        self.ips.extend(of.ips.into_iter().map(|ip| Ip { interface: last, ..ip }));
        self.routes.extend(of.routes);
        if of.dns.as_object().is_some_and(|dns| !dns.is_empty()) {
            self.dns = of.dns;
        }
    }

    /// Our interface among those of a result.
    #[must_use]
    pub fn interface(&self, ifname: &IfName) -> Option<&Interface> {
        self.interfaces
            .iter()
            .find(|interface| interface.name == ifname.as_str() && !interface.sandbox.is_empty())
    }
}

impl Interface {
    fn render(&self, version: Version) -> Value {
        let plain = Self { mtu: None, socket_path: String::new(), pci_id: String::new(), ..self.clone() };
        as_json(if version < Version::V110 { &plain } else { self })
    }
}

impl Ip {
    fn render(&self, version: Version) -> Value {
        let mut json = as_json(self);
        if version < Version::V100 {
            json["version"] = if self.address.contains(':') { json!("6") } else { json!("4") };
        }
        json
    }
}

impl Route {
    fn render(&self, version: Version) -> Value {
        let plain = Self { more: serde_json::Map::new(), ..self.clone() };
        as_json(if version < Version::V110 { &plain } else { self })
    }
}

fn as_json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).expect("strings and numbers can be written as JSON")
}

/// Go writes a list without entries as `null`.
fn list<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Value {
        json!({"cniVersion": "1.1.0",
            "interfaces": [{"name": "net1", "mac": "02:00:00:00:00:01", "mtu": 1500, "sandbox": "/run/netns/a",
                "socketPath": "/run/flyover/vhost/0/s"}],
            "ips": [{"address": "10.0.0.2/24", "gateway": "10.0.0.1", "interface": 0}, {"address": "fd00::2/64"}],
            "routes": [{"dst": "0.0.0.0/0", "gw": "10.0.0.1", "mtu": 1400}],
            "dns": {"nameservers": ["10.0.0.53"]}})
    }

    #[test]
    fn a_result_of_the_newest_version_survives_reading_and_writing() {
        assert_eq!(CniResult::parse(&full()).unwrap().render(Version::V110), full());
    }

    #[test]
    fn each_version_gets_exactly_the_fields_it_has() {
        let result = CniResult::parse(&full()).unwrap();
        let old = |version: &str, ips: Value| {
            json!({"cniVersion": version,
                "interfaces": [{"name": "net1", "mac": "02:00:00:00:00:01", "sandbox": "/run/netns/a"}],
                "ips": ips, "routes": [{"dst": "0.0.0.0/0", "gw": "10.0.0.1"}],
                "dns": {"nameservers": ["10.0.0.53"]}})
        };
        let plain = json!([{"address": "10.0.0.2/24", "gateway": "10.0.0.1", "interface": 0}, {"address": "fd00::2/64"}]);
        let versioned = json!([{"version": "4", "address": "10.0.0.2/24", "gateway": "10.0.0.1", "interface": 0},
            {"version": "6", "address": "fd00::2/64"}]);
        assert_eq!(result.render(Version::V100), old("1.0.0", plain));
        assert_eq!(result.render(Version::V040), old("0.4.0", versioned.clone()));
        assert_eq!(result.render(Version::V031), old("0.3.1", versioned));
    }

    #[test]
    fn a_result_of_each_older_version_is_read_as_the_newest() {
        let result = CniResult::parse(&full()).unwrap();
        for version in [Version::V031, Version::V040, Version::V100] {
            let again = CniResult::parse(&result.render(version)).unwrap();
            assert_eq!(again.render(version), result.render(version));
            assert_eq!(again.ips, result.ips);
        }
    }

    #[test]
    fn nothing_is_written_of_what_is_not_there_and_null_is_an_empty_list() {
        let empty = CniResult::parse(&json!({"interfaces": null, "ips": null})).unwrap();
        assert_eq!(empty.render(Version::V031), json!({"cniVersion": "0.3.1"}));
    }

    #[test]
    fn addresses_are_given_to_the_last_interface() {
        let mut result = CniResult { interfaces: vec![Interface::default(); 2], ..CniResult::default() };
        result.take_addresses(CniResult { ips: vec![Ip::default()], ..CniResult::default() });
        assert_eq!(result.ips[0].interface, Some(1));
    }
}
