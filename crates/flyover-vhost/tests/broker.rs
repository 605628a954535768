//! The broker between a pod and a switch that are played: what passes, and what ends the connection.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::fs::File;
use std::io::{ErrorKind, IoSlice, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use flyover_vhost::broker::Broker;

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{ControlMessage, MsgFlags, UnixAddr, sendmsg};
use vmm_sys_util::eventfd::EventFd;

struct Rig {
    _folder: tempfile::TempDir,
    pod: UnixStream,
    switch: UnixStream,
}

fn rig() -> Rig {
    let folder = tempfile::tempdir().unwrap();
    let [front, back] = ["front", "back"].map(|name| folder.path().join(name));
    let broker = Broker::bind(&front, &back).unwrap();
    thread::spawn(move || broker.run());
    let [switch, pod] = [back, front].map(|path| {
        let stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        stream
    });
    Rig { _folder: folder, pod, switch }
}

fn message(request: u32, payload: &[u64]) -> Vec<u8> {
    let length = u32::try_from(8 * payload.len()).unwrap();
    let header = [request, 1, length].into_iter().flat_map(u32::to_ne_bytes);
    header.chain(payload.iter().flat_map(|long| long.to_ne_bytes())).collect()
}

fn send(stream: &UnixStream, bytes: &[u8], files: &[RawFd]) {
    let rights = [ControlMessage::ScmRights(files)];
    let rights: &[ControlMessage<'_>] = if files.is_empty() { &[] } else { &rights };
    let sent =
        sendmsg::<UnixAddr>(stream.as_raw_fd(), &[IoSlice::new(bytes)], rights, MsgFlags::empty(), None);
    assert_eq!(sent.unwrap(), bytes.len());
}

/// Whether the other side closed the connection, unread bytes or not.
fn is_let_go(mut stream: &UnixStream) -> bool {
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => true,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

fn memory(bytes: u64) -> File {
    let file = File::from(memfd_create(c"test", MFdFlags::empty()).unwrap());
    file.set_len(bytes).unwrap();
    file
}

#[test]
fn questions_and_answers_pass() {
    let mut rig = rig();
    send(&rig.pod, &message(1, &[]), &[]);
    let mut question = [0; 12];
    rig.switch.read_exact(&mut question).unwrap();
    assert_eq!(question.as_slice(), message(1, &[]));
    let mut answer = message(1, &[0x1_4000_8000]);
    answer[4] = 5;
    rig.switch.write_all(&answer).unwrap();
    let mut came = [0; 20];
    rig.pod.read_exact(&mut came).unwrap();
    assert_eq!(came.as_slice(), answer);
}

#[test]
fn a_pod_is_not_heard_while_there_is_no_switch_and_its_end_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let [front, back] = ["front", "back"].map(|name| folder.path().join(name));
    let broker = Broker::bind(&front, &back).unwrap();
    thread::spawn(move || broker.run());
    let gone = UnixStream::connect(&front).unwrap();
    send(&gone, &message(15, &[]), &[]);
    drop(gone);
    let next = UnixStream::connect(&front).unwrap();
    send(&next, &message(1, &[]), &[]);
    thread::sleep(Duration::from_millis(100));
    let mut switch = UnixStream::connect(&back).unwrap();
    switch.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut question = [0; 12];
    switch.read_exact(&mut question).unwrap();
    assert_eq!(question.as_slice(), message(1, &[]));
}

#[test]
fn memory_that_is_as_long_as_it_says_passes_with_its_file() {
    let mut rig = rig();
    let file = memory(0x1000);
    let table = message(5, &[1, 0, 0x1000, 0x7000, 0]);
    send(&rig.pod, &table, &[file.as_raw_fd()]);
    let mut came = vec![0; table.len()];
    rig.switch.read_exact(&mut came).unwrap();
    assert_eq!(came, table);
}

#[test]
fn whoever_says_what_may_not_pass_is_let_go_and_the_switch_with_it() {
    let (short, event) = (memory(0xfff), EventFd::new(0).unwrap());
    let (short, event) = (short.as_raw_fd(), event.as_raw_fd());
    let table = message(5, &[1, 0, 0x1000, 0x7000, 0]);
    let cases: [(&str, Vec<u8>, Vec<RawFd>); 9] = [
        ("memory that ends too early", table.clone(), vec![short]),
        ("memory without a file", table.clone(), vec![]),
        ("memory that is an event", table, vec![event]),
        ("memory that goes around", message(5, &[1, 0, u64::MAX, 0x7000, 0]), vec![short]),
        ("an event that is memory", message(12, &[0]), vec![short]),
        ("two events", message(12, &[0]), vec![event, event]),
        ("a buffer in flight", message(32, &[0x1000, 0, 0x0100_0001]), vec![short]),
        ("a log of memory", message(6, &[0x1000, 0]), vec![short]),
        ("a file with a question", message(1, &[]), vec![event]),
    ];
    for (what, bytes, files) in cases {
        let rig = rig();
        send(&rig.pod, &bytes, &files);
        assert!(is_let_go(&rig.pod), "{what}");
        assert!(is_let_go(&rig.switch), "{what}");
    }
}

#[test]
fn a_switch_that_answers_what_was_not_asked_is_let_go_and_the_pod_stays() {
    let mut rig = rig();
    let mut answer = message(1, &[0]);
    answer[4] = 5;
    rig.switch.write_all(&answer).unwrap();
    assert!(is_let_go(&rig.switch));
    rig.pod.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    assert_eq!(rig.pod.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
}
