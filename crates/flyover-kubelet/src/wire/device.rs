//! Device plugins, `v1beta1`: a plugin registers with kubelet, and from then on kubelet asks.

use std::collections::BTreeMap;

use prost::Message;

/// The version both sides name.
pub const VERSION: &str = "v1beta1";
/// How a device that can be given is called.
pub const HEALTHY: &str = "Healthy";
/// How one that cannot is called.
pub const UNHEALTHY: &str = "Unhealthy";

/// What kubelet answers to: a plugin registers.
pub const REGISTER: &str = "/v1beta1.Registration/Register";
/// What a plugin answers to: which calls it wants.
pub const OPTIONS: &str = "/v1beta1.DevicePlugin/GetDevicePluginOptions";
/// The devices, now and on each change.
pub const LIST_AND_WATCH: &str = "/v1beta1.DevicePlugin/ListAndWatch";
/// Which devices would go together well.
pub const PREFERRED: &str = "/v1beta1.DevicePlugin/GetPreferredAllocation";
/// What a container needs that gets some devices.
pub const ALLOCATE: &str = "/v1beta1.DevicePlugin/Allocate";
/// A container that has devices is about to start.
pub const PRE_START: &str = "/v1beta1.DevicePlugin/PreStartContainer";

/// Nothing.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct Empty {}

/// Which of the calls that are not always made a plugin wants.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct DevicePluginOptions {
    /// `PreStartContainer`.
    #[prost(bool, tag = "1")]
    pub pre_start_required: bool,
    /// `GetPreferredAllocation`.
    #[prost(bool, tag = "2")]
    pub get_preferred_allocation_available: bool,
}

/// A plugin makes itself known.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct RegisterRequest {
    /// The version of the interface.
    #[prost(string, tag = "1")]
    pub version: String,
    /// The name of its socket in kubelet's directory.
    #[prost(string, tag = "2")]
    pub endpoint: String,
    /// The resource.
    #[prost(string, tag = "3")]
    pub resource_name: String,
    /// Which calls it wants.
    #[prost(message, optional, tag = "4")]
    pub options: Option<DevicePluginOptions>,
}

/// All devices of a resource. What is not in it is gone.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ListAndWatchResponse {
    /// The devices.
    #[prost(message, repeated, tag = "1")]
    pub devices: Vec<Device>,
}

/// A device.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Device {
    /// Its name within the resource.
    #[prost(string, tag = "1")]
    pub id: String,
    /// [`HEALTHY`] or [`UNHEALTHY`].
    #[prost(string, tag = "2")]
    pub health: String,
    /// Where it is.
    #[prost(message, optional, tag = "3")]
    pub topology: Option<TopologyInfo>,
}

/// Where a device is.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct TopologyInfo {
    /// The NUMA nodes that are near.
    #[prost(message, repeated, tag = "1")]
    pub nodes: Vec<NumaNode>,
}

/// A NUMA node.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct NumaNode {
    /// Its number.
    #[prost(int64, tag = "1")]
    pub id: i64,
}

/// A container is about to start.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct PreStartContainerRequest {
    /// What it has.
    #[prost(string, repeated, tag = "1")]
    pub devices_ids: Vec<String>,
}

/// Which devices should be taken?
#[derive(Clone, PartialEq, Eq, Message)]
pub struct PreferredAllocationRequest {
    /// For each container.
    #[prost(message, repeated, tag = "1")]
    pub container_requests: Vec<ContainerPreferredAllocationRequest>,
}

/// Which devices should a container take?
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ContainerPreferredAllocationRequest {
    /// Out of these,
    #[prost(string, repeated, tag = "1")]
    pub available_device_ids: Vec<String>,
    /// with these among them,
    #[prost(string, repeated, tag = "2")]
    pub must_include_device_ids: Vec<String>,
    /// and so many in all.
    #[prost(int32, tag = "3")]
    pub allocation_size: i32,
}

/// These.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct PreferredAllocationResponse {
    /// For each container, in the order of the request.
    #[prost(message, repeated, tag = "1")]
    pub container_responses: Vec<ContainerPreferredAllocationResponse>,
}

/// These for a container.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ContainerPreferredAllocationResponse {
    /// The devices.
    #[prost(string, repeated, tag = "1")]
    pub device_ids: Vec<String>,
}

/// What do these containers need?
#[derive(Clone, PartialEq, Eq, Message)]
pub struct AllocateRequest {
    /// Each container.
    #[prost(message, repeated, tag = "1")]
    pub container_requests: Vec<ContainerAllocateRequest>,
}

/// What does this container need?
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ContainerAllocateRequest {
    /// It gets these.
    #[prost(string, repeated, tag = "1")]
    pub devices_ids: Vec<String>,
}

/// This.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct AllocateResponse {
    /// For each container, in the order of the request.
    #[prost(message, repeated, tag = "1")]
    pub container_responses: Vec<ContainerAllocateResponse>,
}

/// What a container is given.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ContainerAllocateResponse {
    /// Variables of its environment.
    #[prost(btree_map = "string, string", tag = "1")]
    pub envs: BTreeMap<String, String>,
    /// Directories and files of the host.
    #[prost(message, repeated, tag = "2")]
    pub mounts: Vec<Mount>,
    /// Device nodes of the host.
    #[prost(message, repeated, tag = "3")]
    pub devices: Vec<DeviceSpec>,
    /// Annotations for the runtime.
    #[prost(btree_map = "string, string", tag = "4")]
    pub annotations: BTreeMap<String, String>,
    /// Devices of the Container Device Interface.
    #[prost(message, repeated, tag = "5")]
    pub cdi_devices: Vec<CdiDevice>,
}

/// A device of the Container Device Interface.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct CdiDevice {
    /// Its whole name, such as `flyover.dev/switch=br0`.
    #[prost(string, tag = "1")]
    pub name: String,
}

/// A directory or file of the host.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Mount {
    /// Where the container sees it.
    #[prost(string, tag = "1")]
    pub container_path: String,
    /// Where it is.
    #[prost(string, tag = "2")]
    pub host_path: String,
    /// Whether the container may only read.
    #[prost(bool, tag = "3")]
    pub read_only: bool,
}

/// A device node of the host.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct DeviceSpec {
    /// Where the container sees it.
    #[prost(string, tag = "1")]
    pub container_path: String,
    /// Where it is.
    #[prost(string, tag = "2")]
    pub host_path: String,
    /// What the container may do: `r`, `w`, `m` (make it).
    #[prost(string, tag = "3")]
    pub permissions: String,
}
