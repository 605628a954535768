//! Where the bypass stays out, and says why: what judges, shapes or transforms packets one by one.

use std::time::Duration;

use flyover_core::Flow;
use flyover_lab::RuleForm;

use super::foreign::{Foreign, PASS};
use super::rig::{PATIENCE, Rig, eventually};

const EACH: Duration = Duration::from_millis(1);

/// Waits until a flow that was fast is not any more, while it goes on.
fn wait_slow(rig: &Rig, node: u8, flow: Flow) {
    eventually("the flow is slow", || {
        let before = rig.bypassed(node, flow);
        std::thread::sleep(Duration::from_millis(200));
        rig.bypassed(node, flow) == before
    });
}

#[test]
fn a_shaped_pod_is_left_alone_until_it_is_shaped_no_more() {
    let (rig, flow, mut sender, echo) = Rig::streaming("tbf", 4500, &[]);
    let device = rig.lab.pod(2, 1).unwrap().host_veth().to_string();
    rig.at("n2", &format!("tc qdisc add dev {device} root tbf rate 100mbit burst 64kb latency 50ms"));
    eventually("why names the qdisc", || rig.why(2, &device).contains(&format!("tbf on egress of {device}")));
    wait_slow(&rig, 2, flow);
    assert!(
        rig.report(2).pods.iter().any(|p| p.name != device && p.out_because.is_empty()),
        "its neighbour is not"
    );
    rig.at("n2", &format!("tc qdisc del dev {device} root"));
    rig.wait_fast_all(flow);
    // A qdisc that is taken away takes what it holds along, and under load it holds some.
    let (there, back) = sender.lost(&[&echo]);
    assert!(there <= 20 && back <= 20, "lost {there} there and {back} back");
}

#[test]
fn a_pod_that_gets_rules_of_its_own_is_left_alone() {
    let (rig, flow, mut sender, echo) = Rig::streaming("own", 4501, &[]);
    rig.at("n2/p1", "nft add table ip own");
    rig.at("n2/p1", "nft add chain ip own out { type filter hook output priority 0 ; }");
    let device = rig.lab.pod(2, 1).unwrap().host_veth().to_string();
    eventually("why names the table", || rig.why(2, &device).contains("table own"));
    wait_slow(&rig, 2, flow);
    rig.at("n2/p1", "nft delete table ip own");
    rig.wait_fast_all(flow);
    assert_eq!(sender.lost(&[&echo]), (0, 0));
}

#[test]
fn an_ipsec_policy_pauses_the_node() {
    let (rig, flow, mut sender, echo) = Rig::streaming("xfrm", 4502, &[]);
    rig.at("n1", "ip xfrm policy add src 192.0.2.0/24 dst 198.51.100.0/24 dir fwd");
    wait_slow(&rig, 1, flow);
    assert_eq!(rig.ask(1, &["status"])["bypassing"], false);
    let why = rig.why(1, &flow.to_string());
    assert!(why.contains("1 IPsec policies judge packets here"), "{why}");
    rig.at("n1", "ip xfrm policy del src 192.0.2.0/24 dst 198.51.100.0/24 dir fwd");
    rig.wait_fast_all(flow);
    assert_eq!(sender.lost(&[&echo]), (0, 0));
}

fn flows_of_a_limited_port_stay_slow(name: &str, form: RuleForm, add: &[&str], named: &str) {
    let rig = Rig::fast(name, |spec| spec.rules = form, &[]);
    let limited = rig.udp(4503, 7503);
    let free = rig.udp(4504, 7504);
    let (mut limited_sender, limited_echo) = rig.stream(limited);
    let (mut sender, echo) = rig.stream_of(free, 64, EACH);
    rig.wait_fast_all(limited);
    rig.wait_fast_all(free);
    for line in add {
        rig.at("n1", line);
    }
    wait_slow(&rig, 1, limited);
    rig.wait_fast_all(free);
    eventually("why names the rule", || rig.why(1, &limited.to_string()).contains(named));
    assert_eq!(limited_sender.lost(&[&limited_echo]), (0, 0));
    assert_eq!(sender.lost(&[&echo]), (0, 0));
}

#[test]
fn flows_that_an_nft_rule_limits_stay_slow_and_others_fast() {
    let add = [
        "nft add table ip life",
        "nft add chain ip life forward { type filter hook forward priority 0 ; }",
        "nft add rule ip life forward udp dport 7503 limit rate 100000/second accept",
    ];
    flows_of_a_limited_port_stay_slow("limn", RuleForm::Nft, &add, "life");
}

#[test]
fn flows_that_a_legacy_rule_limits_stay_slow_and_others_fast() {
    let add = [
        "iptables-legacy -I FORWARD 1 -p udp --dport 7503 -m limit --limit 10000/sec --limit-burst 10000 -j ACCEPT",
    ];
    flows_of_a_limited_port_stay_slow("liml", RuleForm::IptablesLegacy, &add, "limit");
}

