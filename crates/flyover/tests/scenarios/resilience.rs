//! What may happen to a cluster at any time: an upgrade, and the death of each of those who control it. Packets do not notice.

mod root {
    use std::path::Path;
    use std::thread;
    use std::time::Duration;

    use flyover_testkit::cluster::{Control, Daemon, Node};
    use nix::sys::signal::Signal;

    use crate::load::{Load, Lost};
    use crate::stage::{Stage, soon};

    const NEXT: &str = "flyover.dev/flyover-agent:next";
    const BYPASS: &str =
        "apiVersion: flyover.dev/v1alpha1\nkind: FastPath\nmetadata: {name: all}\nspec: {}\n";

    fn raise() -> Stage {
        let stage = Stage::raise("resilience", |_| {});
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cluster-resilience");
        stage.cluster.configure_userspace().unwrap();
        stage.install();
        crate::switch::prepare(&stage, &folder);
        stage.cluster.apply(BYPASS).unwrap();
        stage.wait(&["--for=condition=Ready", "fastpath/all"]);
        stage
    }

    fn converges(stage: &Stage) {
        soon("all is as it was asked for", || stage.flyover(&["status"]).status.success());
    }

    fn kill(stage: &Stage, program: &str) {
        let pattern = format!("^(.*/)?{program}( |$)");
        let killed = stage.cluster.nodes().filter(|node| node.exec(&["pkill", "-9", "-f", &pattern]).is_ok());
        assert!(killed.count() > 0, "{program} runs nowhere");
    }

    /// What is resident of its processes, and what of it was allocated, in megabytes.
    fn memory_of_agent(node: Node<'_>) -> (f64, f64) {
        let sum = "for id in $(pgrep -x flyover-agent); do cat /proc/$id/status; done | \
            awk '/^VmRSS/ {all += $2} /^Rss(Anon|Shmem)/ {own += $2} END {print all * 1.024e-3, own * 1.024e-3}'";
        let told = node.exec(&["sh", "-c", sum]).unwrap();
        let (all, own) = told.trim().split_once(' ').unwrap();
        (all.parse().unwrap(), own.parse().unwrap())
    }

    /// Nothing is lost that a quiet cluster does not lose, or `most` of the stream. A switch that polls on a busy machine may be
    /// late for a ping.
    fn no_more(lost: Lost, quiet: Lost, most: u64) {
        assert!(lost.stream <= quiet.stream + most, "{lost:?}, and {quiet:?} without");
        let pings = lost.pings.iter().zip(quiet.pings).all(|(lost, quiet)| *lost <= quiet + 5.0);
        assert!(pings, "{lost:?}, and {quiet:?} without");
    }

    #[test]
    fn an_upgrade_and_deaths_of_all_who_control_are_noticed_by_no_packet() {
        let stage = raise();
        let load = Load::begin(&stage);
        let links = load.links();
        let quiet = load.lost_during(Duration::from_secs(8), || {});

        let upgraded = load.lost_during(Duration::from_secs(25), || {
            for node in stage.cluster.nodes() {
                let tag = ["ctr", "-n", "k8s.io", "images", "tag", "flyover.dev/flyover-agent:0.1.0", NEXT];
                node.exec(&tag).unwrap();
            }
            stage.done(&["install", "--image-agent", NEXT, "--timeout", "2m"]);
        });
        converges(&stage);
        assert_eq!(load.links(), links);
        no_more(upgraded, quiet, 0);

        let dead = load.lost_during(Duration::from_secs(40), || {
            kill(&stage, "flyover-operator");
            kill(&stage, "flyover-agent");
            for daemon in [Daemon::Kubelet, Daemon::Containerd] {
                stage.cluster.node(1).restart(daemon, Signal::SIGKILL).unwrap();
            }
            stage.cluster.end(Control::ApiServer, Signal::SIGKILL).unwrap();
            thread::sleep(Duration::from_secs(5));
            stage.cluster.begin(Control::ApiServer).unwrap();
        });
        stage.cluster.until_ready().unwrap();
        converges(&stage);
        assert_eq!(load.links(), links);
        no_more(dead, quiet, 0);

        for node in stage.cluster.nodes() {
            let (all, own) = memory_of_agent(node);
            eprintln!("{}: the agent has {all:.1} MB, {own:.1} of them its own", node.name());
            // The pages of a debug build's program are not what is promised.
            assert!(own < 30.0, "with all lanes on");
        }

        let ended = stage.flyover(&["uninstall", "--timeout", "10s"]);
        assert_eq!(ended.status.code(), Some(1), "pods hold the switch up");
        for word in ["not all was taken back in time", "node node1, switch: ", "node node2, switch: "] {
            assert!(ended.stderr.contains(word), "{word}: {}", ended.stderr);
        }
        stage.cluster.kubectl(&["delete", "pod", "--all", "--wait"]).unwrap();
        stage.done(&["uninstall", "--timeout", "2m"]);
        stage.done(&["verify", "--removed"]);
        stage.cluster.down().unwrap();
    }
}
