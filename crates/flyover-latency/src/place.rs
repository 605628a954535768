//! Where an end of a measurement runs: in which network, and on which processor.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use flyover_net::netns::{Netns, NetnsError};
use nix::sched::{CloneFlags, CpuSet, sched_setaffinity, unshare};
use nix::unistd::Pid;

use crate::error::{MeasureError, failed};

/// Something that runs work inside a network of its own making.
type Enter = dyn Fn(&mut dyn FnMut()) -> Result<(), NetnsError> + Send + Sync;

/// Where one end runs.
#[derive(Clone)]
pub struct Place {
    within: Within,
    cpu: Option<usize>,
}

#[derive(Clone)]
enum Within {
    Here,
    Netns(Arc<Netns>),
    Custom(Arc<Enter>),
}

impl Place {
    /// The network of the caller.
    #[must_use]
    pub fn here() -> Self {
        Self { within: Within::Here, cpu: None }
    }

    /// Inside a network namespace.
    #[must_use]
    pub fn netns(netns: impl Into<Arc<Netns>>) -> Self {
        Self { within: Within::Netns(netns.into()), cpu: None }
    }

    /// Wherever `enter` takes the work it is given. It must run it once, on the calling thread.
    #[must_use]
    pub fn custom(
        enter: impl Fn(&mut dyn FnMut()) -> Result<(), NetnsError> + Send + Sync + 'static,
    ) -> Self {
        Self { within: Within::Custom(Arc::new(enter)), cpu: None }
    }

    /// The same place, on one processor only.
    #[must_use]
    pub fn on_cpu(mut self, cpu: impl Into<Option<usize>>) -> Self {
        self.cpu = cpu.into();
        self
    }

    /// Does `work` in this network, on the calling thread.
    pub fn run<T>(&self, work: impl FnOnce() -> T) -> Result<T, MeasureError> {
        let entered = |source| MeasureError::Place { end: format!("{self:?}"), source };
        match &self.within {
            Within::Here => Ok(work()),
            Within::Netns(netns) => netns.run(work).map_err(entered),
            Within::Custom(enter) => {
                let (mut work, mut done) = (Some(work), None);
                enter(&mut || done = work.take().map(|work| work())).map_err(entered)?;
                Ok(done.expect("a place runs the work it is given"))
            }
        }
    }

    /// Makes the calling thread ready to measure: on its processor, with a descriptor table of its own.
    ///
    /// The kernel counts references to a file at every system call while its table is shared between threads.
    /// From here on, descriptors opened on the thread end with it, and those of others are copies.
    pub(crate) fn settle(&self) -> Result<(), MeasureError> {
        if let Some(cpu) = self.cpu {
            pin(cpu)?;
        }
        unshare(CloneFlags::CLONE_FILES).map_err(failed("take a descriptor table for", "a measuring thread"))
    }
}

/// Keeps the calling thread on one processor.
pub fn pin(cpu: usize) -> Result<(), MeasureError> {
    let mut set = CpuSet::new();
    set.set(cpu)
        .and_then(|()| sched_setaffinity(Pid::from_raw(0), &set))
        .map_err(failed("pin a thread to", format!("CPU {cpu}")))
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.within {
            Within::Here => f.write_str("here")?,
            Within::Netns(netns) => f.write_str(netns.name())?,
            Within::Custom(_) => f.write_str("elsewhere")?,
        }
        self.cpu.map_or(Ok(()), |cpu| write!(f, " on CPU {cpu}"))
    }
}

/// A way through the network: two places and the address under which one finds the other.
#[derive(Clone, Debug)]
pub struct Way {
    /// Where the client runs.
    pub client: Place,
    /// Where the server runs.
    pub server: Place,
    /// The address the server binds. Port 0 lets the kernel choose one.
    pub listen: SocketAddr,
    /// The address the client calls: the server's own, or a Service's. Port 0 stands for the server's port.
    pub dial: SocketAddr,
}

impl Way {
    /// A way to a server that is called by the address it binds.
    #[must_use]
    pub fn direct(client: Place, server: Place, address: SocketAddr) -> Self {
        Self { client, server, listen: address, dial: address }
    }

    /// The same way with its ends on these processors.
    #[must_use]
    pub fn on_cpus(mut self, client: usize, server: usize) -> Self {
        self.client = self.client.on_cpu(client);
        self.server = self.server.on_cpu(server);
        self
    }

    /// Where to call a server that is bound to `bound`.
    pub(crate) fn dialled(&self, bound: SocketAddr) -> SocketAddr {
        let port = if self.dial.port() == 0 { bound.port() } else { self.dial.port() };
        SocketAddr::new(self.dial.ip(), port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_custom_place_runs_the_work_it_is_given_and_returns_its_result() {
        let place = Place::custom(|work| {
            work();
            Ok(())
        });
        assert_eq!(place.run(|| 42).unwrap(), 42);
    }

    #[test]
    fn a_service_port_stays_and_port_zero_becomes_the_servers() {
        let bound: SocketAddr = "10.0.0.1:4000".parse().unwrap();
        let mut way = Way::direct(Place::here(), Place::here(), "10.0.0.1:0".parse().unwrap());
        assert_eq!(way.dialled(bound), bound);
        way.dial = "10.96.0.1:80".parse().unwrap();
        assert_eq!(way.dialled(bound), way.dial);
    }

    #[test]
    fn a_processor_that_does_not_exist_is_named() {
        let error = std::thread::spawn(|| pin(1023)).join().unwrap().unwrap_err();
        assert_eq!(error.to_string(), "failed to pin a thread to CPU 1023");
    }
}
