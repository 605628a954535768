//! What pods and virtual machines do with what they were attached to.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use flyover_testkit::ovs::{Guest, Mode, Pod, Testpmd, Vm};
use flyover_vhost::probe;

use super::attachments::{Attached, Plugin};
use super::by_hand;
use super::say;
use super::switch::Switch;

/// The networks of the two documents, as they stand there.
const FIRST: &str = include_str!("../../../flyover-cni-core/tests/fixtures/nad-ovs-dpdk-br0.json");
const SECOND: &str = include_str!("../../../flyover-cni-core/tests/fixtures/nad-userspace-ovs-net-1.json");

const MACS: [&str; 2] = ["02:00:00:00:0a:01", "02:00:00:00:0a:02"];
const PERIOD: Duration = Duration::from_secs(3);

/// Two pods with DPDK on the first document's network: the switch keeps the socket, they connect.
pub(super) fn two_pods(switch: &Switch, plugin: &Plugin) -> anyhow::Result<()> {
    say("== two pods with DPDK by the network `ovs-dpdk-br0`");
    let pods = [plugin.attach("testpmd-a", FIRST)?, plugin.attach("testpmd-b", FIRST)?];
    let pair = Pair { sockets: [&pods[0].socket, &pods[1].socket], listen: false };
    for (from, to) in [(0, 1), (1, 0)] {
        let rates = stream(switch, &pair, from, to)?;
        say(format!(
            "64 B from {} to {}: {:.3} Mpps sent, {:.3} Mpps received",
            ["a", "b"][from],
            ["a", "b"][to],
            rates.0,
            rates.1
        ));
        ensure!(rates.1 > 0.0, "nothing was received");
    }
    let report = probe::probe(&switch.database(), "br0", None, Instant::now() + Duration::from_secs(30))?;
    say(format!(
        "probe of br0: {} of {} frames, there and back in {:.0} us (median; {:.0} to {:.0})",
        report.received,
        report.sent,
        micros(report.median),
        micros(report.shortest),
        micros(report.longest)
    ));
    say(switch.status()?);
    by_hand::compare(switch, &pods)
}

/// The sockets of two pods.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair<'a> {
    pub(super) sockets: [&'a Path; 2],
    /// Whether the pods make them.
    pub(super) listen: bool,
}

/// Millions of packets a second that one pod sends and the other gets.
pub(super) fn stream(switch: &Switch, pair: &Pair<'_>, from: usize, to: usize) -> anyhow::Result<(f64, f64)> {
    let pod = |at: usize, mode| Pod {
        listens: pair.listen,
        peer: (mode == Mode::TxOnly).then(|| MACS[to].to_owned()),
        // On two CPUs the other one is the switch's, and long rings are all that a turn on this one gives.
        cpu: 0,
        ring: 4096,
        ..Pod::on(pair.sockets[at], MACS[at], mode)
    };
    let mut taker = Testpmd::start(&pod(to, Mode::RxOnly), switch.folder())?;
    taker.ready()?;
    let mut maker = Testpmd::start(&pod(from, Mode::TxOnly), switch.folder())?;
    maker.ready()?;
    let sent = maker.counters()?.sent;
    let received = taker.rates(PERIOD)?.received_mpps;
    let sent = (maker.counters()?.sent - sent) as f64 / PERIOD.as_secs_f64() / 1e6;
    maker.end()?;
    taker.end()?;
    Ok((sent, received))
}

/// A pod and a virtual machine on the second document's network: they keep the sockets, the switch connects.
pub(super) fn a_pod_and_a_machine(switch: &Switch, plugin: &Plugin, kernels: &Path) -> anyhow::Result<()> {
    say("== a pod and a virtual machine by the network `userspace-ovs-net-1`");
    let (pod, machine) = (plugin.attach("testpmd-c", SECOND)?, plugin.attach("vm-trex-1", SECOND)?);
    let (to, address) = (of(&pod)?, of(&machine)?);
    say(format!("the pod has {to}, the machine {address}"));
    let mut echo = Testpmd::start(&Pod::on(&pod.socket, MACS[0], Mode::IcmpEcho), switch.folder())?;
    echo.ready()?;
    let vm = Vm { socket: machine.socket, listens: true, mac: MACS[1].to_owned(), address };
    let mut guest = Guest::start(&vm, switch.folder(), kernels)?;
    guest.ready()?;
    let pings = guest.ping(to.split('/').next().unwrap_or(&to), 10)?;
    say(format!(
        "the machine pings the pod: {} of {} answered, {:.1} ms on average",
        pings.answered,
        pings.sent,
        pings.average_ms.unwrap_or(f64::NAN)
    ));
    ensure!(pings.answered > 0, "no ping was answered");
    drop(guest);
    echo.end()
}

fn of(attached: &Attached) -> anyhow::Result<String> {
    attached.address.clone().context("the network gave no address")
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
