//! Ping-pong over real links. Nothing here asserts how long anything took.

use std::time::Duration;

use super::*;
use crate::rig::Rig;

fn short(proto: Proto, size: usize) -> PingPong {
    PingPong {
        warmup: Duration::from_millis(2),
        duration: Duration::from_millis(10),
        ..PingPong::new(proto, size)
    }
}

fn with(proto: Proto, size: usize, change: impl FnOnce(&mut Side)) -> PingPong {
    let mut spec = short(proto, size);
    change(&mut spec.side);
    spec
}

#[test]
fn every_transport_is_measured_with_every_muxer() {
    let rig = Rig::new();
    for proto in Proto::ALL {
        for muxer in Muxer::ALL {
            for size in [1, 64, 8192] {
                let samples = measure(&with(proto, size, |s| s.muxer = muxer), &rig.way(false));
                let samples = samples.unwrap_or_else(|e| panic!("{proto} {muxer} {size}: {e:?}"));
                assert!(!samples.is_empty() && samples.quantile(0.0) > 0, "{proto} {muxer} {size}");
            }
        }
    }
}

#[test]
fn ipv6_is_measured_as_ipv4_is() {
    let rig = Rig::new();
    for proto in [Proto::Tcp, Proto::Udp] {
        assert!(!measure(&short(proto, 64), &rig.way(true)).unwrap().is_empty(), "{proto}");
    }
}

#[test]
fn spinning_ends_find_each_other_even_on_one_processor() {
    let rig = Rig::new();
    for proto in Proto::ALL {
        for muxer in [Muxer::None, Muxer::Poll, Muxer::Select, Muxer::Epoll] {
            let spec = with(proto, 64, |s| (s.spin, s.muxer) = (true, muxer));
            assert!(!measure(&spec, &rig.way(false)).unwrap().is_empty(), "{proto} {muxer}");
        }
    }
}

#[test]
fn a_server_watches_its_other_descriptors_too() {
    let rig = Rig::new();
    let bystanders = Bystanders {
        pipes: 3,
        unix_datagrams: 2,
        unix_streams: 1,
        udp: 5,
        tcp_listeners: 2,
        ..Bystanders::default()
    };
    for muxer in Muxer::ALL {
        let spec = with(Proto::Udp, 64, |s| (s.bystanders, s.muxer) = (bystanders, muxer));
        assert!(!measure(&spec, &rig.way(false)).unwrap().is_empty(), "{muxer}");
    }
}

#[test]
fn connected_udp_bursts_empty_datagrams_and_gaps_work() {
    let rig = Rig::new();
    let cases = [
        with(Proto::Udp, 64, |s| s.connect = true),
        with(Proto::Udp, 0, |_| {}),
        with(Proto::UnixDatagram, 0, |_| {}),
        with(Proto::Tcp, 100, |s| (s.pings, s.more) = (3, true)),
        with(Proto::Tcp, 64, |s| s.busy_poll_us = 10),
        PingPong {
            gap: Gap { sleep: Duration::from_micros(50), spin: Duration::from_micros(5) },
            ..short(Proto::Udp, 64)
        },
    ];
    for spec in cases {
        let measured = measure_all(&spec, &rig.way(false)).unwrap_or_else(|e| panic!("{spec:?}: {e:?}"));
        assert!(!measured.samples.is_empty() && measured.cpu_per_message_ns > 0.0, "{spec:?}");
    }
}

#[test]
fn a_limit_of_round_trips_is_kept() {
    let rig = Rig::new();
    let spec = PingPong { max_iterations: 17, duration: Duration::from_secs(10), ..short(Proto::Tcp, 64) };
    assert_eq!(measure(&spec, &rig.way(false)).unwrap().len(), 17);
}

#[test]
fn a_path_that_drops_everything_is_an_error_and_not_a_wait_for_ever() {
    let rig = Rig::new();
    rig.in_server("link set eth0 down");
    let error = measure(&short(Proto::Udp, 64), &rig.way(false)).unwrap_err();
    assert!(matches!(error, MeasureError::Stalled { .. } | MeasureError::System { .. }), "{error:?}");
    let error = measure(&short(Proto::Tcp, 64), &rig.way(false)).unwrap_err();
    assert!(error.to_string().starts_with("failed to connect to 10.77.0.2:"), "{error}");
}
