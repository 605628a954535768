//! A port of the switch: frames in and out.
//!
//! Invariant: a switch that goes and comes back finds the port again. The socket stays, the rings begin anew; frames that
//! were on their way are lost, as on any cable that is pulled.

mod link;
mod setup;
mod socket;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use self::link::Link;
use self::socket::{Door, Wake};
use crate::error::VhostError;

/// What the port is to be like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The longest frame without its header and VLAN tags.
    pub mtu: u16,
    /// Whether a frame may be spread over several buffers.
    pub merge: bool,
    /// How many buffers each way; a power of two.
    pub buffers: u16,
    /// How long the switch may take for one step of the set-up.
    pub patience: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { mtu: 1500, merge: true, buffers: 256, patience: Duration::from_secs(5) }
    }
}

/// What the two sides agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features {
    /// What the switch can do.
    pub offered: u64,
    /// What is used of it.
    pub agreed: u64,
    /// What is used of the protocol's own features.
    pub protocol: u64,
    /// The MTU the switch was told; none if it takes none.
    pub mtu: Option<u16>,
}

/// A port of the switch.
#[derive(Debug)]
pub struct Port {
    path: PathBuf,
    settings: Settings,
    door: Door,
    link: Option<Link>,
}

impl Port {
    /// Makes the socket, for a switch that connects. It goes with the port.
    pub fn listen(path: &Path, settings: Settings) -> Result<Self, VhostError> {
        Ok(Self { path: path.to_owned(), settings, door: Door::listen(path)?, link: None })
    }

    /// For a switch, or a broker, that listens: the connection is made when it is needed.
    #[must_use]
    pub fn connect(path: &Path, settings: Settings) -> Self {
        Self { path: path.to_owned(), settings, door: Door::connect(path), link: None }
    }

    /// Waits until a switch is connected and the rings are set up.
    pub fn ready(&mut self, deadline: Instant) -> Result<(), VhostError> {
        match self.link(deadline)? {
            Some(_) => Ok(()),
            None => Err(self.not_connected()),
        }
    }

    /// Whether a switch is connected now.
    pub fn is_connected(&mut self) -> bool {
        self.link = self.link.take().filter(Link::holds);
        self.link.is_some()
    }

    /// What the two sides agreed on, while they are connected.
    #[must_use]
    pub fn features(&self) -> Option<Features> {
        self.link.as_ref().map(Link::features)
    }

    /// Gives a frame to the switch. It does not wait: a switch that takes none makes the port full.
    pub fn send(&mut self, frame: &[u8]) -> Result<(), VhostError> {
        if !self.is_connected() {
            return Err(self.not_connected());
        }
        let sent = self.link.as_mut().map(|link| link.send(frame, &self.path));
        let sent = sent.unwrap_or_else(|| Err(self.not_connected()));
        self.cut_if_broken(sent)
    }

    /// The next frame of the switch; none if there is none until the deadline. A switch that is not there is waited for.
    pub fn receive(&mut self, deadline: Instant) -> Result<Option<Vec<u8>>, VhostError> {
        loop {
            let path = self.path.clone();
            let Some(link) = self.link(deadline)? else { return Ok(None) };
            let received = link.receive(&path);
            if let Some(frame) = self.cut_if_broken(received)? {
                return Ok(Some(frame));
            }
            let wake = self.link.as_ref().map_or(Wake::Gone, |link| link.wait(deadline));
            match wake {
                Wake::Signal => {}
                Wake::Late => return Ok(None),
                Wake::Gone => self.link = None,
            }
        }
    }

    /// The connection, made if there is none.
    fn link(&mut self, deadline: Instant) -> Result<Option<&mut Link>, VhostError> {
        while !self.is_connected() {
            let Some(stream) = self.door.open(deadline)? else { return Ok(None) };
            let set_up = Link::set_up(stream, &self.settings, &self.path);
            match set_up {
                Ok(link) => self.link = Some(link),
                // A switch that is being restarted may go away in the middle of it.
                Err(error @ VhostError::Setup { .. }) if Instant::now() < deadline => {
                    tracing::debug!(error = &error as &dyn std::error::Error, "set-up was broken off");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(self.link.as_mut())
    }

    fn cut_if_broken<T>(&mut self, done: Result<T, VhostError>) -> Result<T, VhostError> {
        if let Err(VhostError::Broken { .. }) = done {
            self.link = None;
        }
        done
    }

    fn not_connected(&self) -> VhostError {
        VhostError::NotConnected { path: self.path.clone() }
    }
}
