//! Servers that die, sleep, or say what no server may.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod rig;

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;
use std::time::{Duration, Instant};

use flyover_ovs::tables::{Bridge, Interface, Port};
use flyover_ovs::{Client, OvsError, Transaction, unixctl};
use nix::sys::signal::Signal;
use rig::{Database, LIMIT, add_bridge, add_port, interface};
use serde_json::json;

/// Whoever connects first is talked to as told.
fn fake(talk: impl FnOnce(UnixStream) + Send + 'static) -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("fake.sock");
    let listener = UnixListener::bind(&path).unwrap();
    thread::spawn(move || talk(listener.accept().unwrap().0));
    (dir, path)
}

fn answering(answer: &'static [u8]) -> OvsError {
    let (_dir, path) = fake(move |mut stream| {
        let mut request = [0; 1 << 10];
        let _asked = stream.read(&mut request).unwrap();
        stream.write_all(answer).unwrap();
        let _rest = stream.read(&mut request);
    });
    let mut client = Client::connect(&path, Duration::from_secs(2)).unwrap();
    client.call("list_dbs", json!([])).unwrap_err()
}

#[test]
fn what_is_no_protocol_is_named() {
    let says = |answer| {
        let OvsError::Malformed { source, .. } = answering(answer) else { panic!("not malformed") };
        source.to_string()
    };
    assert_eq!(says(b"HTTP/1.1 400"), "a message begins with byte 0x48, not with an object");
    assert_eq!(says(b"{}"), "a message has neither `method` nor `id`");
    assert_eq!(says(b"{\"id\":\"mine\",\"result\":1}"), "a message answers what was not asked");
    assert_eq!(says(b"{\"method\":7,\"id\":1}"), "a message has a `method` that is no string");
    assert!(says(b"{\"id\":1]").starts_with("a message is no JSON"));
    let deep = ["{\"id\":1,\"result\":", &"[".repeat(1 << 10), &"]".repeat(1 << 10), "}"].concat();
    let said = says(Box::leak(deep.into_boxed_str().into_boxed_bytes()));
    assert!(said.starts_with("a message is no JSON: recursion limit exceeded"), "{said}");
}

#[test]
fn a_server_that_hangs_up_is_lost_and_one_that_is_not_there_cannot_be_connected_to() {
    let (dir, path) = fake(drop);
    let mut client = Client::connect(&path, LIMIT).unwrap();
    assert!(matches!(client.call("list_dbs", json!([])), Err(OvsError::Lost { .. })));
    let nowhere = dir.path().join("nowhere.sock");
    let error = Client::connect(&nowhere, LIMIT).unwrap_err();
    assert_eq!(error.to_string(), format!("failed to connect to `{}`", nowhere.display()));
}

