//! A flow that is open in both labs: what is sent over it, what comes of that, and what the books say.

use flyover_core::Proto;
use flyover_fastpath::Books;

use crate::diff::diff;
use crate::flow::{Path, Talk};
use crate::frame::{Line, octets};
use crate::plain::{Alias, plain};
use crate::shot::{ACK, Body, SYN, Shot, Sum, Way};
use crate::site::{Eye, FENCED, Seen, Site};
use crate::twins::Twins;
use crate::wrap::Wrap;

/// Why two labs cannot be called the same.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The bypass did not carry what it should: nothing was shown.
    Void(String),
    /// They differ.
    Differs(String),
}

impl Fault {
    pub(crate) fn text(self) -> String {
        match self {
            Self::Void(text) | Self::Differs(text) => text,
        }
    }
}

/// What came to each device, and what was refused, in either lab: all but what is drawn by lot.
pub(crate) type Came = Vec<Vec<Vec<u8>>>;

/// A flow that is open in both labs.
pub(crate) struct Opened<'a> {
    twins: &'a mut Twins,
    talk: Talk,
    /// The sender's port, as the receiver sees it in each lab.
    chosen: [u16; 2],
}

impl<'a> Opened<'a> {
    pub(crate) fn of(twins: &'a mut Twins, talk: Talk) -> Result<Self, String> {
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
    pub(crate) fn herald(&mut self, shots: &[Shot]) -> Result<(), Fault> {
        let mut heralds: Vec<Shot> = Vec::new();
        for shot in shots {
            let herald = shot.herald(self.talk.proto);
            if !heralds.contains(&herald) {
                heralds.push(herald);
            }
        }
        for _ in 0..2 {
            self.same(&heralds)?;
        }
        Ok(())
    }

    /// What comes in each lab, by device, of what is put in; what a device refused is told, and is compared too.
    fn watch<R: std::fmt::Debug>(&self, put: impl Fn(&Site, &[Line; 2], &mut Seen) -> Vec<R>) -> [Came; 2] {
        [0, 1].map(|which| {
            let (site, lines) = (&self.twins.sites[which], self.lines(which));
            let mut seen = Seen::default();
            let refused = put(site, &lines, &mut seen);
            site.settle(&self.talk.fences(), &mut seen);
            let alias = Alias { chosen: self.chosen[which], called: self.talk.sport };
            let alias = (alias.chosen != alias.called).then_some(alias);
            let plain = |frames: &Vec<_>| frames.iter().filter_map(|frame| plain(frame, alias)).collect();
            let mut seen: Vec<Vec<_>> = seen.iter().map(plain).collect();
            seen.push(vec![format!("{refused:?}").into_bytes()]);
            seen
        })
    }

    fn send(&self, shots: &[Shot]) -> [Came; 2] {
        self.watch(|site, lines, seen| {
            shots.iter().map(|s| site.shoot(s, &lines[usize::from(s.back)], seen)).collect()
        })
    }

    pub(crate) fn same(&mut self, shots: &[Shot]) -> Result<Came, Fault> {
        let seen = self.send(shots);
        let way = self.twins.way(self.talk.path);
        for (eye, back) in [(Eye::B, false), (Eye::A, true)] {
            let least = shots.iter().filter(|s| s.back == back && s.is_fast(way)).count();
            let got = seen[0][eye as usize].len();
            assert!(got >= least, "{got} of {least} packets arrived without the bypass: {shots:#?}");
        }
        self.told(shots, seen)
    }

    pub(crate) fn same_wrapped(&mut self, wraps: &[Wrap]) -> Result<Came, Fault> {
        let seen = self.watch(|site, lines, _| {
            wraps
                .iter()
                .flat_map(|wrap| wrap.frames(&lines[1]))
                .map(|frame| site.send(Eye::Wire2, &frame).map_err(|e| e.kind()))
                .collect()
        });
        self.told(wraps, seen)
    }

    fn told<S: std::fmt::Debug>(&self, sent: &[S], seen: [Came; 2]) -> Result<Came, Fault> {
        let [slow, fast] = seen;
        match diff(&slow, &fast) {
            None => Ok(slow),
            Some(text) => Err(Fault::Differs(format!("{:?} {sent:#?}\n{text}", self.talk))),
        }
    }

    /// Answers that the bypass took off the first node's uplink.
    pub(crate) fn taken_off(&self) -> u64 {
        let hops = self.talk.hops(self.chosen[1]);
        let at = hops.iter().find(|h| h.node == 1 && h.back).expect("answers come to the first node");
        self.twins.carried(&[*at])[0]
    }

    /// Whether the books show of wrapped packets what they must.
    pub(crate) fn unwrapped(&self, wraps: &[Wrap], before: u64) -> Result<(), Fault> {
        let grew = self.taken_off().saturating_sub(before);
        let least = wraps.iter().filter(|wrap| self.twins.has_books() && wrap.is_fast()).count() as u64;
        let most = wraps.iter().filter(|wrap| !wrap.is_slow()).count() as u64;
        let said = || format!("{grew} wrapped packets bypassed of {least} to {most}: {wraps:#?}");
        match grew {
            _ if grew > most => Err(Fault::Differs(said())),
            _ if grew < least => Err(Fault::Void(said())),
            _ => Ok(()),
        }
    }

    /// Packets that the bypass carried, at each hop.
    pub(crate) fn counts(&self) -> Vec<u64> {
        self.twins.carried(&self.talk.hops(self.chosen[1]))
    }

    /// Whether the books show what they must.
    pub(crate) fn bypassed(&self, shots: &[Shot], before: &[u64]) -> Result<(), Fault> {
        let way = self.twins.way(self.talk.path);
        let after = self.counts();
        for ((hop, before), after) in self.talk.hops(self.chosen[1]).iter().zip(before).zip(after) {
            let shots = || shots.iter().filter(|shot| shot.back == hop.back);
            // Where no device vouches for the outer checksum, the second node's stack must see it.
            let vouched = way != Way::Tunnel || hop.first || self.twins.sites[1].lab.spec().offload;
            let seen = vouched && self.twins.has_books();
            let least = shots().filter(|shot| seen && shot.is_fast(way)).count() as u64;
            let most = shots().filter(|shot| !shot.is_slow(hop.first)).map(Shot::parts).sum::<u64>();
            let grew = after.saturating_sub(*before);
            let said = || {
                let books = Books::open(&self.twins.instance(hop.node));
                let why = books.and_then(|books| books.refusal(hop.flow)).ok().flatten();
                let why = why.map(|r| flyover_fastpath::reason(r.reason).name);
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
