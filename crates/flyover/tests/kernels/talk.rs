//! Traffic between pods: bulk that must arrive intact, and questions that must be answered.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::Duration;

use flyover_lab::{Family, Pod};

const PATIENCE: Duration = Duration::from_secs(10);

/// Bytes that no shift, loss or repetition leaves as they are.
fn pattern(seed: u32, len: usize) -> Vec<u8> {
    let mut x = seed;
    let word = |_| {
        x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        x.to_le_bytes()
    };
    (0..len / 4).flat_map(word).collect()
}

/// A pod at one of its addresses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End<'a>(pub(crate) Pod<'a>, pub(crate) IpAddr);

impl<'a> End<'a> {
    /// At the address that its lab gave it.
    pub(crate) fn of(pod: Pod<'a>, family: Family) -> Self {
        Self(pod, pod.ip(family).unwrap())
    }
}

/// Sends `len` bytes each way at once over one connection, and compares them.
pub(crate) fn bulk(End(client, _): End<'_>, End(server, to): End<'_>, len: usize) {
    let at = SocketAddr::new(to, 5000);
    let listener = server.netns().unwrap().run(|| TcpListener::bind(at)).unwrap().unwrap();
    let asking = client.netns().unwrap().run(|| TcpStream::connect_timeout(&at, PATIENCE)).unwrap().unwrap();
    let (answering, _) = listener.accept().unwrap();
    thread::scope(|scope| {
        for (stream, mine, others) in [(&asking, 1, 2), (&answering, 2, 1)] {
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream.set_write_timeout(Some(PATIENCE)).unwrap();
            let mut writer = stream;
            scope.spawn(move || writer.write_all(&pattern(mine, len)).unwrap());
            let mut reader = stream;
            scope.spawn(move || {
                let mut heard = vec![0; len];
                reader.read_exact(&mut heard).unwrap();
                assert!(heard == pattern(others, len), "{at}: what arrived is not what was sent");
            });
        }
    });
}

/// Asks that many questions over UDP, and wants an answer to each.
pub(crate) fn questions(End(client, from): End<'_>, End(server, to): End<'_>, count: u32) {
    let (there, here) = (SocketAddr::new(to, 5001), SocketAddr::new(from, 5002));
    let answering = server.netns().unwrap().run(|| UdpSocket::bind(there)).unwrap().unwrap();
    let asking = client.netns().unwrap().run(|| UdpSocket::bind(here)).unwrap().unwrap();
    for socket in [&answering, &asking] {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
    }
    for number in 0..count {
        let mut heard = [0; 4];
        asking.send_to(&number.to_le_bytes(), there).unwrap();
        let (_, from) = answering.recv_from(&mut heard).unwrap();
        answering.send_to(&heard, from).unwrap();
        asking.recv_from(&mut heard).unwrap();
        assert_eq!((u32::from_le_bytes(heard), from), (number, here));
    }
}
