//! Carries out the steps of a plan, and takes them back if one fails.

use flyover_net::netlink::Netlink;
use flyover_net::netns::Netns;
use flyover_net::{offload, sysctl};

use crate::error::{LabError, StepError};
use crate::step::{Deed, Step};

/// How many namespaces are kept open at once: a node, the pod being made, and a few to spare. Each costs four
/// file descriptors, and a lab may have hundreds.
const SEATS: usize = 4;

/// A namespace that work is done in.
struct Seat {
    netns: Netns,
    netlink: Netlink,
}

/// The building of a lab. What it made is gone when it is dropped, unless it was [kept](Site::keep).
#[derive(Default)]
pub(crate) struct Site {
    made: Vec<String>,
    seats: Vec<Seat>,
}

impl Site {
    /// Carries out one step.
    pub(crate) fn perform(&mut self, step: &Step) -> Result<(), LabError> {
        tracing::debug!(%step, "building");
        self.deed(step).map_err(|source| LabError::Step { step: step.to_string(), source })
    }

    /// Leaves what was made in place.
    pub(crate) fn keep(mut self) {
        self.made.clear();
    }

    fn deed(&mut self, step: &Step) -> Result<(), StepError> {
        match &step.deed {
            Deed::Namespace { mark } => {
                Netns::create(&step.netns)?;
                self.made.push(step.netns.clone());
                let loopback = "lo".parse().expect("`lo` is a name");
                let netlink = &self.seat(&step.netns)?.netlink;
                netlink.set_alias(&loopback, mark)?;
                netlink.set_up(&loopback)?;
            }
            Deed::Sysctl { key, value, optional } => {
                let written = self.seat(&step.netns)?.netns.run(|| sysctl::write(key, value))?;
                match written {
                    Err(sysctl::SysctlError::Missing { .. }) if *optional => {}
                    other => other?,
                }
            }
            Deed::NoOffload { device } => {
                self.seat(&step.netns)?.netns.run(|| offload::disable_transmit(device))??;
            }
            Deed::Rules(rules) => {
                self.seat(&step.netns)?.netns.run(|| rules.command().run())??;
            }
            deed => ask(&self.seat(&step.netns)?.netlink, deed)?,
        }
        Ok(())
    }

    fn seat(&mut self, netns: &str) -> Result<&Seat, StepError> {
        match self.seats.iter().position(|seat| seat.netns.name() == netns) {
            // The latest used stands last; the first is the one to go.
            Some(at) => self.seats[at..].rotate_left(1),
            None => {
                if self.seats.len() == SEATS {
                    self.seats.remove(0);
                }
                let netns = Netns::named(netns)?;
                let netlink = Netlink::open_in(&netns)?;
                self.seats.push(Seat { netns, netlink });
            }
        }
        Ok(self.seats.last().expect("one was just put there"))
    }
}

fn ask(netlink: &Netlink, deed: &Deed) -> Result<(), StepError> {
    match deed {
        Deed::Link(link) => netlink.add_link(link)?,
        Deed::Up { device } => netlink.set_up(device)?,
        Deed::Hairpin { port } => netlink.set_hairpin(port)?,
        Deed::Address { device, cidr } => netlink.add_address(device, *cidr)?,
        Deed::Neighbour { device, ip, mac } => netlink.add_neighbour(device, *ip, *mac)?,
        Deed::Fdb { device, mac, remote } => netlink.add_fdb(device, *mac, *remote)?,
        Deed::Route(route) => netlink.add_route(route)?,
        Deed::Namespace { .. } | Deed::Sysctl { .. } | Deed::NoOffload { .. } | Deed::Rules(_) => {
            unreachable!("these are not asked of netlink")
        }
    }
    Ok(())
}

impl Drop for Site {
    fn drop(&mut self) {
        for netns in self.made.drain(..).rev() {
            if let Err(error) = Netns::delete(&netns) {
                tracing::warn!(%netns, %error, "failed to take back a namespace");
            }
        }
    }
}

#[cfg(test)]
mod root {
    use super::*;
    use crate::plan;
    use crate::spec::LabSpec;

    #[test]
    fn a_step_that_fails_takes_back_all_steps_before_it() {
        let name = format!("fo-site-{}", std::process::id()).parse().unwrap();
        let spec = LabSpec { services: 0, ..LabSpec::new(name) };
        let mut steps = plan::steps(&spec);
        let last = steps.last_mut().unwrap();
        last.deed = Deed::Up { device: "missing".parse().unwrap() };
        let mut site = Site::default();
        let error = steps.iter().try_for_each(|step| site.perform(step)).unwrap_err();
        assert_eq!(error.to_string(), format!("failed at `ip -n {}-n2 link set missing up`", spec.name));
        let ours =
            |names: Vec<String>| names.into_iter().filter(|n| n.starts_with(spec.name.as_str())).count();
        assert_eq!(ours(Netns::list().unwrap()), 6);
        drop(site);
        assert_eq!(ours(Netns::list().unwrap()), 0);
    }
}
