//! What reading a host costs.

use std::time::{Duration, Instant};

use flyover_host::facts::{Inspection, inspect};
use flyover_host::live::Live;
use flyover_host::root::HostRoot;
use flyover_testkit::hosts::{Function, HostTreeBuilder, Maker, Numbering, System, Topology, Unpacked};

/// The shortest of some readings: what else the machine does only makes it longer.
fn shortest(host: &HostRoot) -> Duration {
    let reading = |_| {
        let start = Instant::now();
        inspect(host, &Inspection::default()).expect("the host has a command line");
        start.elapsed()
    };
    (0..7).map(reading).min().unwrap_or_default()
}

#[test]
fn this_machine_is_read_within_50_milliseconds() {
    let taken = shortest(&Live::host());
    assert!(taken <= Duration::from_millis(50), "it took {taken:?}");
}

#[test]
fn a_host_of_512_processors_and_200_functions_is_read_within_half_a_second() {
    let topology = Topology {
        sockets: 2,
        nodes_per_socket: 4,
        threads: 2,
        numbering: Numbering::NodeByNode,
        ..Topology::simple(Maker::Amd, 32)
    };
    let mut host = HostTreeBuilder::new(topology, System::Debian).route("default", "p0");
    for n in 0..200u32 {
        let port = Function::nic(&format!("0000:{:02x}:{:02x}.{}", n / 64, n / 8 % 8, n % 8));
        host = host.function(&port.driver("ice").group(n).netdev(&format!("p{n}")));
    }
    let taken = shortest(&Unpacked::of(&host.build()).unwrap().host);
    assert!(taken <= Duration::from_millis(500), "it took {taken:?}");
}
