//! Two labs that differ in nothing but the bypass, and the same packets through both.
//!
//! Invariant: a comparison counts only if the bypass really carried what it is there to carry: a flow is opened
//! first, and the books must show every packet that is a case for the bypass, and none that is not.

use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use flyover_core::Proto;
use flyover_fastpath::{Books, Instance};
use flyover_lab::{LabSpec, Overlay, Place};

use crate::diff::diff;
use crate::flow::{Path, Talk};
use crate::frame::{Line, octets};
use crate::plain::{Alias, plain};
use crate::shot::{ACK, Body, SYN, Shot, Sum, Way};
use crate::site::{Eye, FENCED, Seen, Site};

/// Labs are heavy, and a busy machine lets leases end: one test at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
/// Numbers for names and ports, so that no flow meets what is left of an earlier one.
static NEXT: AtomicU16 = AtomicU16::new(0);
/// A lease may end in the middle: then the packets are sent once more.
const ATTEMPTS: usize = 4;

/// The two labs.
#[derive(Debug)]
pub(crate) struct Twins {
    // Dropped in this order: agents before the labs they run in.
    _agents: Agents,
    pub(crate) sites: [Site; 2],
    _turn: MutexGuard<'static, ()>,
}

/// FastPath on every node of a lab.
#[derive(Debug)]
struct Agents(String);

impl Agents {
    fn on(lab: &str) -> Self {
        let agents = Self(lab.to_owned());
        let ran = flyover(&["lab", "fastpath", "on", "--name", lab, "--", "--lease", "5s"]);
        assert!(ran.status.success(), "{ran:?}");
        agents
    }
}

impl Drop for Agents {
    fn drop(&mut self) {
        flyover(&["lab", "fastpath", "off", "--name", &self.0]);
    }
}

fn flyover(args: &[&str]) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_flyover")).args(args).output().expect("our own program can be run")
}

fn next(step: u16) -> u16 {
    NEXT.fetch_add(step, Ordering::Relaxed)
}

impl Twins {
    /// Builds both; `prepare` is done to each before the bypass comes.
    pub(crate) fn up(spec: &LabSpec, receiver: Place, prepare: impl Fn(&Site)) -> Self {
        let turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let name = |which| format!("tw{}-{}{which}", std::process::id(), next(1));
        let names = [name('p'), name('f')];
        let sites = [Site::up(spec, &names[0], receiver), Site::up(spec, &names[1], receiver)];
        sites.iter().for_each(prepare);
        Self { _agents: Agents::on(&names[1]), sites, _turn: turn }
    }

    fn way(&self, path: Path) -> Way {
        path.way(self.sites[0].lab.spec().overlay != Overlay::Routed)
    }

    /// Sends shots of a new flow through both labs, and says what differs.
    pub(crate) fn play(&mut self, talk: &Talk, shots: &[Shot]) -> Result<(), String> {
        // Spread over the range, and never the same twice.
        let sport = 1_024 + (next(1).wrapping_mul(7_919) % 60_000);
        let mut open = Opened::of(self, Talk { sport, ..*talk })?;
        let (last, first): (Vec<_>, Vec<_>) = shots.iter().cloned().partition(Shot::ends);
        let mut told = Ok(());
        for _ in 0..ATTEMPTS {
            open.herald(&first)?;
            let before = open.counts();
            told = open.same(&first).and_then(|()| open.bypassed(&first, &before));
            match &told {
                Err(Fault::Void(_)) => {}
                _ => break,
            }
        }
        told.and_then(|()| if last.is_empty() { Ok(()) } else { open.same(&last) }).map_err(Fault::text)
    }
}

/// Why two labs cannot be called the same.
#[derive(Debug)]
enum Fault {
    /// The bypass did not carry what it should: nothing was shown.
    Void(String),
    /// They differ.
    Differs(String),
}

impl Fault {
    fn text(self) -> String {
        match self {
            Self::Void(text) | Self::Differs(text) => text,
        }
    }
}

/// A flow that is open in both labs.
struct Opened<'a> {
    twins: &'a mut Twins,
    talk: Talk,
    /// The sender's port, as the receiver sees it in each lab.
    chosen: [u16; 2],
}

impl<'a> Opened<'a> {
    fn of(twins: &'a mut Twins, talk: Talk) -> Result<Self, String> {
        for site in &mut twins.sites {
            site.unsink();
            site.sink(talk.proto, talk.ends());
            // The fences' own.
            let [a, b] = talk.ends();
            let at = |port| [(a.ip(), port).into(), (b.ip(), port).into()];
            site.sink(Proto::Udp, at(FENCED));
        }
        let mut open = Self { twins, talk, chosen: [talk.sport; 2] };
        open.greet()?;
        Ok(open)
    }

    fn lines(&self, which: usize) -> [Line; 2] {
        self.talk.lines(self.chosen[which])
    }

