//! The memory that DPDK has taken, by NUMA node.

use super::scan::number;

/// A heap of DPDK.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heap {
    /// Its number.
    pub id: Option<u32>,
    /// `socket_0`, or the name that memory from elsewhere was given.
    pub name: String,
    /// How many bytes it has.
    pub size: Option<u64>,
    /// How many of them are free.
    pub free: Option<u64>,
    /// How many are taken.
    pub allocated: Option<u64>,
    /// The largest piece that can be taken.
    pub greatest_free: Option<u64>,
}

impl Heap {
    /// All heaps that are told of. DPDK has room for many; those without a name are not there.
    #[must_use]
    pub fn all(text: &str) -> Vec<Self> {
        let mut heaps: Vec<Self> = Vec::new();
        for (key, value) in text.lines().filter_map(|line| line.trim().split_once(':')) {
            if key == "Heap id" {
                heaps.push(Self { id: number(value), ..Self::default() });
            } else if let Some(heap) = heaps.last_mut() {
                heap.hear(key, value);
            }
        }
        heaps.retain(|heap| !heap.name.is_empty());
        heaps
    }

    /// The NUMA node whose memory it is.
    #[must_use]
    pub fn socket(&self) -> Option<u32> {
        self.name.strip_prefix("socket_")?.parse().ok()
    }

    fn hear(&mut self, key: &str, value: &str) {
        match key {
            "Heap name" => value.trim().clone_into(&mut self.name),
            "Heap_size" => self.size = number(value),
            "Free_size" => self.free = number(value),
            "Alloc_size" => self.allocated = number(value),
            "Greatest_free_size" => self.greatest_free = number(value),
            _ => {}
        }
    }
}
