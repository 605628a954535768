//! A plugin against the real kubelet, on the nodes of a real cluster.
//!
//! The plugin runs in this program, and reaches a node's directory through the node's first process.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::path::Path;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use flyover_core::NumaNode;
use flyover_kubelet::{
    Allocation, DEVICE_PLUGINS, Device, Health, Holder, POD_RESOURCES, Plugin, PodResources, Registration,
    Resource, ResourceName, Resources,
};
use flyover_testkit::cluster::{BUSYBOX, Cluster, Daemon, Node, Options};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{oneshot, watch};

const BR0: &str = "flyover.dev/switch-br0";
/// More patience than any of this needs on an idle machine.
const LIMIT: Duration = Duration::from_secs(120);

fn cluster() -> Cluster {
    cluster_told("")
}

/// One whose kubelets are told more.
fn cluster_told(kubelet: &str) -> Cluster {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/kubernetes");
    let options = Options::new(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("kubelet"), &tools);
    Cluster::up(&Options { kubelet: kubelet.to_owned(), ..options }).unwrap()
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Devices written as `id` for a healthy one, `!id` for one that is not, and `id@1` for one that is not on NUMA node 0.
fn br0(devices: &[&str]) -> Resources {
    let device = |text: &&str| {
        let (text, node) = text.split_once('@').unwrap_or((text, "0"));
        let (id, health) =
            text.strip_prefix('!').map_or((text, Health::Healthy), |id| (id, Health::Unhealthy));
        (id.parse().unwrap(), Device { health, numa: Some(NumaNode(node.parse().unwrap())) })
    };
    let envs = [("FLYOVER_BRIDGE".to_owned(), "br0".to_owned())].into();
    let allocation = Allocation { envs, ..Allocation::default() };
    let resource = Resource { devices: devices.iter().map(device).collect(), allocation };
    [(name(), resource)].into()
}

fn name() -> ResourceName {
    BR0.parse().unwrap()
}

/// Where a node's file is found from here.
fn seen_from_here(node: Node<'_>, path: &str) -> String {
    format!("/proc/{}/root{path}", node.init().unwrap())
}

/// A plugin that runs on a thread of its own.
struct Agent {
    plugin: Plugin,
    wanted: watch::Sender<Resources>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Agent {
    fn on(node: Node<'_>, devices: &[&str]) -> Self {
        let directory = seen_from_here(node, DEVICE_PLUGINS);
        let (wanted, resources) = watch::channel(br0(devices));
        let (stop, stopped) = oneshot::channel::<()>();
        let (begun, plugin) = std::sync::mpsc::channel();
        let thread = thread::spawn(move || {
            runtime().block_on(async {
                let stopped = async {
                    let _ = stopped.await;
                };
                let (plugin, task) = Plugin::start(directory, resources, stopped).unwrap();
                begun.send(plugin).unwrap();
                task.await.unwrap();
            });
        });
        Self { plugin: plugin.recv().unwrap(), wanted, stop: Some(stop), thread: Some(thread) }
    }

    fn is_registered(&self) -> bool {
        let state = self.plugin.state();
        state.get(&name()).is_some_and(|state| state.registration == Registration::Registered)
    }

    fn registered(&self) {
        until("the plugin is registered", || self.is_registered().then_some(()));
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        drop(self.stop.take());
        // It says for itself why it died.
        let _ended = self.thread.take().map(JoinHandle::join);
    }
}

fn until<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {LIMIT:?}: {what}");
        thread::sleep(Duration::from_millis(100));
    }
}

/// What the node's status says of br0 under `allocatable` or `capacity`; nothing if it says nothing.
fn status(cluster: &Cluster, node: &str, kind: &str) -> String {
    let path = format!("--output=jsonpath={{.status.{kind}.flyover\\.dev/switch-br0}}");
    cluster.kubectl(&["get", "node", node, &path]).unwrap()
}

fn until_status(cluster: &Cluster, node: &str, kind: &str, count: &str) {
    let what = format!("{kind} of {node} is {count:?}");
    until(&what, || (status(cluster, node, kind) == count).then_some(()));
}

