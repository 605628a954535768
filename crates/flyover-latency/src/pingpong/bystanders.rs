//! Descriptors that are watched but never used, to see what their number costs.

use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixStream};

use nix::unistd::pipe;

use super::options::Side;
use crate::error::{MeasureError, failed};

/// Opens all that `side` asks for. Both descriptors of a pair count, as in sfnt-pingpong.
pub(super) fn open(side: &Side) -> Result<Vec<OwnedFd>, MeasureError> {
    let want = side.bystanders;
    let mut all = Vec::new();
    let opened = |e| failed("open", "extra descriptors")(e);
    all.extend(pairs(want.pipes, || Ok(pipe()?)).map_err(opened)?);
    all.extend(pairs(want.unix_datagrams, || UnixDatagram::pair().map(into_owned)).map_err(opened)?);
    all.extend(pairs(want.unix_streams, || UnixStream::pair().map(into_owned)).map_err(opened)?);
    for _ in 0..want.udp {
        all.push(UdpSocket::bind("0.0.0.0:0").map_err(opened)?.into());
    }
    for _ in 0..want.tcp_connections {
        let Some(server) = &side.bystander_server else {
            return Err(MeasureError::Peer("was told --n-tcpc without --tcpc-serv".to_owned()));
        };
        let connected = TcpStream::connect(server).map_err(failed("connect to", server))?;
        all.push(connected.into());
    }
    for _ in 0..want.tcp_listeners {
        all.push(TcpListener::bind("0.0.0.0:0").map_err(opened)?.into());
    }
    Ok(all)
}

fn into_owned<T: Into<OwnedFd>>((a, b): (T, T)) -> (OwnedFd, OwnedFd) {
    (a.into(), b.into())
}

fn pairs(
    count: u32,
    mut open: impl FnMut() -> std::io::Result<(OwnedFd, OwnedFd)>,
) -> std::io::Result<Vec<OwnedFd>> {
    let mut all = Vec::new();
    for _ in 0..count.div_ceil(2) {
        let (a, b) = open()?;
        all.extend([a, b]);
    }
    Ok(all)
}
