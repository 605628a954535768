//! A lab with FastPath on its nodes, that goes with its test.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use flyover_fastpath::{Books, Instance, Report};
use flyover_host::cmd::{Cmd, CmdError};
use flyover_lab::{IpMode, LabGuard, LabSpec, Labs, Node, Overlay};
use flyover_net::qdisc::TrafficControl;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Emulated processors take their time.
const LONG: Duration = Duration::from_secs(120);

pub(crate) struct Rig {
    pub(crate) lab: LabGuard,
    root: PathBuf,
}

/// The program under test: in a guest it lies where programs do.
fn program() -> &'static str {
    let built = env!("CARGO_BIN_EXE_flyover");
    if std::path::Path::new(built).exists() { built } else { "flyover" }
}

impl Rig {
    pub(crate) fn new(name: &str, overlay: Overlay, ip: IpMode) -> Self {
        let name = format!("fo{name}{}", std::process::id());
        let root = std::env::temp_dir().join(&name);
        std::fs::create_dir_all(root.join("run/flyover/lab")).unwrap();
        let spec = LabSpec { services: 3, overlay, ip, ..LabSpec::new(name.parse().unwrap()) };
        let lab = Labs::below(&root).up(&spec).unwrap().guarded();
        Self { lab, root }
    }

    fn fastpath(&self, verb: &str) {
        self.flyover(verb).unwrap();
    }

    fn flyover(&self, verb: &str) -> Result<String, CmdError> {
        let root = format!("FLYOVER_ROOT={}", self.root.display());
        let args = ["lab", "fastpath", verb, "--name", self.lab.name().as_str()].map(str::to_owned);
        Cmd::new("env").args([root, program().to_string()]).args(args).timeout(LONG).run()
    }

    pub(crate) fn on(&self) {
        self.fastpath("on");
    }

    /// Where the kernel has no types of conntrack to offer, and with that back end.
    pub(crate) fn on_without_conntracks_types(&self, backend: &str) {
        let script = format!(
            "d=$(mktemp -d); touch $d/vmlinux; mount --bind /sys/kernel/btf/vmlinux $d/vmlinux
             mount --rbind $d /sys/kernel/btf
             exec env FLYOVER_ROOT={} {} lab fastpath on --name {} -- --backend {backend}",
            self.root.display(),
            program(),
            self.lab.name()
        );
        Cmd::new("unshare").args(["-m", "sh", "-euc", &script]).timeout(LONG).run().unwrap();
    }

    pub(crate) fn off(&self) {
        self.fastpath("off");
    }

    pub(crate) fn instance(&self, node: Node<'_>) -> Instance {
        Instance::new(&self.root, &node.netns_name()).unwrap()
    }

    pub(crate) fn report(&self, node: Node<'_>) -> Report {
        Report::read(&self.instance(node)).unwrap()
    }

    /// Ends all agents as a crash would.
    pub(crate) fn kill_agents(&self) {
        for node in self.lab.nodes() {
            let instance = self.instance(node);
            let pid = instance.holder().unwrap().parse().unwrap();
            kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
            let deadline = Instant::now() + Duration::from_secs(10);
            while instance.holder().is_some() {
                assert!(Instant::now() < deadline, "{pid} does not end");
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }

    /// Packets that each node has spared the slow path so far.
    pub(crate) fn saved(&self) -> Vec<u64> {
        let saved = |node| {
            let books = Books::open(&self.instance(node)).unwrap();
            let open: u64 = books.flows().unwrap().iter().map(|entry| entry.way.packets).sum();
            let ended: u64 = books.retired().unwrap().iter().map(|(_, retired)| retired.packets).sum();
            open + ended
        };
        self.lab.nodes().map(saved).collect()
    }

    /// Runs a shell script in a node.
    pub(crate) fn sh(&self, node: u8, script: &str) -> String {
        let command = Cmd::new("sh").args(["-euc", script]);
        self.lab.node(node).unwrap().netns().unwrap().run(|| command.run()).unwrap().unwrap()
    }

    /// Everything on the nodes that `off` must leave as `on` found it.
    pub(crate) fn state(&self) -> Vec<String> {
        let liberal = "cat /proc/sys/net/netfilter/nf_conntrack_tcp_be_liberal";
        let look = |node: Node<'_>| {
            let control = node.netns().unwrap().run(TrafficControl::read).unwrap().unwrap();
            let hooked = if self.is_on(node) { "fastpath" } else { "nothing of ours" };
            format!("{control:?} {} {hooked}", self.sh(node.index(), liberal))
        };
        self.lab.nodes().map(look).collect()
    }

    fn is_on(&self, node: Node<'_>) -> bool {
        let pins = self.instance(node).map_pin("ways");
        self.instance(node).exists()
            || pins.ancestors().nth(2).unwrap().exists()
            || !self.programs(node).is_empty()
    }

    /// The tcx programs on the node's devices; filters are seen as traffic control.
    pub(crate) fn programs(&self, node: Node<'_>) -> Vec<u32> {
        use flyover_net::tcx::{Side, programs};
        let numbers = self.sh(node.index(), "ip -o link | cut -d: -f1");
        let numbers: Vec<u32> = numbers.lines().map(|n| n.trim().parse().unwrap()).collect();
        let on = |side| numbers.iter().flat_map(move |n| programs(*n, side).unwrap_or_default());
        node.netns().unwrap().run(|| on(Side::Ingress).chain(on(Side::Egress)).collect()).unwrap()
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if let Err(error) = self.flyover("off") {
            eprintln!("failed to turn fastpath off: {error}");
        }
        if let Err(error) = std::fs::remove_dir_all(&self.root) {
            eprintln!("{error}");
        }
    }
}
