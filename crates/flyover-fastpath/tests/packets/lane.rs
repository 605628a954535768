//! A node reduced to what the programs ask of it: a namespace with devices that have numbers and MTUs, the real
//! programs, and the real maps.
//!
//! Invariant: nothing of it outlives the test.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::Duration;

use flyover_fastpath::abi::Way;
use flyover_fastpath::{Abilities, Books, FlowEntry, Hook, NodeTunnel, Place, Programs, Tunnel, reason};
use flyover_host::cmd::Cmd;
use flyover_net::netns::Netns;
use nix::net::if_::if_nametoindex;
use nix::sched::{CpuSet, sched_getcpu, sched_setaffinity};
use nix::unistd::Pid;

use crate::case::{Case, Dev, GENEVE_PORT, Hop, NODE_MAC, VXLAN_PORT};
use crate::packet::{ETH, Packet};

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// `TC_ACT_UNSPEC`: on to the stack.
    Slow,
    /// `TC_ACT_REDIRECT`: past it.
    Sent,
    /// `TC_ACT_SHOT`.
    Dropped,
}

/// What a program did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Out {
    pub(crate) verdict: Verdict,
    pub(crate) bytes: Vec<u8>,
    /// The reasons it counted, by name.
    pub(crate) counted: BTreeMap<&'static str, u64>,
}

impl Out {
    /// It took the slow path, as it was, for that reason and no other.
    #[track_caller]
    pub(crate) fn is_slow(&self, sent: &[u8], reason: &'static str) {
        assert_eq!(self.counted, BTreeMap::from([(reason, 1)]), "the reason");
        self.is_untouched(sent);
    }

    /// It took the slow path, as it was.
    #[track_caller]
    pub(crate) fn is_untouched(&self, sent: &[u8]) {
        assert_eq!(self.verdict, Verdict::Slow);
        assert_eq!(self.bytes, sent, "a slow packet must not be touched");
    }

    /// It was sent as the slow path would have sent it. The outer identification is the program's own choice.
    #[track_caller]
    pub(crate) fn is_sent(&self, hop: &Hop, sent: &Packet) {
        assert_eq!(self.counted, BTreeMap::new(), "a fast packet has no reason");
        assert_eq!(self.verdict, Verdict::Sent);
        let id = u16::from_be_bytes([self.bytes[ETH + 4], self.bytes[ETH + 5]]);
        assert_eq!(self.bytes, hop.after(sent, id).bytes());
    }
}

/// The node.
pub(crate) struct Lane {
    pub(crate) programs: Programs,
    books: Books,
    devices: [u32; 3],
    ns: Netns,
}

const LONG: Duration = Duration::from_secs(600);

impl Lane {
    /// A node where nothing was learnt, conntrack is not in use, and the heart beats.
    pub(crate) fn new() -> Self {
        Self::of(Abilities::of_kernel().expect("the kernel tells its types"))
    }

    /// The same on a kernel that can do no more than that.
    pub(crate) fn of(can: Abilities) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        stay_on_this_cpu();
        let programs = Programs::load_for(can).expect("the kernel takes the programs");
        let books = programs.books().expect("the maps are there");
        let name = format!("fo-spec-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let ns = Netns::create(&name).expect("root may make a network namespace");
        let mut lane = Self { programs, books, devices: [0; 3], ns };
        lane.sh(DEVICES);
        lane.devices = ["pod", "other", "uplink"].map(|name| lane.ifindex(name));
        lane.programs.set_lease(LONG);
        lane.programs.beat(LONG).expect("the clock runs");
        lane.set_tunnels();
        lane
    }

    /// A node that knows this conversation, both ways.
    pub(crate) fn knows(case: &Case) -> Self {
        let lane = Self::new();
        lane.learn(case);
        lane
    }

