//! Where a server is, and how to get there.

use std::fmt;
use std::path::PathBuf;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use super::tls::{TlsFiles, secure};
use crate::error::OvsError;

/// Where a server is: `unix:/run/openvswitch/db.sock`, `tcp:127.0.0.1:6640`, `ssl:[::1]:6640`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remote {
    /// A socket of this machine.
    Unix(PathBuf),
    /// A port, in the clear.
    Tcp {
        /// Of which host.
        host: String,
        /// Which.
        port: u16,
    },
    /// A port, over TLS.
    Ssl {
        /// Of which host.
        host: String,
        /// Which.
        port: u16,
        /// Who we are and whom we trust.
        files: TlsFiles,
    },
}

/// The port of OVSDB.
const PORT: u16 = 6640;

/// Bytes in and out.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Remote {
    /// Reads Open vSwitch's way of writing it; `files` are for `ssl:`.
    pub fn of(text: &str, files: Option<TlsFiles>) -> Result<Self, OvsError> {
        let bad = |why| OvsError::Remote { text: text.to_owned(), why };
        let (kind, place) = text.split_once(':').ok_or(bad("has no `unix:`, `tcp:` or `ssl:`"))?;
        let at = || {
            let (host, port) = match place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
                Some((host, port)) => (host, port.strip_prefix(':')),
                None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
            };
            let port =
                port.map_or(Ok(PORT), |port| port.parse().map_err(|_| bad("has a port that is none")))?;
            if host.is_empty() { Err(bad("names no host")) } else { Ok((host.to_owned(), port)) }
        };
        match kind {
            "unix" if place.starts_with('/') => Ok(Self::Unix(place.into())),
            "unix" => Err(bad("has a path that does not begin with `/`")),
            "tcp" => at().map(|(host, port)| Self::Tcp { host, port }),
            "ssl" => {
                let (files, (host, port)) = (files.ok_or(bad("needs a key, a certificate and a CA"))?, at()?);
                Ok(Self::Ssl { host, port, files })
            }
            _ => Err(bad("is neither `unix:`, `tcp:` nor `ssl:`")),
        }
    }

    pub(super) async fn connect(&self) -> Result<Box<dyn Stream>, OvsError> {
        let failed = |source| OvsError::Connect { path: self.to_string().into(), source };
        Ok(match self {
            Self::Unix(path) => Box::new(UnixStream::connect(path).await.map_err(failed)?),
            Self::Tcp { host, port } => Box::new(tcp(host, *port).await.map_err(failed)?),
            Self::Ssl { host, port, files } => {
                let stream = tcp(host, *port).await.map_err(failed)?;
                Box::new(secure(stream, host, files).await?.await.map_err(failed)?)
            }
        })
    }
}

async fn tcp(host: &str, port: u16) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect((host, port)).await?;
    // A request is one write and waits for its answer.
    stream.set_nodelay(true)?;
    Ok(stream)
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = |host: &str| if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp { host, port } => write!(f, "tcp:{}:{port}", at(host)),
            Self::Ssl { host, port, .. } => write!(f, "ssl:{}:{port}", at(host)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remote_is_read_as_it_is_written() {
        for text in ["unix:/run/a:b.sock", "tcp:127.0.0.1:6640", "tcp:[::1]:1", "tcp:node-1:6641"] {
            assert_eq!(Remote::of(text, None).unwrap().to_string(), text);
        }
        assert_eq!(Remote::of("tcp:node-1", None).unwrap().to_string(), "tcp:node-1:6640");
        let file = |name: &str| PathBuf::from(name);
        let files = TlsFiles { key: file("k"), certificate: file("c"), ca: file("a") };
        assert_eq!(Remote::of("ssl:[fd00::1]:6640", Some(files)).unwrap().to_string(), "ssl:[fd00::1]:6640");
    }

    #[test]
    fn what_is_no_remote_is_refused_with_the_reason() {
        let said = |text| Remote::of(text, None).unwrap_err().to_string();
        assert_eq!(said("db.sock"), "remote `db.sock` has no `unix:`, `tcp:` or `ssl:`");
        assert_eq!(said("unix:db.sock"), "remote `unix:db.sock` has a path that does not begin with `/`");
        assert_eq!(said("tcp::6640"), "remote `tcp::6640` names no host");
        assert_eq!(said("tcp:a:b"), "remote `tcp:a:b` has a port that is none");
        assert_eq!(said("ssl:a:1"), "remote `ssl:a:1` needs a key, a certificate and a CA");
        assert_eq!(said("ptcp:6640"), "remote `ptcp:6640` is neither `unix:`, `tcp:` nor `ssl:`");
    }
}
