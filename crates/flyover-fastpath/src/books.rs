//! Reads what the programs wrote: flows, reasons, savings. Any process may, while the instance is there.

use libbpf_rs::{MapCore, MapFlags, MapHandle};

use flyover_core::Flow;

use crate::abi::{self, Refusal, Retired, SET, Tuple, Way};
use crate::instance::Instance;
use crate::reason::{REASONS, Reason, reason};
use crate::skel::FlyoverSkel;

/// The pinned maps of an instance.
#[derive(Debug)]
pub struct Books {
    sets: MapHandle,
    ways: MapHandle,
    refusals: MapHandle,
    reasons: MapHandle,
    retired: MapHandle,
    state: MapHandle,
}

/// Sets that are read at once.
const BATCH: u32 = 1024;

/// Why the books cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum BooksError {
    /// A map is not there.
    #[error("failed to open map `{map}` of instance `{instance}`")]
    Open {
        /// The map.
        map: &'static str,
        /// The instance.
        instance: String,
        /// What libbpf said.
        source: libbpf_rs::Error,
    },
    /// A map has the layout of another version.
    #[error("map `{map}` was made by another version of flyover")]
    Layout {
        /// The map.
        map: &'static str,
    },
    /// The process has written no report.
    #[error("the agent has written no report")]
    NoReport {
        /// Why not.
        source: crate::instance::InstanceError,
    },
    /// It could not be read.
    #[error("failed to read map `{map}`")]
    Read {
        /// The map.
        map: &'static str,
        /// What libbpf said.
        source: libbpf_rs::Error,
    },
}

/// One direction of a flow, as it is in the books.
#[derive(Clone, Copy, Debug)]
pub struct FlowEntry {
    /// Where in the books it is.
    pub slot: u32,
    /// How it enters, and what is done with it.
    pub way: Way,
}

impl FlowEntry {
    /// The flow on entry.
    #[must_use]
    pub fn flow(&self) -> Option<Flow> {
        self.way.key.tuple.flow()
    }

    /// The flow on exit.
    #[must_use]
    pub fn translated(&self) -> Option<Flow> {
        self.way.to.flow()
    }
}

