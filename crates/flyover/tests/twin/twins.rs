//! Two labs that differ in nothing but the bypass, and the same packets through both.
//!
//! Invariant: a comparison counts only if the bypass really carried what it is there to carry: a flow is opened
//! first, and the books must show every packet that is a case for the bypass, and none that is not.

use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use flyover_fastpath::{Books, Instance};
use flyover_host::cmd::{Cmd, CmdError};
use flyover_lab::{LabSpec, Overlay, Place};
use nix::sched::{CpuSet, sched_getcpu, sched_setaffinity};
use nix::unistd::Pid;

use crate::flow::{Hop, Path, Talk};
use crate::opened::{Came, Fault, Opened};
use crate::shot::{Shot, Way};
use crate::site::Site;
use crate::wrap::Wrap;

/// Labs are heavy, and a busy machine lets leases end: one test at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
/// Numbers for names and ports, so that no flow meets what is left of an earlier one.
static NEXT: AtomicU16 = AtomicU16::new(0);
/// A lease may end in the middle: then the packets are sent once more.
const ATTEMPTS: usize = 4;
/// The books may have no room where a flow's entries belong: then another flow is tried.
const FLOWS: usize = 3;
/// Emulated processors take their time.
const LONG: Duration = Duration::from_secs(120);

/// The two labs.
#[derive(Debug)]
pub(crate) struct Twins {
    // Dropped in this order: agents before the labs they run in.
    agents: Agents,
    pub(crate) sites: [Site; 2],
    _turn: MutexGuard<'static, ()>,
}

/// FastPath on every node of a lab.
#[derive(Debug)]
struct Agents {
    lab: String,
    backend: &'static str,
}

impl Agents {
    fn on(lab: &str, backend: &'static str) -> Self {
        let agents = Self { lab: lab.to_owned(), backend };
        let on = ["lab", "fastpath", "on", "--name", lab, "--", "--lease", "5s", "--backend", backend];
        flyover(&on).expect("agents start");
        agents
    }
}

impl Drop for Agents {
    fn drop(&mut self) {
        if let Err(error) = flyover(&["lab", "fastpath", "off", "--name", &self.lab]) {
            eprintln!("{error}");
        }
    }
}

fn flyover(args: &[&str]) -> Result<String, CmdError> {
    // In a guest it lies where programs do.
    let built = env!("CARGO_BIN_EXE_flyover");
    let program = if std::path::Path::new(built).exists() { built } else { "flyover" };
    Cmd::new(program).args(args).timeout(LONG).run()
}

fn next(step: u16) -> u16 {
    NEXT.fetch_add(step, Ordering::Relaxed)
}

/// Spread over the range, and never the same twice.
fn port() -> u16 {
    // The step shares no factor with the range, so each is met once before any comes again.
    let spread = u32::from(next(1)) * 7_919 % 60_000;
    1_024 + u16::try_from(spread).expect("it is below the range")
}

/// A packet waits on the CPU where it was sent: from two of them the last one sent may arrive before the others.
fn stay_on_this_cpu() {
    let mut cpus = CpuSet::new();
    cpus.set(sched_getcpu().expect("we run somewhere")).expect("the number is a CPU's");
    sched_setaffinity(Pid::from_raw(0), &cpus).expect("we may stay where we are");
}

/// Does it again while nothing is shown.
fn insist<T>(mut attempt: impl FnMut() -> Result<T, Fault>) -> Result<T, Fault> {
    let mut left = ATTEMPTS;
    loop {
        left -= 1;
        let told = attempt();
        if left == 0 || !matches!(told, Err(Fault::Void(_))) {
            return told;
        }
    }
}

impl Twins {
    /// Builds both; `prepare` is done to each before the bypass comes.
    pub(crate) fn up(spec: &LabSpec, receiver: Place, prepare: impl Fn(&Site)) -> Self {
        Self::up_by("ebpf", spec, receiver, prepare)
    }

