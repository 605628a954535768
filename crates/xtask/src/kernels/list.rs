//! What the guests hold, and what they run: the one place to add a test for other kernels.

use std::path::Path;
use std::time::Duration;

use flyover_testkit::vm::{Guest, Initramfs, Kernel};

/// Modules that the lab and FastPath may meet. A star takes what there is; the others must be there.
/// conntrack and nf_tables ask for a checksum by its name only, and xt_string for its search, so `crc32c*` and
/// `ts_*` are in no list of what they need.
const MODULES: [&str; 32] = [
    "crc32c*",
    "ts_*",
    "veth",
    "bridge",
    "br_netfilter",
    "vxlan",
    "geneve",
    "dummy",
    "tun",
    "macvlan",
    "ipvlan",
    "netkit*",
    "sch_ingress",
    "sch_*",
    "cls_*",
    "act_*",
    "nf_conntrack",
    "nf_conntrack_netlink",
    "nf_tables",
    "nf_*",
    "nft_*",
    "nfnetlink*",
    "ip_tables*",
    "ip6_tables*",
    "iptable_*",
    "ip6table_*",
    "ipt_*",
    "ip6t_*",
    "xt_*",
    "xfrm*",
    "esp*",
    "ip_set*",
];

/// Tools of this machine that go with them; those of iptables come on top, in all their forms.
const TOOLS: [&str; 8] = ["ip", "tc", "bridge", "nft", "conntrack", "ethtool", "tcpdump", "bpftool"];

/// Names of protocols and services, which rule sets use.
const FILES: [&str; 2] = ["/etc/protocols", "/etc/services"];

/// Plug-ins that iptables loads by name, so no list of libraries shows them.
const TREES: [&str; 1] = ["/usr/lib/x86_64-linux-gnu/xtables"];

/// Tests of one binary that run in the guest.
pub(super) struct Tests {
    pub(super) package: &'static str,
    pub(super) target: &'static str,
    /// What it is told by the environment.
    pub(super) told: &'static str,
    /// Which of them run there. A limit in time says nothing under emulation.
    pub(super) filter: &'static str,
    /// Which of those run where time is short: what a kernel's own ways decide. None says that all of them do.
    pub(super) brief: Option<&'static str>,
}

const fn all(package: &'static str, target: &'static str) -> Tests {
    Tests { package, target, told: "", filter: "root::", brief: None }
}

/// Test binaries that run in the guest.
pub(super) const TESTS: [Tests; 6] = [
    Tests {
        brief: Some("hooks::root watch::root conntrack::root analysis::root::what_kube_proxy"),
        ..all("flyover-net", "flyover_net")
    },
    Tests {
        filter: "root:: --skip in_less_than",
        brief: Some("root::reach::geneve root::reach::vxlan_over_both"),
        ..all("flyover-lab", "lab")
    },
    // Each loads the programs anew, which takes an emulated verifier two seconds.
    Tests {
        told: "RUST_TEST_THREADS=2",
        brief: Some(
            "root::checksum root::older root::types root::round root::fast::vxlan_over_ipv4 root::fast::geneve_without",
        ),
        ..all("flyover-fastpath", "packets")
    },
    Tests { brief: Some("root::a_geneve_lab root::what_others"), ..all("flyover", "kernels") },
    Tests {
        told: "FLYOVER_TWIN_CASES=8",
        filter: "through_a_tunnel pods_of_one_node over_plain_routes",
        brief: Some("pods_on_two_nodes_meet_the_same_packets_through_a_tunnel"),
        ..all("flyover", "twin")
    },
    Tests {
        told: "FLYOVER_TWIN_CASES=8 FLYOVER_TWIN_OVERLAY=geneve",
        // Flaws are drawn for VXLAN's header.
        filter: "pods_on_two_nodes_meet_the_same_packets_through_a_tunnel root::named --skip with_a_flaw",
        brief: Some("root::named::a_port_that_a_node_chose"),
        ..all("flyover", "twin")
    },
];

/// Tests of what a kernel does not have: kernel, beginning of the test's name, and why.
const LACKS: [(&str, &str, &str); 1] = [("6.1", "pod::root::a_bpf_program_on_the_way", "tcx came with 6.6")];

