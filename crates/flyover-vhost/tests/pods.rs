//! Pods with DPDK on the real Open vSwitch: they reach each other, and a restarted switch reaches them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

/// Needs root: a network namespace, Open vSwitch and testpmd.
mod root {
    use std::path::Path;
    use std::thread;
    use std::time::{Duration, Instant};

    use flyover_testkit::ovs::{Daemon, Mode, NewPort, Options, Pod, Rig, Testpmd};
    use flyover_vhost::broker::Broker;
    use flyover_vhost::probe;
    use nix::sys::signal::Signal;

    const MACS: [&str; 2] = ["02:00:00:00:00:01", "02:00:00:00:00:02"];

    fn rig() -> Rig {
        let rig = Rig::start(Options::default()).unwrap();
        rig.add_bridge("br0").unwrap();
        rig
    }

    fn until_it_forwards(pod: &Testpmd) -> f64 {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            let rate = pod.rates(Duration::from_millis(500)).unwrap().received_mpps;
            if rate > 0.0 || Instant::now() > end {
                return rate;
            }
        }
    }

    /// Pods on two ports, of which one sends and the other takes; what the taker gets, in millions a second.
    fn measure(rig: &Rig, sockets: [&Path; 2], macs: [&str; 2]) -> f64 {
        let mut sends = Pod::on(sockets[0], macs[0], Mode::TxOnly);
        sends.peer = Some(macs[1].to_owned());
        let mut takes = Pod::on(sockets[1], macs[1], Mode::RxOnly);
        (sends.ring, takes.ring) = (4096, 4096);
        let [mut sends, mut takes] = [sends, takes].map(|pod| Testpmd::start(&pod, rig.folder()).unwrap());
        sends.ready().unwrap();
        takes.ready().unwrap();
        assert!(until_it_forwards(&takes) > 0.0, "{:?} {:?}", sends.counters(), takes.counters());
        let rate = takes.rates(Duration::from_secs(2)).unwrap().received_mpps;
        sends.end().unwrap();
        takes.end().unwrap();
        rate
    }

    #[test]
    fn two_pods_with_dpdk_reach_each_other_and_the_switch_measures_well() {
        let rig = rig();
        let [a, b] = ["a.s", "b.s"].map(|name| rig.folder().join(name));
        rig.add_port("br0", &NewPort::vhost("a", &a)).unwrap();
        rig.add_port("br0", &NewPort::vhost("b", &b)).unwrap();
        let there = measure(&rig, [&a, &b], MACS);
        let back = measure(&rig, [&b, &a], [MACS[1], MACS[0]]);
        let deadline = Instant::now() + Duration::from_secs(20);
        let report = probe::probe(&rig.database(), "br0", None, deadline).unwrap();
        println!("a to b {there:.3} Mpps, b to a {back:.3} Mpps, a round trip {:?}", report.median);
        assert_eq!(report.received, report.sent);
    }

    #[test]
    fn a_pod_that_connects_keeps_its_packets_over_a_restart_of_the_switch() {
        let mut rig = rig();
        let [front, back, b] = ["f.s", "k.s", "b.s"].map(|name| rig.folder().join(name));
        let broker = Broker::bind(&front, &back).unwrap();
        thread::spawn(move || broker.run());
        rig.add_port("br0", &NewPort::vhost("a", &back)).unwrap();
        let mut sends = Pod::on(&front, MACS[0], Mode::TxOnly);
        sends.listens = false;
        sends.peer = Some(MACS[1].to_owned());
        let mut sends = Testpmd::start(&sends, rig.folder()).unwrap();
        let mut takes = Testpmd::start(&Pod::on(&b, MACS[1], Mode::RxOnly), rig.folder()).unwrap();
        rig.add_port("br0", &NewPort::vhost("b", &b)).unwrap();
        sends.ready().unwrap();
        takes.ready().unwrap();
        assert!(until_it_forwards(&takes) > 0.0);
        for signal in [Signal::SIGTERM, Signal::SIGKILL] {
            rig.restart(Daemon::Switch, signal).unwrap();
            assert!(
                until_it_forwards(&takes) > 0.0,
                "{signal}: {:?} {:?}",
                sends.counters(),
                takes.counters()
            );
            assert!(sends.process().runs().unwrap());
        }
        sends.end().unwrap();
        takes.end().unwrap();
    }
}