    /// Lets it see the conversation until its entries are open: a busy machine may be too slow for one note.
    pub(crate) fn learn(&self, case: &Case) {
        for _ in 0..10 {
            self.teach(&case.request());
            self.teach(&case.reply());
            if self.is_open(&case.request()) && self.is_open(&case.reply()) {
                return;
            }
            // A packet that never came out keeps its place for a while.
            sleep(Duration::from_millis(20));
        }
        let why = [case.request(), case.reply()].map(|hop| (self.is_open(&hop), self.refusal(&hop)));
        panic!("{case:?} was not learnt: {why:?}, {:?}", self.reasons());
    }

    /// Lets it see one direction until there is an entry.
    pub(crate) fn learn_one(&self, hop: &Hop) {
        for _ in 0..10 {
            self.teach(hop);
            if self.entry(hop).is_some() {
                return;
            }
            sleep(Duration::from_millis(20));
        }
        panic!("{hop:?} was not learnt");
    }

    /// Puts the conversation into conntrack's table, established and assured, and says that the table is in use.
    pub(crate) fn track(&mut self, case: &Case) {
        self.track_as(case, "ESTABLISHED", "SEEN_REPLY,ASSURED");
    }

    /// The same in another state.
    pub(crate) fn track_as(&mut self, case: &Case, tcp_state: &str, status: &str) {
        let ((src, sport), (dst, dport)) = (case.pod(), case.called());
        let ((reply_src, reply_sport), (reply_dst, reply_dport)) = (case.peer(), case.seen_as());
        let proto = if case.tcp { format!("tcp --state {tcp_state}") } else { "udp".to_owned() };
        self.sh(&format!(
            "conntrack -I -p {proto} -t 600 -u {status} -s {src} -d {dst} --sport {sport} \
             --dport {dport} -r {reply_src} -q {reply_dst} --reply-port-src {reply_sport} \
             --reply-port-dst {reply_dport}"
        ));
        self.programs.set_conntrack(true, true);
    }

    /// Shows it one packet at both ends of its slow way. Neither may be touched.
    #[track_caller]
    pub(crate) fn teach(&self, hop: &Hop) {
        let (enters, leaves) = (hop.enters.bytes(), hop.leaves.bytes());
        let seen = self.run(hop.from, &enters);
        if seen.verdict == Verdict::Slow {
            seen.is_untouched(&enters);
            self.run(hop.to, &leaves).is_untouched(&leaves);
        }
    }

    /// Sends a packet where it enters. A device vouches for outer checksums, as most do.
    pub(crate) fn send(&self, hop: &Hop, packet: &Packet) -> Out {
        let summed = packet.outer.as_ref().is_some_and(|o| o.summed);
        self.run_at(hop.from, &packet.bytes(), Place { summed, ..Place::default() })
    }

    /// Runs the program of a hook on a frame.
    pub(crate) fn run(&self, at: (Hook, Dev), frame: &[u8]) -> Out {
        self.run_at(at, frame, Place::default())
    }

    /// The same, with more said about the packet.
    pub(crate) fn run_at(&self, (hook, dev): (Hook, Dev), frame: &[u8], place: Place) -> Out {
        let before = self.reasons();
        let place = Place { ifindex: self.device(dev), ..place };
        let ran = self.ns.run(|| self.programs.run(hook, frame, place)).expect("the namespace is there");
        let ran = ran.expect("the program runs, and leaves a valid checksum");
        let verdict = match ran.verdict {
            -1 => Verdict::Slow,
            7 => Verdict::Sent,
            2 => Verdict::Dropped,
            other => panic!("{other} is none of our verdicts"),
        };
        let mut counted = self.reasons();
        counted.retain(|name, n| {
            *n -= before.get(name).unwrap_or(&0);
            *n > 0
        });
        Out { verdict, bytes: ran.frame, counted }
    }

    /// All entries.
    pub(crate) fn entries(&self) -> Vec<FlowEntry> {
        self.books.flows().expect("the map is there")
    }

