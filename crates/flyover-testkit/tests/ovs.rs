//! The private switch, held against the real Open vSwitch: it works, survives what tests do to it, and leaves nothing.

/// Needs root: a network namespace, and Open vSwitch.
mod root {
    use std::path::Path;

    use flyover_net::netns::Netns;
    use flyover_testkit::ovs::{Daemon, NewPort, Options, Rig, Switch};
    use nix::sys::signal::Signal;

    #[test]
    fn a_switch_with_dpdk_makes_ports_and_leaves_nothing() {
        let rig = Rig::start(Options::default()).unwrap();
        rig.add_bridge("br0").unwrap();
        let socket = rig.folder().join("a.sock");
        rig.add_port("br0", &NewPort::vhost("a", &socket).tag(7).mtu(2000)).unwrap();
        let interface = rig.interface("a").unwrap();
        assert_eq!(
            (interface.error, interface.mtu_request, interface.status.get("mode").map(String::as_str)),
            (None, Some(2000), Some("client"))
        );
        assert!(rig.ask("dpif-netdev/pmd-rxq-show", &[]).unwrap().contains("port: a"));
        rig.delete_port("br0", "a").unwrap();
        assert!(rig.interface("a").is_err());

        let (name, folder) = (rig.name().to_owned(), rig.folder().to_owned());
        drop(rig);
        assert!(!folder.exists() && !Path::new("/run/dpdk").join(&name).exists());
        assert!(!Netns::list().unwrap().contains(&name));
    }

    #[test]
    fn daemons_can_be_killed_frozen_and_started_again() {
        let mut rig = Rig::start(Options::of(Switch::Bare)).unwrap();
        rig.add_bridge("br0").unwrap();
        for signal in [Signal::SIGTERM, Signal::SIGKILL] {
            rig.restart(Daemon::Switch, signal).unwrap();
            rig.restart(Daemon::Database, signal).unwrap();
        }
        assert!(rig.ask("ofproto/list", &[]).unwrap().contains("br0"));
        rig.freeze(Daemon::Switch).unwrap();
        rig.thaw(Daemon::Switch).unwrap();
        rig.wipe().unwrap();
        assert!(rig.row().unwrap().bridges.is_empty());
    }

    #[test]
    fn a_database_alone_has_no_switch() {
        let rig = Rig::start(Options::of(Switch::None)).unwrap();
        assert!(rig.control(Daemon::Switch).is_err());
        assert_eq!(rig.row().unwrap().cur_cfg, 0);
    }

    #[test]
    fn hugepages_are_lent_and_given_back() {
        let number =
            || std::fs::read_to_string("/proc/sys/vm/nr_hugepages").unwrap().trim().parse::<u64>().unwrap();
        let before = number();
        let rig = Rig::start(Options::of(Switch::Dpdk { memory_mib: 256, hugepages: true })).unwrap();
        assert_eq!(number(), before + 128);
        drop(rig);
        assert_eq!(number(), before);
    }

    #[test]
    fn what_still_runs_in_the_namespace_of_a_rig_fails_its_test() {
        let rig = Rig::start(Options::of(Switch::None)).unwrap();
        let log = std::env::temp_dir().join(rig.name());
        let command = ["sleep", "60"].map(str::to_owned);
        let left =
            flyover_testkit::process::Process::start("sleep", &command, Some(rig.name()), &log).unwrap();
        let dropped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(rig)));
        let said = *dropped.unwrap_err().downcast::<String>().unwrap();
        assert!(said.contains(&format!("{} (sleep)", left.id())), "{said}");
        drop(left);
        std::fs::remove_file(log).unwrap();
    }
}
