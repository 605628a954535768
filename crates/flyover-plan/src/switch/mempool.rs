//! What a running switch says of its pools (`netdev-dpdk/get-mempool-info`), as far as sizes are checked against it.
//!
//! Invariant: the name of a pool of Open vSwitch is `ovs`, 8 digits of a hash, 2 of the NUMA node, 5 of the adjusted
//! MTU, 7 of the number of packets; a pool that is called otherwise is none of the switch's.

use flyover_core::NumaNode;
use serde::Serialize;

use super::pool::overhead_of;

/// A pool as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PoolInfo {
    /// Its name.
    pub name: String,
    /// Where it was wanted.
    pub node: NumaNode,
    /// The MTU that fills its buffers.
    pub adjusted_mtu: u64,
    /// Packets that were wanted.
    pub wanted: u64,
    /// Packets it has.
    pub objects: u64,
    /// Bytes of a packet with all that belongs to it.
    pub object_bytes: u64,
}

impl PoolInfo {
    /// Bytes of a packet beside its buffer, for [`super::Release::with_overhead`].
    #[must_use]
    pub fn overhead(&self) -> Option<u64> {
        overhead_of(self.object_bytes, self.adjusted_mtu)
    }
}

/// The pools in the answer, one after the other.
#[must_use]
pub fn pools(answer: &str) -> Vec<PoolInfo> {
    let mut pools: Vec<PoolInfo> = Vec::new();
    let mut in_ours = false;
    for line in answer.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix("mempool <") {
            let pool = rest.split('>').next().and_then(named);
            in_ours = pool.is_some();
            pools.extend(pool);
        } else if let Some(pool) = pools.last_mut().filter(|_| in_ours) {
            take(pool, line);
        }
    }
    pools
}

fn take(pool: &mut PoolInfo, line: &str) {
    let Some((key, value)) = line.split_once('=') else { return };
    let Ok(number) = value.trim().parse() else { return };
    match key.trim() {
        "populated_size" => pool.objects = number,
        "total_obj_size" => pool.object_bytes = number,
        _ => {}
    }
}

fn named(name: &str) -> Option<PoolInfo> {
    let rest = name.strip_prefix("ovs")?;
    let (hash, numbers) = rest.split_at_checked(8)?;
    let digits = numbers.bytes().all(|byte| byte.is_ascii_digit());
    if numbers.len() != 14 || !digits || !hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    Some(PoolInfo {
        name: name.to_owned(),
        node: NumaNode(numbers[..2].parse().ok()?),
        adjusted_mtu: numbers[2..7].parse().ok()?,
        wanted: numbers[7..].parse().ok()?,
        objects: 0,
        object_bytes: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of OVS 3.1 with DPDK 22.11.
    const ANSWER: &str = "\
mempool <ovs6ffa666e00021580131072>@0x138d5adc0
  flags=10
  socket_id=0
  pool=0x138b5ab00
  nb_mem_chunks=1
  size=131072
  populated_size=131072
  header_size=64
  elt_size=2880
  trailer_size=64
  total_obj_size=3008
  private_data_size=64
  avg bytes/object=4096.014648
  internal cache infos:
    cache_size=512
    cache_count[0]=0
mempool <vhost_iotlb>@0x1
  total_obj_size=64
mempool <ovs4f470bfb01093260022560>@0x1592eb440
  populated_size=22560
  total_obj_size=10176
";

    #[test]
    fn the_switches_own_pools_are_read_with_what_was_wanted_of_them() {
        let pools = pools(ANSWER);
        let seen: Vec<_> =
            pools.iter().map(|p| (p.node.0, p.adjusted_mtu, p.wanted, p.objects, p.object_bytes)).collect();
        assert_eq!(seen, [(0, 2158, 131_072, 131_072, 3008), (1, 9326, 22_560, 22_560, 10_176)]);
        assert_eq!(pools.iter().map(PoolInfo::overhead).collect::<Vec<_>>(), [Some(832), Some(832)]);
    }

    #[test]
    fn what_is_no_pool_of_ours_is_left_out() {
        for text in
            ["", "mempool <", "mempool <ovs>", "mempool <ovsé6ffa6600021580131072>", "total_obj_size=1"]
        {
            assert_eq!(pools(text), [], "{text}");
        }
        let empty = pools("mempool <ovs6ffa666e00021580131072>\n");
        assert_eq!(empty[0].overhead(), None, "its size is not known");
    }
}
