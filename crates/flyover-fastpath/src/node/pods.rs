//! Looks into pods' namespaces for reasons to stay out of them.
//!
//! Invariants: a namespace is not held open between two looks, or a deleted pod's would not end; a pod that cannot be
//! looked into is left alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use flyover_net::netns::Netns;
use flyover_net::nsid;
use flyover_net::pod::{Facts, reasons_to_stay_out};

use crate::inventory::Device;

/// Where container runtimes and people keep names of network namespaces.
const NAMED: [&str; 2] = ["/run/netns", "/run/docker/netns"];

/// What was found in pods, by the number of the host's device.
#[derive(Debug, Default)]
pub(crate) struct Pods {
    reasons: BTreeMap<u32, Vec<String>>,
    addresses: BTreeMap<u32, BTreeSet<IpAddr>>,
    /// Where a namespace was found last time, by its number here.
    paths: BTreeMap<i32, PathBuf>,
    turn: usize,
}

impl Pods {
    /// Why the pod behind that device is left alone; empty if it is not.
    pub(crate) fn out_because(&self, ifindex: u32) -> Vec<String> {
        self.reasons.get(&ifindex).cloned().unwrap_or_default()
    }

    /// The addresses of the pod behind that device, as far as they are known.
    pub(crate) fn addresses(&self, ifindex: u32) -> BTreeSet<IpAddr> {
        self.addresses.get(&ifindex).cloned().unwrap_or_default()
    }

    /// Looks into those pods that were not looked into yet, and forgets those that are gone.
    pub(crate) fn follow<'a>(&mut self, pods: impl Iterator<Item = &'a Device>) {
        let pods: Vec<_> = pods.collect();
        let present: BTreeSet<_> = pods.iter().map(|p| p.ifindex).collect();
        self.reasons.retain(|ifindex, _| present.contains(ifindex));
        self.addresses.retain(|ifindex, _| present.contains(ifindex));
        for pod in pods {
            if !self.reasons.contains_key(&pod.ifindex) {
                let found = self.look(pod);
                self.reasons.insert(pod.ifindex, found);
            }
        }
    }

    /// Looks again into all pods in that namespace; tells whether anything is different.
    pub(crate) fn again<'a>(&mut self, pods: impl Iterator<Item = &'a Device>, nsid: i32) -> bool {
        let mut changed = false;
        for pod in pods.filter(|p| p.peer_netns == Some(nsid)) {
            let before = self.addresses.get(&pod.ifindex).cloned();
            let found = self.look(pod);
            changed |= self.addresses.get(&pod.ifindex) != before.as_ref();
            changed |= self.reasons.insert(pod.ifindex, found.clone()) != Some(found);
        }
        changed
    }

    /// Looks again into the next pod in turn, for what announces nothing.
    pub(crate) fn next_in_turn(&mut self, pods: &[&Device]) -> bool {
        self.turn = self.turn.wrapping_add(1);
        let pod = pods.get(self.turn.checked_rem(pods.len()).unwrap_or(0));
        pod.and_then(|pod| pod.peer_netns).is_some_and(|nsid| self.again(pods.iter().copied(), nsid))
    }

    fn look(&mut self, pod: &Device) -> Vec<String> {
        let (Some(nsid), Some(index)) = (pod.peer_netns, pod.peer) else {
            return vec!["its other end is not known".into()];
        };
        let Some(inside) = self.find(nsid) else {
            return vec!["its network namespace cannot be found".into()];
        };
        match inside.run(|| (Facts::read_by_index(index), addresses())) {
            Ok((Ok(facts), addresses)) => {
                self.addresses.insert(pod.ifindex, addresses);
                reasons_to_stay_out(&facts).iter().map(ToString::to_string).collect()
            }
            Ok((Err(error), _)) => vec![format!("it cannot be looked into: {error}")],
            Err(error) => vec![format!("it cannot be entered: {error}")],
        }
    }

    fn find(&mut self, wanted: i32) -> Option<Netns> {
        let number = |path: &Path| {
            let netns = Netns::at(path).ok()?;
            Some((nsid::of(&netns).ok()??, netns))
        };
        let is_it = |path: &PathBuf| number(path).filter(|(nsid, _)| *nsid == wanted).map(|(_, netns)| netns);
        if let Some(netns) = self.paths.get(&wanted).and_then(is_it) {
            return Some(netns);
        }
        // One walk finds all there are: pods come by the hundred when a node starts.
        self.paths =
            candidates().into_iter().filter_map(|path| number(&path).map(|(nsid, _)| (nsid, path))).collect();
        self.paths.get(&wanted).and_then(is_it)
    }
}

/// The addresses of the current namespace by which others reach it.
fn addresses() -> BTreeSet<IpAddr> {
    let all = nix::ifaddrs::getifaddrs().into_iter().flatten();
    let address = |storage: nix::sys::socket::SockaddrStorage| {
        let v4 = storage.as_sockaddr_in().map(|v4| IpAddr::from(v4.ip()));
        v4.or_else(|| storage.as_sockaddr_in6().map(|v6| IpAddr::from(v6.ip())))
    };
    all.filter_map(|one| address(one.address?)).filter(|address| !address.is_loopback()).collect()
}

/// A path to each network namespace that has a name or a process, one each.
fn candidates() -> Vec<PathBuf> {
    let named = NAMED.iter().filter_map(|dir| fs::read_dir(dir).ok()).flatten().flatten().map(|e| e.path());
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let of_processes = processes
        .filter(|e| e.file_name().to_string_lossy().bytes().all(|b| b.is_ascii_digit()))
        .map(|e| e.path().join("ns/net"));
    let mut known = BTreeSet::new();
    named.chain(of_processes).filter(|path| fs::metadata(path).is_ok_and(|m| known.insert(m.ino()))).collect()
}
