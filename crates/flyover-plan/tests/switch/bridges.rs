//! Bridges and uplinks.

use flyover_core::{BridgeFacts, BridgeState, PortState};

use super::*;

#[test]
fn an_uplink_is_a_device_that_dpdk_can_have() {
    for (name, field, host) in [
        ("the-kernels", "device: \"0000:06:00.0\"", with_pages(fixtures::server(), 8)),
        ("guarded", "device: \"0000:06:00.1\"", server(8)),
        ("guarded-by-its-own-words", "devargs: \"0000:06:00.1,n_rxq=2\"", server(8)),
        ("guarded-by-its-mac", "devargs: \"class=eth,mac=02:00:00:00:06:01\"", with_mac(server(8))),
        ("a-disk", "device: \"0000:84:00.0\"", server(8)),
        ("nowhere", "device: \"0000:99:00.0\"", server(8)),
        ("a-netdev-of-the-kernels", "netdev: ens2f0", server(8)),
        ("no-netdev", "netdev: ens9", server(8)),
        ("two-words", "devargs: \"net_tap0, iface=x\"", server(8)),
        ("unnamed", "queues: 2", server(8)),
    ] {
        let yaml = format!("bridges: [{{name: br0, uplinks: [{{name: p0, {field}}}]}}]");
        insta::assert_snapshot!(format!("uplink-{name}"), refused(&yaml, &host));
    }
}

fn with_mac(mut host: HostFacts) -> HostFacts {
    host.net[2].mac = Some("02:00:00:00:06:01".parse().unwrap());
    host
}

#[test]
fn a_device_that_the_kernel_shares_keeps_its_driver() {
    let mut host = server(8);
    host.pci[3].driver = Some("mlx5_core".parse().unwrap());
    let settled = settled("bridges: [{name: br0, uplinks: [{name: p0, netdev: ens2f0}]}]", &host);
    let interface = &settled.ports[0].state.interfaces["p0"];
    assert_eq!(interface.options["dpdk-devargs"], "0000:82:00.0");
    assert_eq!(settled.sizing.pmd.mask.to_string(), "0x8000008", "it is near node 1");
}

#[test]
fn what_no_bridge_can_be_is_refused() {
    let null = |n: u32| format!("{{name: p{n}, devargs: eth_null{n}}}");
    for (name, bridges) in [
        ("loop", format!("{{name: br0, uplinks: [{}, {}]}}", null(0), null(1))),
        ("lonely bond", format!("{{name: br0, uplinks: [{}], bond: {{name: b0}}}}", null(0))),
        (
            "balance without lacp",
            format!(
                "{{name: br0, uplinks: [{}, {}], bond: {{name: b0, mode: balance-tcp}}}}",
                null(0),
                null(1)
            ),
        ),
        ("same names", format!("{{name: br0, uplinks: [{}]}}, {{name: p0}}", null(0))),
        (
            "same device",
            format!(
                "{{name: br0, uplinks: [{}]}}, {{name: br1, uplinks: [{{name: q, devargs: eth_null0}}]}}",
                null(0)
            ),
        ),
        ("numbers", format!("{{name: br0, mtu: 9703, vlan: 4095, trunks: [4096], uplinks: [{}]}}", null(0))),
        ("vlan and trunks", format!("{{name: br0, vlan: 10, trunks: [20], uplinks: [{}]}}", null(0))),
        (
            "queues",
            "{name: br0, uplinks: [{name: p0, devargs: eth_null0, queues: 0, descriptors: [1000, 8192]}]}"
                .to_owned(),
        ),
    ] {
        let yaml = format!("bridges: [{bridges}]\n");
        insta::assert_snapshot!(format!("bridge {name}").replace(' ', "-"), refused(&yaml, &server(8)));
    }
    insta::assert_snapshot!(refused("expectedPorts: [{count: 1, mtu: 67, node: 7, queues: 0}]", &server(8)));
}

#[test]
fn a_bond_is_one_port_of_all_its_uplinks() {
    let yaml = "bridges:\n- name: br0\n  mtu: 9000\n  trunks: [0, 10, 20]\n  bond: {name: bond0, mode: balance-tcp, lacp: active}\n  \
                uplinks:\n  - {name: p0, device: \"06:00.0\", queues: 2, descriptors: [1024, 512]}\n  \
                - {name: p1, devargs: \"net_af_packet0,iface=veth0\"}\n";
    let settled = settled(yaml, &server(8));
    insta::assert_snapshot!(serde_json::to_string_pretty(&settled.ports).unwrap());
}

#[test]
fn what_somebody_else_made_is_not_taken() {
    let spec = spec("bridges: [{name: br0, uplinks: [{name: p0, devargs: eth_null0}]}]");
    let host = server(8);
    let mut switch = switch(&spec, &host, Some("3.1.0"));
    let with_port = |kind: &str| BridgeFacts {
        state: BridgeState { datapath_type: kind.into(), ..BridgeState::default() },
        ports: [("p0".to_owned(), PortState::default())].into(),
    };
    switch.bridges = [("br0".to_owned(), with_port("")), ("br-int".to_owned(), with_port("netdev"))].into();
    insta::assert_snapshot!(told(&settle(&spec, &host, &switch).unwrap_err()));
}

#[test]
fn a_daemon_that_cannot_is_named_with_what_to_install() {
    let (spec, host) = (SwitchSpec::default(), server(8));
    let mut switch = switch(&spec, &host, Some("3.1.0"));
    switch.daemon.as_mut().unwrap().has_dpdk = false;
    switch.mempool_driver = Some(false);
    insta::assert_snapshot!(told(&settle(&spec, &host, &switch).unwrap_err()));
}
