//! The network's configuration: what the runtime hands over on standard input.
//!
//! Two readings of one text. [`Network`] is what every verb needs, and forgives the rest, so that DEL works for a network
//! that ADD refused. [`Wish`] is what ADD makes of it, and forgives nothing.

mod raw;
mod wish;

use flyover_core::IfName;
use serde_json::Value;

pub use wish::{Mode, Policing, Wish};

use crate::error::{CniError, Code};
use crate::names::{ContainerId, NetworkName, PluginName};
use crate::result::CniResult;
use crate::version::Version;

/// The most that is read of a configuration.
pub const LONGEST: u64 = 1 << 20;

/// A network's configuration, as far as every verb needs it.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// The version it is written in, and its results are to be.
    pub version: Version,
    /// The network.
    pub name: NetworkName,
    /// Who gives addresses.
    pub ipam: Option<PluginName>,
    /// All of it, as it came.
    pub raw: Value,
}

impl Network {
    /// Reads a configuration.
    pub fn parse(text: &[u8]) -> Result<Self, CniError> {
        let raw: Value = serde_json::from_slice(text).map_err(|error| {
            CniError::new(Code::Decode, "the network's configuration is no JSON").because(&error)
        })?;
        if !raw.is_object() {
            return Err(CniError::new(Code::Decode, "the network's configuration is no JSON object"));
        }
        let version = version_of(&raw)?;
        let name = text_at(&raw, "name").unwrap_or_default();
        let name = name.parse().map_err(|bad| config("the network has no good name").because(&bad))?;
        let ipam = raw.pointer("/ipam/type").and_then(Value::as_str).filter(|kind| !kind.is_empty());
        let ipam = ipam.and_then(|kind| kind.parse().ok());
        Ok(Self { version, name, ipam, raw })
    }

    /// Whether who gives addresses is named in a way that ADD can take. DEL forgives it: nothing was given.
    pub fn good_ipam(&self) -> Result<(), CniError> {
        let kind = self.raw.pointer("/ipam/type").and_then(Value::as_str).filter(|kind| !kind.is_empty());
        let parsed = kind.map(str::parse::<PluginName>).transpose();
        parsed.map(drop).map_err(|bad| config("ipam.type names no plugin").because(&bad))
    }

    /// What ADD left, as CHECK is told it.
    pub fn previous(&self) -> Result<Option<CniResult>, CniError> {
        self.raw.get("prevResult").filter(|previous| !previous.is_null()).map(CniResult::parse).transpose()
    }

    /// The attachments of this network that GC is to keep.
    pub fn valid(&self) -> Result<Vec<(ContainerId, IfName)>, CniError> {
        let missing = || config("GC was not told which attachments are valid (cni.dev/valid-attachments)");
        match self.raw.get("cni.dev/valid-attachments") {
            Some(Value::Array(list)) => list.iter().map(valid).collect(),
            // An empty list, as libcni writes it.
            Some(Value::Null) => Ok(Vec::new()),
            _ => Err(missing()),
        }
    }

    /// Whether CHECK is to send frames.
    #[must_use]
    pub fn deep(&self) -> bool {
        self.raw.get("deep").and_then(Value::as_bool).unwrap_or_default()
    }

    /// Where the runtime wants to be told of the device.
    #[must_use]
    pub fn device_info(&self) -> Option<&str> {
        self.raw
            .pointer("/runtimeConfig/CNIDeviceInfoFile")
            .and_then(Value::as_str)
            .filter(|path| !path.is_empty())
    }
}

/// The version of a configuration of which nothing else is known.
pub fn version_of(raw: &Value) -> Result<Version, CniError> {
    text_at(raw, "cniVersion").unwrap_or("0.1.0").parse()
}

fn valid(entry: &Value) -> Result<(ContainerId, IfName), CniError> {
    let bad = || config("an entry of cni.dev/valid-attachments has no good containerID and ifname");
    let container = text_at(entry, "containerID").ok_or_else(bad)?.parse().map_err(|e| bad().because(&e))?;
    let ifname = text_at(entry, "ifname").ok_or_else(bad)?.parse().map_err(|e| bad().because(&e))?;
    Ok((container, ifname))
}

fn text_at<'a>(raw: &'a Value, key: &str) -> Option<&'a str> {
    raw.get(key).and_then(Value::as_str)
}

fn config(msg: impl Into<String>) -> CniError {
    CniError::new(Code::Config, msg)
}

#[cfg(test)]
mod tests;
