//! Virtual machines on the real Open vSwitch, as KubeVirt attaches them: QEMU listens, the switch connects.
//!
//! It needs QEMU and a kernel, so `make test-vm` runs it, not `make test`.

/// Needs root: a network namespace, Open vSwitch and QEMU.
mod root {
    use std::path::{Path, PathBuf};
    use std::time::Duration;

    use flyover_testkit::ovs::{Guest, NewPort, Options, Rig, Vm};

    const MACS: [&str; 2] = ["02:00:00:00:00:01", "02:00:00:00:00:02"];

    /// Where kernels for guests are kept between runs.
    fn kernels() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/kernels")
    }

    #[test]
    fn guests_ping_each_other_through_the_switch() {
        let rig = Rig::start(Options::default()).unwrap();
        rig.add_bridge("br0").unwrap();
        let mut guests: Vec<Guest> = Vec::new();
        for (at, mac) in MACS.iter().enumerate() {
            let socket = rig.folder().join(format!("{at}.s"));
            let vm = Vm {
                socket: socket.clone(),
                listens: true,
                mac: (*mac).to_owned(),
                address: format!("10.77.0.{}/24", at + 1),
            };
            guests.push(Guest::start(&vm, rig.folder(), &kernels()).unwrap());
            rig.add_port("br0", &NewPort::vhost(&format!("vm{at}"), &socket)).unwrap();
        }
        guests.iter_mut().for_each(|guest| guest.ready().unwrap());
        assert!(
            guests[1]
                .run("ip -4 addr show dev eth0", Duration::from_secs(10))
                .unwrap()
                .contains("10.77.0.2/24")
        );
        let pings = guests[0].ping("10.77.0.2", 10).unwrap();
        println!("{pings:?}");
        assert_eq!((pings.sent, pings.answered), (10, 10));
        assert_eq!(guests[0].ping("10.77.0.9", 1).unwrap().answered, 0);
    }
}
