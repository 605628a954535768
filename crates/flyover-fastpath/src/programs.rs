//! Loads the programs, and talks to them through the variables they share with us.

use std::hash::BuildHasher;
use std::mem::MaybeUninit;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::sync::atomic::{Ordering, fence};
use std::time::Duration;

use libbpf_rs::btf::Btf;
use libbpf_rs::btf::types::Func;
use libbpf_rs::skel::{OpenSkel, SkelBuilder};
use libbpf_rs::{ErrorExt, MapCore, MapFlags, ProgramInput};

use flyover_core::Flow;
use flyover_net::analysis::Selector;

use crate::abi::{Tuple, Way};
use crate::adopt;
use crate::books::Books;
use crate::conntrack;
use crate::inventory::Tunnel;
use crate::judge;
use crate::skel::{FlyoverSkel, FlyoverSkelBuilder};

/// Where a program sits on the path of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Hook {
    /// A pod's packet enters the node.
    FromPod,
    /// A packet leaves for a pod.
    ToPod,
    /// A packet enters from the wire.
    FromWire,
    /// A packet leaves for the wire.
    ToWire,
}

/// A tunnel of the node: the device, and what its packets look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeTunnel {
    /// Number of the device.
    pub ifindex: u32,
    /// Protocol, network and port.
    pub tunnel: Tunnel,
    /// Its own address, if it has one.
    pub local: Option<IpAddr>,
    /// The address of its one peer, if it has but one.
    pub remote: Option<IpAddr>,
}

/// Ethernet, IPv6 and TCP.
const PLAIN_HEADERS: u32 = 14 + 40 + 20;

impl NodeTunnel {
    /// Whether its outer packets are, or may be, IPv6.
    fn is_v6(&self) -> bool {
        self.local.or(self.remote).is_none_or(|ip| ip.is_ipv6())
    }

    /// Bytes of headers its packets may have before their payload.
    fn headers(&self) -> u32 {
        self.overhead() + PLAIN_HEADERS
    }

    /// Bytes it may put around a pod's packet.
    pub(crate) fn overhead(&self) -> u32 {
        let outer = if self.is_v6() { 40 } else { 20 } + 8 + if self.tunnel.geneve { 72 } else { 8 };
        14 + outer
    }
}

/// Where a packet is when a program is run on it alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The device.
    pub ifindex: u32,
    /// Bytes of each segment, if it stands for several.
    pub gso_size: u32,
    /// Whether the device summed all of it (`CHECKSUM_COMPLETE`); the run fails if the program breaks that sum.
    pub summed: bool,
}

/// What a program did with a packet when it was run on it alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// What is to become of the packet: a `TC_ACT_*` value.
    pub verdict: i32,
    /// The packet, as the program left it.
    pub frame: Vec<u8>,
}

/// What kernels differ in, as far as the programs care. A program cannot ask for itself: to a verifier of before 6.4 a
/// function that is not there is an error, also where nothing calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abilities {
    /// Take a tunnel off and say which IP version is inside, since 6.3.
    pub decap_l3: bool,
    /// Read the packet's own structure, since 6.2.
    pub see_packet: bool,
    /// Ask conntrack about a flow: since 5.18, where conntrack is built in or its module can be loaded.
    pub ask_conntrack: bool,
}

impl Abilities {
    /// Those of the running kernel.
    pub fn of_kernel() -> libbpf_rs::Result<Self> {
        conntrack::load_module();
        let kernel = Btf::from_vmlinux()?;
        let has = |function| kernel.type_by_name::<Func<'_>>(function).is_some();
        Ok(Self {
            decap_l3: kernel_at_least(6, 3),
            see_packet: has("bpf_cast_to_kern_ctx"),
            ask_conntrack: has("bpf_skb_ct_lookup") || conntrack::has_module_types(),
        })
    }
}

/// The loaded programs.
pub struct Programs {
    skel: FlyoverSkel<'static>,
    can: Abilities,
    hertz: u64,
}

impl std::fmt::Debug for Programs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Programs").field("hertz", &self.hertz).finish_non_exhaustive()
    }
}

impl Programs {
    /// Loads them into the kernel; nothing is attached yet.
    pub fn load() -> libbpf_rs::Result<Self> {
        Self::load_for(Abilities::of_kernel()?)
    }

    /// Loads them as into a kernel that can do no more than `can` says.
    pub fn load_for(can: Abilities) -> libbpf_rs::Result<Self> {
        Self::load_over(can, None).map(|(programs, _)| programs)
    }

