//! The connection over which a client tells its server what to do: one JSON object a line.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use socket2::Socket;

use super::Seat;
use crate::error::{MeasureError, failed};
use crate::pingpong::{Proto, Side};

/// The longest line that is read: whatever dials the port must not fill our memory.
const LONGEST: u64 = 64 * 1024;

/// What client and server say to each other.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Word {
    /// Server, first.
    Hello { version: String, ld_preload: Option<String> },
    /// Client: what the server is to do.
    Job(Box<Job>),
    /// Server: where it waits.
    Ready(Option<SocketAddr>),
    /// Client: where its UDP socket is.
    Here(SocketAddr),
    /// Client: answer so many round trips of messages of this size. None at all ends the session.
    Play { rounds: u64, size: usize },
    /// Client: count what arrives.
    Count { warmup: Duration, duration: Duration },
    /// Server: so much arrived.
    Carried { bytes: u64, elapsed: Duration },
    /// Server: it failed, and why.
    Failed(String),
}

/// What a server is to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Job {
    /// How the server's end is attached.
    pub(super) seat: Seat,
    /// Which measurement.
    pub(super) task: Task,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Task {
    PingPong { proto: Proto, side: Side, client_pings: u32, pongs: u32 },
    Stream,
    Throughput { streams: usize },
    Connect,
}

/// One end of the connection.
pub(super) struct Control {
    reader: BufReader<Shared>,
    socket: Arc<Socket>,
}

/// Lets a buffer read from a socket that others also hold.
struct Shared(Arc<Socket>);

impl Read for Shared {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        (&*self.0).read(into)
    }
}

impl Control {
    pub(super) fn new(socket: Arc<Socket>) -> Self {
        Self { reader: BufReader::new(Shared(Arc::clone(&socket))), socket }
    }

    pub(super) fn say(&self, word: &Word) -> Result<(), MeasureError> {
        let mut line = serde_json::to_vec(word).expect("words can be written as JSON");
        line.push(b'\n');
        (&*self.socket).write_all(&line).map_err(failed("talk to", "the other end"))
    }

    pub(super) fn hear(&mut self) -> Result<Word, MeasureError> {
        let mut line = String::new();
        let heard = (&mut self.reader).take(LONGEST).read_line(&mut line);
        match heard.map_err(failed("listen to", "the other end"))? {
            0 => Err(MeasureError::Peer("closed the control connection".to_owned())),
            _ => match serde_json::from_str(&line) {
                Ok(Word::Failed(why)) => Err(MeasureError::Peer(format!("failed: {why}"))),
                Ok(word) => Ok(word),
                Err(e) => Err(MeasureError::Peer(format!("said what we do not understand ({e})"))),
            },
        }
    }

    pub(super) fn share(&self) -> Arc<Socket> {
        Arc::clone(&self.socket)
    }

    /// The connection's own address: what is measured is attached to the same interface.
    pub(super) fn local(&self) -> Option<SocketAddr> {
        self.socket.local_addr().ok()?.as_socket()
    }

    /// Ends it, whoever else still holds a descriptor.
    pub(super) fn close(&self) {
        // The other end may have done so before.
        let _closed = self.socket.shutdown(std::net::Shutdown::Both);
    }
}

/// For a word that does not belong where it was heard.
pub(super) fn out_of_turn(word: &Word) -> MeasureError {
    MeasureError::Peer(format!("said {word:?} out of turn"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    fn pair() -> (Control, UnixStream) {
        let (a, b) = UnixStream::pair().unwrap();
        (Control::new(Arc::new(Socket::from(std::os::fd::OwnedFd::from(a)))), b)
    }

    #[test]
    fn a_word_arrives_as_it_was_said() {
        let (a, b) = pair();
        let mut b = Control::new(Arc::new(Socket::from(std::os::fd::OwnedFd::from(b))));
        a.say(&Word::Play { rounds: 3, size: 64 }).unwrap();
        assert!(matches!(b.hear().unwrap(), Word::Play { rounds: 3, size: 64 }));
        a.close();
        assert_eq!(b.hear().unwrap_err().to_string(), "the other end closed the control connection");
    }

    #[test]
    fn whoever_is_not_one_of_us_is_told_so() {
        let (mut a, mut b) = pair();
        b.write_all(b"GET / HTTP/1.1\r\n").unwrap();
        let error = a.hear().unwrap_err().to_string();
        assert!(error.starts_with("the other end said what we do not understand"), "{error}");
    }

    #[test]
    fn a_line_without_end_does_not_fill_the_memory() {
        let (mut a, mut b) = pair();
        std::thread::spawn(move || while b.write_all(&[b'x'; 4096]).is_ok() {});
        assert!(a.hear().is_err());
    }
}
