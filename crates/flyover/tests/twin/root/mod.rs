//! The tests: they need root, and fail without it.

mod drawn;
mod mtu;
mod named;
mod ports;
mod sockets;

use flyover_core::Proto;
use flyover_lab::{Family, IpMode, LabSpec};

use crate::flow::{Path, Talk};

/// A lab of both families whose nodes carry kube-proxy's rules and a few services.
fn spec() -> LabSpec {
    LabSpec { services: 4, ip: IpMode::Dual, ..LabSpec::new("twin".parse().unwrap()) }
}

fn talk(path: Path, family: Family, proto: Proto) -> Talk {
    Talk { path, family, proto, sport: 0, dport: 7_000 }
}
