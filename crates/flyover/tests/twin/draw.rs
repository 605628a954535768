//! Draws packets for the tests, and runs a test on what was drawn.

use flyover_core::Proto;
use flyover_lab::Family;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, FileFailurePersistence, RngSeed, TestCaseError, TestRunner};

use crate::flow::Talk;
use crate::opened::Came;
use crate::shot::{ACK, Body, Complaint, Extension, FIN, FITS, PSH, RST, SYN, Shot, Sum, Twist};
use crate::twins::Twins;
use crate::wrap::{Flaw, Wrap};

/// Where the seeds of failures are kept, to be tried first ever after.
const FINDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/twin/finds.txt");

/// How many times as many cases as usual.
const TIMES: &str = "FLYOVER_TWIN_TIMES";

/// Plays drawn packets of that kind of flow, so many times.
pub(crate) fn play_drawn(twins: &mut Twins, talk: &Talk, cases: u32) {
    let drawn = (vec(shot(talk), 1..8), select(vec![80, 2_048, 5_201, 7_000]));
    run(cases, &drawn, |(shots, dport)| twins.play(&Talk { dport, ..*talk }, &shots));
}

/// Sends drawn wrapped packets to the uplink, so many times.
pub(crate) fn meddle_drawn(twins: &mut Twins, talk: &Talk, cases: u32) {
    let inner = (shot(talk), vec(flaw(talk.family), 0..3)).prop_map(|(inner, mut flaws)| {
        // Two of a kind are one.
        let mut kinds = std::collections::HashSet::new();
        flaws.retain(|flaw| kinds.insert(std::mem::discriminant(flaw)));
        Wrap { inner, flaws }
    });
    run(cases, &vec(inner, 1..8), |wraps| twins.meddle(talk, &wraps));
}

fn run<S: Strategy>(cases: u32, drawn: &S, mut test: impl FnMut(S::Value) -> Result<Came, String>) {
    // More find more, and take longer.
    let times = std::env::var(TIMES).map_or(1, |times| times.parse().expect("a number of times"));
    let config = Config {
        cases: cases * times,
        rng_seed: RngSeed::Fixed(0x000f_1704),
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(FINDS))),
        // A case is a second's work at worst: a find must not take the afternoon.
        max_shrink_iters: 60,
        max_shrink_time: 10_000,
        source_file: Some(file!()),
        ..Config::default()
    };
    let test = std::cell::RefCell::new(&mut test);
    let ran = TestRunner::new(config)
        .run(drawn, |case| test.borrow_mut()(case).map(drop).map_err(TestCaseError::fail));
    if let Err(error) = ran {
        panic!("{error}");
    }
}

fn flaw(family: Family) -> impl Strategy<Value = Flaw> {
    let fragment = match family {
        Family::V4 => vec![Flaw::Fragment, Flaw::Halves],
        Family::V6 => vec![Flaw::Fragment, Flaw::Halves, Flaw::Atomic],
    };
    prop_oneof![
        (0..0x0100_0000_u32).prop_map(Flaw::Vni),
        prop_oneof![any::<u32>(), (0..32_u32).prop_map(|bit| 0x0800_0000_u32 ^ (1_u32 << bit))]
            .prop_map(Flaw::Flags),
        any::<u8>().prop_map(Flaw::Reserved),
        (3..=254_u8).prop_map(Flaw::Source),
        any::<u8>().prop_map(Flaw::Ttl),
        any::<u8>().prop_map(Flaw::Tos),
        any::<u16>().prop_map(Flaw::SourcePort),
        (1..60_000_u16).prop_map(Flaw::Port),
        any::<i16>().prop_map(Flaw::UdpLength),
        (-40..40_i16).prop_map(Flaw::UdpLength),
        (-40..40_i16).prop_map(Flaw::IpLength),
        Just(Flaw::Unvouched),
        Just(Flaw::WrongSum),
        Just(Flaw::NoSum),
        select(fragment),
        (1..80_usize).prop_map(Flaw::Cut),
        (1..=255_u8).prop_map(Flaw::InnerDestination),
        (1..=255_u8).prop_map(Flaw::InnerSource),
        any::<u16>().prop_map(Flaw::InnerKind),
    ]
}

/// Any packet of such a flow.
fn shot(talk: &Talk) -> impl Strategy<Value = Shot> + use<> {
    let family = talk.family;
    // To conntrack a wrong checksum is no packet of the flow, so nobody translates it, and who sent it is told so.
    let wrong = if talk.path.is_translated() { Sum::Right } else { Sum::Wrong };
    let body = match talk.proto {
        Proto::Tcp => prop_oneof![6 => tcp(wrong), 1 => ending(), 1 => other()].boxed(),
        _ => prop_oneof![6 => udp(family, wrong), 2 => other()].boxed(),
    };
    let twist = match family {
        Family::V4 => prop_oneof![6 => Just(Twist::None), 4 => any_twist(), 3 => twist4()].boxed(),
        Family::V6 => prop_oneof![6 => Just(Twist::None), 4 => any_twist(), 3 => twist6()].boxed(),
    };
    let ttl = prop_oneof![4 => Just(64), 1 => Just(255), 3 => 0..=4_u8];
    (any::<bool>(), ttl, any::<u8>(), any::<bool>(), any::<u16>(), body, twist)
        .prop_map(|(back, ttl, tos, df, id, body, twist)| Shot { back, ttl, tos, df, id, body, twist })
}