/// Two namespaces joined by a veth pair, with a tunnel of the type `$1` over it, and a ping through that.
const TUNNEL: &str = "
set -e
ip netns add a; ip netns add b
ip link add va netns a type veth peer name vb netns b
ip -n a addr add 10.0.0.1/24 dev va; ip -n a link set va up
ip -n b addr add 10.0.0.2/24 dev vb; ip -n b link set vb up
ip -n a link add t0 type TYPE id 7 remote 10.0.0.2 dstport 6081
ip -n b link add t0 type TYPE id 7 remote 10.0.0.1 dstport 6081
ip -n a addr add 10.1.0.1/24 dev t0; ip -n a link set t0 up
ip -n b addr add 10.1.0.2/24 dev t0; ip -n b link set t0 up
ip netns exec a ping -c 3 -W 5 10.1.0.2
ip netns del a; ip netns del b
";

/// Rules of each kind that conntrack has a part in.
const RULES: &str = "
set -e
ip netns add r
ip netns exec r nft add table ip f
ip netns exec r nft 'add chain ip f c { type filter hook forward priority 0; ct state invalid drop; }'
ip netns exec r nft list ruleset
for t in iptables iptables-legacy; do
	ip netns exec r $t -A FORWARD -m conntrack --ctstate INVALID -j DROP
	ip netns exec r $t -t nat -A POSTROUTING -m comment --comment test -m mark --mark 1 -j MASQUERADE
	ip netns exec r $t -S
done
ip netns del r
";

/// Everything that the kernel itself complained of.
pub(super) const CLEAN: &str = "! dmesg | grep -E 'WARNING:|BUG:|Oops|general protection|Call Trace'";

/// The commands of a guest of the kernel `name`, in the order they run.
pub(super) fn guest(name: &str, brief: bool) -> Guest {
    let mut guest = Guest::default();
    let (short, long) = (Duration::from_secs(60), Duration::from_secs(900));
    guest.command("flyover-version", "flyover --version", short);
    guest.command("btf", "ls -l /sys/kernel/btf/vmlinux && bpftool prog list", short);
    // What a node has loaded by the time pods start, and nothing asks the kernel for.
    guest.command("modules-of-a-node", "modprobe -a tun br_netfilter && ls -l /dev/net/tun", short);
    for tunnel in ["geneve", "vxlan"] {
        guest.command(&format!("{tunnel}-ping"), &TUNNEL.replace("TYPE", tunnel), short);
    }
    guest.command("rules", RULES, short);
    let lacks = LACKS.iter().filter(|(kernel, ..)| *kernel == name);
    let skips: String = lacks.map(|(_, test, _)| format!(" --skip {test}")).collect();
    for (i, tests) in TESTS.iter().enumerate() {
        let path = format!("{} /{}", tests.told, guest_path(tests.target));
        let filter = tests.brief.filter(|_| brief).unwrap_or(tests.filter);
        let filter = format!("{filter}{skips}");
        guest.tests(&format!("tests-{}-{i}", tests.target), path.trim_start(), &filter, long);
    }
    guest.command("kernel-log-is-clean", CLEAN, short);
    guest
}

/// Where a test binary lies in the guest.
pub(super) fn guest_path(target: &str) -> String {
    format!("usr/lib/flyover/tests/{target}")
}

/// A file system with all of the above but the programs under test, and with `more` modules.
pub(super) fn furnish(kernel: &Kernel, more: &[&str]) -> anyhow::Result<Initramfs> {
    let mut initramfs = Initramfs::with_busybox()?;
    initramfs.tools(&TOOLS)?;
    for family in ["iptables", "ip6tables"] {
        for form in ["", "-nft", "-legacy"] {
            let names = ["", "-save", "-restore"].map(|verb| format!("{family}{form}{verb}"));
            initramfs.tools(&names.each_ref().map(String::as_str))?;
        }
    }
    for file in FILES.map(Path::new) {
        initramfs.copy(file)?;
    }
    for tree in TREES.map(Path::new) {
        initramfs.tree(tree)?;
    }
    initramfs.modules(kernel, &[&MODULES, more].concat())?;
    Ok(initramfs)
}
