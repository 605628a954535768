//! What the kernel announces: links, addresses, routes, rules, neighbours, qdiscs, rule sets, ended connections.
//!
//! Each event may make a learned flow wrong, so each revokes. What changes nothing is held back here, above all
//! neighbours and forwarding entries that only age: one revocation a second would be worse than none at all.
//!
//! Invariant: nothing is lost in silence. When the kernel overran a socket, or a message could not be understood,
//! the next notice is [`Event::Lost`] and everything must be read anew.
//!
//! Not announced by any kernel: legacy iptables, tcx programs, and connections whose conntrack entry is older than
//! this watch (since 5.19 an entry made while nobody listens announces nothing). The lease covers those.

mod event;
mod memory;
mod netfilter;
mod route;
mod socket;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll};

pub use event::{Event, Heard, Link, LinkChange};
pub use memory::Memory;
pub use netfilter::decode as decode_netfilter;
pub use route::decode as decode_route;

use socket::{Ear, Source};

use crate::nl::NlError;

/// Listens in the network namespace in which it was opened, and for rule sets also in all that this one knows.
pub struct Watch {
    ears: Vec<Ear>,
    memory: Memory,
    heard: VecDeque<Heard>,
    buffer: Vec<u8>,
}

impl Watch {
    /// Starts to listen in the calling thread's namespace. Must be called within a tokio runtime.
    pub fn open() -> Result<Self, NlError> {
        let ears = Source::ALL.into_iter().map(Ear::open).collect::<Result<Vec<_>, _>>()?;
        // The sockets hear already, so nothing falls between the list and the first event.
        let memory = Memory::of_this_namespace()?;
        Ok(Self { ears, memory, heard: VecDeque::new(), buffer: vec![0; socket::BUFFER] })
    }

    /// The next event; safe to drop and call again.
    pub async fn next(&mut self) -> Heard {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// What was heard already and not yet taken, without waiting.
    pub fn take_pending(&mut self) -> Option<Heard> {
        self.heard.pop_front()
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Heard> {
        loop {
            if let Some(heard) = self.heard.pop_front() {
                return Poll::Ready(heard);
            }
            let mut any = false;
            for ear in &self.ears {
                if let Poll::Ready(datagram) = ear.poll_read(context, &mut self.buffer) {
                    any = true;
                    hear(ear.source(), datagram, &mut self.memory, &mut self.heard);
                }
            }
            if !any {
                return Poll::Pending;
            }
        }
    }
}

/// Adds to `heard` what one datagram means.
fn hear(source: Source, read: socket::Read<'_>, memory: &mut Memory, heard: &mut VecDeque<Heard>) {
    let (nsid, bytes) = match read {
        socket::Read::Datagram { nsid, bytes } => (nsid, bytes),
        socket::Read::Lost => {
            memory.forget();
            heard.push_back(Heard { nsid: None, event: Event::Lost });
            return;
        }
    };
    let events = match source {
        Source::Route => decode_route(bytes, memory),
        Source::Xfrm => vec![Event::Xfrm],
        Source::Ruleset | Source::Conntrack => decode_netfilter(bytes),
    };
    heard.extend(events.into_iter().map(|event| Heard { nsid, event }));
}

#[cfg(test)]
mod root;