fn len() -> impl Strategy<Value = usize> {
    prop_oneof![4 => 0..=64_usize, 4 => 0..=FITS, 1 => Just(FITS), 1 => Just(4_000)]
}

fn sum(wrong: Sum) -> impl Strategy<Value = Sum> {
    prop_oneof![4 => Just(Sum::Left), 2 => Just(Sum::Right), 1 => Just(wrong)]
}

fn udp(family: Family, wrong: Sum) -> impl Strategy<Value = Body> {
    let zero = if family == Family::V4 { Sum::Zero } else { Sum::Right };
    prop_oneof![
        8 => (len(), sum(wrong)).prop_map(|(len, sum)| Body::Udp { len, sum }),
        1 => len().prop_map(move |len| Body::Udp { len, sum: zero }),
        1 => (1..6_usize, 64..=1_200_u16)
            .prop_map(|(n, size)| Body::Udp { len: n * usize::from(size) + 9, sum: Sum::Segments(size) }),
    ]
}

fn tcp(wrong: Sum) -> impl Strategy<Value = Body> {
    let flags = any::<u8>().prop_map(|flags| flags & !(SYN | FIN | RST) | ACK);
    let cut = (1..20_usize, 64..=1_200_u16, any::<bool>()).prop_map(|(n, size, push)| Body::Tcp {
        len: n * usize::from(size) + 9,
        sum: Sum::Segments(size),
        flags: if push { ACK | PSH } else { ACK },
        urgent: 0,
        options: 0,
    });
    prop_oneof![
        6 => (len(), sum(wrong), flags, any::<u16>(), 0..=10_u8)
            .prop_map(|(len, sum, flags, urgent, options)| Body::Tcp { len, sum, flags, urgent, options }),
        2 => cut,
    ]
}

/// A segment that begins or ends a connection, or says nothing it should.
fn ending() -> impl Strategy<Value = Body> {
    let flags = select(vec![SYN, FIN | ACK, RST, RST | ACK, SYN | ACK, FIN, 0, PSH, SYN | FIN, 0xff]);
    flags.prop_map(|flags| Body::Tcp { len: 0, sum: Sum::Left, flags, urgent: 0, options: 0 })
}

fn other() -> impl Strategy<Value = Body> {
    let complaints = prop_oneof![
        (1_280..=1_450_u16).prop_map(Complaint::TooBig),
        Just(Complaint::PortUnreachable),
        Just(Complaint::HostUnreachable),
        Just(Complaint::TimeExceeded),
    ];
    prop_oneof![
        // What answers a longer one is cut by the answerer, with identifications drawn by lot.
        (0..=FITS).prop_map(|len| Body::Echo { len }),
        complaints.prop_map(Body::Error),
        (select(vec![47_u8, 132, 50, 4]), 24..200_usize).prop_map(|(proto, len)| Body::Other { proto, len }),
    ]
}

fn any_twist() -> impl Strategy<Value = Twist> {
    prop_oneof![
        3 => (64..=1_200_usize).prop_map(Twist::Fragments),
        1 => (8..=1_200_usize).prop_map(Twist::FirstFragment),
        2 => (1..=64_usize).prop_map(Twist::Trailer),
        1 => (1..=2_000_u16).prop_map(Twist::LengthBeyond),
        1 => any::<i8>().prop_map(Twist::InnerLength),
        1 => (0..=15_u8).prop_map(Twist::Version),
    ]
}

fn twist4() -> impl Strategy<Value = Twist> {
    prop_oneof![
        4 => (1..=10_u8, any::<bool>())
            .prop_map(|(words, record_route)| Twist::Options { words, record_route }),
        1 => Just(Twist::HeaderSum),
        1 => (0..=4_u8).prop_map(Twist::ShortHeader),
        1 => Just(Twist::Reserved),
    ]
}

fn twist6() -> impl Strategy<Value = Twist> {
    let one =
        prop_oneof![Just(Extension::Destination), Just(Extension::Routing), Just(Extension::AtomicFragment),];
    (any::<bool>(), vec(one, 1..3)).prop_map(|(first, mut rest)| {
        if first {
            rest.insert(0, Extension::HopByHop);
        }
        Twist::Extensions(rest)
    })
}
