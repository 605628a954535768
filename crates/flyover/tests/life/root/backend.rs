//! The choice of a back end, and the one without BPF.

use std::process::Child;

use flyover_fastpath::Report;
use flyover_host::cmd::Cmd;
use flyover_net::tcx::{self, Side};
use nix::sys::signal::Signal;

use super::input::nothing_is_left;
use super::rig::{Rig, eventually};

/// Capabilities without which nobody loads BPF programs.
const NO_BPF: &str = "setpriv --bounding-set=-bpf,-sys_admin --inh-caps=-all";

/// An agent on the first node of a machine of which a part is hidden; ended when dropped.
struct Agent(Child);

impl Agent {
    fn start(rig: &Rig, hidden: &str, by: &str, backend: &str) -> Self {
        let script = format!(
            "{hidden}; exec {by} {} fastpath run --name {} --root {} --uplink eth0 --backend {backend}",
            env!("CARGO_BIN_EXE_flyover"),
            rig.instance(1).name(),
            rig.root().display()
        );
        let log = std::fs::File::create(rig.root().join("agent.log")).unwrap();
        let unshare = Cmd::new("unshare").args(["-m", "sh", "-ec", &script]);
        Self(rig.netns("n1").run(|| unshare.daemon(log)).unwrap().unwrap())
    }

