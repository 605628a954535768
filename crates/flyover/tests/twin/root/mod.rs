//! The tests: they need root, and fail without it.

mod drawn;
mod mtu;
mod named;
mod ports;
mod sockets;

use flyover_core::Proto;
use flyover_lab::{Family, IpMode, LabSpec, RuleForm};

use crate::flow::{Path, Talk};

/// A lab of both families whose nodes carry kube-proxy's nftables rules and a few services.
fn spec() -> LabSpec {
    let name = "twin".parse().unwrap();
    LabSpec { services: 4, ip: IpMode::Dual, rules: RuleForm::Nft, ..LabSpec::new(name) }
}

fn talk(path: Path, family: Family, proto: Proto) -> Talk {
    Talk { path, family, proto, sport: 0, dport: 7_000 }
}
