//! The services of a lab.
//!
//! `pair` has two back ends on two nodes, as a service has; each pod has a service of its own, so that a test
//! can reach a chosen pod through a service; the dummies make the rules as many as those of a cluster.

use std::net::IpAddr;

use flyover_core::Proto;

use crate::address::{self, Family};
use crate::spec::{LabSpec, RuleForm};

/// Ports of every service that can be used; a back end listens on the same ones.
pub const PORTS: [u16; 4] = [80, 2048, 5201, 7000];

/// A service and what stands behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Name, as kube-proxy writes it: namespace and name.
    pub name: String,
    who: Who,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Who {
    Pair(Vec<(u8, u8)>),
    Pod(u8, u8),
    Dummy(u16),
}

impl Service {
    /// Its address.
    #[must_use]
    pub fn address(&self, family: Family) -> IpAddr {
        match self.who {
            Who::Pair(_) => address::service(family, 0, 10),
            Who::Pod(i, j) => address::service(family, i, 10 + j),
            Who::Dummy(n) => address::dummy_service(family, n),
        }
    }

    /// The addresses of the pods behind it.
    #[must_use]
    pub fn backends(&self, family: Family) -> Vec<IpAddr> {
        match &self.who {
            Who::Pair(pods) => pods.iter().map(|&(i, j)| address::pod(family, i, j)).collect(),
            &Who::Pod(i, j) => vec![address::pod(family, i, j)],
            &Who::Dummy(n) => (0..2).map(|k| address::dummy_backend(family, n, k)).collect(),
        }
    }

    /// Its ports; a back end's are the same.
    #[must_use]
    pub fn ports(&self) -> Vec<(Proto, u16)> {
        match self.who {
            Who::Dummy(_) => vec![(Proto::Tcp, 80)],
            Who::Pair(_) | Who::Pod(..) => [Proto::Tcp, Proto::Udp]
                .into_iter()
                .flat_map(|proto| PORTS.map(|port| (proto, port)))
                .collect(),
        }
    }

    /// Whether it is there for its number only.
    #[must_use]
    pub fn is_dummy(&self) -> bool {
        matches!(self.who, Who::Dummy(_))
    }
}

/// The service of one pod.
#[must_use]
pub fn of_pod(i: u8, j: u8) -> Service {
    Service { name: format!("default/n{i}-p{j}"), who: Who::Pod(i, j) }
}

/// The service of the first node's last pod and the second node's first.
#[must_use]
pub fn pair(spec: &LabSpec) -> Service {
    let mut pods = vec![(1, spec.pods), (spec.nodes.min(2), 1)];
    pods.dedup();
    Service { name: "default/pair".to_owned(), who: Who::Pair(pods) }
}

/// All services of a lab. Without rules there are none, for rules are what services are made of.
#[must_use]
pub fn all(spec: &LabSpec) -> Vec<Service> {
    if spec.rules == RuleForm::None {
        return Vec::new();
    }
    let pods = (1..=spec.nodes).flat_map(|i| (1..=spec.pods).map(move |j| of_pod(i, j)));
    let pair = (spec.pods > 0).then(|| pair(spec));
    let dummies = (0..spec.services).map(|n| Service { name: format!("dummy/svc-{n}"), who: Who::Dummy(n) });
    pair.into_iter().chain(pods).chain(dummies).collect()
}
