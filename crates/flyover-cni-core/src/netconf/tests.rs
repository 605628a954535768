//! Configurations as both documents, people and enemies write them.

use serde_json::json;

use super::*;
use crate::request::CniArgs;

const KUBE_OVN: &str = include_str!("../../tests/fixtures/nad-ovs-dpdk-br0.json");
const KUBEVIRT: &str = include_str!("../../tests/fixtures/nad-userspace-ovs-net-1.json");

fn wish(configuration: &Value) -> Result<Wish, CniError> {
    Wish::of(configuration, &CniArgs::default())
}

fn plain(mode: Mode, bridge: &str) -> Wish {
    Wish {
        mode,
        bridge: bridge.parse().unwrap(),
        socketfile: None,
        group: None,
        shared_dir: None,
        kubeconfig: None,
        mtu: None,
        mac: None,
        vlan: None,
        trunks: [].into(),
        queues: None,
        policing: None,
        ovn_port: None,
    }
}

#[test]
fn the_network_of_the_first_document_is_read() {
    let network = Network::parse(KUBE_OVN.as_bytes()).unwrap();
    assert_eq!(
        (network.version, network.name.as_str(), &network.ipam),
        (Version::V031, "ovs-dpdk-br0", &None)
    );
    let kubeconfig = Some("/etc/cni/net.d/multus.d/multus.kubeconfig".into());
    assert_eq!(wish(&network.raw), Ok(Wish { kubeconfig, ..plain(Mode::Server, "br0") }));
}

#[test]
fn the_network_of_the_second_document_is_read() {
    let network = Network::parse(KUBEVIRT.as_bytes()).unwrap();
    assert_eq!(network.ipam, Some("host-local".parse().unwrap()));
    let kubeconfig = Some("/etc/kubernetes/cni/net.d/multus.d/multus.kubeconfig".into());
    assert_eq!(wish(&network.raw), Ok(Wish { kubeconfig, ..plain(Mode::Client, "br-dpdk0") }));
}

#[test]
fn a_side_that_says_nothing_is_completed_from_the_other() {
    assert_eq!(wish(&json!({})), Ok(plain(Mode::Server, "br0")));
    let container = |mode: &str| json!({"container": {"vhost": {"mode": mode}}});
    assert_eq!(wish(&container("server")), Ok(plain(Mode::Client, "br0")));
    assert_eq!(wish(&container("client")), Ok(plain(Mode::Server, "br0")));
    let both = json!({"host": {"vhost": {"mode": "client"}}, "container": {"vhost": {"mode": "client"}}});
    assert_eq!(wish(&both).unwrap_err().code, 7);
}

#[test]
fn what_is_not_supported_is_refused_with_code_two() {
    for host in [json!({"engine": "vpp"}), json!({"iftype": "memif"}), json!({"netType": "none"})] {
        assert_eq!(wish(&json!({"host": host})).unwrap_err().code, 2, "{host}");
        assert_eq!(wish(&json!({"container": host})).unwrap_err().code, 2, "{host}");
    }
    assert!(wish(&json!({"host": {"netType": "interface"}})).is_ok());
}

#[test]
fn every_extension_is_read() {
    let all = json!({"mtu": 9000, "mac": "02:00:00:00:00:01", "vlan": 7, "trunks": [1, {"id": 3}, {"minID": 5, "maxID": 6}],
        "queues": 4, "ingressPolicing": {"rate": 1000, "burst": 100}, "ovnPort": "ls1.vm1", "sharedDir": "/run/a",
        "host": {"vhost": {"mode": "client", "group": "hugetlbfs", "socketfile": "vm1.sock"}, "bridge": {"vlanId": 7}}});
    let expected = Wish {
        socketfile: Some("vm1.sock".parse().unwrap()),
        group: Some("hugetlbfs".into()),
        shared_dir: Some("/run/a".into()),
        mtu: Some(9000),
        mac: Some("02:00:00:00:00:01".parse().unwrap()),
        vlan: Some(7),
        trunks: [1, 3, 5, 6].into(),
        queues: Some(4),
        policing: Some(Policing { rate: 1000, burst: 100 }),
        ovn_port: Some("ls1.vm1".parse().unwrap()),
        ..plain(Mode::Client, "br0")
    };
    assert_eq!(wish(&all), Ok(expected));
}

