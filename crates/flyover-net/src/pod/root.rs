//! Pods of each kind that is stayed out of, built and read.

use super::*;
use crate::sys;
use crate::testing::Room;

/// The reasons to stay out of a pod in which the script was run; its device is eth0.
fn reasons(script: &str) -> Vec<String> {
    let room = Room::new("pod");
    room.sh("ip link set lo up; ip link add eth0 type veth peer name host0; ip link set eth0 up");
    room.sh(script);
    let facts = room.run(|| Facts::read(&"eth0".parse().unwrap()).unwrap());
    reasons_to_stay_out(&facts).iter().map(ToString::to_string).collect()
}

#[test]
fn a_plain_pod_gives_no_reason() {
    assert_eq!(reasons("true"), [""; 0]);
}

#[test]
fn forwarding_handed_down_to_a_pod_with_one_device_is_no_reason() {
    assert_eq!(reasons("echo 1 >/proc/sys/net/ipv4/ip_forward"), [""; 0]);
}

#[test]
fn a_pod_that_forwards_to_another_device_is_left_alone() {
    assert_eq!(
        reasons(
            "echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding; ip link set host0 up"
        ),
        ["it forwards IPv4 and has another device, host0", "it forwards IPv6 and has another device, host0"]
    );
}

#[test]
fn a_mesh_sidecar_s_rules_are_a_reason() {
    assert_eq!(
        reasons("iptables-nft -t nat -A OUTPUT -p tcp -j REDIRECT --to-ports 15001"),
        ["it has a netfilter hook of its own: ip output table nat chain OUTPUT"]
    );
    let legacy = reasons("iptables-legacy -t nat -A OUTPUT -p tcp -j REDIRECT --to-ports 15001");
    assert_eq!(legacy, ["it has 4 netfilter hooks of its own, the first is ip prerouting legacy table nat"]);
}

#[test]
fn a_virtual_machine_s_bridge_and_tap_are_reasons() {
    assert_eq!(
        reasons(
            "ip link add k6t type bridge; ip link set k6t up; ip tuntap add tap0 mode tap; ip link set tap0 up;
             ip link set eth0 master k6t"
        ),
        [
            "its device eth0 is a port of a bridge or bond",
            "its bridge device k6t passes packets on",
            "its tun device tap0 passes packets on"
        ]
    );
}

#[test]
fn a_device_that_is_no_veth_is_named() {
    let reasons = reasons("ip link del eth0; ip link add eth0 type vxlan id 1 dstport 4789");
    assert_eq!(reasons, ["its device eth0 is not a veth but vxlan"]);
}

#[test]
fn traffic_control_and_ipsec_are_reasons() {
    assert_eq!(
        reasons(
            "tc qdisc add dev eth0 root tbf rate 1mbit burst 10k latency 50ms;
             ip xfrm policy add src 10.0.0.0/8 dst 10.1.0.0/16 dir out"
        ),
        ["traffic control acts on eth0: tbf at root", "it has IPsec policies: 1"]
    );
}

#[test]
fn a_pod_without_that_device_is_an_error() {
    let room = Room::new("pod");
    let error = room.run(|| Facts::read(&"eth0".parse().unwrap()).unwrap_err());
    assert_eq!(error.to_string(), "the pod has no device `eth0`");
}

#[test]
fn a_bpf_program_on_the_way_in_or_out_is_a_reason_while_it_hangs_there() {
    let room = Room::new("pod");
    room.sh("ip link add eth0 type veth peer name host0");
    let reasons = || {
        let facts = room.run(|| Facts::read(&"eth0".parse().unwrap()).unwrap());
        reasons_to_stay_out(&facts).iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let index = room.run(|| nix::net::if_::if_nametoindex("eth0").unwrap());
    let program = sys::testing::load_nothing().unwrap();
    room.run(|| sys::testing::attach(&program, index, 47).unwrap());
    let found = reasons();
    assert!(
        matches!(found.as_slice(), [one] if one.starts_with("a BPF program hangs on eth0: tcx egress program ")),
        "{found:?}"
    );
    room.run(|| sys::testing::detach(&program, index, 47).unwrap());
    assert_eq!(reasons(), [""; 0]);
}