#[test]
fn a_rule_that_logs_what_comes_to_the_node_disturbs_no_flow() {
    let rig = Rig::fast("log", |spec| spec.rules = RuleForm::Iptables, &[]);
    let flow = rig.udp(4505, 7505);
    let (mut sender, echo) = rig.stream(flow);
    let chat = rig.chat(4505, 7505);
    rig.wait_fast_all(flow);
    rig.at("n1", "iptables-nft -A INPUT -p tcp --dport 22 -m limit --limit 5/min -j LOG");
    rig.wait_fast_all(flow);
    rig.wait_fast_all(chat.flow);
    chat.wait_for(1_000, PATIENCE);
    assert!(rig.report(1).paused.is_empty());
    chat.finish();
    assert_eq!(sender.lost(&[&echo]), (0, 0));
}

#[test]
fn flows_that_are_logged_stay_slow_and_others_fast() {
    let add = ["iptables-nft -I FORWARD 1 -p udp --dport 7503 -j NFLOG --nflog-group 5"];
    flows_of_a_limited_port_stay_slow("nflog", RuleForm::Iptables, &add, "log");
}

#[test]
fn a_shaper_on_the_bridge_or_the_tunnel_device_pauses_the_node() {
    let rig = Rig::fast("shape", |_| {}, &[]);
    let flow = rig.udp(4506, 7506);
    let (_sender, _echo) = rig.stream(flow);
    for device in ["cni0", "flannel.1"] {
        rig.wait_fast_all(flow);
        rig.at("n1", &format!("tc qdisc add dev {device} root tbf rate 100mbit burst 64kb latency 50ms"));
        wait_slow(&rig, 1, flow);
        let named = format!("tbf on egress of {device}");
        eventually("status names it", || rig.ask(1, &["status"])["paused"].to_string().contains(&named));
        let why = rig.why(1, &flow.to_string());
        assert!(why.contains(&named), "{why}");
        rig.at("n1", &format!("tc qdisc del dev {device} root"));
    }
    rig.wait_fast_all(flow);
}

/// Something that is done in the second node's first pod, how `why` names it, and how it ends.
fn a_pod_that_changes_is_looked_at_again(
    name: &str,
    begin: impl FnOnce(&Rig) -> Box<dyn FnOnce(&Rig)>,
    named: &str,
) {
    let rig = Rig::fast(name, |_| {}, &[]);
    let flow = rig.udp(4507, 7507);
    let (mut sender, echo) = rig.stream(flow);
    rig.wait_fast_all(flow);
    let end = begin(&rig);
    let device = rig.lab.pod(2, 1).unwrap().host_veth().to_string();
    eventually("why names it", || rig.why(2, &device).contains(named));
    wait_slow(&rig, 2, flow);
    end(&rig);
    rig.wait_fast_all(flow);
    assert_eq!(sender.lost(&[&echo]), (0, 0));
}

#[test]
fn a_pod_that_begins_to_forward_is_left_alone_while_it_does() {
    let begin = |rig: &Rig| -> Box<dyn FnOnce(&Rig)> {
        rig.at("n2/p1", "ip link add more type veth peer name other");
        rig.at("n2/p1", "ip link set more up");
        rig.at("n2/p1", "sysctl -qw net.ipv4.conf.eth0.forwarding=1");
        Box::new(|rig| drop(rig.at("n2/p1", "sysctl -qw net.ipv4.conf.eth0.forwarding=0")))
    };
    a_pod_that_changes_is_looked_at_again("fwd", begin, "it forwards IPv4");
}

#[test]
fn a_pod_that_gets_a_program_is_left_alone_while_it_has_it() {
    let begin = |rig: &Rig| -> Box<dyn FnOnce(&Rig)> {
        let shown = rig.at("n2/p1", "ip -o link show eth0");
        let index = shown.split(':').next().unwrap().parse().unwrap();
        let program = Foreign::attach(rig, "n2/p1", index, PASS);
        Box::new(|_| drop(program))
    };
    a_pod_that_changes_is_looked_at_again("prog", begin, "a BPF program hangs on eth0");
}

#[test]
fn a_pod_that_gets_another_device_is_left_alone_while_it_has_it() {
    let begin = |rig: &Rig| -> Box<dyn FnOnce(&Rig)> {
        rig.at("n2/p1", "ip link add vm0 type bridge");
        rig.at("n2/p1", "ip link set vm0 up");
        Box::new(|rig| drop(rig.at("n2/p1", "ip link del vm0")))
    };
    a_pod_that_changes_is_looked_at_again("dev", begin, "its bridge device vm0 passes packets on");
}
