//! A switch in user space on both nodes, and the first document's pods, whose testpmd forwards between their two ports.
//!
//! The pods go in the end; the switch and the hugepages stay, for who looks what all lanes together take.

use std::time::{Duration, Instant};

use anyhow::ensure;
use flyover_testkit::cluster::{LANE, Pod, READY, soon};

use super::interrupt;
use super::number::seconds;
use super::stage::Stage;
use crate::demo::say;

/// For how long packets are counted. testpmd tells once a second.
const COUNTED: Duration = Duration::from_secs(10);
/// What the bursts at the start do not explain.
const MANY: u64 = 1000;

/// Shows it.
pub(super) fn show(stage: &Stage) -> anyhow::Result<()> {
    let cluster = stage.cluster();
    say("== NodeProfile `hugepages` with 1,024 of 2 MiB, and Switch `dpdk` with bridge `br0`");
    // The document's pod mounts the switch's directory: what else would be needed for sockets is not in its spec.
    cluster.configure_userspace()?;
    cluster.load_userspace(&stage.logs().join("images"), &[])?;
    interrupt::check()?;
    let began = Instant::now();
    cluster.apply(LANE)?;
    cluster.wait(&READY)?;
    say(format!("both applied, and ready on both nodes: {}", seconds(began.elapsed())));
    interrupt::check()?;
    cluster.offer_userspace()?;
    say("kubelets restarted, as they count hugepages when they start");

    let began = Instant::now();
    let pods = cluster.userspace_pods()?;
    say(format!(
        "the pods of the document \"Kube-OVN with OVS-DPDK\", a node each: ready within {}",
        seconds(began.elapsed())
    ));
    for pod in &pods {
        pod.forward()?;
        soon("testpmd forwards", || interrupt::check().and_then(|()| Ok(pod.received()? > MANY)))?;
    }
    let before = received(&pods)?;
    interrupt::sleep(COUNTED)?;
    for ((pod, before), after) in pods.iter().zip(before).zip(received(&pods)?) {
        ensure!(after > before, "testpmd of {} no longer forwards", pod.name());
        say(format!(
            "{}: {} packets a second, through the switch and back",
            pod.name(),
            (after - before) / COUNTED.as_secs()
        ));
    }
    stage.show(&["explain", "pod", pods[0].name()])?;
    for pod in pods {
        stage.kubectl(&["delete", "pod", pod.name(), "--wait"])?;
    }
    cluster.unconfigure_userspace()
}

fn received(pods: &[Pod<'_>]) -> anyhow::Result<Vec<u64>> {
    pods.iter().map(Pod::received).collect()
}
