//! Devices that another driver is to have.

use flyover_core::{DriverName, IfPattern, PciAddr, PciClassPrefix};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Devices and the driver they are to have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DriverSpec {
    /// Which devices. A selector that matches none is an error.
    pub select: DeviceSelector,
    /// The driver they are to have: `vfio-pci`.
    #[schemars(with = "String")]
    pub driver: DriverName,
}

/// Which PCI functions are meant. All that is given must match; something must be given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DeviceSelector {
    /// Address: `0000:06:00.0`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub address: Option<PciAddr>,
    /// Maker's number, four hexadecimal digits: `8086`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    /// Device's number, four hexadecimal digits: `10fb`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Class: `02` is any network controller, `0200` Ethernet.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub class: Option<PciClassPrefix>,
    /// Name of its network device, while the kernel's own driver has it: `ens1f0`, `ens1f*`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub name: Option<IfPattern>,
}