    /// What makes conntrack call the flow established, and the bypass see both its directions.
    fn greet(&mut self) -> Result<(), String> {
        let data = Shot::plain(match self.talk.proto {
            Proto::Tcp => Body::Tcp { len: 8, sum: Sum::Left, flags: ACK, urgent: 0, options: 0 },
            _ => Body::Udp { len: 8, sum: Sum::Left },
        });
        let back = |shot: &Shot| shot.clone().with(|s| s.back = true);
        let mut greeting = Vec::new();
        if self.talk.proto == Proto::Tcp {
            let hand =
                |flags| Shot::plain(Body::Tcp { len: 0, sum: Sum::Left, flags, urgent: 0, options: 0 });
            greeting.extend([hand(SYN), back(&hand(SYN | ACK)), hand(ACK)]);
        }
        greeting.extend([data.clone(), back(&data), data.clone(), back(&data)]);
        for (i, shot) in greeting.into_iter().enumerate() {
            let seen = self.send(std::slice::from_ref(&shot));
            for (which, seen) in seen.iter().enumerate() {
                let eye = if shot.back { Eye::A } else { Eye::B };
                let Some(frame) = seen[eye as usize].iter().find(|f| self.is_ours(f, shot.back)) else {
                    let (talk, chosen) = (self.talk, self.chosen);
                    return Err(format!(
                        "{shot:?} of {talk:?} {chosen:?} did not arrive in lab {which}: {seen:x?}"
                    ));
                };
                // Later ones are shown as if the port were the sender's.
                if self.talk.path == Path::Outside && i == 0 {
                    let at = if self.talk.ends()[0].is_ipv4() { 14 + 20 } else { 14 + 40 };
                    self.chosen[which] = u16::from_be_bytes([frame[at], frame[at + 1]]);
                }
            }
        }
        Ok(())
    }

    fn is_ours(&self, frame: &[u8], back: bool) -> bool {
        let to = self.talk.ends()[usize::from(!back)];
        let address = octets(to.ip());
        let proto = if to.is_ipv4() { frame[14 + 9] } else { frame[14 + 6] };
        proto == self.talk.proto.number() && frame.windows(address.len()).any(|w| w == address)
    }

    /// Makes every class of the shots known.
    fn herald(&mut self, shots: &[Shot]) -> Result<(), String> {
        let mut heralds: Vec<Shot> = Vec::new();
        for shot in shots {
            let herald = shot.herald(self.talk.proto);
            if !heralds.contains(&herald) {
                heralds.push(herald);
            }
        }
        for _ in 0..2 {
            self.same(&heralds).map_err(Fault::text)?;
        }
        Ok(())
    }

    /// What comes of it in each lab, by device.
    fn send(&mut self, shots: &[Shot]) -> Vec<Vec<Vec<Vec<u8>>>> {
        let [plain, fast] = [0, 1].map(|which| {
            let (site, lines) = (&self.twins.sites[which], self.lines(which));
            let mut seen = Seen::default();
            let refused: Vec<_> =
                shots.iter().map(|s| site.shoot(s, &lines[usize::from(s.back)], &mut seen)).collect();
            site.settle(&self.talk.fences(), &mut seen);
            let alias = Alias { chosen: self.chosen[which], called: self.talk.sport };
            let alias = (alias.chosen != alias.called).then_some(alias);
            let plain = |frames: &Vec<_>| frames.iter().filter_map(|frame| plain(frame, alias)).collect();
            let mut seen: Vec<Vec<_>> = seen.iter().map(plain).collect();
            // What the device refused is told to the sender, and is compared too.
            seen.push(vec![format!("{refused:?}").into_bytes()]);
            seen
        });
        vec![plain, fast]
    }

    fn same(&mut self, shots: &[Shot]) -> Result<(), Fault> {
        let seen = self.send(shots);
        let way = self.twins.way(self.talk.path);
        for (eye, back) in [(Eye::B, false), (Eye::A, true)] {
            let least = shots.iter().filter(|s| s.back == back && s.is_fast(way)).count();
            let got = seen[0][eye as usize].len();
            assert!(got >= least, "{got} of {least} packets arrived without the bypass: {shots:#?}");
        }
        match diff(&seen[0], &seen[1]) {
            None => Ok(()),
            Some(text) => Err(Fault::Differs(format!("{:?} {shots:#?}\n{text}", self.talk))),
        }
    }

    fn instance(&self, node: u8) -> Instance {
        let name = self.twins.sites[1].lab.name().netns(Place::Node(node));
        Instance::new(std::path::Path::new("/"), &name).expect("the name is a lab's")
    }

    /// Packets that the bypass carried, at each hop.
    fn counts(&self) -> Vec<u64> {
        let flows = [1, 2].map(|i| {
            Books::open(&self.instance(i))
                .and_then(|books| books.flows())
                .expect("the agent's books can be read")
        });
        let count = |hop: &crate::flow::Hop| {
            let flows = flows[usize::from(hop.node - 1)].iter();
            flows.filter(|f| f.flow() == Some(hop.flow)).map(|f| f.way.packets).sum()
        };
        self.talk.hops(self.chosen[1]).iter().map(count).collect()
    }

    /// Whether the books show what they must.
    fn bypassed(&self, shots: &[Shot], before: &[u64]) -> Result<(), Fault> {
        let way = self.twins.way(self.talk.path);
        let after = self.counts();
        for ((hop, before), after) in self.talk.hops(self.chosen[1]).iter().zip(before).zip(after) {
            let shots = || shots.iter().filter(|shot| shot.back == hop.back);
            // Where no device vouches for the outer checksum, the second node's stack must see it.
            let vouched = way != Way::Tunnel || hop.first || self.twins.sites[1].lab.spec().offload;
            let least = shots().filter(|shot| vouched && shot.is_fast(way)).count() as u64;
            let most = shots().filter(|shot| !shot.is_slow(hop.first)).map(Shot::parts).sum::<u64>();
            let grew = after.saturating_sub(*before);
            let why = Books::open(&self.instance(hop.node)).and_then(|books| books.refusal(hop.flow));
            let why = why.ok().flatten().map(|r| flyover_fastpath::reason(r.reason).name);
            let said = || {
                format!(
                    "{why:?}: {grew} packets bypassed of {least} to {most} at {hop:?}\n{shots:#?}",
                    shots = shots().collect::<Vec<_>>()
                )
            };
            if grew > most {
                return Err(Fault::Differs(said()));
            }
            if grew < least {
                return Err(Fault::Void(said()));
            }
        }
        Ok(())
    }
}
