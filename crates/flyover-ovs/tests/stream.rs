//! Messages come whole, however the stream was cut.

use flyover_ovs::session::{Event, Session};
use flyover_ovs::wire::{Frames, Message};
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

proptest! {
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