impl Books {
    /// Opens the maps that the instance pinned.
    pub fn open(instance: &Instance) -> Result<Self, BooksError> {
        let open = |map: &'static str, key: u32, value: u32| {
            let handle = MapHandle::from_pinned_path(instance.map_pin(map))
                .map_err(|source| BooksError::Open { map, instance: instance.name().into(), source })?;
            let fits = handle.key_size() == key && handle.value_size() == value;
            if fits { Ok(handle) } else { Err(BooksError::Layout { map }) }
        };
        Ok(Self {
            sets: open("sets", 4, 4 * SET)?,
            ways: open("ways", 4, size::<Way>())?,
            refusals: open("refusals", 4, size::<Refusal>())?,
            reasons: open("reasons", 4, 8)?,
            retired: open("retired", 4, size::<Retired>())?,
            state: MapHandle::from_pinned_path(instance.map_pin("state")).map_err(|source| {
                BooksError::Open { map: "state", instance: instance.name().into(), source }
            })?,
        })
    }

    /// The maps of programs that this process holds itself; nothing needs to be pinned.
    pub(crate) fn of(skel: &FlyoverSkel<'_>) -> libbpf_rs::Result<Self> {
        let maps = &skel.maps;
        Ok(Self {
            sets: MapHandle::try_from(&maps.sets)?,
            ways: MapHandle::try_from(&maps.ways)?,
            refusals: MapHandle::try_from(&maps.refusals)?,
            reasons: MapHandle::try_from(&maps.reasons)?,
            retired: MapHandle::try_from(&maps.retired)?,
            state: MapHandle::try_from(&maps.bss)?,
        })
    }

    fn state_word(&self, at: usize) -> Result<u64, BooksError> {
        let state = self.state.lookup(&0u32.to_ne_bytes(), MapFlags::ANY).map_err(read("state"))?;
        let word = state.as_ref().and_then(|s| s.get(at..at + 8)).and_then(|w| w.try_into().ok());
        word.map(u64::from_ne_bytes).ok_or(BooksError::Layout { map: "state" })
    }

    /// The present epoch: entries of another one are revoked.
    pub fn epoch(&self) -> Result<u32, BooksError> {
        let [a, b, c, d, ..] = self.state_word(abi::STATE_EPOCH)?.to_ne_bytes();
        Ok(u32::from_ne_bytes([a, b, c, d]))
    }

    /// Until when, in jiffies, the heart was said to beat.
    pub fn alive_until(&self) -> Result<u64, BooksError> {
        self.state_word(abi::STATE_ALIVE_UNTIL)
    }

    /// All entries, in no order.
    pub fn flows(&self) -> Result<Vec<FlowEntry>, BooksError> {
        let mut flows = Vec::new();
        // Tags are few bytes a set: only entries that are in use are read themselves.
        for set in self.sets.lookup_batch(BATCH, MapFlags::ANY, MapFlags::ANY).map_err(read("sets"))? {
            let (number, tags) = set;
            // Most are empty, and there are many.
            if tags == [0; 4 * SET as usize] {
                continue;
            }
            let number = number.try_into().map(u32::from_ne_bytes);
            let number = number.map_err(|_| BooksError::Layout { map: "sets" })?;
            let used = tags.chunks_exact(4).zip(0..SET).filter(|(tag, _)| **tag != [0; 4]);
            for slot in used.map(|(_, i)| number * SET + i) {
                let value = self.ways.lookup(&slot.to_ne_bytes(), MapFlags::ANY).map_err(read("ways"))?;
                let value = value.ok_or(BooksError::Layout { map: "ways" })?;
                let way: Way = bytemuck::try_pod_read_unaligned(&value)
                    .map_err(|_| BooksError::Layout { map: "ways" })?;
                // It may have ended, or be written anew, since its tag was read.
                if way.is_used() {
                    flows.push(FlowEntry { slot, way });
                }
            }
        }
        Ok(flows)
    }

    /// Packets by the reason that kept them slow; only reasons that occurred.
    pub fn reasons(&self) -> Result<Vec<(Reason, u64)>, BooksError> {
        let mut counts = Vec::new();
        for number in 0..u32::try_from(REASONS.len()).unwrap_or(0) {
            let per_cpu =
                self.reasons.lookup_percpu(&number.to_ne_bytes(), MapFlags::ANY).map_err(read("reasons"))?;
            let sum =
                per_cpu.into_iter().flatten().filter_map(|v| v.try_into().ok()).map(u64::from_ne_bytes).sum();
            if sum > 0 {
                counts.push((reason(number), sum));
            }
        }
        Ok(counts)
    }

    /// Why that flow was last refused, and more about it.
    pub fn refusal(&self, flow: Flow) -> Result<Option<Refusal>, BooksError> {
        let tuple = Tuple::from(flow);
        let place = tuple.hash(self.state_word(abi::STATE_SEED)?) % u64::from(abi::REFUSALS);
        let place = u32::try_from(place).map_err(|_| BooksError::Layout { map: "refusals" })?;
        let value = self.refusals.lookup(&place.to_ne_bytes(), MapFlags::ANY).map_err(read("refusals"))?;
        let value = value.ok_or(BooksError::Layout { map: "refusals" })?;
        let refusal: Refusal =
            bytemuck::try_pod_read_unaligned(&value).map_err(|_| BooksError::Layout { map: "refusals" })?;
        Ok(Some(refusal).filter(|r| r.tuple == tuple))
    }

    /// What ended flows had saved, by the device where they entered.
    pub fn retired(&self) -> Result<Vec<(u32, Retired)>, BooksError> {
        let mut sums = Vec::new();
        for key in self.retired.keys() {
            let Some(value) = self.retired.lookup(&key, MapFlags::ANY).map_err(read("retired"))? else {
                continue;
            };
            let (Ok(key), Ok(sum)) = (key.try_into(), bytemuck::try_pod_read_unaligned(&value)) else {
                return Err(BooksError::Layout { map: "retired" });
            };
            sums.push((u32::from_ne_bytes(key), sum));
        }
        Ok(sums)
    }
}

fn size<T>() -> u32 {
    u32::try_from(size_of::<T>()).expect("the structs are small")
}

fn read(map: &'static str) -> impl FnOnce(libbpf_rs::Error) -> BooksError {
    move |source| BooksError::Read { map, source }
}
