//! Pods with DPDK on the real Open vSwitch: they reach each other, and a restarted switch reaches them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

/// Needs root: a network namespace, Open vSwitch and testpmd.
mod root {
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

    #[test]
    fn two_pods_with_dpdk_reach_each_other_and_the_switch_measures_well() {
        let rig = rig();
        let sockets = ["a.s", "b.s"].map(|name| rig.folder().join(name));
        let mut sends = Pod::on(&sockets[0], MACS[0], Mode::TxOnly);
        sends.peer = Some(MACS[1].to_owned());
        let mut takes = Pod::on(&sockets[1], MACS[1], Mode::RxOnly);
        (sends.ring, takes.ring) = (4096, 4096);
        let [mut sends, mut takes] = [sends, takes].map(|pod| Testpmd::start(&pod, rig.folder()).unwrap());
        rig.add_port("br0", &NewPort::vhost("a", &sockets[0])).unwrap();
        rig.add_port("br0", &NewPort::vhost("b", &sockets[1])).unwrap();
        sends.ready().unwrap();
        takes.ready().unwrap();
        assert!(until_it_forwards(&takes) > 0.0, "{:?} {:?}", sends.counters(), takes.counters());
        let rates =
            (sends.rates(Duration::from_secs(2)).unwrap(), takes.rates(Duration::from_secs(2)).unwrap());
        println!("a sends {:.3} Mpps, b takes {:.3} Mpps", rates.0.sent_mpps, rates.1.received_mpps);
        sends.end().unwrap();
        takes.end().unwrap();
        let report =
            probe::probe(&rig.database(), "br0", None, Instant::now() + Duration::from_secs(20)).unwrap();
        println!("round trip {:?} (median), {report:?}", report.median);
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
