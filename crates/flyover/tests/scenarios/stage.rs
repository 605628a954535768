//! A cluster with Flyover's images, and what is asked of it again and again.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use flyover_host::cmd::{Cmd, Ended};
use flyover_testkit::cluster::{self, Cluster, Options};
use flyover_testkit::hugepages::Found;
use serde_json::Value;

/// Where the program is in the agent's image.
const PROGRAM: &str = "/opt/flyover/bin/flyover";
/// A cluster.
pub(crate) struct Stage {
    pub(crate) cluster: Cluster,
    /// The one thing that nodes share with the machine, and that a test which fails would leave changed.
    _found: Found,
}

impl Stage {
    /// Raises one of two nodes that have the images.
    pub(crate) fn raise(name: &str, change: impl FnOnce(&mut Options)) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cluster").join(name);
        let mut options = Options::new(&folder, &root.join("target/tools/kubernetes"));
        change(&mut options);
        let found = Found::now().unwrap();
        let cluster = Cluster::up(&options).unwrap();
        for image in ["flyover-agent", "flyover-operator"] {
            let layout = root.join("target/images/debug").join(image);
            assert!(layout.exists(), "no image `{}`: `make test-cluster` writes it", layout.display());
            cluster.load_image(&layout).unwrap();
        }
        Self { cluster, _found: found }
    }

    /// Runs the command line as its user does.
    pub(crate) fn flyover(&self, arguments: &[&str]) -> Ended {
        let program = PathBuf::from(env!("CARGO_BIN_EXE_flyover"));
        let command = Cmd::new(program).args(arguments).env("KUBECONFIG", self.cluster.kubeconfig());
        let ended = command.timeout(Duration::from_secs(300)).end().unwrap();
        eprintln!("$ flyover {}\n{}{}", arguments.join(" "), ended.stdout, ended.stderr);
        ended
    }

    /// The same, where it has to end well.
    pub(crate) fn done(&self, arguments: &[&str]) -> String {
        let ended = self.flyover(arguments);
        assert!(ended.status.success(), "{}{}", ended.stdout, ended.stderr);
        ended.stdout
    }

    /// Installs Flyover, and waits until it is ready.
    pub(crate) fn install(&self) {
        let began = Instant::now();
        self.done(&["install", "--timeout", "2m"]);
        eprintln!("installed and ready within {:.1} s", began.elapsed().as_secs_f64());
    }

    pub(crate) fn wait(&self, what: &[&str]) {
        let waited = self.cluster.wait(what);
        if waited.is_err() {
            let _seen = self.flyover(&["status"]);
            eprintln!("{}", self.cluster.kubectl(&["get", "events", "-A"]).unwrap_or_default());
        }
        waited.unwrap();
    }

    pub(crate) fn field(&self, object: &str, path: &str) -> String {
        self.cluster.field(object, path).unwrap()
    }

    /// A pod on a node that answers ping-pong on port 2048.
    pub(crate) fn pod(&self, name: &str, node: u8) {
        self.cluster
            .apply(&include_str!("pod.yaml").replace("NAME", name).replace("NODE", &format!("node{node}")))
            .unwrap();
    }

    pub(crate) fn address(&self, pod: &str) -> String {
        self.field(&format!("pod/{pod}"), ".status.podIP")
    }

    /// Ping-pong from a pod; the report.
    pub(crate) fn ping_pong(&self, pod: &str, to: &str, options: &[&str]) -> Value {
        let bench =
            ["exec", pod, "-c", "bench", "--", PROGRAM, "bench", "pingpong", "--sizes", "64", "-o", "json"];
        let told = self.cluster.kubectl(&[&bench, options, &["tcp", to]].concat()).unwrap();
        serde_json::from_str(&told).unwrap()
    }

    /// Packets that a node's overlay device has carried, both ways.
    pub(crate) fn carried(&self, node: u8) -> u64 {
        self.cluster.node(node).overlay_packets().unwrap().iter().sum()
    }
}

/// Tries until it holds.
pub(crate) fn soon(what: &str, holds: impl Fn() -> bool) {
    cluster::soon(what, || Ok(holds())).unwrap();
}

/// Asks until nothing is told any more.
pub(crate) fn gone(what: &str, told: impl Fn() -> String) {
    let left = || told().trim().to_owned();
    if cluster::soon(what, || Ok(left().is_empty())).is_err() {
        assert_eq!(left(), "", "{what}");
    }
}