#[test]
fn the_runtime_decides_the_address_and_the_vlan_of_the_bridge_is_honoured() {
    let runtime = json!({"mac": "02:00:00:00:00:01", "runtimeConfig": {"mac": "02:00:00:00:00:02"}});
    assert_eq!(wish(&runtime).unwrap().mac, Some("02:00:00:00:00:02".parse().unwrap()));
    assert_eq!(wish(&json!({"host": {"bridge": {"vlanId": 5}}})).unwrap().vlan, Some(5));
}

#[test]
fn values_out_of_range_and_names_that_lead_elsewhere_are_refused_with_code_seven() {
    for bad in [
        json!({"mtu": 67}),
        json!({"mtu": 70000}),
        json!({"mac": "01:00:00:00:00:01"}),
        json!({"mac": "x"}),
        json!({"vlan": 4095}),
        json!({"vlan": 1, "host": {"bridge": {"vlanId": 2}}}),
        json!({"trunks": [{}]}),
        json!({"queues": 0}),
        json!({"ingressPolicing": {"rate": -1}}),
        json!({"ovnPort": "a b"}),
        json!({"host": {"vhost": {"socketfile": "../x"}}}),
        json!({"host": {"vhost": {"socketfile": "-x"}}}),
        json!({"host": {"bridge": {"bridgeName": "--"}}}),
        json!({"host": {"vhost": {"mode": "both"}}}),
    ] {
        assert_eq!(wish(&bad).unwrap_err().code, 7, "{bad}");
    }
    assert_eq!(wish(&json!({"mtu": "1500"})).unwrap_err().code, 6);
}

#[test]
fn a_configuration_that_is_none_is_told_with_the_right_code() {
    let code = |text: &str| Network::parse(text.as_bytes()).unwrap_err().code;
    assert_eq!(code("{"), 6);
    assert_eq!(code("[]"), 6);
    assert_eq!(code(r#"{"cniVersion": "0.2.0", "name": "a"}"#), 1);
    assert_eq!(code(r#"{"name": "a"}"#), 1);
    assert_eq!(code(r#"{"cniVersion": "1.0.0"}"#), 7);
    assert_eq!(code(r#"{"cniVersion": "1.0.0", "name": "../a"}"#), 7);
}

#[test]
fn a_network_that_add_refuses_is_still_one_that_del_can_read() {
    let text = r#"{"cniVersion": "0.3.1", "name": "a", "host": {"engine": "vpp"}, "mtu": "x"}"#;
    assert!(Network::parse(text.as_bytes()).is_ok());
    let text = r#"{"cniVersion": "1.0.0", "name": "a", "ipam": {"type": "../../bin/sh"}}"#;
    let network = Network::parse(text.as_bytes()).unwrap();
    assert_eq!((network.ipam.clone(), network.good_ipam().unwrap_err().code), (None, 7));
}

#[test]
fn the_valid_attachments_of_a_collection_are_read() {
    let of = |valid: Value| {
        let text =
            json!({"cniVersion": "1.1.0", "name": "a", "cni.dev/valid-attachments": valid}).to_string();
        Network::parse(text.as_bytes()).unwrap().valid()
    };
    let one = vec![("c".parse().unwrap(), "e".parse().unwrap())];
    assert_eq!(of(json!([{"containerID": "c", "ifname": "e"}])), Ok(one));
    assert_eq!(of(json!([{"containerID": "c"}])).unwrap_err().code, 7);
    assert_eq!(of(Value::Null), Ok(Vec::new()));
    let untold = Network::parse(br#"{"cniVersion": "1.1.0", "name": "a"}"#).unwrap().valid();
    assert_eq!(untold.unwrap_err().code, 7);
    assert_eq!(of(json!("c")).unwrap_err().code, 7);
}
