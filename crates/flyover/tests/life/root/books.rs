//! What the books hold to the packet, and what of them people are shown.

use std::net::UdpSocket;
use std::time::Duration;

use flyover_core::Flow;

use super::cli::scrape;
use super::rig::Rig;
use super::udp::socket;

/// Bytes of a datagram's payload, and of its frame within a tunnel.
const PAYLOAD: usize = 100;
const FRAME: u64 = 142;

/// A client and a server that do nothing by themselves.
struct Pair {
    client: UdpSocket,
    server: UdpSocket,
    flow: Flow,
}

impl Pair {
    fn new(rig: &Rig, flow: Flow) -> Self {
        let open = |place: &str, at| {
            let socket = socket(&rig.netns(place), at);
            socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
            socket
        };
        Self { client: open("n1/p1", flow.src), server: open("n2/p1", flow.dst), flow }
    }

    /// That many questions, each answered twice.
    fn talk(&self, rounds: usize) {
        let mut buffer = [0; 2 * PAYLOAD];
        for _ in 0..rounds {
            self.client.send_to(&[7; PAYLOAD], self.flow.dst).unwrap();
            let (len, from) = self.server.recv_from(&mut buffer).expect("a question is lost");
            for _ in 0..2 {
                self.server.send_to(&buffer[..len], from).unwrap();
                self.client.recv_from(&mut buffer).expect("an answer is lost");
            }
        }
    }
}

/// A sample's value; nought if it is not there.
fn sample(text: &str, name: &str, labels: &str) -> u64 {
    let start = format!("{name}_total{{{labels}}} ");
    text.lines().find_map(|l| l.strip_prefix(&start)).map_or(0, |value| value.parse().unwrap())
}

#[test]
fn metrics_are_right_to_the_packet_for_flows_pods_and_reasons() {
    // No change of the node and no renewal between two scrapes: all packets are fast.
    let rig = Rig::fast("exact", |_| {}, &["--metrics", "127.0.0.1:9475", "--lease", "60s"]);
    let flow = rig.udp(4790, 7790);
    let pair = Pair::new(&rig, flow);
    pair.talk(20);
    std::thread::sleep(Duration::from_millis(300));
    pair.talk(20);
    let grown = |name: &str, labels: &str, [first, second]: &[String; 2]| {
        sample(second, name, labels) - sample(first, name, labels)
    };
    let first = scrape(&rig);
    pair.talk(500);
    // Packets of one reason each: TTLs that run out here, and fragments, three of each datagram.
    pair.client.set_ttl(1).unwrap();
    for _ in 0..30 {
        pair.client.send_to(&[7; PAYLOAD], flow.dst).unwrap();
    }
    pair.client.set_ttl(64).unwrap();
    for _ in 0..10 {
        let _sent = pair.client.send_to(&[7; 4000], flow.dst);
        let mut buffer = [0; 8192];
        let _heard = pair.server.recv_from(&mut buffer);
    }
    let scrapes = [first, scrape(&rig)];
    for (labels, packets) in [("device=\"veth1\"", 500), ("device=\"eth0\"", 1000)] {
        assert_eq!(grown("flyover_fastpath_bypassed_packets", labels, &scrapes), packets, "{labels}");
        assert_eq!(grown("flyover_fastpath_bypassed_bytes", labels, &scrapes), packets * FRAME, "{labels}");
    }
    for (flow, device, packets) in [(flow, "veth1", 500), (flow.reversed(), "eth0", 1000)] {
        let labels = format!("flow=\"{flow}\",device=\"{device}\"");
        assert_eq!(grown("flyover_fastpath_flow_bypassed_packets", &labels, &scrapes), packets, "{labels}");
        assert_eq!(
            grown("flyover_fastpath_flow_bypassed_bytes", &labels, &scrapes),
            packets * FRAME,
            "{labels}"
        );
    }
    assert_eq!(grown("flyover_fastpath_slow_packets", "reason=\"ttl\"", &scrapes), 30);
    assert_eq!(grown("flyover_fastpath_slow_packets", "reason=\"fragment\"", &scrapes), 30);
}

