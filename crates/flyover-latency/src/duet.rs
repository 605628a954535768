//! Two ends on two threads: starts them, ends the server when the client is done, and notices when both stand still.
//!
//! Invariant: sockets belong to the caller and outlive both threads; a thread only borrows them, for its own
//! descriptor table (see [`Place::settle`](crate::place::Place)) goes away with it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use crate::error::MeasureError;

/// What the caller knows about the exchange.
pub(crate) struct Duet<'a> {
    /// For messages.
    pub(crate) what: &'a str,
    /// How long both together may take.
    pub(crate) limit: Duration,
    /// Ends every wait for a message, on both sides.
    pub(crate) wake: &'a dyn Fn(),
}

impl Duet<'_> {
    /// Plays both parts. The server's part is told by the flag that the client's is over.
    pub(crate) fn play<T: Send>(
        &self,
        client: impl FnOnce() -> Result<T, MeasureError> + Send,
        server: impl FnOnce(&AtomicBool) -> Result<(), MeasureError> + Send,
    ) -> Result<T, MeasureError> {
        let over = AtomicBool::new(false);
        let (done, ended) = mpsc::channel();
        thread::scope(|scope| {
            let (client_done, server_done) = (done.clone(), done);
            let over_for_server = &over;
            let server = scope.spawn(move || {
                let result = server(over_for_server);
                // Nobody listens any more once the client has ended.
                let _heard = server_done.send(());
                result
            });
            let client = scope.spawn(move || {
                let result = client();
                let _heard = client_done.send(());
                result
            });
            let stalled = ended.recv_timeout(self.limit) == Err(RecvTimeoutError::Timeout);
            over.store(true, Ordering::SeqCst);
            (self.wake)();
            let server = server.join().expect("the server's part does not panic");
            let client = client.join().expect("the client's part does not panic");
            if stalled {
                return Err(MeasureError::Stalled { what: self.what.to_owned(), after: self.limit });
            }
            // A server that failed is the reason why its client did.
            server.and(client)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    fn wait(mut end: &UnixStream) -> Result<(), MeasureError> {
        std::io::Read::read(&mut end, &mut [0]).map(drop).map_err(crate::error::failed("read", "a socket"))
    }

    fn shut(end: &UnixStream) {
        end.shutdown(std::net::Shutdown::Both).unwrap();
    }

    #[test]
    fn the_server_ends_when_its_client_is_done() {
        let (a, b) = UnixStream::pair().unwrap();
        let duet = Duet { what: "a test", limit: Duration::from_secs(60), wake: &|| shut(&a) };
        assert_eq!(duet.play(|| Ok(7), |_| wait(&b)).unwrap(), 7);
    }

    #[test]
    fn two_ends_that_wait_for_each_other_are_noticed() {
        let (a, b) = UnixStream::pair().unwrap();
        let duet = Duet { what: "a test", limit: Duration::from_millis(20), wake: &|| shut(&a) };
        let error = duet.play(|| wait(&a), |_| wait(&b)).unwrap_err();
        assert_eq!(error.to_string(), "a test stood still for 20ms");
    }

    #[test]
    fn a_failed_server_is_the_reason_that_is_told() {
        let (a, b) = UnixStream::pair().unwrap();
        let duet = Duet { what: "a test", limit: Duration::from_secs(60), wake: &|| shut(&a) };
        let error =
            duet.play(|| wait(&b), |_| Err(MeasureError::Torn { expected: 2, received: 1 })).unwrap_err();
        assert_eq!(error.to_string(), "expected 2 bytes and received 1");
    }
}
