//! A database that calls a port well which the datapath dropped.

use super::alone;

/// A port of vhost-user and a guest of DPDK at its other end.
const PEER: &str = "\
    vsctl add-port br0 vhu0 -- set Interface vhu0 type=dpdkvhostuserclient options:vhost-server-path=$W/vhu0\n\
    status 0 $F switch status --at $R; says 'vhu0 *dpdkvhostuserclient *yes *? *NO'\n\
    ip netns exec sw dpdk-testpmd -l 0,1 --no-huge -m 128 --no-pci --no-telemetry --file-prefix=peer \
    --vdev=net_virtio_user0,path=$W/vhu0,server=1,mac=02:00:00:00:00:01 -- -i --total-num-mbufs=4096 --no-mlockall \
    < <(sleep 60) >$W/testpmd 2>&1 &\n\
    for i in $(seq 300); do [ \"$(vsctl get interface vhu0 status:status)\" = connected ] && break; sleep 0.1; done; sleep 1\n";

#[test]
fn a_pool_that_could_not_be_made_is_told_although_the_database_calls_all_well() {
    alone(&format!(
        "spec 384 1500 false; status 0 $F switch apply -f spec\n{PEER}\
         [ \"$(vsctl get interface vhu0 error)\" = '[]' ]; [ $(vsctl get interface vhu0 ofport) = 1 ]\n\
         [ \"$(vsctl get interface vhu0 status:status)\" = connected ]\n\
         status 3 $F switch status --at $R; says 'Something is wrong'\n\
         says 'PortInDatapath=false (Dropped)'; says 'MempoolReady=false (NotMade).*memory pool for netdev vhu0'\n\
         status 3 $F switch status --at $R -o json; says '\"healthy\": false'\n"
    ));
}

#[test]
fn with_a_pool_of_its_own_the_same_port_is_well() {
    alone(&format!(
        "spec 384 1500 true; status 0 $F switch apply -f spec\n{PEER}\
         status 0 $F switch status --at $R; says 'Packets can pass'; says 'vhu0 *dpdkvhostuserclient *yes *yes *yes *CPU 0'\n"
    ));
}

#[test]
fn a_missing_driver_of_pools_is_named_with_its_package() {
    alone(
        "mkdir $W/none; for d in /usr/lib/*/dpdk/pmds-*; do mount --bind $W/none $d; done; spec 384 1500 true\n\
         status 4 $F switch apply -f spec; says librte-mempool-ring; nothing\n",
    );
}
