//! What a front end has set up, so that another switch can be told the same.

use std::collections::BTreeMap;

use super::message::{Message, Region, Request};

/// How a used ring's index is read from the pod's memory: from a file, at an offset.
pub type Reader<'a, F> = &'a dyn Fn(&F, u64) -> Option<u16>;

/// One ring.
#[derive(Clone, Debug)]
struct Ring<F> {
    /// What was said of it, in the order in which it must be said.
    said: BTreeMap<u8, Message<F>>,
}

impl<F> Default for Ring<F> {
    fn default() -> Self {
        Self { said: BTreeMap::new() }
    }
}

/// What a front end has set up.
#[derive(Clone, Debug)]
pub struct Memo<F> {
    owned: bool,
    features: Option<u64>,
    protocol: Option<u64>,
    mtu: Option<Message<F>>,
    memory: Option<Message<F>>,
    rings: BTreeMap<u32, Ring<F>>,
    status: Option<Message<F>>,
}

impl<F> Default for Memo<F> {
    fn default() -> Self {
        Self {
            owned: false,
            features: None,
            protocol: None,
            mtu: None,
            memory: None,
            rings: BTreeMap::new(),
            status: None,
        }
    }
}

/// The place of a message among those of its ring: the base before the ring, the events after it.
fn place(request: Request) -> Option<u8> {
    Some(match request {
        Request::SetSize => 0,
        Request::SetBase => 1,
        Request::SetRing => 2,
        Request::SetCall => 3,
        Request::SetError => 4,
        Request::SetKick => 5,
        Request::SetEnabled => 6,
        _ => return None,
    })
}

impl<F: Clone> Memo<F> {
    /// The features in use.
    pub fn features(&self) -> Option<u64> {
        self.features
    }

    /// The protocol's own features in use.
    pub fn protocol(&self) -> Option<u64> {
        self.protocol
    }

    /// Whether there is anything another switch would have to be told.
    pub fn is_empty(&self) -> bool {
        !self.owned
            && self.features.is_none()
            && self.protocol.is_none()
            && self.memory.is_none()
            && self.rings.is_empty()
    }

    /// Remembers what a request sets.
    pub fn note(&mut self, message: &Message<F>) {
        // What is told again is told without asking for an answer, whatever the first one did.
        let plain = || Message::request(message.request, message.payload.clone(), message.files.clone());
        match message.request {
            Request::SetOwner => self.owned = true,
            Request::ResetOwner => *self = Self::default(),
            Request::SetFeatures => self.features = Some(message.number()),
            Request::SetProtocol => self.protocol = Some(message.number()),
            Request::SetMtu => self.mtu = Some(plain()),
            Request::SetMemory => self.memory = Some(plain()),
            Request::SetStatus => self.status = Some(plain()),
            request => {
                if let Some(place) = place(request) {
                    let ring = self.rings.entry(message.ring().0).or_default();
                    ring.said.insert(place, plain());
                }
            }
        }
    }

    /// A ring was stopped where the switch says: it starts again when it gets a new kick.
    pub fn stopped(&mut self, ring: u32, base: u32) {
        let ring_memo = self.rings.entry(ring).or_default();
        for request in [Request::SetKick, Request::SetCall, Request::SetError] {
            ring_memo.said.remove(&place(request).expect("events have places"));
        }
        set_base(ring_memo, ring, base);
    }

    /// All of it, to be told to a new switch whose features are known to do. Running rings begin where the old switch left
    /// them: what it took and did not give back is taken again.
    pub fn replay(&self, reader: Reader<'_, F>) -> Vec<Message<F>> {
        let number =
            |request, number: u64| Message::request(request, number.to_ne_bytes().to_vec(), Vec::new());
        let mut messages = Vec::new();
        messages.extend(self.protocol.map(|features| number(Request::SetProtocol, features)));
        if self.owned {
            messages.push(Message::request(Request::SetOwner, Vec::new(), Vec::new()));
        }
        messages.extend(self.features.map(|features| number(Request::SetFeatures, features)));
        messages.extend(self.mtu.clone());
        messages.extend(self.memory.clone());
        for (index, ring) in &self.rings {
            let mut ring = ring.clone();
            if let Some(used) = self.used_index(&ring, reader) {
                set_base(&mut ring, *index, u32::from(used));
            }
            messages.extend(ring.said.into_values());
        }
        messages.extend(self.status.clone());
        messages
    }

    /// The events by which the front end is told of used buffers.
    pub fn calls(&self) -> impl Iterator<Item = F> + '_ {
        let call = place(Request::SetCall).expect("events have places");
        self.rings.values().filter_map(move |ring| ring.said.get(&call)).flat_map(|call| call.files.clone())
    }

    /// Where a running ring is, as the pod sees it.
    fn used_index(&self, ring: &Ring<F>, reader: Reader<'_, F>) -> Option<u16> {
        let said = |request| ring.said.get(&place(request).expect("it is one of a ring"));
        said(Request::SetKick)?;
        let used = said(Request::SetRing)?.used_ring();
        let memory = self.memory.as_ref()?;
        let holds = |region: &Region| (region.user..region.user + region.size).contains(&used);
        let regions = memory.regions();
        let (region, file) = regions.iter().zip(&memory.files).find(|(region, _)| holds(region))?;
        // The flags come before the index.
        reader(file, region.offset.saturating_add(used - region.user).saturating_add(2))
    }
}

fn set_base<F>(memo: &mut Ring<F>, ring: u32, base: u32) {
    let payload = [ring, base].iter().flat_map(|word| word.to_ne_bytes()).collect();
    let message = Message::request(Request::SetBase, payload, Vec::new());
    memo.said.insert(place(Request::SetBase).expect("a base has a place"), message);
}
