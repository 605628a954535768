//! The set-up of a connection, in the order in which every switch takes it.
//!
//! Invariant: no step takes longer than the port's patience: the protocol's own calls have no limit, so the connection is cut
//! under them.

use std::io::Write;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use vhost::vhost_user::message::VhostUserHeaderFlag;
use vhost::vhost_user::{
    Frontend, VhostUserFrontend, VhostUserProtocolFeatures as Protocol, VhostUserVirtioFeatures,
};
use vhost::{VhostBackend, VhostUserMemoryRegionInfo, VringConfigData};

use super::link::Events;
use super::{Features, Settings};
use crate::error::VhostError;
use crate::memory::Memory;
use crate::ring::Layout;

const MERGED_BUFFERS: u64 = 1 << 15;
const VERSION_1: u64 = 1 << 32;
const PROTOCOL_FEATURES: u64 = VhostUserVirtioFeatures::PROTOCOL_FEATURES.bits();

const SET_MTU: u32 = 20;
/// Version 1, no reply.
const PLAIN: u32 = 1;

/// What the switch is to share with us.
pub(super) struct Shared<'a> {
    pub(super) memory: &'a Memory,
    pub(super) layouts: &'a [Layout; 2],
    pub(super) events: &'a [Events; 2],
    /// Where the switch sees the memory begin.
    pub(super) base: u64,
}

/// What came of it.
pub(super) struct Agreed {
    pub(super) features: Features,
    pub(super) stream: UnixStream,
    /// The connection ends with it.
    _frontend: Frontend,
}

impl std::fmt::Debug for Agreed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Agreed").field("features", &self.features).finish_non_exhaustive()
    }
}

impl Agreed {
    /// Whether frames may be spread over buffers.
    pub(super) fn merges(&self) -> bool {
        self.features.agreed & MERGED_BUFFERS != 0
    }
}

/// Which step of the set-up failed, and how.
struct Failed(&'static str, String);

/// Goes through the set-up.
pub(super) fn agree(
    stream: UnixStream,
    settings: &Settings,
    shared: &Shared<'_>,
    path: &Path,
) -> Result<Agreed, VhostError> {
    let setup = |Failed(step, reason)| VhostError::Setup { path: path.to_owned(), step, reason };
    let ours = stream.try_clone().map_err(|e| setup(Failed("keep its connection", e.to_string())))?;
    let mut frontend = Frontend::from_stream(stream, 2);
    let features = within(&ours, settings.patience, || {
        let features = negotiate(&mut frontend, &ours, settings)?;
        share(&mut frontend, shared, features)?;
        Ok(features)
    });
    Ok(Agreed { features: features.map_err(setup)?, stream: ours, _frontend: frontend })
}

fn negotiate(frontend: &mut Frontend, stream: &UnixStream, settings: &Settings) -> Result<Features, Failed> {
    frontend.set_owner().map_err(step("take an owner"))?;
    let offered = frontend.get_features().map_err(step("tell its features"))?;
    if offered & VERSION_1 == 0 {
        return Err(Failed("offer virtio 1", format!("it offers {offered:#x}")));
    }
    let merge = if settings.merge { MERGED_BUFFERS } else { 0 };
    let agreed = offered & (VERSION_1 | PROTOCOL_FEATURES | merge);
    let mut protocol = Protocol::empty();
    let mut mtu = None;
    if agreed & PROTOCOL_FEATURES != 0 {
        let known = frontend.get_protocol_features().map_err(step("tell its protocol features"))?;
        protocol = known & (Protocol::MQ | Protocol::MTU | Protocol::REPLY_ACK);
        frontend.set_protocol_features(protocol).map_err(step("take protocol features"))?;
        if protocol.contains(Protocol::MTU) {
            tell_mtu(stream, settings.mtu).map_err(|e| Failed("take an MTU", e.to_string()))?;
            mtu = Some(settings.mtu);
        }
        if protocol.contains(Protocol::REPLY_ACK) {
            // From here on each step is known to be done when it is said to be.
            frontend.set_hdr_flags(VhostUserHeaderFlag::NEED_REPLY);
        }
    }
    frontend.set_features(agreed).map_err(step("take features"))?;
    Ok(Features { offered, agreed, protocol: protocol.bits(), mtu })
}

fn share(frontend: &mut Frontend, shared: &Shared<'_>, features: Features) -> Result<(), Failed> {
    let region = VhostUserMemoryRegionInfo {
        guest_phys_addr: shared.base,
        memory_size: shared.memory.size() as u64,
        userspace_addr: shared.base,
        mmap_offset: 0,
        mmap_handle: shared.memory.fd(),
    };
    frontend.set_mem_table(&[region]).map_err(step("map the memory"))?;
    let at = |offset: usize| shared.base + offset as u64;
    for (queue, (layout, events)) in shared.layouts.iter().zip(shared.events).enumerate() {
        let rings = VringConfigData {
            queue_max_size: layout.size,
            queue_size: layout.size,
            flags: 0,
            desc_table_addr: at(layout.descriptors),
            used_ring_addr: at(layout.used),
            avail_ring_addr: at(layout.available),
            log_addr: None,
        };
        frontend.set_vring_num(queue, layout.size).map_err(step("take the rings' size"))?;
        frontend.set_vring_base(queue, 0).map_err(step("take the rings' begin"))?;
        frontend.set_vring_addr(queue, &rings).map_err(step("take the rings"))?;
        frontend.set_vring_call(queue, &events.call).map_err(step("take an event to call"))?;
        frontend.set_vring_kick(queue, &events.kick).map_err(step("take an event to be kicked by"))?;
    }
    // Without the protocol's features rings are enabled from the start.
    if features.agreed & PROTOCOL_FEATURES != 0 {
        for queue in 0..shared.layouts.len() {
            frontend.set_vring_enable(queue, true).map_err(step("enable the rings"))?;
        }
    }
    Ok(())
}

/// The one message that the protocol's crate does not know how to send.
fn tell_mtu(mut stream: &UnixStream, mtu: u16) -> std::io::Result<()> {
    let mut message = Vec::with_capacity(20);
    for word in [SET_MTU, PLAIN, 8] {
        message.extend(word.to_ne_bytes());
    }
    message.extend(u64::from(mtu).to_ne_bytes());
    stream.write_all(&message)
}

fn step(name: &'static str) -> impl Fn(vhost::Error) -> Failed {
    move |error| Failed(name, error.to_string())
}

/// Does something that waits for the other side, and cuts the connection if it takes too long.
fn within<T>(
    stream: &UnixStream,
    limit: Duration,
    work: impl FnOnce() -> Result<T, Failed>,
) -> Result<T, Failed> {
    let (done, waits) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let watch = scope.spawn(move || {
            let late = waits.recv_timeout(limit) == Err(RecvTimeoutError::Timeout);
            if late {
                // It is cut already if this fails.
                let _cut = stream.shutdown(Shutdown::Both);
            }
            late
        });
        let result = work();
        drop(done);
        let late = watch.join().expect("the watch does not panic");
        match result {
            Err(Failed(step, _)) if late => Err(Failed(step, format!("no answer within {limit:?}"))),
            result => result,
        }
    })
}
