//! Paths that take less than their ends do: what is cut, what is refused, and what senders learn of it.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use flyover_core::Proto::{Tcp, Udp};
use flyover_host::cmd::Cmd;
use flyover_lab::Family::{V4, V6};
use flyover_lab::Place;
use socket2::SockRef;

use super::sockets::{assert_open, connect, converse};
use super::{spec, talk};
use crate::flow::{Path, Talk};
use crate::frame::ETH;
use crate::shot::{ACK, Body, Shot, Sum};
use crate::site::{Eye, Site};
use crate::sys::never_fragment;
use crate::twins::Twins;

/// The pods' devices take more than the tunnel does, as where a CNI was changed under running pods.
fn widen(site: &Site) {
    let set = |place, device: &str| {
        let args = ["link", "set", device, "mtu", "1500"];
        site.inside(place, || Cmd::new("ip").args(args).run()).unwrap();
    };
    for i in [1, 2] {
        set(Place::Node(i), "veth1");
        set(Place::Node(i), "veth2");
        set(Place::Pod(i, 1), "eth0");
        set(Place::Node(i), "cni0");
    }
}

#[test]
fn what_is_too_big_for_the_tunnel_is_cut_or_refused_alike() {
    let mut twins = Twins::up(&spec(), Path::Across.receiver(), widen);
    for (family, path) in [(V4, Path::Across), (V6, Path::Across), (V4, Path::Service), (V6, Path::Service)] {
        for proto in [Udp, Tcp] {
            let shots: Vec<_> = [1_300, 1_369, 1_371, 1_381, 1_383, 1_385, 1_391, 1_395, 1_400, 1_420]
                .into_iter()
                .flat_map(|len| [(len, true), (len, false)])
                .flat_map(|(len, df)| [(len, df, Sum::Left), (len, df, Sum::Right)])
                .map(|(len, df, sum)| {
                    let body = match proto {
                        Tcp => Body::Tcp { len, sum, flags: ACK, urgent: 0, options: 0 },
                        _ => Body::Udp { len, sum },
                    };
                    Shot::plain(body).with(|s| s.df = df)
                })
                .chain([1_300, 1_385, 1_420].map(|size| {
                    let sum = Sum::Segments(size);
                    Shot::plain(match proto {
                        Tcp => Body::Tcp { len: 4_000, sum, flags: ACK, urgent: 0, options: 0 },
                        _ => Body::Udp { len: 4_000, sum },
                    })
                }))
                .collect();
            for shot in shots {
                twins.play(&talk(path, family, proto), &[shot]).unwrap_or_else(|e| panic!("{e}"));
            }
        }
    }
}

#[test]
fn a_sender_that_asks_learns_the_same_path_mtu() {
    let twins = Twins::up(&spec(), Path::Across.receiver(), widen);
    // The tunnel takes 1430 bytes.
    for (family, fits) in [(V4, 1_402), (V6, 1_382)] {
        let talk = Talk { sport: 32_000, ..talk(Path::Across, family, Udp) };
        let to = talk.ends()[1];
        let seen = [0, 1].map(|which| {
            let site = &twins.sites[which];
            let ends = converse(site, &talk, to);
            ends[1].set_read_timeout(Some(Duration::from_millis(100))).unwrap();
            if which == 1 {
                assert_open(&twins, &talk, &ends, to);
            }
            never_fragment(&ends[0], family).unwrap();
            [1_450, 1_450, fits + 1, fits].map(|len| {
                let sent = ends[0].send(&vec![7; len]).map_err(|e| e.raw_os_error());
                let arrived = ends[1].recv(&mut [0; 2_000]).ok();
                // What came back by ICMP, and is told by whichever call is next.
                let error = ends[0].take_error().unwrap().and_then(|e| e.raw_os_error());
                (sent, arrived, error)
            })
        });
        let refused = (Err(Some(libc::EMSGSIZE)), None, None);
        let told = Some(libc::EMSGSIZE);
        let expected = [(Ok(1_450), None, told), refused, refused, (Ok(fits), Some(fits), None)];
        assert_eq!(seen, [expected; 2], "{family}");
    }
}

/// Sends some hundred segments, and waits until all have arrived; what size they had in the end.
fn push(stream: &mut TcpStream) -> u32 {
    for last in [7, 7, 7, b'?'] {
        let mut bytes = [7; 50_000];
        bytes[49_999] = last;
        stream.write_all(&bytes).unwrap();
    }
    stream.read_exact(&mut [0]).unwrap();
    SockRef::from(&*stream).tcp_mss().unwrap()
}

/// The sizes that routers on the way named since the last look.
fn told(site: &Site, v4: bool) -> BTreeSet<u32> {
    let word = |f: &[u8], at: usize| u32::from_be_bytes(f[at..at + 4].try_into().unwrap());
    let frames = site.look(Eye::A).into_iter().map(|frame| frame.bytes);
    frames
        .filter_map(|f| match (v4, f[ETH + 9], f[ETH + 6], f.get(ETH + 20), f.get(ETH + 40)) {
            (true, 1, _, Some(3), _) => Some(word(&f, ETH + 24) & 0xffff),
            (false, _, 58, _, Some(2)) => Some(word(&f, ETH + 44)),
            _ => None,
        })
        .collect()
}

/// At the start, and in the middle of a flow when the tunnel, and when the uplink takes less.
#[test]
fn path_mtu_discovery_ends_at_the_same_segments_after_the_same_errors() {
    let twins = Twins::up(&spec(), Path::Across.receiver(), widen);
    for (family, tunnel) in [(V4, "flannel.1"), (V6, "flannel-v6.1")] {
        let talk = Talk { sport: 33_000, ..talk(Path::Across, family, Tcp) };
        let found = [0, 1].map(|which| {
            let site = &twins.sites[which];
            let mut stream = connect(site, &talk);
            [("eth0", "1500"), (tunnel, "1380"), ("eth0", "1400")].map(|(device, mtu)| {
                let set = Cmd::new("ip").args(["link", "set", device, "mtu", mtu]);
                site.inside(Place::Node(1), || set.run()).unwrap();
                push(&mut stream);
                // An outer packet that has to be cut is the node's work for good.
                let before = twins.bypassed(&talk);
                let is_done =
                    || which == 0 || (mtu, family) == ("1400", V4) || twins.bypassed(&talk) > before + 10;
                let mut wait = || {
                    thread::sleep(Duration::from_millis(20));
                    push(&mut stream);
                };
                assert!(
                    (0..250).any(|_| is_done() || {
                        wait();
                        false
                    }),
                    "{family} {device} {mtu}"
                );
                (push(&mut stream), told(site, family == V4))
            })
        });
        assert_eq!(found[0], found[1], "{family}");
        let last = if family == V4 { (1_328, BTreeSet::new()) } else { (1_258, [1_330].into()) };
        let head = if family == V4 { 52 } else { 72 };
        let expected = [(1_430 - head, [1_430].into()), (1_380 - head, [1_380].into()), last];
        assert_eq!(found[0], expected, "{family}");
        for site in &twins.sites {
            site.inside(Place::Node(1), || {
                Cmd::new("ip").args(["link", "set", "eth0", "mtu", "1500"]).run().unwrap();
            });
        }
    }
}
