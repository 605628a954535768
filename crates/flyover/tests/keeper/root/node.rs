//! A node: a private switch, the plugin as a library, and the process that is tested.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use flyover_cni_core::plugin;
use flyover_host::cmd::Cmd;
use flyover_testkit::ovs::{Options, Rig, frames};
use flyover_vhost::{Port, Settings};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use serde_json::{Value, json};

/// For anything that the process does.
pub(super) const LIMIT: Duration = Duration::from_secs(20);

/// A node on which bridges are made as they are asked for.
pub(super) struct Node {
    pub(super) rig: Rig,
    root: tempfile::TempDir,
}

/// The process. It ends with the test.
pub(super) struct Keeper {
    child: Child,
    metrics: SocketAddr,
}

impl Node {
    pub(super) fn new(options: Options) -> Self {
        let node = Self { rig: Rig::start(options).unwrap(), root: tempfile::tempdir().unwrap() };
        for needed in ["etc/flyover", "var/lib/kubelet/pods", "var/lib/cni/results"] {
            fs::create_dir_all(node.path(needed)).unwrap();
        }
        // A socket's path is short, and a test's own folder need not be.
        let text = json!({"database": node.rig.database(), "rundir": node.rig.folder(), "createBridges": true,
            "socketRoot": node.rig.folder().join("v")});
        fs::write(node.path("etc/flyover/cni.json"), text.to_string()).unwrap();
        node
    }

    pub(super) fn path(&self, below: &str) -> PathBuf {
        self.root.path().join(below)
    }

    /// The network of all pods that have no other.
    pub(super) fn network() -> Value {
        json!({"cniVersion": "1.1.0", "name": "net", "type": "userspace",
            "host": {"engine": "ovs-dpdk", "iftype": "vhostuser", "netType": "bridge", "vhost": {"mode": "client"},
                "bridge": {"bridgeName": "br0"}}})
    }

    pub(super) fn call(&self, verb: &str, container: &str) -> Value {
        self.ask(verb, container, &Self::network(), "")
    }

    /// Calls the plugin for a network, with `CNI_ARGS`.
    pub(super) fn ask(&self, verb: &str, container: &str, network: &Value, args: &str) -> Value {
        let variables = [
            ("CNI_ARGS", args),
            ("CNI_COMMAND", verb),
            ("CNI_CONTAINERID", container),
            ("CNI_IFNAME", "net1"),
            ("CNI_NETNS", "/run/netns/pod"),
            ("CNI_PATH", "/usr/lib/cni"),
        ];
        let variable =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, v)| (*v).to_owned());
        let answer = plugin::run(self.root.path(), variable, network.to_string().as_bytes());
        assert!(answer.good, "{answer:?}");
        answer.text.unwrap_or_default()
    }

    /// Attaches a pod, which the runtime then knows, and gives its socket.
    pub(super) fn attach(&self, container: &str) -> PathBuf {
        let result = self.call("ADD", container);
        fs::write(self.path(&format!("var/lib/cni/results/net-{container}-net1")), "{}").unwrap();
        PathBuf::from(result["interfaces"][0]["socketPath"].as_str().unwrap())
    }

    /// Attaches a pod, which opens its socket.
    pub(super) fn pod(&self, container: &str) -> Port {
        Port::listen(&self.attach(container), Settings::default()).unwrap()
    }

    /// The runtime no longer knows of a pod.
    pub(super) fn forget(&self, container: &str) {
        fs::remove_file(self.path(&format!("var/lib/cni/results/net-{container}-net1"))).unwrap();
    }

    /// Changes the node's configuration.
    pub(super) fn configure(&self, key: &str, value: Value) {
        let file = self.path("etc/flyover/cni.json");
        let mut config: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        config[key] = value;
        fs::write(file, config.to_string()).unwrap();
    }

    /// Runs `flyover switch` on this node to its end.
    pub(super) fn flyover(&self, arguments: &[&str]) -> Output {
        self.within(|| self.command(arguments).output().unwrap())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flyover"));
        command.arg("switch").args(arguments);
        command.env("FLYOVER_ROOT", self.root.path()).env("NO_COLOR", "1").stdin(Stdio::null());
        command
    }

    /// Starts something with a `/var/lib` that is the node's own: what was applied to a switch is noted there. That is a
    /// thread's matter, so it has one.
    fn within<T: Send>(&self, start: impl FnOnce() -> T + Send) -> T {
        let own = self.path("var/lib");
        let begin = || {
            unshare(CloneFlags::CLONE_NEWNS).unwrap();
            let none = None::<&str>;
            mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
            mount(Some(&own), "/var/lib", none, MsFlags::MS_BIND, none).unwrap();
            start()
        };
        std::thread::scope(|scope| scope.spawn(begin).join().unwrap())
    }

    /// Applies a spec to the switch, which must be all that is to be done.
    pub(super) fn apply(&self, spec: &str) {
        let file = self.path("switch.yaml");
        let directory = self.rig.folder().display();
        fs::write(&file, format!("runtime: {{directory: {directory}}}\n{spec}")).unwrap();
        let ran = self.flyover(&["apply", "-f", file.to_str().unwrap()]);
        let said = String::from_utf8_lossy(&ran.stdout) + String::from_utf8_lossy(&ran.stderr);
        assert_eq!(ran.status.code(), Some(0), "{said}");
    }

    /// What `ovs-vsctl` says.
    pub(super) fn vsctl(&self, arguments: &[&str]) -> String {
        let database = format!("--db=unix:{}", self.rig.database().display());
        let command = Cmd::new("ovs-vsctl").args(["--timeout=20", &database]);
        command.args(arguments).run().unwrap().trim().to_owned()
    }

    /// Starts the process that keeps the node.
    pub(super) fn keep(&self) -> Keeper {
        self.keep_with("1s", &[])
    }

    /// Starts it with another period, and further arguments.
    pub(super) fn keep_with(&self, each: &str, arguments: &[&str]) -> Keeper {
        let metrics = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let metrics_at = metrics.to_string();
        let log = fs::File::create(self.path("log")).unwrap();
        let child = self.within(|| {
            let mut command =
                self.command(&["run", "--each", each, "--grace", "0s", "--metrics", &metrics_at]);
            command.args(arguments).stderr(log).spawn().unwrap()
        });
        let keeper = Keeper { child, metrics };
        wait("the process", || keeper.scrape().filter(|text| text.contains("reconciliations_total")));
        keeper
    }

    /// Whether there is a port of that pod.
    pub(super) fn has(&self, container: &str) -> bool {
        self.rig.interface(&format!("{container}-net1")).is_ok()
    }

    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap()
    }
}