#[test]
fn a_server_that_takes_nobody_up_and_one_that_trickles_are_late() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("full.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let limit = Duration::from_millis(200);
    let begun = Instant::now();
    // The queue of a listener has room for so many; the next one waits.
    let mut waiting = Vec::new();
    let error = loop {
        match Client::connect(&path, limit) {
            Ok(client) => waiting.push(client),
            Err(error) => break error,
        }
        assert!(waiting.len() < 10_000);
    };
    assert_eq!(error.to_string(), format!("`{}` did not accept a connection within 200ms", path.display()));
    drop(listener);

    let (_dir, path) = fake(|mut stream| {
        while stream.write_all(b" ").is_ok() {
            thread::sleep(Duration::from_millis(20));
        }
    });
    let mut client = Client::connect(&path, limit).unwrap();
    let error = client.call("list_dbs", json!([])).unwrap_err();
    assert_eq!(error.to_string(), format!("`{}` did not answer list_dbs within 200ms", path.display()));
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[test]
fn a_server_that_reads_nothing_is_late_however_much_it_is_told() {
    let (_dir, path) = fake(|_stream| thread::sleep(Duration::from_secs(60)));
    let mut client = Client::connect(&path, Duration::from_millis(200)).unwrap();
    let begun = Instant::now();
    let error = client.call("transact", json!(["x".repeat(1 << 20)])).unwrap_err();
    assert!(matches!(&error, OvsError::Late { what, .. } if what == "take what was asked"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[test]
fn what_is_asked_besides_is_answered_with_an_error_and_echo_with_itself() {
    let (tell, told) = std::sync::mpsc::channel();
    let (_dir, path) = fake(move |mut stream| {
        let mut bytes = [0; 1 << 12];
        let _asked = stream.read(&mut bytes).unwrap();
        stream
            .write_all(
                br#"{"method":"echo","id":"echo","params":["a{",2]} {"method":"what","id":[1],"params":[]}"#,
            )
            .unwrap();
        let mut answers = Vec::new();
        while answers.iter().filter(|byte| **byte == b'\n' || **byte == b'}').count() < 3 {
            let count = stream.read(&mut bytes).unwrap();
            answers.extend_from_slice(&bytes[..count]);
        }
        tell.send(String::from_utf8(answers).unwrap()).unwrap();
        stream.write_all(br#"{"id":1,"result":"done","error":null}"#).unwrap();
        let _rest = stream.read(&mut bytes);
    });
    let mut client = Client::connect(&path, LIMIT).unwrap();
    assert_eq!(client.call("list_dbs", json!([])).unwrap(), json!("done"));
    let answers = told.recv().unwrap();
    let answers: Vec<serde_json::Value> =
        serde_json::Deserializer::from_str(&answers).into_iter().map(Result::unwrap).collect();
    assert_eq!(
        answers,
        [
            json!({"id": "echo", "result": ["a{", 2], "error": null}),
            json!({"id": [1], "result": null, "error": {"error": "unknown method", "details": "what"}}),
        ]
    );
}

#[test]
fn a_server_that_is_killed_amid_a_transaction_has_done_all_of_it_or_nothing() {
    let mut database = Database::start();
    let mut transaction = Transaction::default();
    add_bridge(&mut transaction, "br0");
    database.client().transact(&transaction).unwrap();
    let (mut lost, mut done) = (0, 0);
    for round in 0..16_u64 {
        let mut client = database.client();
        let ports: Vec<String> = (0..20).map(|i| format!("p{round}-{i}")).collect();
        let mut transaction = Transaction::default();
        ports.iter().for_each(|port| add_port(&mut transaction, "br0", &interface(port, "internal")));
        let asked = thread::spawn(move || client.transact(&transaction));
        thread::sleep(Duration::from_micros(150 * round));
        database.kill();
        let outcome = asked.join().unwrap();
        database.run();
        let mut client = database.client();
        let names: Vec<String> = client.rows::<Port>(&[]).unwrap().into_iter().map(|row| row.name).collect();
        let there = ports.iter().filter(|port| names.contains(port)).count();
        match outcome {
            Ok(_) => assert_eq!(there, 20, "what was committed is kept"),
            Err(OvsError::Lost { .. }) => assert!(there == 0 || there == 20, "{there} of 20"),
            Err(other) => panic!("{other}"),
        }
        if there == 20 {
            done += 1
        } else {
            lost += 1
        }
        let [bridge] = <[Bridge; 1]>::try_from(client.rows::<Bridge>(&[]).unwrap()).unwrap();
        assert_eq!(bridge.ports.len(), names.len());
        assert_eq!(client.rows::<Interface>(&[]).unwrap().len(), names.len());
    }
    assert_eq!(lost + done, 16);
}

#[test]
fn a_server_that_was_asleep_is_late_and_can_be_asked_again() {
    let database = Database::start();
    let mut client = Client::connect(&database.socket(), Duration::from_millis(300)).unwrap();
    database.server().signal(Signal::SIGSTOP);
    let mut transaction = Transaction::default();
    add_bridge(&mut transaction, "br0");
    let error = client.transact(&transaction).unwrap_err();
    assert!(matches!(&error, OvsError::Late { what, .. } if what == "answer transact"), "{error}");
    let control = database.dir().join("ovsdb.ctl");
    let asked = unixctl::ask(&control, "version", &[], Duration::from_millis(200));
    assert!(matches!(asked, Err(OvsError::Late { .. })), "{asked:?}");
    database.server().signal(Signal::SIGCONT);
    rig::wait_for("what was asked before to be done", || {
        client.rows::<Bridge>(&[]).is_ok_and(|b| b.len() == 1)
    });
}

#[test]
fn a_daemon_is_asked_and_says_no_in_its_own_words() {
    let database = Database::start();
    let control = database.dir().join("ovsdb.ctl");
    let said = unixctl::ask(&control, "version", &[], LIMIT).unwrap();
    assert!(said.starts_with("ovsdb-server (Open vSwitch) "), "{said}");
    let error = unixctl::ask(&control, "no/such", &[], LIMIT).unwrap_err();
    let said = error.to_string();
    assert!(said.starts_with("no/such was refused: \"no/such\" is not a valid command"), "{said}");
}
