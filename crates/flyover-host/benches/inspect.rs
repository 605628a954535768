//! What reading a host costs: `cargo bench --package flyover-host`.

use std::time::Instant;

use flyover_host::facts::{Inspection, inspect};
use flyover_host::live::Live;
use flyover_host::root::HostRoot;
use flyover_testkit::hosts::{Function, HostTreeBuilder, Maker, Numbering, System, Topology, Unpacked};

/// Median and slowest of some readings, in milliseconds.
fn readings(host: &HostRoot) -> (f64, f64) {
    let reading = |_| {
        let start = Instant::now();
        inspect(host, &Inspection::default()).expect("the host has a command line");
        start.elapsed().as_secs_f64() * 1e3
    };
    let mut all: Vec<f64> = (0..31).map(reading).collect();
    all.sort_by(f64::total_cmp);
    (all[all.len() / 2], all[all.len() - 1])
}

/// A host of 512 processors on 8 NUMA nodes, with 200 PCI functions.
fn large() -> Unpacked {
    let topology = Topology {
        sockets: 2,
        nodes_per_socket: 4,
        threads: 2,
        numbering: Numbering::NodeByNode,
        ..Topology::simple(Maker::Amd, 32)
    };
    let mut host = HostTreeBuilder::new(topology, System::Debian).route("default", "p0");
    for n in 0..200_u32 {
        let port = Function::nic(&format!("0000:{:02x}:{:02x}.{}", n / 64, n / 8 % 8, n % 8));
        host = host.function(&port.driver("ice").group(n).netdev(&format!("p{n}")));
    }
    Unpacked::of(&host.build()).expect("a built host can be unpacked")
}

#[expect(clippy::print_stdout, reason = "a bench prints what it measured")]
fn main() {
    let large = large();
    for (name, host) in [("this machine", &Live::host()), ("512 processors, 200 functions", &large.host)] {
        let (median, slowest) = readings(host);
        println!("inspect, {name}: median {median:.1} ms, slowest {slowest:.1} ms");
    }
}
