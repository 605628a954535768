//! The same pods on ports that the plugin made and on ports made by hand, in turn: what the plugin costs a packet.
//!
//! Both pairs of ports are on the same bridge of the same switch all the time, so that a frame finds as many ports in
//! either case. Machines drift, so the two are measured in alternating rounds, and medians are held against each other.

use std::path::{Path, PathBuf};

use anyhow::ensure;
use flyover_host::cmd::Cmd;

use super::attachments::Attached;
use super::pods::{Pair, stream};
use super::say;
use super::switch::Switch;

/// Rounds of each.
const ROUNDS: usize = 5;
/// What the plugin's ports are to reach of what those made by hand do.
const TARGET: f64 = 0.98;

const PORTS: [&str; 2] = ["hand0", "hand1"];

/// Received millions of packets a second, a round each.
#[derive(Debug, Default)]
struct Rounds(Vec<f64>);

/// Measures both, and says how they compare.
pub(super) fn compare(switch: &Switch, pods: &[Attached; 2]) -> anyhow::Result<()> {
    say("== the same two pods on ports made by hand: ovs-vsctl add-port ... type=dpdkvhostuserclient");
    let sockets = PORTS.map(|port| switch.folder().join(port));
    for (port, socket) in PORTS.iter().zip(&sockets) {
        add_port(switch, port, socket)?;
    }
    let measured = measure(switch, pods, &sockets);
    for port in PORTS {
        vsctl(switch, &["del-port", "br0", port])?;
    }
    let [plugin, hand] = measured?;
    let ratio = plugin.median() / hand.median();
    say(format!("by the plugin: {}", plugin.told()));
    say(format!("by hand:       {}", hand.told()));
    say(format!("ratio of the medians: {ratio:.3} (target: at least {TARGET})"));
    Ok(())
}

fn measure(switch: &Switch, pods: &[Attached; 2], sockets: &[PathBuf; 2]) -> anyhow::Result<[Rounds; 2]> {
    let (mut plugin, mut hand) = (Rounds::default(), Rounds::default());
    let attached = Pair { sockets: [&pods[0].socket, &pods[1].socket], listen: false };
    let made = Pair { sockets: [&sockets[0], &sockets[1]], listen: true };
    for round in 0..ROUNDS {
        // Who is first in one round is last in the next.
        for by_plugin in [round % 2 == 0, round % 2 != 0] {
            let (pair, rounds) = if by_plugin { (&attached, &mut plugin) } else { (&made, &mut hand) };
            let (_, received) = stream(switch, pair, 0, 1)?;
            ensure!(received > 0.0, "nothing was received");
            rounds.0.push(received);
        }
    }
    Ok([plugin, hand])
}

fn add_port(switch: &Switch, port: &str, socket: &Path) -> anyhow::Result<()> {
    let path = format!("options:vhost-server-path={}", socket.display());
    vsctl(
        switch,
        &["add-port", "br0", port, "--", "set", "Interface", port, "type=dpdkvhostuserclient", &path],
    )
}

fn vsctl(switch: &Switch, arguments: &[&str]) -> anyhow::Result<()> {
    let database = format!("--db=unix:{}", switch.database().display());
    Cmd::new("ovs-vsctl").args(["--timeout=20", &database]).args(arguments).run()?;
    Ok(())
}

impl Rounds {
    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }

    fn median(&self) -> f64 {
        self.sorted()[self.0.len() / 2]
    }

    fn told(&self) -> String {
        let sorted = self.sorted();
        let (least, most) = (sorted[0], sorted[sorted.len() - 1]);
        format!("{:.3} Mpps in the median of {} rounds, {least:.3} to {most:.3}", self.median(), sorted.len())
    }
}
