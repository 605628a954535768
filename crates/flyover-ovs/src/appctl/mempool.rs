//! The pools that hold packets.

use super::scan::number;

/// A pool of packet buffers. It is shared by ports of one MTU and socket, or a port's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mempool {
    /// Its name: a hash, the socket, the buffer's length and the number of buffers.
    pub name: String,
    /// The NUMA node of its memory; -1 is any.
    pub socket: Option<i32>,
    /// How many buffers it has.
    pub size: Option<u64>,
    /// How many of them could be made: fewer if memory ran out.
    pub populated: Option<u64>,
    /// Bytes of one buffer with all that belongs to it.
    pub object_bytes: Option<u64>,
    /// Bytes of memory that one takes on the average: more than its own where pages are small, for none lies across two.
    pub average_bytes: Option<u64>,
    /// Buffers that nobody holds.
    pub common: Option<u64>,
    /// Buffers that threads keep at hand.
    pub cached: Option<u64>,
}

impl Mempool {
    /// All pools that are told of.
    #[must_use]
    pub fn all(text: &str) -> Vec<Self> {
        let mut pools: Vec<Self> = Vec::new();
        for line in text.lines().map(str::trim) {
            if let Some(name) = line.strip_prefix("mempool <").and_then(|rest| rest.split_once('>')) {
                pools.push(Self { name: name.0.to_owned(), ..Self::default() });
            } else if let Some((key, value)) = line.split_once('=')
                && let Some(pool) = pools.last_mut()
            {
                pool.hear(key, value);
            }
        }
        pools
    }

    /// Buffers that nobody holds, those that threads keep at hand among them.
    #[must_use]
    pub fn available(&self) -> Option<u64> {
        Some(self.common?.saturating_add(self.cached.unwrap_or(0)))
    }

    /// Buffers that hold packets, or wait in queues for some.
    #[must_use]
    pub fn in_use(&self) -> Option<u64> {
        Some(self.size?.saturating_sub(self.available()?))
    }

    /// Bytes of memory that all its buffers take.
    #[must_use]
    pub fn bytes(&self) -> Option<u64> {
        self.size?.checked_mul(self.average_bytes.max(self.object_bytes)?)
    }

    /// For which length of packet it was made, as Open vSwitch writes it into the name of its pools.
    #[must_use]
    pub fn adjusted_mtu(&self) -> Option<u32> {
        let digits = self.name.strip_prefix("ovs")?;
        // A hash of eight, the socket of two, the length of five, the number of seven.
        if digits.len() == 22 { digits.get(10..15)?.parse().ok() } else { None }
    }

    fn hear(&mut self, key: &str, value: &str) {
        match key {
            "socket_id" => self.socket = value.trim().parse().ok(),
            "size" => self.size = number(value),
            "populated_size" => self.populated = number(value),
            "total_obj_size" => self.object_bytes = number(value),
            "avg bytes/object" => self.average_bytes = number(value),
            "common_pool_count" => self.common = number(value),
            "total_cache_count" => self.cached = number(value),
            _ => {}
        }
    }
}