    /// The same, with the maps that an earlier process pinned there, if they fit; tells whether they did.
    pub(crate) fn load_over(can: Abilities, pinned: Option<&Path>) -> libbpf_rs::Result<(Self, bool)> {
        // One object for the life of the process: the skeleton borrows it.
        let storage = Box::leak(Box::new(MaybeUninit::uninit()));
        let mut open = FlyoverSkelBuilder::default().open(storage)?;
        if let Some(rodata) = open.maps.rodata_data.as_deref_mut() {
            rodata.can_decap_l3 = u8::from(can.decap_l3);
            rodata.can_see_packet = u8::from(can.see_packet);
            rodata.can_ask_ct = u8::from(can.ask_conntrack);
        }
        let adopted = pinned.map(|dir| adopt::reuse(&mut open, dir)).transpose()?.unwrap_or(false);
        let mut skel = open.load()?;
        if adopted {
            adopt::see_variables(&mut skel)?;
        }
        let mut programs = Self { skel, can, hertz: 0 };
        programs.hertz = programs.measure_hertz()?;
        if !adopted {
            // Another one would not find what the maps hold.
            programs.state().seed = std::hash::RandomState::new().hash_one("flyover");
        }
        Ok((programs, adopted))
    }

    /// What they were loaded for.
    #[must_use]
    pub fn abilities(&self) -> Abilities {
        self.can
    }

    /// Jiffies now, as the programs see them.
    pub fn jiffies(&self) -> libbpf_rs::Result<u64> {
        let frame = [0u8; 64];
        self.skel.progs.tell_time.test_run(ProgramInput { data_in: Some(&frame), ..Default::default() })?;
        let value = self.skel.maps.clock.lookup(&0u32.to_ne_bytes(), MapFlags::ANY)?;
        let bytes = value.and_then(|v| v.try_into().ok()).unwrap_or_default();
        Ok(u64::from_ne_bytes(bytes))
    }

    /// Ticks a second. No interface tells it to a process, so it is measured once, and rounded to what kernels offer.
    fn measure_hertz(&self) -> libbpf_rs::Result<u64> {
        let (from, start) = (self.jiffies()?, std::time::Instant::now());
        std::thread::sleep(Duration::from_millis(120));
        let (to, elapsed) = (self.jiffies()?, start.elapsed());
        let measured = (to - from) as f64 / elapsed.as_secs_f64();
        let off = |hz: &u64| (*hz as f64 - measured).abs();
        let nearest = [100, 250, 300, 1000].into_iter().min_by(|a, b| off(a).total_cmp(&off(b)));
        Ok(nearest.unwrap_or(1000))
    }

    /// A time as jiffies; at least one.
    #[must_use]
    pub fn ticks(&self, time: Duration) -> u64 {
        u64::try_from(time.as_millis()).unwrap_or(u64::MAX).saturating_mul(self.hertz).div_ceil(1000).max(1)
    }

    /// Jiffies a second.
    #[must_use]
    pub fn hertz(&self) -> u64 {
        self.hertz
    }

    fn state(&mut self) -> &mut crate::skel::types::fo_state {
        &mut self.skel.maps.bss_data.as_deref_mut().expect("the programs have variables").state
    }

    /// How long an entry holds before a packet must prove it again.
    pub fn set_lease(&mut self, lease: Duration) {
        let ticks = self.ticks(lease);
        self.state().lease = ticks;
    }

    /// Keeps the bypass alive for that long from now.
    pub fn beat(&mut self, deadman: Duration) -> libbpf_rs::Result<()> {
        let until = self.jiffies()? + self.ticks(deadman);
        self.state().alive_until = until;
        Ok(())
    }

    /// Revokes every entry: each flow's next packet takes the slow path.
    pub fn revoke(&mut self) {
        let state = self.state();
        // Whoever sees the new epoch is to see what was told before it, such as new judges.
        fence(Ordering::Release);
        state.epoch = state.epoch.wrapping_add(1);
    }

    /// Ends one flow, in the direction it is written.
    pub fn forget(&mut self, flow: Flow) -> libbpf_rs::Result<()> {
        let mut frame = [0u8; 64];
        let tuple = Tuple::from(flow);
        for (to, byte) in frame.iter_mut().zip(bytemuck::bytes_of(&tuple)) {
            *to = *byte;
        }
        let input = ProgramInput { data_in: Some(&frame), ..Default::default() };
        self.skel.progs.end_flow.test_run(input).map(drop)
    }

    /// What conntrack does in this namespace.
    pub fn set_conntrack(&mut self, in_use: bool, liberal: bool) {
        let state = self.state();
        (state.ct_in_use, state.ct_liberal) = (u32::from(in_use), u32::from(liberal));
    }

    /// Stops or resumes learning; stopping revokes as well.
    pub fn set_paused(&mut self, paused: bool) {
        self.state().paused = u32::from(paused);
        self.revoke();
    }

