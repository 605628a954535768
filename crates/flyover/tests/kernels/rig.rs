//! A lab with FastPath on its nodes, that goes with its test.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use flyover_fastpath::{Books, Instance, Report};
use flyover_host::cmd::{Cmd, CmdError};
use flyover_lab::{IpMode, LabGuard, LabSpec, Labs, Node, Overlay, RuleForm};
use flyover_net::qdisc::TrafficControl;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Emulated processors take their time.
const LONG: Duration = Duration::from_secs(120);

const GIVE_NODE: &str = "
    echo 1 > /proc/sys/net/ipv6/conf/all/forwarding
    for dev in cni0 flannel.1; do echo 0 > /proc/sys/net/ipv6/conf/$dev/disable_ipv6; done
    ip addr add fd77:NODE::1/64 dev cni0 nodad
    ip addr add fe80::NODE/64 dev flannel.1 nodad
    ip route add fd77:OTHER::/64 via fe80::OTHER dev flannel.1
    ip neigh add fe80::OTHER lladdr MAC dev flannel.1 nud permanent
    nft add table ip6 test
    nft 'add chain ip6 test forward { type filter hook forward priority 0; }'
    nft add rule ip6 test forward ct state invalid drop
";

const GIVE_POD: &str = "
    echo 0 > /proc/sys/net/ipv6/conf/eth0/disable_ipv6
    ip addr add fd77:NODE::2/64 dev eth0 nodad
    ip route add default via fd77:NODE::1
";

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
        let rules = RuleForm::Nft;
        let spec = LabSpec { services: 3, overlay, ip, rules, ..LabSpec::new(name.parse().unwrap()) };
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

    /// The address that [`Rig::give_ipv6`] gives to a node's first pod.
    pub(crate) fn ipv6(node: u8) -> IpAddr {
        format!("fd77:{node}::2").parse().unwrap()
    }

    /// Gives the first pods of an IPv4 lab IPv6 addresses, and the tunnel that is there a way for them.
    pub(crate) fn give_ipv6(&self) {
        let mac = |node| self.sh(node, "ip -br link show flannel.1 | awk '{ print $3 }'").trim().to_owned();
        for (node, other) in [(1, 2), (2, 1)] {
            let script = GIVE_NODE.replace("OTHER", &other.to_string()).replace("MAC", &mac(other));
            self.sh(node, &script.replace("NODE", &node.to_string()));
            let inside = Cmd::new("sh").args(["-euc", &GIVE_POD.replace("NODE", &node.to_string())]);
            self.lab.pod(node, 1).unwrap().netns().unwrap().run(|| inside.run()).unwrap().unwrap();
        }
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
