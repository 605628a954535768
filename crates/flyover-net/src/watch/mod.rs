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
use std::io;
use std::os::fd::BorrowedFd;
use std::task::{Context, Poll};

pub use event::{Event, Heard, Link, LinkChange};
pub use memory::Memory;
pub use netfilter::decode as decode_netfilter;
pub(crate) use netfilter::tuple;
pub use route::decode as decode_route;

use socket::{Ear, Read, Source};

use crate::nl::{NlError, Talk};

/// Listens in the network namespace in which it was opened, and for rule sets also in all that this one knows.
pub struct Watch {
    ears: Vec<Ear>,
    neighbours: Talk,
    memory: Memory,
    heard: VecDeque<Heard>,
    buffer: Vec<u8>,
}

impl Watch {
    /// Starts to listen in the calling thread's namespace. Must be called within a tokio runtime.
    pub fn open() -> Result<Self, NlError> {
        let ears = Source::ALL.into_iter().map(Ear::open).collect::<Result<Vec<_>, _>>()?;
        let neighbours = Talk::open(libc::NETLINK_ROUTE, "neighbours")?;
        let (memory, heard, buffer) = (Memory::default(), VecDeque::new(), vec![0; socket::BUFFER]);
        let mut watch = Self { ears, neighbours, memory, heard, buffer };
        // The sockets hear already, so nothing falls between the list and the first event.
        watch.learn();
        Ok(watch)
    }

    /// Lets a BPF program see each connection that ends, before it is announced; what the program takes is not heard
    /// here.
    pub fn filter_conntrack(&self, program: BorrowedFd<'_>) -> io::Result<()> {
        let mut ears = self.ears.iter().filter(|ear| ear.source() == Source::Conntrack);
        ears.try_for_each(|ear| ear.filter(program))
    }

    /// The next event; safe to drop and call again.
    pub async fn next(&mut self) -> Heard {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// What was heard already and not yet taken, without waiting.
    pub fn take_pending(&mut self) -> Option<Heard> {
        self.heard.pop_front()
    }

    fn learn(&mut self) {
        if let Err(error) = self.memory.learn(&mut self.neighbours) {
            tracing::warn!(error = &error as &dyn std::error::Error, "failed to learn the neighbours");
        }
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Heard> {
        loop {
            if let Some(heard) = self.heard.pop_front() {
                return Poll::Ready(heard);
            }
            let mut any = false;
            let mut lost = false;
            for ear in &self.ears {
                match ear.poll_read(context, &mut self.buffer) {
                    Poll::Pending => continue,
                    Poll::Ready(Read::Lost) => lost = true,
                    Poll::Ready(Read::Datagram { nsid, bytes }) => {
                        let events = meaning(ear.source(), bytes, &mut self.memory);
                        self.heard.extend(events.into_iter().map(|event| Heard { nsid, event }));
                    }
                }
                any = true;
            }
            if lost {
                self.learn();
                self.heard.push_back(Heard { nsid: None, event: Event::Lost });
            }
            if !any {
                return Poll::Pending;
            }
        }
    }
}

fn meaning(source: Source, datagram: &[u8], memory: &mut Memory) -> Vec<Event> {
    match source {
        Source::Route => decode_route(datagram, memory),
        Source::Xfrm => vec![Event::Xfrm],
        Source::Ruleset | Source::Conntrack => decode_netfilter(datagram),
    }
}

#[cfg(test)]
mod root;
