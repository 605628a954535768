//! Whatever a server sends, a session and a cache take it, or say what is wrong with it.
//!
//! The first byte says how the stream is cut.
#![no_main]

use flyover_ovs::cache::Cache;
use flyover_ovs::session::{Event, Session};
use flyover_ovs::tables::{Bridge, Interface, OpenVswitch, Port};
use flyover_ovs::{OPEN_VSWITCH, Schema, Transaction};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((cut, stream)) = bytes.split_first() else { return };
    let mut session = Session::default();
    let cache = Cache::of(OPEN_VSWITCH).watching::<OpenVswitch>().watching::<Bridge>();
    let mut cache = cache.watching::<Port>().watching::<Interface>();
    let mut transaction = Transaction::default();
    let selection = transaction.select::<Port>(&[]);
    for piece in stream.chunks(usize::from(*cut).max(1)) {
        if session.receive(piece).is_err() {
            return;
        }
        while let Some(event) = session.event() {
            match event {
                Event::Notification { method, params } => drop(cache.notified(&method, &params)),
                Event::Reply { outcome, .. } => {
                    if let Ok(result) = &outcome {
                        if let Ok(schema) = Schema::of(result) {
                            drop(schema.check());
                            drop(cache.request(&schema));
                        }
                        let committed = transaction.outcome(result.clone());
                        drop(committed.and_then(|committed| committed.rows::<Port>(selection)));
                    }
                    drop(cache.replied(outcome));
                }
            }
        }
        drop(session.outgoing());
        drop(cache.rows::<Interface>());
    }
});
