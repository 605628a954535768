//! What a capture keeps, and what it does not.

use flyover_host::facts::Inspection;
use flyover_host::tree::{HostTree, capture};
use flyover_testkit::hosts::{FIXTURES, Function, HostTreeBuilder, Maker, System, Topology, Unpacked};

use crate::facts;

fn captured(tree: &HostTree) -> HostTree {
    let unpacked = Unpacked::of(tree).expect("a tree is a directory");
    capture(&unpacked.host, &Inspection::default()).expect("the host has a command line")
}

#[test]
fn a_machine_that_somebody_had_is_read_whole() {
    let tree: HostTree = include_str!("../hosts/small-vm.host").parse().unwrap();
    let found = facts(&tree);
    assert_eq!((found.cpu.online.to_string().as_str(), found.pci.len(), found.numa.len()), ("0-1", 6, 1));
    assert_eq!(found.guarded[0].path, "eth0 <- 0000:00:03.0");
    assert_eq!(captured(&tree), tree, "its capture is itself");
}

#[test]
fn every_fixture_has_the_same_facts_after_a_capture_but_for_redaction() {
    for (name, build) in FIXTURES {
        let (mut before, mut after) = (facts(&build()), facts(&captured(&build())));
        for found in [&mut before, &mut after] {
            found.boot.boot_id = String::new();
            found.net.iter_mut().for_each(|device| device.mac = None);
        }
        assert_eq!(after, before, "{name}");
    }
}

#[test]
fn a_capture_tells_the_same_of_what_is_guarded_and_not_whom_it_is_for() {
    let port = |at: &str| Function::nic(at).driver("ixgbe");
    let tree = HostTreeBuilder::new(Topology::simple(Maker::Intel, 2), System::Debian)
        .function(&port("0000:06:00.0").netdev("ens1f0"))
        .function(&port("0000:06:00.1").netdev("ens1f1"))
        .route("default", "ens1f0")
        .route("10.7.0.0/16", "ens1f1")
        .ssh_session("10.7.8.9")
        .api_server("https://api.secret.example:6443")
        .file("/etc/hosts", "10.7.0.1 api.secret.example\n10.7.0.2 other.secret.example\n")
        .kernel_args("root=UUID=3e1a9c5e-1111-4b6a-9d1d-0f1e2d3c4b5a ip=10.7.8.1 token=hunter2 iommu=pt")
        .build();
    let text = captured(&tree).to_string();
    for secret in ["secret", "hunter2", "10.7.", "0007", "0908", "3e1a9c5e"] {
        assert!(!text.contains(secret), "{secret} is in\n{text}");
    }
    let guarded = facts(&text.parse().unwrap()).guarded;
    let told: Vec<_> = guarded.iter().map(|g| (g.carries.as_str(), g.path.as_str())).collect();
    assert_eq!(
        told,
        [
            ("the default route", "ens1f0 <- 0000:06:00.0"),
            ("the SSH session from 192.0.2.2", "ens1f1 <- 0000:06:00.1"),
            ("the route to the API server api-1.example at 192.0.2.1", "ens1f1 <- 0000:06:00.1"),
        ]
    );
}

#[test]
fn a_network_device_called_by_its_address_is_called_by_another() {
    let port = Function::nic("0000:06:00.0").driver("r8152").netdev("enx525400123456");
    let tree =
        HostTreeBuilder::new(Topology::simple(Maker::Intel, 2), System::Debian).function(&port).build();
    let text = tree.to_string().replace("02:00:00:00:00:01", "52:54:00:12:34:56");
    let found = facts(&captured(&text.parse().unwrap()));
    assert_eq!(found.net[0].name.as_str(), format!("enx{}", found.net[0].mac.unwrap()).replace(':', ""));
    assert!(!captured(&text.parse().unwrap()).to_string().contains("525400123456"));
}
