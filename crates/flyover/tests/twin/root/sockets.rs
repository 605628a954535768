//! What programs see: sockets on both ends of a flow that is open.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use flyover_core::Proto::{Tcp, Udp};
use flyover_host::cmd::Cmd;
use flyover_lab::Family::{V4, V6};
use flyover_lab::Place;

use super::{spec, talk};
use crate::flow::{Path, Talk};
use crate::shot::{ACK, Body, Shot, Sum};
use crate::site::Site;
use crate::sys::never_fragment;
use crate::twins::Twins;

/// Nothing in a lab takes this long.
const SILENCE: Duration = Duration::from_millis(300);

/// Both ends of a talk, after a few words each way.
fn converse(site: &Site, talk: &Talk, to: SocketAddr) -> [UdpSocket; 2] {
    let [a, b] = talk.ends();
    let open = |place, at: SocketAddr| site.inside(place, || UdpSocket::bind(at)).unwrap();
    let (a, b) = (open(Place::Pod(1, 1), a), open(talk.path.receiver(), b));
    a.connect(to).unwrap();
    for socket in [&a, &b] {
        socket.set_read_timeout(Some(SILENCE)).unwrap();
    }
    let mut heard = [0; 8];
    for _ in 0..3 {
        a.send(b"ask").unwrap();
        let (len, from) = b.recv_from(&mut heard).unwrap();
        b.send_to(&heard[..len], from).unwrap();
        a.recv(&mut heard).unwrap();
    }
    [a, b]
}

/// The bypass carries the flow: the books say so.
fn assert_open(twins: &Twins, talk: &Talk, ends: &[UdpSocket; 2], to: SocketAddr) {
    let before = twins.bypassed(talk);
    ends[0].send(b"more").unwrap();
    let _ = ends[1].recv(&mut [0; 8]).unwrap();
    assert_eq!(twins.bypassed(talk), before + 1, "{talk:?} to {to} is not bypassed");
}

#[test]
fn four_thousand_bytes_arrive_on_an_open_flow() {
    let twins = Twins::up(&spec(), Path::Across.receiver(), |_| ());
    for family in [V4, V6] {
        let talk = Talk { sport: 30_000, ..talk(Path::Across, family, Udp) };
        let to = talk.ends()[1];
        for (site, fast) in twins.sites.iter().zip([false, true]) {
            let ends = converse(site, &talk, to);
            if fast {
                assert_open(&twins, &talk, &ends, to);
            }
            for i in 0..20_u8 {
                ends[0].send(&[i; 4_000]).unwrap();
                let mut heard = [0; 5_000];
                assert_eq!(ends[1].recv(&mut heard).unwrap(), 4_000, "{family}, bypass {fast}, datagram {i}");
                assert_eq!(heard[..4_000], [i; 4_000]);
            }
        }
    }
}

/// Conntrack drops it in one lab and the pod in the other; that no socket gets it is the same.
#[test]
fn a_wrong_checksum_reaches_no_socket() {
    let twins = Twins::up(&spec(), Path::Across.receiver(), |_| ());
    for (family, path) in [(V4, Path::Across), (V6, Path::Across), (V4, Path::Service), (V6, Path::Service)] {
        let talk = Talk { sport: 31_000, ..talk(path, family, Udp) };
        let line = talk.lines(talk.sport)[0];
        let to = SocketAddr::new(line.dst, line.dport);
        for (site, fast) in twins.sites.iter().zip([false, true]) {
            let ends = converse(site, &talk, to);
            if fast {
                assert_open(&twins, &talk, &ends, to);
            }
            for df in [true, false] {
                let wrong = Shot::plain(Body::Udp { len: 100, sum: Sum::Wrong }).with(|s| s.df = df);
                site.shoot(&wrong, &line, &mut Default::default());
            }
            assert!(ends[1].recv(&mut [0; 200]).is_err(), "{path:?} {family}, bypass {fast}");
        }
    }
}

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
    let talk = Talk { sport: 32_000, ..talk(Path::Across, V4, Udp) };
    let to = talk.ends()[1];
    let seen = [0, 1].map(|which| {
        let site = &twins.sites[which];
        let ends = converse(site, &talk, to);
        if which == 1 {
            assert_open(&twins, &talk, &ends, to);
        }
        never_fragment(&ends[0]).unwrap();
        [1_472, 1_472, 1_423, 1_403, 1_402].map(|len| {
            let sent = ends[0].send(&vec![7; len]).map_err(|e| e.raw_os_error());
            let arrived = ends[1].recv(&mut [0; 2_000]).ok();
            (sent, arrived)
        })
    });
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0][1].0, Err(Some(libc::EMSGSIZE)), "{seen:?}");
}
