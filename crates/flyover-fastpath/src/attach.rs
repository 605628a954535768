//! Keeps programs on devices: by pinned tcx links, or by clsact filters where the kernel knows no tcx.
//!
//! Invariants: what was attached by an earlier process of the instance is taken over in one step, never detached
//! first; nothing is taken away that the instance did not put there.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;

use flyover_core::IfName;
use flyover_net::qdisc::Place;

use crate::filters::Filters;
use crate::instance::{Instance, InstanceError, failed};
use crate::programs::{Hook, Programs};
use crate::tcx::{self, Side};

/// How programs are attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// tcx links, since 6.6.
    Tcx,
    /// clsact filters.
    Clsact,
}

/// The loopback device has this number in every namespace: one to ask for tcx.
const LOOPBACK: u32 = 1;

/// The attached programs of an instance.
#[derive(Debug)]
pub(crate) struct Attachments {
    means: Means,
    links: PathBuf,
    filters: Filters,
    held: BTreeSet<(u32, Hook)>,
    /// Those of them that run this process's programs.
    fresh: BTreeSet<(u32, Hook)>,
}

impl Hook {
    pub(crate) fn side(self) -> Side {
        match self {
            Self::FromPod | Self::FromWire => Side::Ingress,
            Self::ToPod | Self::ToWire => Side::Egress,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::FromPod => "from_pod",
            Self::ToPod => "to_pod",
            Self::FromWire => "from_wire",
            Self::ToWire => "to_wire",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        [Self::FromPod, Self::ToPod, Self::FromWire, Self::ToWire].into_iter().find(|h| h.name() == name)
    }
}

impl Attachments {
    /// Finds what an earlier process left. `clsact` asks for filters also where the kernel knows tcx.
    pub(crate) fn adopt(instance: &Instance, clsact: bool) -> Result<Self, InstanceError> {
        let means = match tcx::query(LOOPBACK, Side::Ingress) {
            Err(e) if e.kind() == io::ErrorKind::Unsupported => Means::Clsact,
            _ if clsact => Means::Clsact,
            _ => Means::Tcx,
        };
        let links = instance.links();
        let filters = Filters::read(instance.run_dir())?;
        if means == Means::Clsact {
            return Ok(Self { means, links, held: filters.held(), filters, fresh: BTreeSet::new() });
        }
        let mut held = BTreeSet::new();
        let names = match fs::read_dir(&links) {
            Ok(entries) => entries.map(|e| Ok(e?.file_name())).collect::<io::Result<Vec<_>>>(),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(e) => Err(e),
        };
        for name in names.map_err(failed("list", &links))? {
            if let Some((ifindex, hook)) = name.to_string_lossy().split_once('-') {
                held.extend(ifindex.parse().ok().zip(Hook::named(hook)));
            }
        }
        Ok(Self { means, links, filters, held, fresh: BTreeSet::new() })
    }

    /// Takes away what an earlier process attached by the other means: no packet may meet a program twice.
    pub(crate) fn leave_other_means(&mut self) -> io::Result<()> {
        if self.means == Means::Tcx {
            return self.filters.clear();
        }
        for link in fs::read_dir(&self.links)? {
            tcx::take_away(&link?.path())?;
        }
        Ok(())
    }

    /// How programs are attached here.
    #[must_use]
    pub(crate) fn means(&self) -> Means {
        self.means
    }

    /// What is attached.
    #[must_use]
    pub(crate) fn held(&self) -> &BTreeSet<(u32, Hook)> {
        &self.held
    }

    /// Whether this process put its program there.
    #[must_use]
    pub(crate) fn is_fresh(&self, ifindex: u32, hook: Hook) -> bool {
        self.fresh.contains(&(ifindex, hook))
    }

    /// Notes that the device took its programs along; another may get its number.
    pub(crate) fn lost(&mut self, ifindex: u32) {
        self.fresh.retain(|(device, _)| *device != ifindex);
    }

