//! Messages come whole, however the stream was cut; and whatever is done to a stream, nobody panics.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::fs;
use std::path::Path;

use flyover_ovs::appctl::{Datapath, Heap, Mempool, Pmd, Traffic, Version, Work, commands};
use flyover_ovs::cache::Cache;
use flyover_ovs::session::{Event, Session};
use flyover_ovs::tables::{Bridge, Interface, OpenVswitch, Port};
use flyover_ovs::wire::{Frames, Message};
use flyover_ovs::{OPEN_VSWITCH, Schema};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::{Value, json};

fn any_json() -> impl Strategy<Value = Value> {
    // Braces, quotes and backslashes more often than chance would have them.
    let text = "([{}\\[\\]\"\\\\, \n\u{e9}]|[a-z])*";
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 32, 4, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map(text, inner, 0..4).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// What the fuzzers begin with.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target);
    let mut files: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    files.into_iter().map(|file| fs::read(file).unwrap()).collect()
}

/// A part of a seed, with some of its bytes changed, taken away or said again.
fn damaged(target: &str) -> impl Strategy<Value = Vec<u8>> {
    let wound = (0..3_u8, any::<prop::sample::Index>(), 1_usize..40, any::<u8>());
    (prop::sample::select(seeds(target)), vec(wound, 0..6)).prop_map(|(mut bytes, wounds)| {
        for (kind, at, count, byte) in wounds {
            let at = at.index(bytes.len());
            let piece = at..bytes.len().min(at + count);
            match kind {
                0 => bytes[at] = byte,
                1 if piece.len() < bytes.len() => drop(bytes.drain(piece)),
                _ => {
                    let again = bytes[piece].to_vec();
                    bytes.splice(at..at, again);
                }
            }
        }
        bytes
    })
}

/// Reads a stream as a connection that stays does, and goes on after what cannot be applied. Which rows were there before
/// and after each change.
fn follow(stream: &[u8]) -> Vec<(String, bool, bool)> {
    let mut changes = Vec::new();
    let cache = Cache::of(OPEN_VSWITCH).watching::<OpenVswitch>().watching::<Bridge>();
    let (mut session, mut cache) = (Session::default(), cache.watching::<Port>().watching::<Interface>());
    for piece in stream.chunks(97) {
        let well = session.receive(piece).is_ok();
        while let Some(event) = session.event() {
            match event {
                Event::Notification { method, params } => {
                    changes.extend(cache.notified(&method, &params).ok().flatten().into_iter().flatten());
                }
                Event::Reply { outcome, .. } => {
                    let schema = outcome.as_ref().ok().and_then(|result| Schema::of(result).ok());
                    if let Some(schema) = schema {
                        drop(cache.request(&schema));
                    } else {
                        drop(cache.replied(outcome));
                    }
                }
            }
            drop(cache.rows::<Interface>());
        }
        if !well {
            break;
        }
    }
    changes.into_iter().map(|change| (change.table, change.was.is_some(), change.is.is_some())).collect()
}

proptest! {
    #[test]
    fn a_conversation_that_was_damaged_makes_nobody_panic(stream in damaged("ovsdb_stream")) {
        drop(follow(&stream[1..]));
    }

    #[test]
    fn what_a_daemon_printed_and_was_damaged_makes_nobody_panic(text in damaged("ovs_appctl")) {
        let text = String::from_utf8_lossy(&text);
        for pool in Mempool::all(&text) {
            let _numbers = (pool.in_use(), pool.bytes(), pool.adjusted_mtu());
        }
        for work in [Work::of_stats(&text), Work::of_perf(&text)].iter().flatten() {
            prop_assert!(work.busy().is_none_or(|busy| (0.0..=1.0).contains(&busy)));
        }
        drop((Heap::all(&text), Pmd::all(&text), Traffic::all(&text), Datapath::all(&text), commands(&text)));
        drop(Version::of(&text));
    }

    #[test]
    fn messages_survive_any_cuts(
        all in vec((any_json(), "[ \n\r\t]{0,3}"), 1..8),
        cuts in vec(1_usize..40, 1..60),
    ) {
        let mut stream = Vec::new();
        for (params, blanks) in &all {
            let update = Message::Notification { method: "update".to_owned(), params: params.clone() };
            stream.extend(blanks.bytes().chain(update.bytes()));
        }
        let (mut session, mut rest, mut cuts) = (Session::default(), stream.as_slice(), cuts.iter().cycle());
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
            session.receive(piece).unwrap();
            rest = after;
        }
        let told: Vec<Event> = std::iter::from_fn(|| session.event()).collect();
        let sent = |(params, _): &(Value, String)| Event::Notification {
            method: "update".to_owned(),
            params: params.clone(),
        };
        prop_assert_eq!(told, all.iter().map(sent).collect::<Vec<_>>());
    }

    #[test]
    fn a_message_is_read_as_it_was_written(params in any_json(), id in 1_u64.., well in any::<bool>()) {
        let messages = [
            Message::Request { method: "m".to_owned(), params: params.clone(), id: json!(id) },
            Message::Reply { id: json!([id]), outcome: if well { Ok(params) } else { Err(json!({"error": "e"})) } },
        ];
        let mut frames = Frames::default();
        for message in &messages {
            frames.push(&message.bytes());
            let read = frames.message().unwrap();
            prop_assert_eq!(read.as_ref(), Some(message));
        }
    }

    #[test]
    fn no_bytes_make_a_session_panic(bytes in vec(prop_oneof![any::<u8>(), Just(b'{'), Just(b'"'), Just(b'}')], 0..200)) {
        let mut session = Session::default();
        for piece in bytes.chunks(7) {
            if session.receive(piece).is_err() {
                break;
            }
        }
    }
}

#[test]
fn a_recorded_conversation_is_followed_to_its_end_in_each_way_of_telling_it() {
    let [by_differences, by_rows, by_what_was_missed, refused] =
        <[Vec<u8>; 4]>::try_from(seeds("ovsdb_stream")).unwrap().map(|seed| follow(&seed[1..]));
    assert_eq!((&by_rows, &by_what_was_missed), (&by_differences, &by_differences));
    let of = |table: &str| {
        let steps = by_differences.iter().filter(|(of, ..)| of == table);
        steps.map(|(_, was, is)| (*was, *is)).collect::<Vec<_>>()
    };
    assert_eq!(of("Port"), [(false, true), (true, true), (true, false)]);
    assert_eq!(of("Bridge"), [(false, true), (true, false)]);
    assert_eq!(refused, []);
}

#[test]
fn a_message_may_be_as_long_as_is_allowed_and_no_longer() {
    let message = br#"{"method":"a","params":[],"id":null}"#;
    let with_room = |longest| {
        let mut frames = Frames::up_to(longest);
        frames.push(b"   \n");
        frames.push(message);
        frames.message()
    };
    let whole = Message::Notification { method: "a".to_owned(), params: json!([]) };
    assert_eq!(with_room(message.len()).unwrap(), Some(whole));
    let error = with_room(message.len() - 1).unwrap_err();
    assert_eq!(error.to_string(), "a message has more than 35 bytes");
    let mut endless = Frames::up_to(35);
    endless.push(&[b'{'; 36]);
    assert!(endless.message().is_err());
}
