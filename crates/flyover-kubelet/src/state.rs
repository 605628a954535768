//! What has become of each resource, for those who report it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::watch;

use crate::name::ResourceName;

/// What has become of each resource.
pub type States = BTreeMap<ResourceName, ResourceState>;

/// What has become of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceState {
    /// Whether kubelet has it.
    pub registration: Registration,
    /// What was last given of it since this process began.
    pub last_allocation: Option<LastAllocation>,
}

/// Whether kubelet has a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Registration {
    /// It has, and reads its devices.
    Registered,
    /// It is not there or does not answer; it is tried again.
    Waiting {
        /// What is waited for.
        why: String,
    },
    /// It does not want it. It is tried again, though not often.
    Refused {
        /// What it says.
        reason: String,
    },
}

/// Devices that a container was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastAllocation {
    /// Which.
    pub devices: Vec<String>,
    /// When.
    pub at: SystemTime,
}

/// Where all states are written.
#[derive(Clone, Debug)]
pub(crate) struct Board(Arc<watch::Sender<States>>);

impl Board {
    pub(crate) fn empty() -> Self {
        Self(Arc::new(watch::Sender::new(States::new())))
    }

    pub(crate) fn read(&self) -> watch::Receiver<States> {
        self.0.subscribe()
    }

    pub(crate) fn register(&self, name: &ResourceName, registration: Registration) {
        self.0.send_if_modified(|states| {
            let state = states.get_mut(name);
            if state.as_ref().is_some_and(|state| state.registration == registration) {
                return false;
            }
            tell(name, &registration);
            match state {
                Some(state) => state.registration = registration,
                None => {
                    states.insert(name.clone(), ResourceState { registration, last_allocation: None });
                }
            }
            true
        });
    }

    pub(crate) fn allocated(&self, name: &ResourceName, devices: Vec<String>) {
        self.0.send_modify(|states| {
            if let Some(state) = states.get_mut(name) {
                state.last_allocation = Some(LastAllocation { devices, at: SystemTime::now() });
            }
        });
    }

    pub(crate) fn forget(&self, name: &ResourceName) {
        self.0.send_modify(|states| drop(states.remove(name)));
    }
}

fn tell(resource: &ResourceName, registration: &Registration) {
    match registration {
        Registration::Registered => tracing::info!(%resource, "kubelet reads the devices"),
        Registration::Waiting { why } => tracing::info!(%resource, why, "waiting for kubelet"),
        Registration::Refused { reason } => {
            tracing::warn!(%resource, reason, "kubelet refuses the resource");
        }
    }
}