    /// The same with a back end of the caller's choice.
    pub(crate) fn up_by(
        backend: &'static str,
        spec: &LabSpec,
        receiver: Place,
        prepare: impl Fn(&Site),
    ) -> Self {
        let turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let name = |which| format!("tw{}-{}{which}", std::process::id(), next(1));
        let names = [name('p'), name('f')];
        let sites = [Site::up(spec, &names[0], receiver), Site::up(spec, &names[1], receiver)];
        sites.iter().for_each(prepare);
        let agents = Agents::on(&names[1], backend);
        stay_on_this_cpu();
        Self { agents, sites, _turn: turn }
    }

    pub(crate) fn way(&self, path: Path) -> Way {
        path.way(self.sites[0].lab.spec().overlay != Overlay::Routed)
    }

    /// Whether there are books to be held against what was sent.
    pub(crate) fn has_books(&self) -> bool {
        self.agents.backend == "ebpf"
    }

    /// Packets of that talk that the bypass carried from the sender.
    pub(crate) fn bypassed(&self, talk: &Talk) -> u64 {
        self.carried(&talk.hops(talk.sport)[..1])[0]
    }

    /// Packets that the bypass carried, at each hop.
    pub(crate) fn carried(&self, hops: &[Hop]) -> Vec<u64> {
        if !self.has_books() {
            return vec![0; hops.len()];
        }
        // Reading all that a node has books of is what takes longest in a case.
        let flows = [1, 2].map(|node| {
            if hops.iter().all(|hop| hop.node != node) {
                return Vec::new();
            }
            let books = Books::open(&self.instance(node));
            books.and_then(|books| books.flows()).expect("the agent's books can be read")
        });
        let count = |hop: &Hop| {
            let flows = flows[usize::from(hop.node - 1)].iter();
            flows.filter(|f| f.flow() == Some(hop.flow)).map(|f| f.way.packets).sum()
        };
        hops.iter().map(count).collect()
    }

    /// The agent of a node.
    pub(crate) fn instance(&self, node: u8) -> Instance {
        let name = self.sites[1].lab.name().netns(Place::Node(node));
        Instance::new(std::path::Path::new("/"), &name).expect("the name is a lab's")
    }

    /// Sends shots of a new flow through both labs, and says what differs, or what came alike of those that leave the
    /// flow open.
    pub(crate) fn play(&mut self, talk: &Talk, shots: &[Shot]) -> Result<Came, String> {
        let (last, first): (Vec<_>, Vec<_>) = shots.iter().cloned().partition(Shot::ends);
        self.with_flow(talk, |open| {
            let came = insist(|| {
                open.herald(&first)?;
                let before = open.counts();
                let came = open.same(&first)?;
                open.bypassed(&first, &before).map(|()| came)
            })?;
            if !last.is_empty() {
                open.same(&last)?;
            }
            Ok(came)
        })
    }

    /// Sends packets of a new flow's answers to the first node's uplink, wrapped and maimed.
    pub(crate) fn meddle(&mut self, talk: &Talk, wraps: &[Wrap]) -> Result<Came, String> {
        let heralds: Vec<_> = wraps.iter().map(|wrap| Shot { back: true, ..wrap.inner.clone() }).collect();
        self.with_flow(talk, |open| {
            insist(|| {
                open.herald(&heralds)?;
                let before = open.taken_off();
                let came = open.same_wrapped(wraps)?;
                open.unwrapped(wraps, before).map(|()| came)
            })
        })
    }

    /// Does something with a new flow, and with another if nothing is shown by the first.
    fn with_flow(
        &mut self,
        talk: &Talk,
        mut work: impl FnMut(&mut Opened<'_>) -> Result<Came, Fault>,
    ) -> Result<Came, String> {
        let mut left = FLOWS;
        loop {
            left -= 1;
            let mut open = Opened::of(self, Talk { sport: port(), ..*talk })?;
            match work(&mut open) {
                Err(Fault::Void(_)) if left > 0 => {}
                told => return told.map_err(Fault::text),
            }
        }
    }
}