/// A table with the numbers that differ from run to run replaced.
fn table(rig: &Rig, question: &[&str], numbers: &[(usize, &str)]) -> String {
    let name = rig.instance(1).name().to_owned();
    let ran = rig.flyover(&[&["fastpath"], question, &["--name", &name]].concat());
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let text = String::from_utf8(ran.stdout).unwrap().replace(&name, "NAME");
    let text = text.replace(&format!("process {}", rig.report(1).pid), "process PID");
    let mut rows: Vec<_> = text
        .lines()
        .map(|line| {
            let mut cells: Vec<_> = line.split("  ").map(str::trim).filter(|c| !c.is_empty()).collect();
            for (at, name) in numbers {
                if cells.get(*at).is_some_and(|c| c.starts_with(|c: char| c.is_ascii_digit())) {
                    cells[*at] = name;
                }
            }
            cells.join(" | ")
        })
        .collect();
    rows.sort();
    rows.join("\n")
}

#[test]
fn people_are_shown_status_flows_and_reasons() {
    let rig = Rig::fast("people", |_| {}, &["--lease", "60s"]);
    let flow = rig.udp(4791, 7791);
    let pair = Pair::new(&rig, flow);
    pair.talk(20);
    std::thread::sleep(Duration::from_millis(300));
    pair.talk(20);
    let numbers = [(6, "AGE"), (7, "LEASE"), (8, "PACKETS"), (9, "BYTES")];
    insta::assert_snapshot!(table(&rig, &["flows"], &numbers), @"
    flow | translated | from | to | by | state | age | lease | packets | bytes
    udp:10.244.1.11:4791-10.244.2.11:7791 | - | veth1 | eth0 | tunnel | fast | AGE | LEASE | PACKETS | BYTES
    udp:10.244.2.11:7791-10.244.1.11:4791 | - | eth0 | veth1 | to-pod | fast | AGE | LEASE | PACKETS | BYTES
    ");
    let status = table(&rig, &["status"], &[(1, "N")]);
    let (slow, rest): (Vec<_>, Vec<_>) = status.lines().partition(|l| l.starts_with("slow | "));
    assert!(!slow.is_empty(), "the first packets were slow");
    insta::assert_snapshot!(rest.join("\n"), @"
    agent | process PID
    bypass | on
    conntrack | nf_conntrack_tcp_be_liberal set to 1 (was 0; `off` restores it)
    flows | N
    instance | NAME (flyover 0.1.0, ebpf, tcx)
    pod | veth1
    pod | veth2
    saved | N
    tunnel | flannel.1 (vxlan 1, port 8472)
    uplink | eth0
    ");
    let asked = |subject: &str| {
        let text = table(&rig, &["why", subject], &[]);
        let words = text.split(' ').map(|w| if w.parse::<u64>().is_ok() { "N" } else { w });
        words.collect::<Vec<_>>().join(" ")
    };
    insta::assert_snapshot!(asked(&flow.to_string()), @"
    udp:10.244.1.11:4791-10.244.2.11:7791 goes from veth1 to eth0 by the bypass; N packets so far
    udp:10.244.1.11:4791-10.244.2.11:7791: accelerated
    udp:10.244.2.11:7791-10.244.1.11:4791 goes from eth0 to veth1 by the bypass; N packets so far
    ");
    insta::assert_snapshot!(asked("veth1"), @"
    its established flows are bypassed
    veth1: accelerated
    ");
    insta::assert_snapshot!(asked("udp:10.244.1.200:1-10.244.2.200:2"), @"
    no packet of it was seen to enter here by a pod or an uplink, or none yet left again
    udp:10.244.1.200:1-10.244.2.200:2: not accelerated
    ");
}