fn run_pod(cluster: &Cluster, pod: &str, count: usize) {
    let manifest = format!(
        "apiVersion: v1\n\
         kind: Pod\n\
         metadata: {{name: {pod}}}\n\
         spec:\n\
         \x20 terminationGracePeriodSeconds: 0\n\
         \x20 containers:\n\
         \x20 - name: main\n\
         \x20   image: {BUSYBOX}\n\
         \x20   imagePullPolicy: Never\n\
         \x20   command: [sleep, \"3600\"]\n\
         \x20   resources: {{limits: {{{BR0}: {count}}}}}\n"
    );
    cluster.apply(&manifest).unwrap();
}

fn ready(cluster: &Cluster, pod: &str) {
    let pod = format!("pod/{pod}");
    let wait = cluster.ask(&["wait", "--for=condition=Ready", &pod, "--timeout=110s"]);
    wait.timeout(LIMIT).run().unwrap();
}

/// What would be another one if a pod had been touched: its object, its container, and how often that was started.
fn life(cluster: &Cluster, pod: &str) -> String {
    let path = "--output=jsonpath={.metadata.uid} {.status.containerStatuses[0].containerID} \
                {.status.containerStatuses[0].restartCount} {.status.phase} {.spec.nodeName}";
    cluster.kubectl(&["get", "pod", pod, path]).unwrap()
}

fn holders(node: Node<'_>) -> Vec<Holder> {
    runtime().block_on(PodResources::at(seen_from_here(node, POD_RESOURCES)).holders()).unwrap()
}

fn holder(pod: &str, devices: &[String]) -> Holder {
    Holder {
        namespace: "default".into(),
        pod: pod.into(),
        container: "main".into(),
        resource: BR0.into(),
        devices: devices.to_vec(),
    }
}

mod root {
    use nix::sys::signal::Signal;

    use super::*;

    #[test]
    fn a_pod_runs_where_its_bridge_is_and_the_node_says_what_it_has() {
        let cluster = cluster();
        let agent = Agent::on(cluster.node(2), &["br0-0", "br0-1"]);
        until_status(&cluster, "node2", "allocatable", "2");
        assert_eq!(status(&cluster, "node1", "allocatable"), "");

        run_pod(&cluster, "one", 1);
        ready(&cluster, "one");
        let before = life(&cluster, "one");
        assert!(before.ends_with(" 0 Running node2"), "{before}");
        let bridge = cluster.kubectl(&["exec", "one", "--", "sh", "-c", "echo $FLYOVER_BRIDGE"]).unwrap();
        assert_eq!(bridge, "br0\n");
        let given = agent.plugin.state()[&name()].last_allocation.clone().unwrap().devices;
        assert_eq!(holders(cluster.node(2)), [holder("one", &given)]);
        assert_eq!(holders(cluster.node(1)), []);

        // What one pod has no other gets.
        run_pod(&cluster, "greedy", 2);
        let why = "--output=jsonpath={.status.conditions[?(@.type==\"PodScheduled\")].message}";
        let why = until("the greedy pod is not scheduled", || {
            Some(cluster.kubectl(&["get", "pod", "greedy", why]).unwrap()).filter(|why| !why.is_empty())
        });
        assert!(why.contains("Insufficient flyover.dev/switch-br0"), "{why}");

        agent.wanted.send_replace(br0(&["!br0-0", "!br0-1"]));
        until_status(&cluster, "node2", "allocatable", "0");
        assert_eq!(status(&cluster, "node2", "capacity"), "2");
        agent.wanted.send_replace(br0(&["br0-0", "!br0-1"]));
        until_status(&cluster, "node2", "allocatable", "1");
        drop(agent);
        until_status(&cluster, "node2", "allocatable", "0");
        assert_eq!(status(&cluster, "node2", "capacity"), "2");
        assert_eq!(life(&cluster, "one"), before);
        cluster.down().unwrap();
    }

