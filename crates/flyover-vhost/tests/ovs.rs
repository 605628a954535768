//! Frames through the real Open vSwitch with DPDK: by our own ports, by a broker, and by the probe.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

/// Needs root: a network namespace, and Open vSwitch.
mod root {
    use std::path::Path;
    use std::thread;
    use std::time::{Duration, Instant};

    use flyover_testkit::ovs::frames::passes;
    use flyover_testkit::ovs::{Daemon, NewPort, Options, Rig, Switch};
    use flyover_vhost::broker::Broker;
    use flyover_vhost::probe::{self, ProbeError};
    use flyover_vhost::{Port, Settings};
    use nix::sys::signal::Signal;

    const A: [u8; 6] = [2, 0, 0, 0, 0, 0xa];
    const B: [u8; 6] = [2, 0, 0, 0, 0, 0xb];
    /// For a frame to pass.
    const LIMIT: Duration = Duration::from_secs(20);

    fn soon(seconds: u64) -> Instant {
        Instant::now() + Duration::from_secs(seconds)
    }

    fn rig(options: Options) -> Rig {
        let rig = Rig::start(options).unwrap();
        rig.add_bridge("br0").unwrap();
        rig
    }

    fn frame(from: [u8; 6], to: [u8; 6], length: usize) -> Vec<u8> {
        let mut frame = [to.as_slice(), &from, &[0x88, 0xb5]].concat();
        frame.extend((frame.len()..length).map(|at| at.to_le_bytes()[0]));
        frame
    }

    /// A port that listens, and the switch's port to it.
    fn port(rig: &Rig, new: impl FnOnce(&Path) -> NewPort, settings: Settings) -> Port {
        let socket = rig.folder().join(format!("{}.s", rand_name()));
        let port = Port::listen(&socket, settings).unwrap();
        rig.add_port("br0", &new(&socket)).unwrap();
        port
    }

    fn rand_name() -> String {
        use std::sync::atomic::{AtomicU32, Ordering};
        static COUNT: AtomicU32 = AtomicU32::new(0);
        format!("p{}", COUNT.fetch_add(1, Ordering::Relaxed))
    }

    #[test]
    fn frames_of_every_length_arrive_as_they_were() {
        let rig = rig(Options::default());
        let mut a = port(&rig, |s| NewPort::vhost("a", s), Settings::default());
        let mut b = port(&rig, |s| NewPort::vhost("b", s), Settings { merge: false, ..Settings::default() });
        for length in [60, 64, 65, 127, 128, 1000, 1513, 1514] {
            passes(&mut a, &mut b, &frame(A, B, length), LIMIT).unwrap();
            passes(&mut b, &mut a, &frame(B, A, length), LIMIT).unwrap();
        }
        let features = a.features().unwrap();
        assert_eq!((features.agreed & (1 << 32) != 0, features.mtu), (true, Some(1500)));
        // Once the way is known, no frame is lost.
        for number in 0..1000_usize {
            let sent = frame(A, B, 60 + number % 1400);
            a.send(&sent).unwrap();
            assert_eq!(b.receive(soon(5)).unwrap(), Some(sent));
        }
    }

    #[test]
    fn jumbo_frames_pass_whole_or_in_several_buffers() {
        let rig = rig(Options::of(Switch::Dpdk { memory_mib: 1024, hugepages: false }));
        let jumbo = Settings { mtu: 9000, ..Settings::default() };
        let mut a = port(&rig, |s| NewPort::vhost("a", s).mtu(9000), jumbo.clone());
        let mut b = port(&rig, |s| NewPort::vhost("b", s).mtu(9000), jumbo);
        let mut small = port(&rig, |s| NewPort::vhost("c", s).mtu(9000), Settings::default());
        passes(&mut a, &mut b, &frame(A, B, 9014), LIMIT).unwrap();
        passes(&mut a, &mut small, &frame(A, [2, 0, 0, 0, 0, 0xc], 9014), LIMIT).unwrap();
    }

    #[test]
    fn tags_are_as_the_ports_say() {
        let rig = rig(Options::default());
        let mut trunk = port(&rig, |s| NewPort::vhost("trunk", s), Settings::default());
        let mut seven = port(&rig, |s| NewPort::vhost("seven", s).tag(7), Settings::default());
        let mut eight = port(&rig, |s| NewPort::vhost("eight", s).tag(8), Settings::default());
        let plain = frame(A, B, 100);
        let mut tagged = plain.clone();
        tagged.splice(12..12, [0x81, 0, 0, 7]);
        let end = soon(20);
        [&mut trunk, &mut seven, &mut eight].iter_mut().for_each(|port| port.ready(end).unwrap());
        let came = loop {
            seven.send(&plain).unwrap();
            if let Some(came) = trunk.receive(Instant::now() + Duration::from_millis(100)).unwrap() {
                break came;
            }
            assert!(Instant::now() < end);
        };
        assert_eq!(came, tagged);
        trunk.send(&[A.as_slice(), &B, &tagged[12..]].concat()).unwrap();
        assert_eq!(seven.receive(soon(5)).unwrap(), Some(frame(B, A, 100)));
        assert_eq!(eight.receive(Instant::now() + Duration::from_millis(300)).unwrap(), None);
    }

