//! Whatever a pod and a switch say to each other, the broker passes it on as it was or refuses it.
#![no_main]

use flyover_vhost::broker::message::{HEADER, Header, Way};
use flyover_vhost::broker::relay::Relay;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|said: &[u8]| {
    let mut relay: Relay<u32> = Relay::default();
    let mut rest = said;
    while let [event, tail @ ..] = rest {
        rest = tail;
        let way = match event % 8 {
            0 => {
                drop(relay.back_came());
                continue;
            }
            1 => {
                relay.back_went();
                continue;
            }
            2 => {
                relay.front_went();
                continue;
            }
            3 | 4 => Way::Reply,
            _ => Way::Request,
        };
        let Some((header, tail)) = rest.split_first_chunk::<HEADER>() else { return };
        let Ok(read) = Header::read(*header, way) else { return };
        if tail.len() < read.length() {
            return;
        }
        let (payload, tail) = tail.split_at(read.length());
        rest = tail;
        let files = (0..u32::from(event / 8 % 10)).collect();
        let Ok(message) = read.with(payload.to_vec(), files, way) else { return };
        assert_eq!(message.bytes(), [header.as_slice(), payload].concat());
        match way {
            Way::Request => drop(relay.front(message)),
            Way::Reply => drop(relay.back(message, &|file, offset| Some(*file as u16 ^ offset as u16))),
        }
    }
});