    #[test]
    fn a_kubelet_that_restarts_has_the_resource_again_within_ten_seconds_and_no_pod_is_touched() {
        let cluster = cluster();
        let node = cluster.node(1);
        let agent = Agent::on(node, &["br0-0", "br0-1", "br0-2", "br0-3"]);
        until_status(&cluster, "node1", "allocatable", "4");
        run_pod(&cluster, "pod0", 1);
        ready(&cluster, "pod0");
        let before = life(&cluster, "pod0");
        let held = holders(node);
        for (turn, signal) in [Signal::SIGKILL, Signal::SIGTERM].into_iter().enumerate() {
            node.end(Daemon::Kubelet, signal).unwrap();
            until("the plugin sees it", || (!agent.is_registered()).then_some(()));
            let began = Instant::now();
            node.begin(Daemon::Kubelet).unwrap();
            agent.registered();
            let took = began.elapsed();
            println!("registered {took:?} after kubelet was started ({signal})");
            assert!(took < Duration::from_secs(10), "{took:?}");
            // Kubelet writes the node's status every 5 s: two of its own find the resource.
            thread::sleep(Duration::from_secs(11));
            assert_eq!(status(&cluster, "node1", "allocatable"), "4");
            assert_eq!(life(&cluster, "pod0"), before);
            assert_eq!(holders(node)[0], held[0]);
            let next = format!("pod{}", turn + 1);
            run_pod(&cluster, &next, 1);
            ready(&cluster, &next);
        }
        assert_eq!(holders(node).len(), 3);
        cluster.down().unwrap();
    }

    #[test]
    fn an_agent_is_replaced_by_another_and_back_without_the_devices_disappearing() {
        let cluster = cluster();
        let node = cluster.node(1);
        let old = Agent::on(node, &["br0-0", "br0-1"]);
        until_status(&cluster, "node1", "allocatable", "2");
        let new = Agent::on(node, &["br0-0", "br0-1"]);
        new.registered();
        drop(old);
        stays(&cluster, "2");
        new.registered();
        run_pod(&cluster, "one", 1);
        ready(&cluster, "one");

        let newest = Agent::on(node, &["br0-0", "br0-1"]);
        newest.registered();
        drop(newest);
        stays(&cluster, "2");
        new.registered();
        run_pod(&cluster, "two", 1);
        ready(&cluster, "two");
        assert_eq!(holders(node).len(), 2);
        cluster.down().unwrap();
    }

    /// Kubelet writes the node's status every 5 s, and may do so in the fifth of a second in which it has hung up.
    fn stays(cluster: &Cluster, count: &str) {
        thread::sleep(Duration::from_secs(2));
        until_status(cluster, "node1", "allocatable", count);
        for _ in 0..24 {
            assert_eq!(status(cluster, "node1", "allocatable"), count);
            thread::sleep(Duration::from_millis(500));
        }
    }

    #[test]
    fn a_resource_that_goes_is_0_at_once_and_kubelet_keeps_the_entry() {
        let cluster = cluster();
        let node = cluster.node(1);
        let agent = Agent::on(node, &["br0-0", "br0-1"]);
        until_status(&cluster, "node1", "allocatable", "2");
        agent.wanted.send_replace(Resources::new());
        until_status(&cluster, "node1", "allocatable", "0");
        until_status(&cluster, "node1", "capacity", "0");
        assert_eq!(agent.plugin.state(), [].into());
        node.restart(Daemon::Kubelet, Signal::SIGKILL).unwrap();
        thread::sleep(Duration::from_secs(15));
        assert_eq!(status(&cluster, "node1", "capacity"), "0");
        agent.wanted.send_replace(br0(&["br0-0"]));
        until_status(&cluster, "node1", "allocatable", "1");
        cluster.down().unwrap();
    }

    #[test]
    fn kubelet_knows_which_numa_node_a_device_is_on() {
        let cluster = cluster_told("topologyManagerPolicy: single-numa-node\n");
        let agent = Agent::on(cluster.node(1), &["br0-0"]);
        until_status(&cluster, "node1", "allocatable", "1");
        run_pod(&cluster, "near", 1);
        ready(&cluster, "near");
        cluster.kubectl(&["delete", "pod", "near"]).unwrap();
        // No machine that this runs on has a node of that number.
        agent.wanted.send_replace(br0(&["br0-1@9"]));
        run_pod(&cluster, "far", 1);
        let reason = until("the other pod is refused", || {
            let reason =
                cluster.kubectl(&["get", "pod", "far", "--output=jsonpath={.status.reason}"]).unwrap();
            Some(reason).filter(|reason| !reason.is_empty())
        });
        assert_eq!(reason, "TopologyAffinityError");
        cluster.down().unwrap();
    }
}
