//! Translations that change under a flow: services, masquerade, and conntrack entries taken away.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use flyover_core::{Flow, Proto};
use flyover_lab::{Family, RuleForm};

use super::rig::{Rig, eventually};
use super::udp::{Echo, Sender};

const EACH: Duration = Duration::from_millis(1);

fn at(ip: impl Into<IpAddr>, port: u16) -> SocketAddr {
    SocketAddr::new(ip.into(), port)
}

/// Takes a back end out of the service of two, as kube-proxy does.
fn remove_back_end(rig: &Rig, gone: IpAddr) {
    let rules = rig.at("n1", "iptables-nft -t nat -S");
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let find = |is_it: &dyn Fn(&str) -> bool| words(rules.lines().find(|line| is_it(line)).unwrap());
    let udp_of_pair = |line: &str| line.contains("default/pair:udp-7000");
    let dnat = format!("--to-destination {gone}:7000");
    let endpoint = find(&|line| udp_of_pair(line) && line.ends_with(&dnat))[1].clone();
    let service = find(&|line| udp_of_pair(line) && line.ends_with(&format!("-j {endpoint}")))[1].clone();
    let of_service = format!("-A {service} ");
    let is_other = |line: &str| {
        line.starts_with(&of_service) && line.contains("-j KUBE-SEP") && !line.ends_with(&endpoint)
    };
    let other = find(&is_other).pop().unwrap();
    rig.at("n1", &format!("iptables-nft -t nat -F {service}"));
    rig.at("n1", &format!("iptables-nft -t nat -A {service} -j {other}"));
    rig.at("n1", &format!("iptables-nft -t nat -F {endpoint}"));
}

/// As kube-proxy does it: the rules first, then conntrack's entries of the back end.
#[test]
fn a_flow_of_a_service_moves_when_its_back_end_is_removed() {
    let rig = Rig::fast("svc", |spec| spec.rules = RuleForm::Iptables, &[]);
    let service = rig.lab.pair_service().unwrap();
    let cluster_ip = service.address(Family::V4);
    let backends: Vec<_> = service.backends(Family::V4);
    let echoes = [
        Echo::on(&rig.netns("n1/p2"), at(backends[0], 7000)),
        Echo::on(&rig.netns("n2/p1"), at(backends[1], 7000)),
    ];
    let from = at(rig.pod_ip(1, 1), 4100);
    let mut sender = Sender::start(&rig.netns("n1/p1"), from, at(cluster_ip, 7000), 64, EACH);
    let flow = Flow { proto: Proto::Udp, src: from, dst: at(cluster_ip, 7000) };
    rig.wait_fast(1, flow);
    let first = usize::from(echoes[1].count() > 0);
    assert_eq!(echoes[1 - first].count(), 0, "one back end has it all");
    remove_back_end(&rig, backends[first]);
    rig.wait_fast(1, flow);
    assert_eq!(
        echoes[1 - first].count(),
        0,
        "conntrack knows the flow, and the bypass does as conntrack does"
    );
    rig.at("n1", &format!("conntrack -D -p udp -d {cluster_ip} --dport 7000"));
    echoes[1 - first].wait_alive();
    let last = echoes[first].count();
    rig.wait_fast(1, flow);
    assert_eq!(echoes[first].count(), last, "nothing goes to the removed back end");
    let translated = Flow { dst: at(backends[1 - first], 7000), ..flow };
    assert!(rig.bypassed(1, translated) > 20, "the entry leads to the other back end");
    assert_eq!(sender.lost(&[&echoes[0], &echoes[1]]), (0, 0));
}

#[test]
fn masquerade_comes_and_goes_with_the_conntrack_entry() {
    let rig = Rig::fast("masq", |spec| spec.rules = RuleForm::Iptables, &[]);
    let flow = rig.udp(4101, 7101);
    let (_sender, echo) = rig.stream(flow);
    rig.wait_fast_all(flow);
    let own = |from: SocketAddr| from == flow.src;
    let rule = "POSTROUTING -p udp --dport 7101 -j MASQUERADE";
    rig.at("n1", &format!("iptables-nft -t nat -I {rule}"));
    rig.wait_fast_all(flow);
    assert!(own(echo.last().unwrap().from), "a flow keeps what it began with");
    eventually("the node's address stands in for the pod's", || {
        // An answer that comes before the pod's next packet begins an entry the other way round, in
        // which the kernel translates nothing: that one goes too.
        rig.at("n1", "conntrack -F");
        std::thread::sleep(Duration::from_millis(50));
        !own(echo.last().unwrap().from)
    });
    let masked = Flow { src: echo.last().unwrap().from, ..flow };
    rig.wait_fast(1, flow);
    rig.wait_fast(1, masked.reversed());
    rig.wait_fast(2, masked);
    assert_eq!(echo.last().unwrap().from, masked.src);
    rig.at("n1", &format!("iptables-nft -t nat -D {rule}"));
    rig.at("n1", "conntrack -D -p udp --dport 7101");
    echo.wait_alive();
    eventually("the pod's own address is back", || own(echo.last().unwrap().from));
    rig.wait_fast_all(flow);
}

#[test]
fn a_flow_whose_conntrack_entry_is_deleted_goes_on() {
    let (rig, flow, mut sender, echo) = Rig::streaming("ctd", 4102, &[]);
    for node in ["n1", "n2", "n1"] {
        // A flow that was fast just now may not have been asked for a new entry yet.
        eventually("there is an entry to delete", || {
            rig.try_at(node, "conntrack -D -p udp --dport 7102").is_ok()
        });
        rig.wait_fast_all(flow);
    }
    assert_eq!(sender.lost(&[&echo]), (0, 0));
}
