//! A running switch as a spec.

use flyover_core::{BridgeFacts, BridgeState, InterfaceState, PortState, Strings};
use flyover_plan::switch::import::running;

use super::import::told;
use super::*;

fn strings(pairs: &[(&str, &str)]) -> Strings {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn port(kind: &str, interfaces: &[(&str, &[(&str, &str)])], mtu: Option<u32>) -> PortState {
    let interfaces = interfaces.iter().map(|(name, options)| {
        let state = InterfaceState {
            kind: kind.into(),
            options: strings(options),
            mtu_request: mtu,
            other_config: Strings::new(),
        };
        ((*name).to_owned(), state)
    });
    PortState { interfaces: interfaces.collect(), ..PortState::default() }
}

fn bridge(datapath: &str, ports: Vec<(&str, PortState)>) -> BridgeFacts {
    BridgeFacts {
        state: BridgeState { datapath_type: datapath.into(), ..BridgeState::default() },
        ports: ports.into_iter().map(|(name, port)| (name.to_owned(), port)).collect(),
    }
}

fn kube_ovn(host: &HostFacts) -> SwitchFacts {
    let mut switch = switch(&SwitchSpec::default(), host, Some("3.5.1"));
    switch.options = Some(strings(&[
        ("dpdk-init", "true"),
        ("dpdk-socket-mem", "1024"),
        ("pmd-cpu-mask", "0x5"),
        ("dpdk-lcore-mask", "0x2"),
        ("dpdk-hugepage-dir", "/dev/hugepages"),
        ("ovn-encap", "geneve"),
    ]));
    let bond = PortState {
        bond_mode: Some("balance-tcp".into()),
        tag: Some(100),
        ..port(
            "dpdk",
            &[
                ("dpdk0", &[("dpdk-devargs", "0000:06:00.0"), ("n_rxq", "2")]),
                ("dpdk1", &[("dpdk-devargs", "net_af_packet0,iface=veth0"), ("n_rxq_desc", "1024")]),
            ],
            Some(9000),
        )
    };
    let old = port("dpdkvhostuser", &[("0123456789ab-net1", &[])], None);
    let path = "/run/openvswitch/vhost_sockets/6b3c/shared-dir/net1";
    let new =
        port("dpdkvhostuserclient", &[("fedcba987654-net1", &[("vhost-server-path", path)])], Some(9000));
    let beside = [("vhost-server-path", "/run/openvswitch/sock1")];
    let beside = port("dpdkvhostuserclient", &[("s1", &beside)], None);
    switch.bridges = [
        (
            "br-phy",
            bridge("netdev", vec![("bond0", bond), ("vxlan0", port("vxlan", &[("vxlan0", &[])], None))]),
        ),
        (
            "br-int",
            bridge("netdev", vec![("0123456789ab-net1", old), ("fedcba987654-net1", new), ("s1", beside)]),
        ),
        ("br-ex", bridge("system", Vec::new())),
    ]
    .into_iter()
    .map(|(name, bridge)| (name.to_owned(), bridge))
    .collect();
    switch
}

#[test]
fn a_switch_of_kube_ovn_becomes_a_spec_and_its_faults_are_named() {
    let host = server(8);
    let dir = "/run/openvswitch/vhost_sockets/6b3c/shared-dir".parse().unwrap();
    let modes = [(dir, "0777".parse().unwrap())].into();
    let imported = running(&kube_ovn(&host), &host, &modes);
    insta::assert_snapshot!(format!("{}\n{}", told(&imported.findings), imported.spec.to_yaml()));
    assert_eq!(SwitchSpec::from_yaml(&imported.spec.to_yaml()).unwrap(), imported.spec);
}

#[test]
fn a_switch_that_is_not_there_is_said() {
    let host = server(8);
    let mut switch = switch(&SwitchSpec::default(), &host, None);
    switch.options = None;
    switch.mempool_driver = Some(false);
    insta::assert_snapshot!(told(&running(&switch, &host, &BTreeMap::new()).findings));
}
