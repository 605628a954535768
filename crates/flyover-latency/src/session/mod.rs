//! Measurements between two processes, usually on two machines: a server that is told what to do, and its clients.
//!
//! The server listens on one TCP port. A client connects, says what it wants to measure and how the server's end is
//! to behave, and everything else happens over sockets that are opened for it. A server serves one client.

mod control;
mod game;
mod others;
mod seat;
mod server;
mod watch;

#[cfg(test)]
mod tests;

use std::net::{SocketAddr, ToSocketAddrs};
use std::thread;
use std::time::Duration;

pub use game::{Game, Limits, Rules};
pub use others::{connect, stream, throughput};
pub use seat::Seat;
pub use server::{Families, Server};
pub use socket2::Socket;
use socket2::{Domain, Protocol, SockAddr, Type};

use crate::error::{MeasureError, failed};

/// How often, and how far apart, a client looks for its server.
const ATTEMPTS: u32 = 100;
const PAUSE: Duration = Duration::from_millis(100);

/// Connects to the server at `HOST` or `HOST:PORT`. It may take ten seconds to appear; `waiting` is called once if
/// it is not there yet.
pub fn dial(
    host: &str,
    port: u16,
    families: Families,
    waiting: &mut dyn FnMut(),
) -> Result<Socket, MeasureError> {
    let address = look_up(host, port, families)?;
    let mut attempt = 0;
    loop {
        let tried = try_dial(address);
        attempt += 1;
        match tried {
            Err(e) if e.kind() == std::io::ErrorKind::ConnectionRefused && attempt < ATTEMPTS => {
                if attempt == 1 {
                    waiting();
                }
                thread::sleep(PAUSE);
            }
            other => return other.map_err(failed("connect to", address.to_string())),
        }
    }
}

fn try_dial(address: SocketAddr) -> std::io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_tcp_nodelay(true)?;
    socket.connect(&SockAddr::from(address))?;
    Ok(socket)
}

fn look_up(host: &str, port: u16, families: Families) -> Result<SocketAddr, MeasureError> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let found = (bare, port).to_socket_addrs().or_else(|_| host.to_socket_addrs());
    let mut found = found.map_err(failed("resolve", host))?.filter(|a| families.admits(*a));
    let none = std::io::ErrorKind::AddrNotAvailable;
    found.next().ok_or_else(|| failed::<std::io::Error>("resolve", host)(none.into()))
}

/// Serves one client on a thread of this process, for a client that has no server elsewhere.
pub fn serve_on_a_thread(
    port: u16,
    families: Families,
) -> Result<thread::JoinHandle<Result<(), MeasureError>>, MeasureError> {
    let (tell, bound) = std::sync::mpsc::channel();
    let serving = thread::spawn(move || {
        // Its sockets then end with it, whatever this thread leaves open.
        let listening = crate::place::Place::here().settle().and_then(|()| Server::bind(port, families));
        match listening {
            Ok(server) => {
                let _heard = tell.send(Ok(()));
                server.serve(|| {})
            }
            Err(error) => {
                let _heard = tell.send(Err(error));
                Ok(())
            }
        }
    });
    bound.recv().expect("the thread tells how it went")?;
    Ok(serving)
}