    #[test]
    fn a_port_works_again_after_the_switch_was_restarted() {
        let mut rig = rig(Options::default());
        let mut a = port(&rig, |s| NewPort::vhost("a", s), Settings::default());
        let mut b = port(&rig, |s| NewPort::vhost("b", s), Settings::default());
        passes(&mut a, &mut b, &frame(A, B, 100), LIMIT).unwrap();
        for signal in [Signal::SIGTERM, Signal::SIGKILL] {
            rig.restart(Daemon::Switch, signal).unwrap();
            passes(&mut a, &mut b, &frame(A, B, 200), LIMIT).unwrap();
            passes(&mut b, &mut a, &frame(B, A, 300), LIMIT).unwrap();
        }
    }

    #[test]
    fn a_pod_behind_a_broker_does_not_notice_that_the_switch_was_restarted() {
        let mut rig = rig(Options::default());
        let [front, back] = ["front.s", "back.s"].map(|name| rig.folder().join(name));
        let broker = Broker::bind(&front, &back).unwrap();
        // It serves until the test program ends.
        thread::spawn(move || broker.run());
        let mut pod = Port::connect(&front, Settings::default());
        rig.add_port("br0", &NewPort::vhost("pod", &back)).unwrap();
        let mut other = port(&rig, |s| NewPort::vhost("other", s), Settings::default());
        passes(&mut pod, &mut other, &frame(A, B, 100), LIMIT).unwrap();
        let agreed = pod.features().unwrap();
        for signal in [Signal::SIGTERM, Signal::SIGKILL] {
            rig.restart(Daemon::Switch, signal).unwrap();
            assert!(pod.is_connected());
            passes(&mut pod, &mut other, &frame(A, B, 200), LIMIT).unwrap();
            passes(&mut other, &mut pod, &frame(B, A, 300), LIMIT).unwrap();
            assert_eq!(pod.features().unwrap(), agreed);
        }
        // A pod that goes makes room for the next.
        drop(pod);
        let mut next = Port::connect(&front, Settings::default());
        passes(&mut next, &mut other, &frame(A, B, 400), LIMIT).unwrap();
    }

    #[test]
    fn a_probe_measures_and_leaves_nothing() {
        let rig = rig(Options::default());
        for vlan in [None, Some(7)] {
            let report = probe::probe(&rig.database(), "br0", vlan, soon(20)).unwrap();
            assert_eq!((report.sent, report.received), (200, 200));
            assert!(report.shortest > Duration::ZERO && report.shortest <= report.median, "{report:?}");
        }
        assert_eq!(leftovers(&rig), (0, 0));
    }

    #[test]
    fn what_a_killed_probe_left_is_collected_and_nothing_else() {
        let rig = rig(Options::default());
        let dead = "1-1-0000abcd";
        std::fs::create_dir(rig.folder().join(format!("probe-{dead}"))).unwrap();
        let mut left = NewPort::vhost("left", &rig.folder().join(format!("probe-{dead}/a")));
        left.external_ids =
            vec![("flyover-owner".into(), probe::owner().into()), ("flyover-probe".into(), dead.into())];
        rig.add_port("br0", &left).unwrap();
        rig.add_port("br0", &NewPort::vhost("kept", &rig.folder().join("kept"))).unwrap();
        assert_eq!(probe::collect(&rig.database(), Duration::from_secs(5)).unwrap(), 1);
        assert!(rig.interface("left").is_err() && rig.interface("kept").is_ok());
        assert_eq!(leftovers(&rig).1, 0);
    }

    #[test]
    fn a_probe_says_what_is_wrong_with_a_bridge() {
        let rig = rig(Options::of(Switch::Bare));
        let error = probe::probe(&rig.database(), "nosuch", None, soon(5)).unwrap_err();
        assert_eq!(error.to_string(), "bridge nosuch is not there");
        // Without DPDK no port can be made, and the database does not say so.
        let error = probe::probe(&rig.database(), "br0", None, soon(3)).unwrap_err();
        assert!(matches!(error, ProbeError::Port { .. }), "{error:?}");
        assert_eq!(leftovers(&rig), (0, 0));
    }

    /// Ports beside the bridge's own, and directories of probes.
    fn leftovers(rig: &Rig) -> (usize, usize) {
        let ports = rig.client().unwrap().rows::<flyover_ovs::tables::Port>(&[]).unwrap();
        let entries = std::fs::read_dir(rig.folder()).unwrap();
        let probes =
            entries.filter(|e| e.as_ref().unwrap().file_name().to_string_lossy().starts_with("probe-"));
        (ports.iter().filter(|port| port.name != "br0").count(), probes.count())
    }
}
