//! Many flows, many pods, and what the agent costs.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use flyover_host::cmd::Cmd;
use flyover_net::netns::Netns;

use super::rig::{Rig, eventually, measured};
use super::udp::socket;

/// Sockets of a pod, and those of another: as many flows as pairs.
struct Crowd {
    clients: Vec<UdpSocket>,
    servers: Vec<UdpSocket>,
}

impl Crowd {
    fn of(rig: &Rig, clients: u16, servers: u16) -> Self {
        let open = |place: &str, node, base, count| {
            let (netns, ip) = (rig.netns(place), rig.pod_ip(node, 1));
            (0..count).map(|i| socket(&netns, SocketAddr::new(ip.into(), base + i))).collect()
        };
        let crowd =
            Self { clients: open("n1/p1", 1, 20_000, clients), servers: open("n2/p1", 2, 30_000, servers) };
        let patience = Some(Duration::from_secs(2));
        crowd.clients.iter().chain(&crowd.servers).for_each(|s| s.set_read_timeout(patience).unwrap());
        crowd
    }

    /// Each client asks each server, and each server answers; all must arrive.
    fn round(&self) {
        let mut buffer = [0; 64];
        for client in &self.clients {
            for server in &self.servers {
                client.send_to(b"a question", server.local_addr().unwrap()).unwrap();
            }
            for server in &self.servers {
                let (len, from) = server.recv_from(&mut buffer).expect("a question is lost");
                server.send_to(&buffer[..len], from).unwrap();
            }
            for _ in &self.servers {
                client.recv_from(&mut buffer).expect("an answer is lost");
            }
        }
    }
}

fn saved(rig: &Rig, node: u8) -> u64 {
    rig.books(node).flows().unwrap().iter().map(|f| f.way.packets).sum()
}

#[test]
fn ten_thousand_flows_are_fast() {
    let rig = Rig::fast("tenk", |_| {}, &["--lease", "60s"]);
    let crowd = Crowd::of(&rig, 100, 100);
    for _ in 0..2 {
        crowd.round();
    }
    let before = [1, 2].map(|node| saved(&rig, node));
    let start = Instant::now();
    crowd.round();
    eprintln!("measured: 10000 round trips of as many flows: {:.1?}", start.elapsed());
    for node in [1, 2] {
        let fast = saved(&rig, node) - before[usize::from(node) - 1];
        // Two packets of each flow; a change of the node may have revoked some.
        assert!(
            fast >= 19_000,
            "{fast} of 20000 packets were fast on n{node}: {:?}",
            rig.books(node).reasons().unwrap()
        );
    }
}

#[test]
fn flows_beyond_what_the_books_hold_are_slow_and_lose_nothing() {
    let rig = Rig::fast("full", |_| {}, &["--lease", "60s"]);
    let crowd = Crowd::of(&rig, 200, 200);
    for _ in 0..2 {
        crowd.round();
    }
    let entries = rig.books(1).flows().unwrap().len();
    assert!(entries > 55_000, "{entries} entries of 80000 directions");
    assert!(rig.slow_for(1, "books_full") > 1_000);
    // Those that have a place keep it.
    let few = Crowd {
        clients: crowd.clients[..5].iter().map(|s| s.try_clone().unwrap()).collect(),
        servers: crowd.servers,
    };
    let before = saved(&rig, 1);
    for _ in 0..5 {
        few.round();
    }
    assert!(saved(&rig, 1) > before + 5_000);
}

/// A pod that is there for a while, made as a CNI makes it.
struct Passer(String);

impl Passer {
    fn come(rig: &Rig, node: &str, number: u32) -> Self {
        let name = format!("{}-{node}-x{number}", rig.lab.name());
        let inside = Netns::create(&name).unwrap();
        let passer = Self(name);
        let batch = format!(
            "link add name vx{number} mtu 1450 type veth peer name eth0 mtu 1450 netns {}\nlink set vx{number} master cni0 up\n",
            passer.0
        );
        rig.netns(node).run(|| Cmd::new("ip").args(["-batch", "-"]).stdin(batch).run()).unwrap().unwrap();
        let batch = format!("addr add 10.244.9.{}/24 dev eth0\nlink set eth0 up\n", number % 250 + 1);
        inside.run(|| Cmd::new("ip").args(["-batch", "-"]).stdin(batch).run()).unwrap().unwrap();
        passer
    }
}

impl Drop for Passer {
    fn drop(&mut self) {
        Netns::delete(&self.0).unwrap();
    }
}

#[test]
fn a_hundred_pods_that_come_and_go_cost_others_no_packet() {
    let rig = Rig::fast("storm", |_| {}, &[]);
    let flow = rig.udp(4800, 7800);
    let (mut sender, echo) = rig.stream(flow);
    rig.wait_fast_all(flow);
    let (fast, all, start) = (rig.bypassed(1, flow), echo.count(), Instant::now());
    let mut there = std::collections::VecDeque::new();
    for number in 0..100 {
        there.push_back(Passer::come(&rig, ["n1", "n2"][number as usize % 2], number));
        if there.len() > 10 {
            there.pop_front();
        }
    }
    drop(there);
    let (fast, all) = (rig.bypassed(1, flow) - fast, echo.count() - all);
    eprintln!(
        "measured: {fast} of {all} packets fast while 100 pods came and went in {:.1?}",
        start.elapsed()
    );
    rig.wait_fast_all(flow);
    assert_eq!(sender.lost(&[&echo]), (0, 0));
    eventually("no pod is left in the report", || rig.report(1).pods.len() == 2);
    let links = rig.instance(1).map_pin("ways").parent().unwrap().parent().unwrap().join("links");
    assert_eq!(std::fs::read_dir(links).unwrap().count(), 6, "two pods and an uplink, two hooks each");
}

