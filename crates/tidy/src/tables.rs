//! What the rules are held against: the floors of the house, and what we may depend on.
//!
//! Invariant: a crate that is not in [`FLOORS`], a licence that is not in [`LICENCES`] and a second version
//! that is not in [`DUPLICATES`] is refused. A new line here is a decision, so it needs a reviewer.

/// Where a room stands. An arrow may point to a lower floor, or along floor 2 as long as there is no circle
/// (which cargo itself refuses).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Floor {
    /// Floor 0: nouns with a grammar.
    Words,
    /// Floor 1: decisions on data; no I/O, clock, environment or async.
    Thought,
    /// Floor 2: what reads and changes a machine.
    Hands,
    /// Floor 3: programs.
    Bins,
    /// Rigs and chores; no room of the product may depend on them but for its tests.
    Dev,
}

/// Every room of the house.
pub const FLOORS: [(&str, Floor); 23] = [
    ("flyover-core", Floor::Words),
    ("flyover-api", Floor::Words),
    ("flyover-plan", Floor::Thought),
    ("flyover-render", Floor::Thought),
    ("flyover-host", Floor::Hands),
    ("flyover-metrics", Floor::Hands),
    ("flyover-net", Floor::Hands),
    ("flyover-ovs", Floor::Hands),
    ("flyover-cni-core", Floor::Hands),
    ("flyover-vhost", Floor::Hands),
    ("flyover-switch", Floor::Hands),
    ("flyover-kubelet", Floor::Hands),
    ("flyover-lab", Floor::Hands),
    ("flyover-fastpath", Floor::Hands),
    ("flyover-latency", Floor::Hands),
    ("flyover-bundle", Floor::Hands),
    ("flyover", Floor::Bins),
    ("flyover-agent", Floor::Bins),
    ("flyover-cni", Floor::Bins),
    ("flyover-operator", Floor::Bins),
    ("flyover-testkit", Floor::Dev),
    ("tidy", Floor::Dev),
    ("xtask", Floor::Dev),
];

/// Rooms that think: they may not touch the machine.
pub const PURE: [&str; 3] = ["flyover-core", "flyover-plan", "flyover-render"];

/// Crates that touch the machine. A pure room may not have one among its dependencies, however far down.
pub const IO_CRATES: [&str; 14] = [
    "tokio",
    "mio",
    "async-std",
    "smol",
    "nix",
    "libc",
    "rustix",
    "socket2",
    "rtnetlink",
    "netlink-sys",
    "libbpf-rs",
    "kube",
    "hyper",
    "tempfile",
];

/// Names that touch the machine. A pure room may not say them outside its tests.
pub const IO_NAMES: [&str; 12] = [
    "std::fs",
    "std::process",
    "std::env",
    "std::thread",
    "std::os",
    "std::net::TcpStream",
    "std::net::TcpListener",
    "std::net::UdpSocket",
    "std::net::ToSocketAddrs",
    "std::time::Instant",
    "std::time::SystemTime",
    "std::io::stdin",
];

/// Where processes may be started: the one module for it, and programs that build us.
pub const SPAWNERS: [&str; 3] = ["crates/flyover-host/src/cmd.rs", "crates/tidy/", "crates/xtask/"];

/// Licences that let Apache-2.0 programs be linked with the work and given away.
pub const LICENCES: [&str; 12] = [
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "MIT",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "0BSD",
    "ISC",
    "Unicode-3.0",
    "Zlib",
    "BSL-1.0",
    "CC0-1.0",
    "Unlicense",
];

/// Crates of which two versions are linked, and why that cannot be helped today.
pub const DUPLICATES: [(&str, &str); 7] = [
    ("base64", "k8s-openapi and tonic, by which Kubernetes is talked to, are still on 0.22"),
    ("bitflags", "vmm-sys-util, which vhost-user's crate stands on, is still on 1"),
    ("getrandom", "ring, which TLS to a database server is done with, is still on 0.2"),
    ("hashbrown", "kube's runtime is still on 0.16"),
    ("syn", "derive macros move from 2 to 3 one by one; it runs at build time only"),
    ("thiserror", "ignition-config, which only tests link, is still on 1"),
    ("thiserror-impl", "as thiserror"),
];
