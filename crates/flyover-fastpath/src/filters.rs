//! What an instance has put on devices as clsact filters, and the record of it.
//!
//! Nothing pins a filter: only the record tells a later process, or `off`, what is the instance's.
//!
//! Invariants: the record is written before what it tells is done, so it may name what is not there, never miss what
//! is. Numbers of devices mean something in one network namespace only; of another one's nothing is touched.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use flyover_core::IfName;
use flyover_net::qdisc::TrafficControl;
use serde::{Deserialize, Serialize};

use crate::clsact;
use crate::instance::{InstanceError, failed, write_whole};
use crate::programs::Hook;

/// The file of the record, in the instance's directory.
const FILE: &str = "clsact.json";

/// A device that bears our filters.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Bearer {
    /// Its name when it was first attached to.
    device: IfName,
    /// Whether its qdisc is our making.
    made_qdisc: bool,
    /// Names of the hooks that are taken.
    hooks: BTreeSet<String>,
}

/// The record.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Record {
    /// The network namespace it is of.
    netns: u64,
    /// By number of the device.
    devices: BTreeMap<u32, Bearer>,
}

/// The filters of an instance.
#[derive(Debug)]
pub(crate) struct Filters {
    file: PathBuf,
    record: Record,
}

impl Filters {
    /// Those that the record below `run` tells of, as far as they are in this namespace.
    pub(crate) fn read(run: &Path) -> Result<Self, InstanceError> {
        let file = run.join(FILE);
        let here = Path::new("/proc/thread-self/ns/net");
        let netns = fs::metadata(here).map_err(failed("stat", here))?.ino();
        let empty = Record { netns, ..Record::default() };
        let record = match fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|e| failed("read", &file)(e.into()))?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => empty.clone(),
            Err(e) => return Err(failed("read", &file)(e)),
        };
        if record.netns == netns {
            return Ok(Self { file, record });
        }
        if !record.devices.is_empty() {
            tracing::warn!("filters of another network namespace are left to it");
        }
        Ok(Self { file, record: empty })
    }

    /// What is attached, or was about to be.
    pub(crate) fn held(&self) -> BTreeSet<(u32, Hook)> {
        let hooks = |(ifindex, bearer): (&u32, &Bearer)| {
            let hooks = bearer.hooks.iter().filter_map(|name| Hook::named(name));
            hooks.map(|hook| (*ifindex, hook)).collect::<Vec<_>>()
        };
        self.record.devices.iter().flat_map(hooks).collect()
    }

    /// Puts the program of `hook` on the device, in place of an earlier process's if there is one.
    pub(crate) fn attach(
        &mut self,
        program: BorrowedFd<'_>,
        device: &IfName,
        at: (u32, Hook),
    ) -> io::Result<()> {
        let (ifindex, hook) = at;
        let holder = clsact::holder(ifindex, hook.side())?;
        let mine = self.held().contains(&at) && holder.as_deref() == Some(hook.name());
        if holder.is_some() && !mine {
            // Another instance's, or a stranger's: to replace it would be to delete it.
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let bearer = self.record.devices.entry(ifindex).or_insert_with(|| Bearer {
            device: device.clone(),
            made_qdisc: false,
            hooks: BTreeSet::new(),
        });
        let first = bearer.hooks.is_empty();
        bearer.hooks.insert(hook.name().to_owned());
        if !mine {
            self.write()?;
        }
        // Between making the qdisc and noting it an end of the process leaves an empty one, which does nothing.
        if (first || !mine) && clsact::make_qdisc(ifindex)? {
            self.record.devices.entry(ifindex).and_modify(|bearer| bearer.made_qdisc = true);
            self.write()?;
        }
        clsact::attach(program, ifindex, hook.side(), mine)
    }

    /// Takes the program away, and with the last one the qdisc if it is ours alone. What is gone is no error.
    pub(crate) fn detach(&mut self, ifindex: u32, hook: Hook) -> io::Result<()> {
        if clsact::holder(ifindex, hook.side())?.as_deref() == Some(hook.name()) {
            gone_is_fine(clsact::detach(ifindex, hook.side()))?;
        }
        if let Some(bearer) = self.record.devices.get_mut(&ifindex) {
            bearer.hooks.remove(hook.name());
            if bearer.hooks.is_empty() {
                if bearer.made_qdisc && bearer.device_is(ifindex) && is_empty(ifindex)? {
                    gone_is_fine(clsact::remove_qdisc(ifindex))?;
                }
                self.record.devices.remove(&ifindex);
            }
            self.write()?;
        }
        Ok(())
    }

    /// Takes all of them away; goes on after an error, and tells the first.
    pub(crate) fn remove(mut self) -> io::Result<()> {
        self.clear()
    }

    /// The same, of filters that may be attached again.
    pub(crate) fn clear(&mut self) -> io::Result<()> {
        let mut first = Ok(());
        for (ifindex, hook) in self.held() {
            first = first.and(self.detach(ifindex, hook));
        }
        first
    }

    fn write(&self) -> io::Result<()> {
        let json = serde_json::to_vec_pretty(&self.record).expect("plain data serialises");
        write_whole(&self.file, &json).map_err(io::Error::other)
    }
}

impl Bearer {
    /// Whether the number still means the device it was noted for.
    fn device_is(&self, ifindex: u32) -> bool {
        nix::net::if_::if_nametoindex(self.device.as_str()).is_ok_and(|now| now == ifindex)
    }
}

fn gone_is_fine(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(e) if clsact::is_absent(&e) => Ok(()),
        other => other,
    }
}

fn is_empty(ifindex: u32) -> io::Result<bool> {
    let control = TrafficControl::read().map_err(io::Error::other)?;
    Ok(!control.filters.iter().any(|f| f.ifindex == ifindex))
}