#[test]
fn a_drop_holds_at_once_while_many_pods_are_attached() {
    // The longer way: each attachment waits for a whole grace period.
    let rig = Rig::fast("busy", |_| {}, &["--lease", "10s", "--no-expedite"]);
    let flow = rig.udp(4801, 7801);
    let (_sender, echo) = rig.stream(flow);
    rig.wait_fast_all(flow);
    let others = Passer::come(&rig, "n1", 200);
    let pod = |n| format!("link add name vy{n} up type veth peer name e{n} netns {}\n", others.0);
    let batch = Cmd::new("ip").args(["-batch", "-"]).stdin((0..60).map(pod).collect::<String>());
    rig.netns("n1").run(|| batch.run()).unwrap().unwrap();
    rig.at("n1", "nft add table ip life");
    rig.at("n1", "nft add chain ip life forward { type filter hook forward priority 0 ; }");
    rig.at("n1", "nft add rule ip life forward udp dport 7801 drop");
    let took = echo.wait_silent(Instant::now(), Duration::from_millis(700));
    measured(
        "from a new DROP to no more packets while 60 pods are attached",
        took,
        Duration::from_millis(300),
    );
}

/// Resident memory in bytes, and CPU time. The pages of a debug build's program are ten times those
/// of a release build and no measure of anything.
fn cost(pid: u32) -> (u64, Duration) {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let kind = if cfg!(debug_assertions) { "RssAnon:" } else { "VmRSS:" };
    let line = status.lines().find(|l| l.starts_with(kind)).unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    (kib * 1024, Duration::from_millis(ticks * 10))
}

/// What a release build is held to, and a debug build with its slower and larger code.
fn allowed(release: f64, debug: f64) -> f64 {
    if cfg!(debug_assertions) { debug } else { release }
}

#[test]
fn two_hundred_pods_are_attached_soon_and_cost_little() {
    let rig = Rig::slow("many", |spec| (spec.nodes, spec.pods) = (1, 200));
    let mut on_and_off = [(); 3].map(|()| {
        let start = Instant::now();
        rig.on(&[]);
        let (on, report) = (start.elapsed(), rig.report(1));
        assert_eq!(report.pods.iter().filter(|p| p.out_because.is_empty()).count(), 200);
        assert!(report.expedited.allowed && report.expedited.times > 0, "{:?}", report.expedited);
        eprintln!("measured: CPU time to attach 200 pods: {:.1?}", cost(report.pid).1);
        let start = Instant::now();
        rig.off();
        (on, start.elapsed())
    });
    on_and_off.sort();
    let soon = Duration::from_secs_f64(allowed(1.0, 2.0));
    measured("from the start of the agent to 200 pods attached", on_and_off[1].0, soon);
    on_and_off.sort_by_key(|(_, off)| *off);
    measured("to take the bypass off 200 pods", on_and_off[1].1, Duration::from_secs(1));
    eventually("grace periods are as they were", || expedited() == "0");
    rig.on(&[]);
    let pid = rig.report(1).pid;
    // What the pods' coming announced has been looked at by then.
    std::thread::sleep(Duration::from_secs(10));
    let ((_, before), quiet) = (cost(pid), Duration::from_secs(20));
    std::thread::sleep(quiet);
    let (memory, after) = cost(pid);
    let idle = (after - before).as_secs_f64() / quiet.as_secs_f64() * 100.0;
    eprintln!("measured: with 200 pods: {:.1} MB resident, {idle:.2} % of a core", memory as f64 / 1e6);
    assert!(memory as f64 <= 20e6, "{memory} bytes");
    assert!(idle <= allowed(0.2, 2.0), "{idle} %");
}

fn expedited() -> String {
    std::fs::read_to_string("/sys/kernel/rcu_expedited").unwrap().trim().to_owned()
}

/// Starts an agent on a node with many pods, and kills it while it attaches.
fn kill_amid_attaching(rig: &Rig) {
    let instance = rig.instance(1);
    let mut agent = rig.agent("n1", &["--uplink", "eth0", "--name", instance.name()]);
    eventually("the agent notes what it turns on", || instance.restore().is_ok_and(|r| r.rcu_expedited));
    agent.kill().unwrap();
    agent.wait().unwrap();
    assert!(instance.restore().unwrap().rcu_expedited, "it was killed in the middle of it");
}

#[test]
fn short_grace_periods_end_with_the_attaching_and_after_a_crash() {
    let rig = Rig::slow("rcu", |spec| (spec.nodes, spec.pods) = (1, 60));
    kill_amid_attaching(&rig);
    rig.on(&[]);
    assert!(!rig.instance(1).restore().unwrap().rcu_expedited, "the next process mends it");
    eventually("grace periods are as they were", || expedited() == "0");
    assert_eq!(rig.ask(1, &["status"])["expedited"]["times"], 1);
    rig.off();
    kill_amid_attaching(&rig);
    rig.off();
    eventually("`off` mends it too", || expedited() == "0");
    rig.on(&["--no-expedite"]);
    let status = rig.ask(1, &["status"]);
    assert_eq!(status["expedited"], serde_json::json!({"allowed": false, "times": 0, "total_ms": 0}));
}