    /// Names the node's tunnels; those beyond the eighth stay slow.
    pub fn set_tunnels(&mut self, tunnels: &[NodeTunnel]) {
        let state = self.state();
        let known = tunnels.len().min(state.tunnel.len());
        for (slot, t) in state.tunnel.iter_mut().zip(tunnels) {
            slot.port = t.tunnel.port.to_be();
            slot.kind = if t.tunnel.geneve { 2 } else { 1 };
            slot.vni = t.tunnel.vni;
            slot.ifindex = t.ifindex;
            slot.family = match t.local.or(t.remote) {
                Some(IpAddr::V4(_)) => 4,
                Some(IpAddr::V6(_)) => 6,
                None => 0,
            };
            slot.local = words(t.local);
            slot.remote = words(t.remote);
        }
        state.tunnels = u32::try_from(known).unwrap_or(0);
        state.reach = tunnels.iter().map(|t| t.headers()).max().unwrap_or(PLAIN_HEADERS);
    }

    /// The largest packet of a pod that every route lets by, where one says less than its device.
    pub fn set_mtu(&mut self, mtu: Option<u32>) {
        self.state().mtu = mtu.unwrap_or(0);
    }

    /// Names the packets that rules of the node judge one by one: their flows are not learnt.
    pub fn set_judges(&mut self, selectors: &[Selector]) {
        let table = judge::table(selectors);
        let state = self.state();
        for (slot, judge) in state.judge.iter_mut().zip(&table) {
            *slot = *judge;
        }
        state.judges = u32::try_from(table.len()).unwrap_or(0);
    }

    /// The program of a hook.
    #[must_use]
    pub fn program(&self, hook: Hook) -> BorrowedFd<'_> {
        let progs = &self.skel.progs;
        match hook {
            Hook::FromPod => progs.from_pod.as_fd(),
            Hook::ToPod => progs.to_pod.as_fd(),
            Hook::FromWire => progs.from_wire.as_fd(),
            Hook::ToWire => progs.to_wire.as_fd(),
        }
    }

    /// The program for the socket on which conntrack announces what ended: it ends such flows, and wakes nobody.
    #[must_use]
    pub fn conntrack_filter(&self) -> BorrowedFd<'_> {
        self.skel.progs.conntrack_gone.as_fd()
    }

    /// Runs the program of a hook on one packet, as if the device had it; nothing is sent.
    pub fn run(&self, hook: Hook, frame: &[u8], at: Place) -> libbpf_rs::Result<Ran> {
        let progs = &self.skel.progs;
        let program = match hook {
            Hook::FromPod => &progs.from_pod,
            Hook::ToPod => &progs.to_pod,
            Hook::FromWire => &progs.from_wire,
            Hook::ToWire => &progs.to_wire,
        };
        // `struct __sk_buff` is ABI: two of its words are ours to set.
        let mut context = [0u8; 192];
        context[40..44].copy_from_slice(&at.ifindex.to_ne_bytes());
        context[176..180].copy_from_slice(&at.gso_size.to_ne_bytes());
        let mut out = vec![0; frame.len() + 256];
        let input = ProgramInput {
            data_in: Some(frame),
            data_out: Some(&mut out),
            context_in: Some(&mut context),
            flags: if at.summed { libbpf_sys::BPF_F_TEST_SKB_CHECKSUM_COMPLETE } else { 0 },
            ..Default::default()
        };
        let ran = program.test_run(input)?;
        let verdict = ran.return_value.cast_signed();
        let frame = ran.data.map(|d| d.to_vec()).unwrap_or_default();
        Ok(Ran { verdict, frame })
    }

    /// Writes over an entry.
    pub fn put(&self, slot: u32, way: &Way) -> libbpf_rs::Result<()> {
        self.skel.maps.ways.update(&slot.to_ne_bytes(), bytemuck::bytes_of(way), MapFlags::ANY)
    }

    /// What the programs wrote, read without pins.
    pub fn books(&self) -> libbpf_rs::Result<Books> {
        Books::of(&self.skel)
    }

    /// Pins the maps, in place of earlier ones.
    pub fn pin_maps(&mut self, dir: &Path) -> libbpf_rs::Result<()> {
        adopt::pin(&self.skel, dir).map_err(libbpf_rs::Error::from).context("failed to pin the maps")
    }
}

/// An address as the programs compare it, nought if there is none.
fn words(ip: Option<IpAddr>) -> [u32; 4] {
    let mut bytes = [0; 16];
    match ip {
        Some(IpAddr::V4(v4)) => bytes[..4].copy_from_slice(&v4.octets()),
        Some(IpAddr::V6(v6)) => bytes = v6.octets(),
        None => {}
    }
    bytemuck::cast(bytes)
}

/// Whether the running kernel is of that version or later.
pub(crate) fn kernel_at_least(major: u32, minor: u32) -> bool {
    let Ok(uname) = nix::sys::utsname::uname() else { return false };
    let release = uname.release().to_string_lossy().into_owned();
    let mut parts = release.split(|c: char| !c.is_ascii_digit()).map(|p| p.parse::<u32>().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) >= (major, minor)
}
