//! Packets on both lanes, and what became of them: of a stream between pods of two nodes, and of testpmd on the switch.
//!
//! What makes them runs in the pods by itself, so it needs no API server and no kubelet.

use std::thread;
use std::time::Duration;

use flyover_testkit::cluster::Node;
use serde_json::Value;

use crate::stage::{Stage, soon};

/// Both loads.
pub(crate) struct Load<'a> {
    stage: &'a Stage,
}

/// Messages a second by the bypass.
const RATE: u64 = 1000;

/// What was lost of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Lost {
    /// Messages by the bypass, there or back, that came to no socket.
    pub(crate) stream: u64,
    /// Those that came, to a program that was not given a processor for so long that its socket was full.
    pub(crate) unread: u64,
    /// Percent of ten pings a second to each testpmd.
    pub(crate) pings: [f64; 2],
}

/// What is known of testpmd's links at some time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Links {
    /// How often each node's switch lost one.
    lost: Vec<String>,
    /// The brokers of each node.
    brokers: Vec<String>,
    /// The daemons of each node's switch.
    daemons: Vec<String>,
}

impl<'a> Load<'a> {
    /// Has testpmd answer on both nodes, and pods ready for a stream.
    pub(crate) fn begin(stage: &'a Stage) -> Self {
        stage.pod("right", 2);
        stage.cluster.apply(include_str!("load.yaml")).unwrap();
        stage.wait(&["--for=condition=Ready", "pod/load", "pod/right"]);
        for pod in stage.cluster.userspace_pods().unwrap() {
            pod.start("--forward-mode=icmpecho").unwrap();
        }
        for node in stage.cluster.nodes() {
            node.exec(&["sh", "-c", "ip addr add 10.66.0.1/24 dev br0 && ip link set br0 up"]).unwrap();
            soon("testpmd answers", || pings(&node, 1) < 100.0);
        }
        Self { stage }
    }

    /// What is lost for a while, in which something is done.
    pub(crate) fn lost_during(&self, time: Duration, work: impl FnOnce()) -> Lost {
        let command = format!(
            "rm -f /tmp/report; (flyover bench stream --rates {RATE} --affinity 'any;any' --millisec {} -o json {} \
             >/tmp/report.part && mv /tmp/report.part /tmp/report) >/tmp/stream.log 2>&1 </dev/null &",
            time.as_millis(),
            self.stage.address("right")
        );
        let run = |command: &str| self.stage.cluster.kubectl(&["exec", "load", "--", "sh", "-c", command]);
        let unread = self.unread();
        run(&command).unwrap();
        let pings = thread::scope(|scope| {
            let pinging = [1, 2]
                .map(|node| scope.spawn(move || pings(&self.stage.cluster.node(node), time.as_secs() * 10)));
            work();
            pinging.map(|pinging| pinging.join().unwrap())
        });
        soon("the stream has come to its end", || run("test -e /tmp/report").is_ok());
        let report: Value = serde_json::from_str(&run("cat /tmp/report").unwrap()).unwrap();
        let lost = RATE * time.as_secs() - report[0]["iterations"].as_u64().unwrap();
        let unread = self.unread() - unread;
        let lost = Lost { stream: lost.saturating_sub(unread), unread, pings };
        eprintln!("{lost:?} of {report}");
        lost
    }

    /// How many messages both ends' sockets had no room for.
    fn unread(&self) -> u64 {
        [("load", "load"), ("right", "web")]
            .map(|(pod, container)| {
                let ask = ["exec", pod, "-c", container, "--", "cat", "/proc/net/snmp"];
                let told = self.stage.cluster.kubectl(&ask).unwrap();
                let mut rows =
                    told.lines().filter(|line| line.starts_with("Udp:")).map(str::split_whitespace);
                let (names, values) = (rows.next().unwrap(), rows.next().unwrap());
                let (_, value) = names.zip(values).find(|(name, _)| *name == "RcvbufErrors").unwrap();
                value.parse::<u64>().unwrap()
            })
            .iter()
            .sum()
    }

    /// The links as they are.
    pub(crate) fn links(&self) -> Links {
        let ask = |question: &str| -> Vec<String> {
            let nodes = self.stage.cluster.nodes();
            nodes.map(|node| node.exec(&["sh", "-c", question]).unwrap()).collect()
        };
        Links {
            lost: ask("grep -c 'vHost Device.*has been removed' /run/openvswitch/ovs-vswitchd.log; true"),
            brokers: ask("pgrep -f '[b]roker /' | sort; true"),
            daemons: ask("pgrep '^(ovs-vswitchd|ovsdb-server)' | sort; true"),
        }
    }
}

/// How many percent of pings get no answer from the node's testpmd.
fn pings(node: &Node<'_>, count: u64) -> f64 {
    let ping = format!("busybox ping -q -W 1 -i 0.1 -c {count} 10.66.0.9; true");
    let limit = Duration::from_secs(count / 10 + 60);
    let told = node.exec_with(&["sh", "-c", &ping], b"", limit).unwrap();
    let number = |word: &str| -> f64 {
        let before = told.split(word).next().unwrap_or_default();
        before.split_whitespace().last().and_then(|number| number.parse().ok()).unwrap_or_default()
    };
    let (sent, received) = (number(" packets transmitted"), number(" packets received"));
    assert!(sent > 0.0, "{told}");
    100.0 * (sent - received) / sent
}
