//! The tests: they need root, and fail without it.

mod drawn;
mod mtu;
mod named;
mod ports;
mod sockets;

use flyover_core::Proto;
use flyover_lab::{Family, IpMode, LabSpec, Overlay, RuleForm};

use crate::flow::{Path, Talk};

/// A lab of both families whose nodes carry kube-proxy's nftables rules and a few services. Not every kernel has Geneve:
/// those that do are told to take it by `FLYOVER_TWIN_OVERLAY=geneve`.
fn spec() -> LabSpec {
    let overlay =
        std::env::var("FLYOVER_TWIN_OVERLAY").map_or(Overlay::Vxlan, |asked| asked.parse().unwrap());
    let name = "twin".parse().unwrap();
    LabSpec { services: 4, ip: IpMode::Dual, rules: RuleForm::Nft, overlay, ..LabSpec::new(name) }
}

/// How much is drawn: `FLYOVER_TWIN_CASES` at the most, for machines that are emulated.
fn at_most(cases: u32) -> u32 {
    std::env::var("FLYOVER_TWIN_CASES").map_or(cases, |most| cases.min(most.parse().unwrap()))
}

fn talk(path: Path, family: Family, proto: Proto) -> Talk {
    Talk { path, family, proto, sport: 0, dport: 7_000 }
}
