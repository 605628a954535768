//! What a node's agent says to its kubelet: which resources the node has, and who holds them.
//!
//! [`Plugin`] publishes resources as a device plugin (`v1beta1`) and keeps them published; [`PodResources`] asks who holds what.
//! What is wanted comes in by a channel of [`Resources`], what has become of it is in [`Plugin::state`].
//!
//! Invariants: a resource counts as registered only while kubelet reads its devices, whatever kubelet answered before; a
//! list is sent when devices changed and at no other time, since kubelet writes each to its disk; only sockets that we made, or
//! whose maker is dead, are removed.
//!
//! What kubelet does is not ours to choose. A resource that goes is allocatable 0 at once, and stays in the capacity of the node
//! as 0: kubelet never takes an entry back, so whoever uninstalls removes it from the node's status. When our process ends, what it had is allocatable 0 at once, and
//! its capacity 0 after five minutes. A container keeps
//! what it has when its device turns unhealthy or goes. Where two plugins have the same resource, kubelet takes the list of
//! whichever spoke last, so they should agree, and the older one should end soon. The names of devices are what kubelet
//! remembers allocations by: they stay the same from one agent to the next.

mod directory;
mod error;
mod name;
mod pauses;
mod plugin;
mod pods;
mod post;
mod registration;
mod resource;
mod rivals;
pub mod rpc;
mod service;
mod socket;
mod state;
pub mod wire;

pub use error::KubeletError;
pub use name::{BadDeviceId, BadResourceName, DeviceId, GROUP, ResourceName};
pub use plugin::Plugin;
pub use pods::{Holder, PodResources};
pub use resource::{Allocation, Device, DeviceNode, Health, Mount, Resource, Resources};
pub use state::{LastAllocation, Registration, ResourceState, States};

/// Where kubelet looks for device plugins.
pub const DEVICE_PLUGINS: &str = "/var/lib/kubelet/device-plugins";
/// Where kubelet tells which container holds what.
pub const POD_RESOURCES: &str = "/var/lib/kubelet/pod-resources/kubelet.sock";
