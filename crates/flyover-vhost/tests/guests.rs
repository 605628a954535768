//! Virtual machines on the real Open vSwitch, as KubeVirt attaches them, where QEMU listens, and the other way round, behind a broker.
//!
//! It needs QEMU and a kernel, so `make test-vm` runs it, not `make test`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

/// Needs root: a network namespace, Open vSwitch and QEMU.
mod root {
    use std::path::{Path, PathBuf};
    use std::thread;
    use std::time::{Duration, Instant};

    use flyover_testkit::ovs::{Daemon, Guest, NewPort, Options, Rig, Vm};
    use flyover_vhost::broker::Broker;
    use flyover_vhost::{Port, Settings};
    use nix::sys::signal::Signal;

    const MACS: [&str; 2] = ["02:00:00:00:00:01", "02:00:00:00:00:02"];

    /// Where kernels for guests are kept between runs.
    fn kernels() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/kernels")
    }

    /// A guest with that number on a socket.
    fn guest(rig: &Rig, number: usize, socket: &Path, listens: bool) -> Guest {
        let vm = Vm {
            socket: socket.to_owned(),
            listens,
            mac: MACS[number - 1].to_owned(),
            address: format!("10.77.0.{number}/24"),
        };
        Guest::start(&vm, rig.folder(), &kernels()).unwrap()
    }

    fn rig() -> Rig {
        let rig = Rig::start(Options::default()).unwrap();
        rig.add_bridge("br0").unwrap();
        rig
    }

    #[test]
    fn guests_ping_each_other_through_the_switch() {
        let rig = rig();
        let sockets = ["a.s", "b.s"].map(|name| rig.folder().join(name));
        let mut guests = [(1, &sockets[0]), (2, &sockets[1])].map(|(number, socket)| {
            let guest = guest(&rig, number, socket, true);
            rig.add_port("br0", &NewPort::vhost(&format!("vm{number}"), socket)).unwrap();
            guest
        });
        guests.iter_mut().for_each(|guest| guest.ready().unwrap());
        let told = guests[1].run("ip -4 addr show dev eth0", Duration::from_secs(10)).unwrap();
        assert!(told.contains("10.77.0.2/24"), "{told}");
        let pings = guests[0].ping("10.77.0.2", 10).unwrap();
        println!("{pings:?}");
        assert_eq!((pings.sent, pings.answered), (10, 10));
        assert_eq!(guests[0].ping("10.77.0.9", 1).unwrap().answered, 0);
    }

    #[test]
    fn a_guest_that_connects_to_a_broker_stays_on_the_network_when_the_switch_is_killed() {
        let mut rig = rig();
        let [front, back, other] = ["f.s", "k.s", "o.s"].map(|name| rig.folder().join(name));
        let broker = Broker::bind(&front, &back).unwrap();
        thread::spawn(move || broker.run());
        rig.add_port("br0", &NewPort::vhost("vm1", &back)).unwrap();
        let mut first = guest(&rig, 1, &front, false);
        let mut port = Port::listen(&other, Settings::default()).unwrap();
        rig.add_port("br0", &NewPort::vhost("other", &other)).unwrap();
        first.ready().unwrap();
        for signal in [Signal::SIGTERM, Signal::SIGKILL] {
            rig.restart(Daemon::Switch, signal).unwrap();
            let asks = "arping -c 1 -w 1 -I eth0 10.77.0.2; true";
            let end = Instant::now() + Duration::from_secs(30);
            let asked = loop {
                first.run(asks, Duration::from_secs(20)).unwrap();
                // Ethernet, then ARP: who has 10.77.0.2?
                let came = port.receive(Instant::now() + Duration::from_millis(100)).unwrap();
                match came {
                    Some(frame) if frame.windows(4).any(|bytes| bytes == [10, 77, 0, 2]) => break true,
                    _ if Instant::now() > end => break false,
                    _ => {}
                }
            };
            assert!(asked, "{signal}");
        }
    }
}
