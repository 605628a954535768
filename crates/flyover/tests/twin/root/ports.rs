//! The outer source port, by which routers on the way tell flows apart: one for each flow, and not one for all.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use flyover_core::Proto::{Tcp, Udp};
use flyover_lab::Family::{self, V4, V6};
use flyover_lab::Place;
use socket2::{Domain, Socket, Type};

use super::{spec, talk};
use crate::flow::{Path, Talk};
use crate::frame::ETH;
use crate::site::{Eye, Site};
use crate::twins::Twins;

const FLOWS: u16 = 128;
/// Words each flow says and hears: the first few teach.
const WORDS: usize = 8;

/// What was seen of the outer packets of a flow.
#[derive(Debug, Default)]
struct Outer {
    ports: BTreeSet<u16>,
    /// Identifications, or nothing over IPv6.
    ids: BTreeSet<u16>,
    packets: usize,
}

/// By inner ports.
type Flows = BTreeMap<[u8; 4], Outer>;

fn note(site: &Site, eye: Eye, family: Family, flows: &mut Flows) {
    let head = if family == V4 { 20 } else { 40 };
    for frame in site.look(eye) {
        let outer = ETH + head;
        let inner = outer + 8 + 8 + ETH + head;
        let word = |at: usize| frame.bytes.get(at..at + 2).map(|b| u16::from_be_bytes([b[0], b[1]]));
        let ports = frame.bytes.get(inner..inner + 4).map(|ports| ports.try_into().expect("they are four"));
        let (Some(port), Some(8_472), Some(ports)) = (word(outer), word(outer + 2), ports) else { continue };
        let flow: &mut Outer = flows.entry(ports).or_default();
        flow.ports.insert(port);
        flow.ids.extend(word(ETH + 4).filter(|_| family == V4));
        flow.packets += 1;
    }
}

/// Asks and hears, so many times; what was opened for it.
fn converse(site: &Site, talk: &Talk) -> [Socket; 2] {
    let [a, b] = talk.ends();
    let tcp = talk.proto == Tcp;
    let open = |place: Place, at: SocketAddr, to: Option<SocketAddr>| {
        let open = || {
            let kind = if tcp { Type::STREAM } else { Type::DGRAM };
            let socket = Socket::new(Domain::for_address(at), kind, None)?;
            socket.set_reuse_address(true)?;
            socket.bind(&at.into())?;
            match to {
                Some(to) => socket.connect(&to.into())?,
                None if tcp => socket.listen(1)?,
                None => {}
            }
            std::io::Result::Ok(socket)
        };
        site.inside(place, open).unwrap()
    };
    let mut there = open(talk.path.receiver(), b, None);
    // A connected socket's flow has a number drawn by lot, which comes before what the packet says.
    let here = open(Place::Pod(1, 1), a, tcp.then_some(b));
    if tcp {
        there = there.accept().unwrap().0;
    }
    for _ in 0..WORDS {
        for (from, to, at) in [(&here, &there, b), (&there, &here, a)] {
            let sent = if tcp { from.send(b"word") } else { from.send_to(b"word", &at.into()) };
            sent.unwrap();
            assert_eq!(to.recv(&mut [std::mem::MaybeUninit::uninit(); 8]).unwrap(), 4);
        }
    }
    [here, there]
}

/// How many ports there are, and how many flows have theirs in each eighth of the range.
fn spread(flows: &Flows) -> (usize, [u16; 8]) {
    let all: Vec<u16> = flows.values().flat_map(|flow| &flow.ports).copied().collect();
    let mut eighths = [0; 8];
    for port in &all {
        let place = (port - 32_768) / ((61_000 - 32_768) / 8 + 1);
        eighths[usize::from(place)] += 1;
    }
    (all.into_iter().collect::<BTreeSet<_>>().len(), eighths)
}

#[test]
fn the_outer_source_port_is_a_flows_own_and_flows_have_many() {
    let twins = Twins::up(&spec(), Path::Across.receiver(), |_| ());
    for (family, proto) in [(V4, Udp), (V6, Udp), (V4, Tcp), (V6, Tcp)] {
        let talk = |i| Talk { sport: 20_000 + i, ..talk(Path::Across, family, proto) };
        let talks: Vec<_> = (0..FLOWS).map(talk).collect();
        let [slow, fast] = [&twins.sites[0], &twins.sites[1]].map(|site| {
            let mut flows = [Flows::new(), Flows::new()];
            let mut open = Vec::new();
            // What is left of the flows before these would fill the rings.
            for eye in Eye::ALL {
                site.look(eye);
            }
            for talk in &talks {
                open.push(converse(site, talk));
                note(site, Eye::Wire2, family, &mut flows[0]);
                note(site, Eye::Wire1, family, &mut flows[1]);
            }
            let hops: Vec<_> = talks.iter().flat_map(|talk| talk.hops(talk.sport)).collect();
            (flows, twins.carried(&hops))
        });
        let least = fast.1.iter().filter(|&&packets| packets >= 4).count();
        assert!(least >= fast.1.len() * 9 / 10, "{family} {proto}: {least} of {} were fast", fast.1.len());
        for (slow, fast) in slow.0.iter().zip(&fast.0) {
            for flows in [slow, fast] {
                assert_eq!(flows.len(), talks.len(), "{family} {proto}");
                assert!(flows.values().all(|flow| flow.ports.len() == 1), "{family} {proto}: {flows:?}");
                let (distinct, eighths) = spread(flows);
                let even = eighths.iter().all(|flows| (3..=40).contains(flows));
                assert!(distinct >= 120 && even, "{family} {proto}: {distinct} ports, {eighths:?}");
                // Parts of two packets with one number would be put together where the path cuts them.
                let own = |flow: &Outer| family == V6 || flow.ids.len() + 1 >= flow.packets;
                assert!(flows.values().all(own), "{family} {proto}: {flows:?}");
            }
            let ports =
                |flows: &Flows| flows.values().flat_map(|flow| flow.ports.clone()).collect::<Vec<_>>();
            // A TCP connection's is drawn by lot; of others the kernel makes it of what both labs have alike.
            assert!(
                proto == Tcp || ports(slow) == ports(fast),
                "{family}: {slow:?}, and with the bypass {fast:?}"
            );
        }
    }
}
