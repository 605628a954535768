//! Stands between a pod that connects and a switch that connects, and outlives the switch.
//!
//! Of the two ways to join a pod that is a vhost-user client with a switch, the one where the switch listens ends with every
//! restart of the switch: the pod's DPDK does not connect again. So both connect to this broker, which passes on what they
//! say, remembers what the pod has set up, and tells it to the switch that comes back. Packets do not pass here: the switch
//! maps the pod's memory as ever.
//!
//! Invariants: one pod and one switch at a time; what may pass is a short list ([`message`]); a side that says anything else
//! is let go. When the pod goes, the switch is let go too, so that both begin anew.

mod channel;
pub mod memo;
pub mod message;
pub mod relay;
mod request;
mod side;

use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::poll::{PollFlags, PollTimeout, poll};

use self::channel::{Fault, Shared, index, wake};
use self::message::Way;
use self::relay::{Act, Relay};
use self::side::{Events, Side};

/// Why a broker does not work.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// A socket cannot be made.
    #[error("failed to listen on `{path}`")]
    Listen {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Waiting does not work.
    #[error("failed to wait on `{path}`")]
    Wait {
        /// On which socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Listens for both sides and serves them until the process is ended.
pub fn serve(front: &Path, back: &Path) -> Result<(), BrokerError> {
    Broker::bind(front, back)?.run()
}

/// A broker of one attachment.
#[derive(Debug)]
pub struct Broker {
    front: Side,
    back: Side,
    relay: Relay<Shared>,
}

impl Broker {
    /// Makes both sockets, the pod's last: when that is there, all is. Sockets of a dead broker are replaced.
    pub fn bind(front: &Path, back: &Path) -> Result<Self, BrokerError> {
        let back = Side::bind(back, Way::Reply)?;
        let front = Side::bind(front, Way::Request)?;
        Ok(Self { front, back, relay: Relay::default() })
    }

    /// Serves both sides; it ends only by a fault of the machine.
    pub fn run(mut self) -> Result<(), BrokerError> {
        loop {
            let [front, back] = self.wait()?;
            if back.comes {
                let acts = self.back.accept()?.then(|| self.relay.back_came());
                self.act(acts.unwrap_or_default());
            }
            if front.comes {
                self.front.accept()?;
            }
            if back.speaks {
                self.hear_back();
            }
            if front.went && !self.relay.hears_front() {
                self.drop_front(&Fault::Gone);
            } else if front.speaks || front.went {
                self.hear_front();
            }
        }
    }

    fn wait(&self) -> Result<[Events; 2], BrokerError> {
        // A pod is heard only when there is a switch to answer, but its end is always seen.
        let front = if self.relay.hears_front() { PollFlags::POLLIN } else { PollFlags::empty() };
        let sides = [(&self.front, front | PollFlags::POLLHUP), (&self.back, PollFlags::POLLIN)];
        let mut polled = Vec::new();
        for (side, events) in sides {
            polled.push(side.polled(events));
        }
        loop {
            match poll(&mut polled, PollTimeout::NONE) {
                Ok(_) => break,
                Err(Errno::EINTR) => {}
                Err(error) => {
                    return Err(BrokerError::Wait { path: self.front.path.clone(), source: error.into() });
                }
            }
        }
        let happened = |at: usize| polled[at].revents().unwrap_or(PollFlags::empty());
        Ok([Events::of(&self.front, happened(0)), Events::of(&self.back, happened(1))])
    }

    fn hear_front(&mut self) {
        let heard = self
            .front
            .receive()
            .and_then(|message| message.map_or(Ok(Vec::new()), |message| Ok(self.relay.front(message)?)));
        match heard {
            Ok(acts) => self.act(acts),
            Err(fault) => self.drop_front(&fault),
        }
    }

    fn hear_back(&mut self) {
        let heard = self.back.receive().and_then(|message| {
            message.map_or(Ok(Vec::new()), |message| Ok(self.relay.back(message, &index)?))
        });
        match heard {
            Ok(acts) => self.act(acts),
            // What the pod has set up cannot be told to this switch: it must begin anew.
            Err(fault @ Fault::Message(message::BadMessage::Lost(_))) => self.drop_front(&fault),
            Err(fault) => self.drop_back(&fault),
        }
    }

    fn act(&mut self, acts: Vec<Act<Shared>>) {
        for act in acts {
            let (side, message) = match &act {
                Act::ToFront(message) => (&self.front, message),
                Act::ToBack(message) => (&self.back, message),
                Act::Wake(event) => {
                    wake(event);
                    continue;
                }
            };
            if let Err(fault) = side.send(message) {
                match act {
                    Act::ToBack(_) => self.drop_back(&fault),
                    Act::ToFront(_) | Act::Wake(_) => self.drop_front(&fault),
                }
                return;
            }
        }
    }

    fn drop_front(&mut self, fault: &Fault) {
        tracing::info!(%fault, "the pod is let go, and the switch with it");
        self.front.drop_channel();
        self.back.drop_channel();
        self.relay.front_went();
    }

    fn drop_back(&mut self, fault: &Fault) {
        tracing::info!(%fault, "the switch is let go");
        self.back.drop_channel();
        self.relay.back_went();
    }
}