    /// What it reports, once it runs.
    fn report(&mut self, rig: &Rig) -> Report {
        eventually("the agent reports", || {
            assert!(self.0.try_wait().unwrap().is_none(), "the agent ended");
            Report::read(&rig.instance(1)).is_ok_and(|r| r.pid == self.0.id())
        });
        rig.report(1)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

fn off(rig: &Rig) {
    let name = rig.instance(1).name().to_owned();
    let ran = rig.netns("n1").run(|| rig.flyover(&["fastpath", "off", "--name", &name])).unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}

#[test]
fn the_back_end_is_chosen_by_what_the_kernel_can() {
    let rig = Rig::slow("choice", |_| {});
    for (hidden, by, backend, chosen) in [
        ("true", "", "auto", "ebpf"),
        ("true", "", "ebpf", "ebpf"),
        ("true", "", "nft", "nft"),
        ("mount -t tmpfs none /sys/kernel/btf", "", "auto", "nft"),
        ("mount -t tmpfs -o ro none /sys/fs", "", "auto", "nft"),
        ("true", NO_BPF, "auto", "nft"),
        ("mount -t tmpfs none /sys/kernel/btf", NO_BPF, "nft", "nft"),
    ] {
        let mut agent = Agent::start(&rig, hidden, by, backend);
        let report = agent.report(&rig);
        assert_eq!(report.backend, chosen, "--backend {backend} where {hidden} {by}");
        let table = rig.at("n1", "nft list tables").contains("flyover");
        assert_eq!(table, chosen == "nft", "--backend {backend} where {hidden} {by}");
        off(&rig);
        nothing_is_left(&rig);
    }
}

/// Conntrack's entries of a node that its tunnel's packets made, or the packets within.
fn entries(rig: &Rig, node: &str, port: &str) -> usize {
    let list = rig.at(node, "conntrack -L -p udp");
    list.lines().filter(|l| l.contains(&format!("dport={port} "))).count()
}

#[test]
fn a_tunnel_that_was_tracked_is_so_no_more_and_loses_nothing() {
    let rig = Rig::slow("untrack", |_| {});
    let flow = rig.udp(4780, 7780);
    let (mut sender, echo) = rig.stream(flow);
    for node in ["n1", "n2"] {
        eventually("conntrack tracks the tunnel and what is in it", || {
            entries(&rig, node, "8472") > 0 && entries(&rig, node, "7780") > 0
        });
    }
    rig.on(&["--backend", "nft"]);
    for node in ["n1", "n2"] {
        // Packets that are on their way when the entries go may make one more; a look at the peers evicts none.
        assert_eq!(entries(&rig, node, "8472"), 0, "on {node}");
    }
    let (heard, status) =
        (echo.count(), rig.flyover(&["fastpath", "status", "--name", rig.instance(1).name()]));
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert!(echo.count() > heard + 100, "the flow goes on");
    for node in ["n1", "n2"] {
        assert_eq!(entries(&rig, node, "8472"), 0, "on {node}");
        assert!(entries(&rig, node, "7780") > 0, "what is in the tunnel is tracked as before");
    }
    let status = String::from_utf8(status.stdout).unwrap().replace(rig.instance(1).name(), "NAME");
    let status = status.replace(&rig.report(1).pid.to_string(), "PID");
    insta::assert_snapshot!(status.lines().map(str::trim).collect::<Vec<_>>().join("\n"), @"
    instance   NAME (flyover 0.1.0, nft, nftables)
    agent      process PID
    bypass     on
    uplink     eth0
    tunnel     flannel.1 (vxlan 1, port 8472)
    conntrack  nf_conntrack_tcp_be_liberal is 0
    flows      0
    saved      0 packets, 0 bytes
    ");
    rig.off();
    eventually("it is tracked again", || entries(&rig, "n1", "8472") > 0);
    assert_eq!(sender.lost(&[&echo]), (0, 0));
}

#[test]
fn who_comes_back_with_another_back_end_leaves_nothing_of_the_first() {
    let rig = Rig::fast("swap", |_| {}, &[]);
    let flow = rig.udp(4781, 7781);
    let (mut sender, echo) = rig.stream(flow);
    rig.wait_fast_all(flow);
    rig.signal(Signal::SIGTERM);
    rig.on(&["--backend", "nft"]);
    let uplink = || {
        let shown = rig.at("n1", "ip -o link show eth0");
        let index = shown.split(':').next().unwrap().parse().unwrap();
        rig.netns("n1").run(|| tcx::programs(index, Side::Ingress).unwrap().len()).unwrap()
    };
    assert_eq!((uplink(), rig.report(1).backend.as_str()), (0, "nft"));
    rig.signal(Signal::SIGTERM);
    rig.on(&[]);
    assert_eq!((uplink(), rig.report(1).backend.as_str()), (1, "ebpf"));
    assert!(!rig.at("n1", "nft list tables").contains("flyover"));
    rig.wait_fast_all(flow);
    assert_eq!(sender.lost(&[&echo]), (0, 0));
}

/// Outer packets that went by untracked, on both nodes.
fn untracked(rig: &Rig) -> u64 {
    let count = |node: &str| -> u64 {
        let rules = rig.at(node, "nft list ruleset");
        let rules = rules.lines().filter(|line| line.ends_with("notrack"));
        let packets = rules.map(|rule| rule.split_whitespace().skip_while(|w| *w != "packets").nth(1));
        packets.map(|n| n.unwrap().parse::<u64>().unwrap()).sum()
    };
    count("n1") + count("n2")
}

/// Another address takes a peer's place, as when a node is replaced.
#[test]
fn only_the_tunnels_peer_of_today_is_left_untracked() {
    let rig = Rig::fast("npeer", |_| {}, &["--backend", "nft"]);
    let flow = rig.udp(4901, 7901);
    let (mut sender, echo) = rig.stream(flow);
    echo.wait_alive();
    rig.at("n2", "ip addr add 10.89.0.42/24 dev eth0");
    let entries = rig.at("n1", "bridge fdb show dev flannel.1");
    let entry = entries.lines().find(|line| line.contains("dst 10.89.0.2")).unwrap();
    let mac = entry.split_whitespace().next().unwrap();
    rig.at("n1", &format!("bridge fdb replace {mac} dev flannel.1 dst 10.89.0.42 self permanent"));
    let rules = || rig.at("n1", "nft list ruleset");
    eventually("the rule names the new peer alone", || {
        rules().contains("10.89.0.42 udp dport 8472") && !rules().contains("10.89.0.2 udp dport 8472")
    });
    let before = untracked(&rig);
    eventually("packets to it are not tracked", || untracked(&rig) > before + 100);
    // Who loads a rule set anew flushes ours too.
    rig.at("n1", "nft flush ruleset");
    eventually("the rule is there again", || rules().contains("10.89.0.42 udp dport 8472"));
    echo.wait_alive();
    assert_eq!(sender.lost(&[&echo]), (0, 0));
}

/// Our filters at both ends of the uplink's way, as tc shows them.
fn filters(rig: &Rig) -> usize {
    let shown = ["ingress", "egress"].map(|side| rig.at("n1", &format!("tc filter show dev eth0 {side}")));
    shown.concat().matches("handle 0xf10").count()
}

#[test]
fn filters_of_clsact_do_what_links_do() {
    let rig = Rig::slow("clsact", |_| {});
    let face = super::off::face(&rig, "n1");
    rig.on(&["--clsact"]);
    assert_eq!(rig.report(1).attached_by, "clsact");
    let flow = rig.udp(4782, 7782);
    let (mut sender, echo) = rig.stream(flow);
    let chat = rig.chat(4782, 7782);
    rig.wait_fast_all(flow);
    rig.wait_fast_all(chat.flow);
    assert_eq!(filters(&rig), 2);
    // Who comes back takes them over.
    rig.signal(Signal::SIGKILL);
    rig.on(&["--clsact"]);
    rig.wait_fast_all(flow);
    assert_eq!(filters(&rig), 2);
    assert_eq!(sender.lost(&[&echo]), (0, 0));
    // Who comes back by other means leaves none of the first. The kernel stops a device for some milliseconds each
    // time a clsact qdisc is made or removed, whoever does it: what is sent meanwhile is lost.
    drop((sender, echo));
    let (_sender, _echo) = rig.stream(flow);
    for (options, by, there) in [(&[][..], "tcx", 0), (&["--clsact"], "clsact", 2)] {
        rig.signal(Signal::SIGTERM);
        rig.on(options);
        assert_eq!((rig.report(1).attached_by.as_str(), filters(&rig)), (by, there));
        rig.wait_fast_all(flow);
        rig.wait_fast_all(chat.flow);
    }
    // A filter of somebody else, and the qdisc it is in, stay.
    rig.at("n1", "tc filter add dev eth0 ingress prio 7 protocol all u32 match u32 0 0 classid 1:1");
    rig.off();
    let left = rig.at("n1", "tc filter show dev eth0 ingress");
    assert!(left.contains("pref 7 u32") && filters(&rig) == 0, "{left}");
    rig.at("n1", "tc qdisc del dev eth0 clsact");
    assert_eq!(super::off::face(&rig, "n1"), face);
    chat.finish();
}

#[test]
fn a_bpf_file_system_that_was_mounted_is_unmounted_again() {
    let rig = Rig::slow("mount", |_| {});
    let (flyover, root) = (env!("CARGO_BIN_EXE_flyover"), rig.root().display());
    let which = format!("--name {} --root {root}", rig.instance(1).name());
    let script = format!(
        "mount -t tmpfs none /sys/fs; mkdir /sys/fs/bpf
         stat -f -c %T /sys/fs/bpf
         {flyover} fastpath run {which} --uplink eth0 --backend ebpf 2>/dev/null &
         until [ -e {} ]; do sleep 0.02; done
         stat -f -c %T /sys/fs/bpf
         {flyover} fastpath off {which}
         stat -f -c %T /sys/fs/bpf",
        rig.instance(1).report().display()
    );
    let unshare = Cmd::new("unshare").args(["-m", "sh", "-ec", &script]);
    let said = rig.netns("n1").run(|| unshare.run()).unwrap().unwrap();
    assert_eq!(said, "tmpfs\nbpf_fs\ntmpfs\n");
    nothing_is_left(&rig);
}
