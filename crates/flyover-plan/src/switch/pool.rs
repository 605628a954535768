//! The arithmetic of OVS's memory pools, as `netdev-dpdk.c` has it.
//!
//! Invariant: no number here is an estimate; what is one stands in `memory`.

/// `NETDEV_DPDK_MBUF_ALIGN`: buffers grow by this.
const ALIGN: u64 = 1024;

/// Ethernet's header, its checksum and two VLAN tags: the longest frame over the MTU.
const LONGEST_HEADER: u64 = 14 + 4 + 2 * 4;

/// Ethernet's header and its checksum: what a frame has over its MTU.
const HEADER: u64 = 14 + 4;

/// `RTE_PKTMBUF_HEADROOM`.
const HEADROOM: u64 = 128;

/// `MAX_NB_MBUF`: packets of a pool that all ports share.
const MANY: u64 = 262_144;

/// `MIN_NB_MBUF`: the same for small packets, and what a port's own pool has beside its queues.
const FEW: u64 = 16_384;

/// `NETDEV_MAX_BURST`.
const BURST: u64 = 32;

/// `RTE_MAX_LCORE`.
const MAX_LCORE: u64 = 128;

/// Below this adjusted MTU a shared pool is a small one. The test is on the adjusted MTU, so it is 998 as asked for.
const SMALL: u64 = 1500;

/// Bytes of a packet's buffer for an MTU that is asked for.
#[must_use]
pub fn buffer_bytes(mtu: u32) -> u64 {
    (u64::from(mtu) + LONGEST_HEADER).next_multiple_of(ALIGN) + HEADROOM
}

/// The MTU that fills such a buffer. Ports with the same one share a pool, and it is part of the pool's name.
#[must_use]
pub fn adjusted_mtu(mtu: u32) -> u64 {
    buffer_bytes(mtu) - HEADER
}

/// Bytes of a packet with all that belongs to it, for an adjusted MTU.
pub(super) fn object_bytes(adjusted_mtu: u64, overhead: u64) -> u64 {
    adjusted_mtu + HEADER + overhead
}

/// What such a packet has beside its buffer; none where it is smaller than that.
pub(super) fn overhead_of(object_bytes: u64, adjusted_mtu: u64) -> Option<u64> {
    object_bytes.checked_sub(adjusted_mtu + HEADER)
}

/// Packets of a pool that all ports of that MTU on a NUMA node share.
#[must_use]
pub fn objects_shared(mtu: u32) -> u64 {
    if adjusted_mtu(mtu) >= SMALL { MANY } else { FEW }
}

/// Packets of a port's own pool: queues and descriptors, `(receive, send)` each.
#[must_use]
pub fn objects_of_port(queues: (u32, u32), descriptors: (u32, u32)) -> u64 {
    let times = |queues: u32, descriptors: u32| u64::from(queues) * u64::from(descriptors);
    times(queues.0, descriptors.0)
        + times(queues.1, descriptors.1)
        + MAX_LCORE.min(u64::from(queues.0)) * BURST
        + FEW
}

/// Bytes of the ring a pool keeps its free packets in: a pointer for each, and a power of two of them.
pub(super) fn ring_bytes(objects: u64) -> u64 {
    (objects + 1).next_power_of_two() * 8
}

/// Bytes of a pool's caches: one for each thread there could be, of twice `RTE_MEMPOOL_CACHE_MAX_SIZE` pointers and a
/// cache line. Measured with DPDK 22.11: a port's own pool of 22560 packets in pages of 4 KiB took 93829504 bytes, which
/// is its packets, its ring, these, and 102 KiB.
pub(super) const CACHES: u64 = MAX_LCORE * (2 * 512 * 8 + 64);

/// Bytes that so many objects take of pages: an object never crosses from one page to the next, and one that is longer
/// than a page has pages of its own.
pub(super) fn in_pages(objects: u64, object: u64, page: u64) -> u64 {
    match page / object {
        0 => object.next_multiple_of(page) * objects,
        per_page => {
            let last = (objects.max(1) - 1) % per_page + 1;
            (objects - last.min(objects)) / per_page * page + last * object
        }
    }
}
