//! What the guests hold, and what they run: the one place to add a test for other kernels.

use std::path::Path;
use std::time::Duration;

use flyover_testkit::vm::{Guest, Initramfs, Kernel};

/// Modules that the lab and FastPath may meet. A star takes what there is; the others must be there.
/// conntrack and nf_tables ask for a checksum by its name only, so `crc32c*` is in no list of what they need.
const MODULES: [&str; 31] = [
    "crc32c*",
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

/// Tools of this machine that go with them.
const TOOLS: [&str; 15] = [
    "ip",
    "tc",
    "bridge",
    "nft",
    "iptables",
    "ip6tables",
    "iptables-save",
    "iptables-restore",
    "iptables-legacy",
    "ip6tables-legacy",
    "iptables-legacy-restore",
    "conntrack",
    "ethtool",
    "tcpdump",
    "bpftool",
];

/// Names of protocols and services, which rule sets use.
const FILES: [&str; 2] = ["/etc/protocols", "/etc/services"];

/// Plug-ins that iptables loads by name, so no list of libraries shows them.
const TREES: [&str; 1] = ["/usr/lib/x86_64-linux-gnu/xtables"];

/// Test binaries that run in the guest: package, target, and the filter of the tests to run there.
pub(super) const TESTS: [(&str, &str, &str); 1] = [("flyover-net", "flyover_net", "root::")];

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
const CLEAN: &str = "! dmesg | grep -E 'WARNING:|BUG:|Oops|general protection|Call Trace'";

/// The commands of a guest, in the order they run.
pub(super) fn guest() -> Guest {
    let mut guest = Guest::default();
    let (short, long) = (Duration::from_secs(60), Duration::from_secs(300));
    guest.command("flyover-version", "flyover --version", short);
    guest.command("btf", "ls -l /sys/kernel/btf/vmlinux && bpftool prog list", short);
    for tunnel in ["geneve", "vxlan"] {
        guest.command(&format!("{tunnel}-ping"), &TUNNEL.replace("TYPE", tunnel), short);
    }
    guest.command("rules", RULES, short);
    for (_, target, filter) in TESTS {
        guest.tests(&format!("tests-{target}"), &format!("/{}", guest_path(target)), filter, long);
    }
    guest.command("kernel-log-is-clean", CLEAN, short);
    guest
}

/// Where a test binary lies in the guest.
pub(super) fn guest_path(target: &str) -> String {
    format!("usr/lib/flyover/tests/{target}")
}

/// A file system with all of the above but the programs under test.
pub(super) fn furnish(kernel: &Kernel) -> anyhow::Result<Initramfs> {
    let mut initramfs = Initramfs::with_busybox()?;
    initramfs.tools(&TOOLS)?;
    for file in FILES.map(Path::new) {
        initramfs.copy(file)?;
    }
    for tree in TREES.map(Path::new) {
        initramfs.tree(tree)?;
    }
    initramfs.modules(kernel, &MODULES)?;
    Ok(initramfs)
}
