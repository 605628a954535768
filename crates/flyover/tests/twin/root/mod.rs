//! The tests: they need root, and fail without it.

use flyover_core::Proto;
use flyover_lab::{Family, LabSpec};

use crate::flow::{Path, Talk};
use crate::shot::{Body, Shot, Sum};
use crate::twins::Twins;

fn spec() -> LabSpec {
    LabSpec { services: 4, ..LabSpec::new("twin".parse().unwrap()) }
}

fn talk(path: Path, family: Family, proto: Proto) -> Talk {
    Talk { path, family, proto, sport: 0, dport: 7_000 }
}

#[test]
fn plain_datagrams_arrive_alike_through_the_tunnel() {
    let mut twins = Twins::up(&spec(), Path::Across.receiver(), |_| ());
    let talk = talk(Path::Across, Family::V4, Proto::Udp);
    let shots: Vec<_> = [0, 1, 8, 63, 64, 1000, 1422]
        .into_iter()
        .map(|len| Shot::plain(Body::Udp { len, sum: Sum::Left }).with(|s| s.id = 77))
        .collect();
    twins.play(&talk, &shots).unwrap_or_else(|text| panic!("{text}"));
}
