//! The cluster rig, held against what a cluster is for: pods that reach each other and services on every node, and what
//! is killed comes back. And what no cluster has: it leaves nothing.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod state;

/// Needs root, what `make setup-cluster` installs, and some gigabytes.
mod root {
    use std::path::Path;
    use std::thread;
    use std::time::{Duration, Instant};

    use flyover_testkit::cluster::{Cluster, Control, Daemon, Options, Proxy};
    use nix::sys::signal::Signal;

    use crate::state::{Machine, pods};

    fn options(name: &str) -> Options {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cluster").join(name);
        let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/kubernetes");
        Options::new(&folder, &tools)
    }

    /// Tries until it holds: what is asked for is on its way.
    fn soon(what: &str, holds: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !holds() {
            assert!(Instant::now() < deadline, "still not so: {what}");
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// What a service says to a pod; nothing if it does not answer.
    fn fetch(cluster: &Cluster, pod: &str, url: &str) -> String {
        let fetch = ["exec", pod, "--", "timeout", "3", "wget", "-qO-", url];
        cluster.kubectl(&fetch).unwrap_or_default()
    }

    fn pods_reach_each_other(proxy: Proxy, name: &str) {
        let cluster = Cluster::up(&Options { proxy, ..options(name) }).unwrap();
        cluster.apply(&pods()).unwrap();
        cluster.wait(&["--for=condition=Ready", "pod", "--all"]).unwrap();

        let before = cluster.node(1).overlay_packets().unwrap();
        let address = cluster.field("pod/web2", ".status.podIP").unwrap();
        let pings = cluster.kubectl(&["exec", "web1", "--", "ping", "-c", "5", "-W", "2", &address]).unwrap();
        assert!(pings.contains("5 packets transmitted, 5 packets received"), "{pings}");
        let after = cluster.node(1).overlay_packets().unwrap();
        assert!(after[0] >= before[0] + 5 && after[1] >= before[1] + 5, "{before:?}, then {after:?}");

        let service = format!("http://{}/", cluster.field("service/web", ".spec.clusterIP").unwrap());
        for pod in ["web1", "web2"] {
            for server in ["hello from web1\n", "hello from web2\n"] {
                soon("both pods answer for the service", || fetch(&cluster, pod, &service) == server);
            }
        }
        let answer = cluster.node(2).exec(&["timeout", "5", "busybox", "wget", "-qO-", &service]).unwrap();
        assert!(answer.starts_with("hello from web"), "{answer}");

        assert_eq!(cluster.kubectl(&["logs", "web1"]).unwrap(), "hello from web1\n");
        let second =
            cluster.kubectl(&["exec", "web1", "--", "ip", "-o", "-4", "addr", "show", "net1"]).unwrap();
        assert!(second.contains("inet 10.99.0."), "{second}");
        let status = cluster.field("pod/web1", ".metadata.annotations").unwrap();
        assert!(status.contains("default/second"), "{status}");
        cluster.down().unwrap();
    }

    #[test]
    fn pods_of_two_nodes_reach_each_other_and_services_by_iptables() {
        pods_reach_each_other(Proxy::Iptables, "iptables");
    }

    #[test]
    fn pods_of_two_nodes_reach_each_other_and_services_by_nftables() {
        pods_reach_each_other(Proxy::Nftables, "nftables");
    }

    #[test]
    fn a_node_that_lost_power_comes_back_with_its_pods() {
        let cluster = Cluster::up(&options("power")).unwrap();
        cluster.apply(&pods()).unwrap();
        cluster.wait(&["--for=condition=Ready", "pod", "--all"]).unwrap();
        cluster.node(1).kill().unwrap();
        cluster.node(1).start().unwrap();
        cluster.node(2).kill().unwrap();
        cluster.wait(&["--for=condition=Ready=Unknown", "node/node2"]).unwrap();
        cluster.node(2).start().unwrap();
        cluster.until_ready().unwrap();
        for pod in ["pod/web1", "pod/web2"] {
            soon("the pod was started again", || {
                cluster.field(pod, ".status.containerStatuses[0].restartCount").unwrap() == "1"
            });
        }
        cluster.wait(&["--for=condition=Ready", "pod", "--all"]).unwrap();
        let url = format!("http://{}:8080/", cluster.field("pod/web2", ".status.podIP").unwrap());
        soon("the pod answers", || fetch(&cluster, "web1", &url) == "hello from web2\n");
        cluster.down().unwrap();
    }

    #[test]
    fn daemons_that_are_killed_come_back_and_no_container_minds() {
        let cluster = Cluster::up(&options("daemons")).unwrap();
        cluster.apply(&pods()).unwrap();
        cluster.wait(&["--for=condition=Ready", "pod", "--all"]).unwrap();
        let containers =
            || cluster.field("pods", ".items[*].status.containerStatuses[0].containerID").unwrap();
        let before = containers();
        for daemon in [Daemon::Containerd, Daemon::Kubelet, Daemon::Proxy, Daemon::Flannel] {
            cluster.node(1).restart(daemon, Signal::SIGKILL).unwrap();
            assert!(cluster.node(1).runs(daemon).unwrap(), "{daemon:?}");
        }
        for daemon in [Control::Etcd, Control::ApiServer, Control::ControllerManager, Control::Scheduler] {
            cluster.restart(daemon, Signal::SIGKILL).unwrap();
        }
        cluster.until_ready().unwrap();
        cluster.apply(&pods().replace("web1", "late").replace("web2", "later")).unwrap();
        cluster.wait(&["--for=condition=Ready", "pod", "--all"]).unwrap();
        let after = containers();
        assert!(before.split(' ').all(|container| after.contains(container)), "{before}, then {after}");
        cluster.down().unwrap();
    }

    #[test]
    fn a_pod_with_hugepages_is_scheduled_and_nothing_is_left_in_the_end() {
        let before = Machine::look();
        let cluster =
            Cluster::up(&Options { hugepages: 64, kubelet: "maxPods: 42".into(), ..options("nothing") })
                .unwrap();
        let [name, folder] = [cluster.namespace().to_owned(), cluster.logs().display().to_string()];
        cluster.apply(include_str!("huge.yaml")).unwrap();
        cluster.wait(&["--for=condition=Ready", "pod/huge"]).unwrap();
        let used = cluster.kubectl(&["exec", "huge", "--", "grep", "huge", "/proc/mounts"]).unwrap();
        assert!(used.contains("pagesize=2M"), "{used}");
        assert_eq!(cluster.field("node/node1", ".status.allocatable.pods").unwrap(), "42");
        // What a node writes beside its devices, programs and settings is its own.
        for tree in ["dev", "usr", "etc", "opt", "boot", "var/lib"] {
            cluster.node(1).exec(&["touch", &format!("/{tree}/flyover-was-here")]).unwrap();
            assert!(!Path::new("/").join(tree).join("flyover-was-here").exists(), "{tree}");
        }
        assert_eq!(
            Machine::look().settings[..6],
            before.settings[..6],
            "kubelet has set what is the machine's"
        );
        cluster.down().unwrap();
        let rig = name.trim_end_matches("control");
        assert_eq!(Machine::look().of_rig(rig, &folder), before.of_rig(rig, &folder));
    }
}
