//! What a node is like, and what of it is to be bypassed.
//!
//! Invariant: nothing here changes anything; a dry run and the process itself ask the same questions.

use std::collections::BTreeMap;

use flyover_core::IfName;

use super::pods::Pods;
use super::survey::{self, Survey};
use super::{Settings, reported, reported_tunnels};
use crate::attach::Attachments;
use crate::conntrack;
use crate::inventory::{Device, Kind};
use crate::programs::{Hook, NodeTunnel};
use crate::report::{ReportedDevice, ReportedTunnel};

/// Where programs belong: device and hook, and the device's name.
pub(super) type Wanted = BTreeMap<(u32, Hook), IfName>;

/// A node, as it was when last looked at.
pub(super) struct Scene {
    pub(super) settings: Settings,
    pub(super) devices: Vec<Device>,
    pub(super) pods: Pods,
    pub(super) survey: Survey,
    known: survey::Known,
}

impl Scene {
    pub(super) fn new(settings: Settings, devices: Vec<Device>) -> Self {
        Self {
            settings,
            devices,
            pods: Pods::default(),
            survey: Survey::default(),
            known: survey::Known::default(),
        }
    }

    /// What of the node concerns a bypass now.
    pub(super) fn look_around(&mut self, attachments: &Attachments) -> Survey {
        survey::look(&self.devices, &self.uplinks(), attachments, &mut self.known)
    }

    /// Looks into the pods that were not looked into yet.
    pub(super) fn look_into_pods(&mut self) {
        let pods: Vec<_> = self.devices.iter().filter(|d| self.is_pod(d)).cloned().collect();
        self.pods.follow(pods.iter());
    }

    /// Looks again into the pods of that namespace; tells whether anything is different.
    pub(super) fn look_again(&mut self, nsid: i32) -> bool {
        let pods: Vec<_> = self.devices.iter().filter(|d| self.is_pod(d)).collect();
        self.pods.again(pods.into_iter(), nsid)
    }

    /// The same for the next pod in turn.
    pub(super) fn look_in_turn(&mut self) -> bool {
        let pods: Vec<_> = self.devices.iter().filter(|d| self.is_pod(d)).collect();
        self.pods.next_in_turn(&pods)
    }

    pub(super) fn conntrack_in_use(&self) -> bool {
        self.survey.conntrack.unwrap_or_else(conntrack::has_entries)
    }

    pub(super) fn uplinks(&self) -> Vec<u32> {
        self.devices.iter().filter(|d| self.is_uplink(d)).map(|d| d.ifindex).collect()
    }

    fn is_uplink(&self, device: &Device) -> bool {
        self.settings.uplinks.contains(&device.name)
    }

    fn is_pod(&self, device: &Device) -> bool {
        let patterns = &self.settings.pods;
        let wanted = patterns.is_empty() || patterns.iter().any(|p| p.matches(&device.name));
        wanted
            && device.kind == Kind::Veth
            && device.peer_netns.is_some()
            && device.up
            && !self.is_uplink(device)
    }

    /// Why a device is left alone; empty if it is not.
    fn out_because(&self, device: &Device) -> Vec<String> {
        let seen_outside = self.survey.devices.get(&device.ifindex).cloned().unwrap_or_default();
        let inside = self.pods.out_because(device.ifindex);
        seen_outside.into_iter().chain(inside).chain(self.not_chosen(device)).collect()
    }

    /// Why a pod is left alone that somebody decides on.
    fn not_chosen(&self, device: &Device) -> Option<String> {
        let choice = self.settings.choice.as_ref().filter(|_| self.is_pod(device))?;
        choice.borrow().out_because(&self.pods.addresses(device.ifindex))
    }

    pub(super) fn tunnels(&self) -> Vec<NodeTunnel> {
        let tunnel = |d: &Device| match d.kind {
            Kind::Tunnel(tunnel) => {
                Some(NodeTunnel { ifindex: d.ifindex, tunnel, local: d.local, remote: d.remote })
            }
            _ => None,
        };
        self.devices.iter().filter_map(tunnel).collect()
    }

    pub(super) fn wanted(&self) -> Wanted {
        let mut wanted = BTreeMap::new();
        for device in self.devices.iter().filter(|d| self.out_because(d).is_empty()) {
            let hooks = if self.is_uplink(device) {
                [Hook::FromWire, Hook::ToWire]
            } else if self.is_pod(device) {
                [Hook::FromPod, Hook::ToPod]
            } else {
                continue;
            };
            wanted.extend(hooks.map(|hook| ((device.ifindex, hook), device.name.clone())));
        }
        wanted
    }

    pub(super) fn reported_uplinks(&self) -> Vec<ReportedDevice> {
        reported(self.devices.iter().filter(|d| self.is_uplink(d)), |d| self.out_because(d))
    }

    pub(super) fn reported_pods(&self) -> Vec<ReportedDevice> {
        let mut pods = reported(self.devices.iter().filter(|d| self.is_pod(d)), |d| self.out_because(d));
        for pod in pods.iter_mut().filter(|p| !p.out_because.is_empty()) {
            pod.forgoes = Some(self.forgoes());
        }
        pods
    }

    /// What any pod's established flows need not pass when they are bypassed.
    fn forgoes(&self) -> String {
        let tunnels: Vec<_> = self.reported_tunnels().into_iter().map(|t| t.name).collect();
        let tunnel = if tunnels.is_empty() { "" } else { ", and to other nodes past " };
        format!(
            "its established flows would go past netfilter and the bridge{tunnel}{}; `flyover bench compare` measures \
             what that is worth",
            tunnels.join(", ")
        )
    }

    pub(super) fn reported_tunnels(&self) -> Vec<ReportedTunnel> {
        reported_tunnels(&self.devices)
    }

    pub(super) fn reported_judges(&self) -> Vec<String> {
        self.survey.judges.iter().map(|(_, rule)| rule.clone()).collect()
    }
}
