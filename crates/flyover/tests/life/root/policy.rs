//! What the node forbids stops, whoever tells; what it allows again goes on, and is fast again.

use std::time::{Duration, Instant};

use flyover_lab::RuleForm;

use super::rig::{Rig, measured};

/// Silence that tells a flow that stopped from one whose sender waits for a CPU.
const SILENCE: Duration = Duration::from_millis(700);
/// Promised for a change that the kernel announces, and beyond the lease for one that it does not.
const ANNOUNCED: Duration = Duration::from_millis(50);

struct Rule {
    form: RuleForm,
    node: &'static str,
    add: &'static [&'static str],
    remove: &'static str,
    lease: &'static str,
    /// Promised from the change to the last packet.
    bound: Duration,
}

/// How often a change is timed: the machine may be busy at one time, and hardly at most of them.
const REPEATS: usize = 5;

fn a_drop_holds_while_it_is_there(name: &str, rule: &Rule) {
    let rig = Rig::fast(name, |spec| spec.rules = rule.form, &["--lease", rule.lease]);
    let flow = rig.udp(4001, 7001);
    let (mut sender, echo) = rig.stream(flow);
    let (last, before) = rule.add.split_last().unwrap();
    let mut times = [(); REPEATS].map(|()| {
        rig.wait_fast_all(flow);
        for line in before {
            rig.at(rule.node, line);
        }
        if !before.is_empty() {
            // They were changes too.
            rig.wait_fast_all(flow);
        }
        // The time the tool takes to start is counted, too.
        let changed = Instant::now();
        rig.at(rule.node, last);
        let stopped = echo.wait_silent(changed, SILENCE);
        let allowed = Instant::now();
        rig.at(rule.node, rule.remove);
        (stopped, echo.wait_alive() - allowed)
    });
    rig.wait_fast_all(flow);
    eprintln!("measured: {name}: to no more packets, and to packets again: {times:.1?}");
    times.sort();
    measured(
        &format!("{name}: from a new DROP to no more packets, median"),
        times[REPEATS / 2].0,
        rule.bound,
    );
    let slowest = times[REPEATS - 1].0;
    measured(&format!("{name}: the slowest of them"), slowest, rule.bound + Duration::from_millis(250));
    times.sort_by_key(|(_, alive)| *alive);
    measured(
        &format!("{name}: from its end to packets, median"),
        times[REPEATS / 2].1,
        Duration::from_millis(300),
    );
    let before = echo.count();
    std::thread::sleep(Duration::from_millis(300));
    assert!(echo.count() > before + 100, "{} in 300 ms", echo.count() - before);
    assert!(sender.lost(&[&echo]).0 > 500, "the rule dropped something");
}

#[test]
fn a_drop_in_nft_ends_a_flow_at_once() {
    a_drop_holds_while_it_is_there(
        "pn",
        &Rule {
            form: RuleForm::Nft,
            node: "n1",
            add: &[
                "nft add table ip life",
                "nft add chain ip life forward { type filter hook forward priority 0 ; }",
                "nft add rule ip life forward udp dport 7001 drop",
            ],
            remove: "nft delete table ip life",
            lease: "5s",
            bound: ANNOUNCED,
        },
    );
}

#[test]
fn a_drop_in_iptables_over_nft_ends_a_flow_at_once() {
    a_drop_holds_while_it_is_there(
        "pi",
        &Rule {
            form: RuleForm::Iptables,
            node: "n2",
            add: &["iptables-nft -I FORWARD 1 -p udp --dport 7001 -j DROP"],
            remove: "iptables-nft -D FORWARD -p udp --dport 7001 -j DROP",
            lease: "5s",
            bound: ANNOUNCED,
        },
    );
}

#[test]
fn a_drop_in_legacy_iptables_that_nobody_announces_ends_a_flow_with_its_lease() {
    a_drop_holds_while_it_is_there(
        "pl",
        &Rule {
            form: RuleForm::IptablesLegacy,
            node: "n2",
            add: &["iptables-legacy -I FORWARD 1 -p udp --dport 7001 -j DROP"],
            remove: "iptables-legacy -D FORWARD -p udp --dport 7001 -j DROP",
            lease: "500ms",
            bound: Duration::from_millis(500) + ANNOUNCED,
        },
    );
}

/// The bypass goes around the rules that its own outer packets would meet; what they forbid is forbidden all the same.
#[test]
fn a_drop_of_the_tunnels_own_packets_ends_the_flows_in_it() {
    let sent: &[&str] = &[
        "nft add table ip life",
        "nft add chain ip life outer { type filter hook output priority 0 ; }",
        "nft add rule ip life outer udp dport 8472 drop",
    ];
    let received: &[&str] = &[
        "nft add table ip life",
        "nft add chain ip life outer { type filter hook input priority 0 ; }",
        "nft add rule ip life outer udp dport 8472 drop",
    ];
    for (name, node, add) in [("po", "n1", sent), ("pt", "n2", received)] {
        let rule = Rule {
            form: RuleForm::Nft,
            node,
            add,
            remove: "nft delete table ip life",
            lease: "5s",
            bound: Duration::from_secs(1),
        };
        a_drop_holds_while_it_is_there(name, &rule);
    }
}

/// Hooks that the packets of a flow pass before, behind and below the routing of the node.
#[test]
fn a_drop_in_any_family_of_nft_ends_a_flow_at_once() {
    let (rig, flow, _sender, echo) = Rig::streaming("pf", 4002, &["--lease", "5s"]);
    let device = rig.lab.pod(1, 1).unwrap().host_veth().to_string();
    for (family, hook) in [
        ("inet", "forward".to_owned()),
        ("ip", "prerouting".to_owned()),
        ("bridge", "input".to_owned()),
        ("netdev", format!("ingress device {device}")),
        ("netdev", "egress device eth0".to_owned()),
    ] {
        rig.wait_fast_all(flow);
        let port = if hook.starts_with("egress") { "8472" } else { "7002" };
        rig.at("n1", &format!("nft add table {family} life"));
        rig.at(
            "n1",
            &format!("nft add chain {family} life drops {{ type filter hook {hook} priority 0 ; }}"),
        );
        rig.at("n1", &format!("nft add rule {family} life drops udp dport {port} drop"));
        let took = echo.wait_silent(Instant::now(), SILENCE);
        measured(&format!("from a DROP in {family} {hook} to no more packets"), took, Duration::from_secs(1));
        rig.at("n1", &format!("nft delete table {family} life"));
        echo.wait_alive();
    }
    rig.wait_fast_all(flow);
}