impl Keeper {
    /// The metrics, if somebody is there.
    pub(super) fn scrape(&self) -> Option<String> {
        let mut stream = TcpStream::connect(self.metrics).ok()?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        assert!(text.starts_with("HTTP/1.1 200"), "{text}");
        Some(text)
    }

    /// The value of a series.
    pub(super) fn metric(&self, series: &str) -> Option<u64> {
        let text = self.scrape().unwrap();
        let line = text.lines().find(|line| line.starts_with(series))?;
        line.rsplit(' ').next()?.trim().parse().ok()
    }

    /// The most mebibytes that it had for itself alone while something was done: pages of the program are the build's, and
    /// given back at will.
    pub(super) fn peak_while(&self, does: impl FnOnce()) -> f64 {
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let sampled = scope.spawn(|| {
                let mut most = self.memory("RssAnon");
                while !done.load(Ordering::Relaxed) {
                    most = most.max(self.memory("RssAnon"));
                    std::thread::sleep(Duration::from_millis(1));
                }
                most
            });
            does();
            done.store(true, Ordering::Relaxed);
            sampled.join().unwrap()
        })
    }

    /// Mebibytes, by what the kernel calls them.
    pub(super) fn memory(&self, key: &str) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':')).unwrap();
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
    }

    /// Ends it as a service's manager does, and waits for its code.
    pub(super) fn end(mut self) -> Option<i32> {
        let pid = nix::unistd::Pid::from_raw(self.child.id().try_into().unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "the log of the process:\n{}",
                fs::read_to_string(self.path("log")).unwrap_or_default()
            );
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _waited = self.child.wait();
    }
}

/// That a text passes from one pod to another.
pub(super) fn passes(from: &mut Port, to: &mut Port, text: &str) {
    frames::passes(from, to, &frames::broadcast(text), LIMIT).unwrap();
}

pub(super) fn wait<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + LIMIT;
    loop {
        if let Some(ready) = ready() {
            return ready;
        }
        assert!(Instant::now() < end, "{what} is not there after {LIMIT:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