    /// Puts the program of `hook` on the device, in place of an earlier process's if there is one.
    pub(crate) fn attach(
        &mut self,
        programs: &Programs,
        device: &IfName,
        (ifindex, hook): (u32, Hook),
    ) -> io::Result<()> {
        if self.is_fresh(ifindex, hook) {
            return Ok(());
        }
        match self.means {
            Means::Tcx => self.attach_tcx(programs, ifindex, hook)?,
            Means::Clsact => self.filters.attach(programs.program(hook), device, (ifindex, hook))?,
        }
        self.held.insert((ifindex, hook));
        self.fresh.insert((ifindex, hook));
        Ok(())
    }

    /// How many tcx programs on the device are not the instance's.
    pub(crate) fn foreign(&self, ifindex: u32) -> usize {
        // What cannot be asked is taken for one; a kernel without tcx has none.
        let on = |side| match tcx::query(ifindex, side) {
            Ok(ids) => ids.len(),
            Err(error) => usize::from(error.kind() != io::ErrorKind::Unsupported),
        };
        let by_tcx = self.means == Means::Tcx;
        let ours = self.held.iter().filter(|(held, _)| by_tcx && *held == ifindex).count();
        (on(Side::Ingress) + on(Side::Egress)).saturating_sub(ours)
    }

    /// Whether somebody attached a tcx program behind ours, where it would judge what we have seen already.
    pub(crate) fn overtaken(&self, programs: &Programs, ifindex: u32, hook: Hook) -> bool {
        let ours = libbpf_rs::Program::id_from_fd(programs.program(hook)).ok();
        self.means == Means::Tcx
            && tcx::query(ifindex, hook.side()).is_ok_and(|ids| ids.last().copied() != ours)
    }

    /// Puts ours behind the others' again.
    pub(crate) fn attach_last(&mut self, programs: &Programs, ifindex: u32, hook: Hook) -> io::Result<()> {
        // One program may be on a hook only once. While it is on none, packets take the slow path.
        self.detach(ifindex, hook)?;
        let link = tcx::create(programs.program(hook), ifindex, hook.side())?;
        self.held.insert((ifindex, hook));
        self.fresh.insert((ifindex, hook));
        tcx::pin(link.as_fd(), &self.pin(ifindex, hook))
    }

    /// Whether a clsact filter of that name there is the instance's own. Its name ends with the program's number.
    pub(crate) fn is_ours(&self, ifindex: u32, place: Place, name: &str) -> bool {
        let hook = Hook::named(name.split(':').next().unwrap_or(name));
        let side = if place == Place::Ingress { Side::Ingress } else { Side::Egress };
        hook.is_some_and(|hook| hook.side() == side && self.held.contains(&(ifindex, hook)))
    }

    fn attach_tcx(&self, programs: &Programs, ifindex: u32, hook: Hook) -> io::Result<()> {
        let pin = self.pin(ifindex, hook);
        if let Ok(link) = tcx::open(&pin) {
            if tcx::update(link.as_fd(), programs.program(hook)).is_ok() {
                return Ok(());
            }
            // The link's device is gone: its number was given to another.
            fs::remove_file(&pin)?;
        }
        let link = tcx::create(programs.program(hook), ifindex, hook.side())?;
        tcx::pin(link.as_fd(), &pin)
    }

    /// Takes the program away. A device that is gone has taken it along.
    pub(crate) fn detach(&mut self, ifindex: u32, hook: Hook) -> io::Result<()> {
        self.held.remove(&(ifindex, hook));
        self.fresh.remove(&(ifindex, hook));
        match self.means {
            Means::Tcx => tcx::take_away(&self.pin(ifindex, hook)),
            Means::Clsact => self.filters.detach(ifindex, hook),
        }
    }

    fn pin(&self, ifindex: u32, hook: Hook) -> PathBuf {
        self.links.join(format!("{ifindex}-{}", hook.name()))
    }
}