    /// The entry for packets that enter like this one.
    pub(crate) fn entry(&self, hop: &Hop) -> Option<FlowEntry> {
        let (flow, dev, vni) = (hop.flow(), self.device(hop.from.1), hop.vni());
        let is_its =
            |e: &FlowEntry| e.flow() == Some(flow) && e.way.key.ifindex == dev && e.way.key.vni() == vni;
        self.entries().into_iter().find(is_its)
    }

    /// Whether packets that enter like this one have an open entry.
    pub(crate) fn is_open(&self, hop: &Hop) -> bool {
        self.entry(hop).is_some_and(|e| e.way.is_open())
    }

    /// Changes an entry.
    pub(crate) fn change(&self, hop: &Hop, change: impl FnOnce(&mut Way)) {
        let mut entry = self.entry(hop).expect("the flow is known");
        change(&mut entry.way);
        self.programs.put(entry.slot, &entry.way).expect("the place is there");
    }

    /// Why the flow of packets that enter like this one was last refused, and more about it.
    pub(crate) fn refusal(&self, hop: &Hop) -> Option<(&'static str, u32)> {
        let refusal = self.books.refusal(hop.flow()).expect("the map is there")?;
        Some((reason(refusal.reason).name, refusal.detail))
    }

    /// The books, for what the above does not ask.
    pub(crate) fn books(&self) -> &Books {
        &self.books
    }

    /// The number of a device.
    pub(crate) fn device(&self, dev: Dev) -> u32 {
        self.devices[dev as usize]
    }

    /// The address of a device.
    pub(crate) fn mac(&self, dev: Dev) -> [u8; 6] {
        MACS[dev as usize]
    }

    /// Runs a shell script in the namespace.
    pub(crate) fn sh(&self, script: &str) {
        let run = || Cmd::new("sh").args(["-euc", script]).run();
        self.ns.run(run).expect("the namespace is there").expect("the script succeeds");
    }

    fn ifindex(&self, name: &str) -> u32 {
        self.ns.run(|| if_nametoindex(name)).expect("the namespace is there").expect("the device is there")
    }

    fn reasons(&self) -> BTreeMap<&'static str, u64> {
        let counts = self.books.reasons().expect("the map is there");
        counts.into_iter().map(|(reason, n)| (reason.name, n)).collect()
    }

    fn set_tunnels(&mut self) {
        let tunnel = |name: &str, geneve: bool, vni: u32| NodeTunnel {
            ifindex: self.ifindex(name),
            tunnel: Tunnel { geneve, vni, port: if geneve { GENEVE_PORT } else { VXLAN_PORT } },
            local: None,
            remote: None,
        };
        let tunnels = [tunnel("tun1", false, 1), tunnel("tun2", false, 2), tunnel("tun3", true, 1)];
        self.programs.set_tunnels(&tunnels);
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        if let Err(error) = Netns::delete(self.ns.name()) {
            eprintln!("{error}");
        }
    }
}

/// What the devices of [`DEVICES`] are addressed by.
const MACS: [[u8; 6]; 3] = [[2, 0, 0, 0, 7, 1], [2, 0, 0, 0, 7, 2], NODE_MAC];

/// The programs ask a device for its number and its MTU only, so veths stand in for tunnels of any kind.
const DEVICES: &str = "
    ip link add pod address 02:00:00:00:07:01 mtu 1450 type veth peer name pod-peer
    ip link add other address 02:00:00:00:07:02 mtu 1450 type veth peer name other-peer
    ip link add uplink address 02:00:00:00:09:01 mtu 1500 type veth peer name uplink-peer
    for n in 1 2 3; do ip link add tun$n mtu 1450 type veth peer name tun$n-peer; done
";

/// Notes and exits of a packet meet on the CPU where it entered.
fn stay_on_this_cpu() {
    let mut cpus = CpuSet::new();
    let here = sched_getcpu().expect("we run somewhere");
    cpus.set(here).expect("the number is a CPU's");
    sched_setaffinity(Pid::from_raw(0), &cpus).expect("we may stay where we are");
}
