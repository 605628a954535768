//! Whether the pools of a running switch are those that are computed for it.

use flyover_plan::switch::mempool::{PoolInfo, pools};
use flyover_plan::switch::{Release, adjusted_mtu, objects_of_port, objects_shared};
use flyover_testkit::ovs::{NewPort, Options, Rig, Switch};

/// Raises a switch with a port of each MTU, and reads its pools. The first are those it was given last.
fn pools_of(rig: &Rig, mtus: &[u32]) -> Vec<PoolInfo> {
    rig.add_bridge("br0").unwrap();
    for (number, mtu) in mtus.iter().enumerate() {
        let port = NewPort::of("dpdk", &format!("up{number}"))
            .option("dpdk-devargs", &format!("eth_null{number},no-rx=1"))
            .mtu(i64::from(*mtu));
        rig.add_port("br0", &port).unwrap();
    }
    pools(&rig.ask("netdev-dpdk/get-mempool-info", &[]).unwrap())
}

#[test]
fn the_pools_of_a_running_switch_are_those_that_are_computed() {
    let release = |rig: &Rig| Release::of(rig.row().unwrap().ovs_version.as_deref());
    let rig = Rig::start(Options::of(Switch::Dpdk { memory_mib: 700, hugepages: false })).unwrap();
    let own = pools_of(&rig, &[1500, 3000]);
    for mtu in [1500, 3000] {
        let pool = own.iter().find(|pool| pool.adjusted_mtu == adjusted_mtu(mtu)).unwrap();
        // One queue to receive by; to send by, one for each thread that polls and one for all others.
        assert_eq!(pool.objects, objects_of_port((1, 2), (2048, 2048)), "MTU {mtu}");
        assert_eq!(pool.overhead(), Some(release(&rig).overhead), "MTU {mtu}");
    }
    drop(rig);
    let shared = [("per-port-memory".to_owned(), "false".to_owned())];
    let options = Options {
        other_config: shared.into(),
        ..Options::of(Switch::Dpdk { memory_mib: 1300, hugepages: false })
    };
    let rig = Rig::start(options).unwrap();
    let shared = pools_of(&rig, &[1500, 998]);
    for mtu in [1500, 998] {
        let pool = shared.iter().find(|pool| pool.adjusted_mtu == adjusted_mtu(mtu)).unwrap();
        assert_eq!(pool.objects, objects_shared(mtu), "MTU {mtu}");
    }
}
