//! What daemons of several versions print is read.

use flyover_ovs::appctl::{
    Counters, Datapath, Heap, Mempool, Pmd, Queue, Thread, Traffic, Version, Work, command, commands,
};

fn fixture(version: &str, name: &str) -> String {
    let file = format!("{}/tests/fixtures/{version}/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{file}: {e}"))
}

fn old(name: &str) -> String {
    fixture("ovs-2.17-by-documentation", name)
}

fn real(name: &str) -> String {
    fixture("ovs-3.1-dpdk-22.11", name)
}

fn new(name: &str) -> String {
    fixture("ovs-4.0-by-documentation", name)
}

fn queue(port: &str, number: u32, enabled: bool, usage: Option<u32>) -> Queue {
    Queue { port: port.to_owned(), number, enabled, usage }
}

const fn pmd(numa: u32, core: u32) -> Thread {
    Thread::Pmd { numa, core }
}

#[test]
fn queues_and_the_threads_that_poll_them() {
    let old = Pmd::all(&old("pmd-rxq-show"));
    let first = Pmd {
        thread: pmd(0, 2),
        isolated: false,
        queues: vec![
            queue("dpdk0", 0, true, Some(70)),
            queue("vhu1", 0, true, None),
            queue("vhu1", 1, false, None),
        ],
        overhead: Some(3),
    };
    let queues = vec![queue("dpdk1", 11, true, Some(0))];
    assert_eq!(old, [first, Pmd { thread: pmd(1, 27), isolated: true, queues, overhead: None }]);
    let queues = vec![queue("dpdk0", 0, true, Some(70)), queue("vhu1", 0, true, Some(12))];
    let new = Pmd::all(&new("pmd-rxq-show"));
    assert_eq!(new, [Pmd { thread: pmd(0, 2), isolated: false, queues, overhead: Some(1) }]);
}

#[test]
fn cycles_as_they_were_counted_or_by_their_shares() {
    let counted = Work::of_stats(&old("pmd-stats-show"));
    let main = Work {
        thread: Thread::Main,
        received: Some(0),
        lost_upcalls: Some(0),
        idle_cycles: None,
        busy_cycles: None,
        slept_us: None,
    };
    let first = Work {
        thread: pmd(0, 2),
        received: Some(206),
        lost_upcalls: Some(2),
        idle_cycles: Some(3_000_000_000),
        busy_cycles: Some(1_000_000_000),
        slept_us: None,
    };
    assert_eq!((first.busy(), main.busy()), (Some(0.25), None));
    assert_eq!(counted, [first, main]);
    let shared = Work {
        thread: pmd(0, 1),
        received: Some(2_399_607),
        lost_upcalls: Some(4),
        idle_cycles: Some(10_000_000_000),
        busy_cycles: Some(10_000_000_000),
        slept_us: None,
    };
    assert_eq!(Work::of_perf(&old("pmd-perf-show")), [shared]);
    let asleep = Work {
        thread: pmd(0, 2),
        received: Some(16),
        lost_upcalls: Some(0),
        idle_cycles: Some(1_990_000_000),
        busy_cycles: Some(10_000_000),
        slept_us: Some(9_068_841),
    };
    assert_eq!(Work::of_perf(&new("pmd-perf-show")), [asleep]);
}

#[test]
fn ports_of_datapaths_also_those_that_are_not_there() {
    let all = Datapath::all(&old("dpif-show"));
    let [kernel, user] = <[Datapath; 2]>::try_from(all).unwrap();
    assert_eq!((kernel.name.as_str(), kernel.hit, kernel.missed), ("system@ovs-system", Some(10), Some(2)));
    let p1 = kernel.port("p1").unwrap();
    assert_eq!((p1.ofport, p1.number, p1.kind.name.as_str()), (Some(2), None, "system"));
    let vhu = user.port("vhu 1").unwrap();
    assert_eq!((vhu.ofport, vhu.number, vhu.kind.name.as_str()), (Some(2), Some(3), "dpdkvhostuserclient"));
    assert_eq!(vhu.kind.settings["mtu"], "9000");
    assert_eq!(user.port("br-phy").unwrap().kind.settings.len(), 0);
}

#[test]
fn versions_and_what_comes_after_them() {
    let release = |text: &str| Version::of(text).and_then(|version| version.release());
    assert_eq!(release(&old("version")), Some((2, 17)));
    assert_eq!(release(&new("version")), Some((4, 0)));
    assert_eq!(release("ovs-vswitchd (Open vSwitch) 3.1.0-git\n"), Some((3, 1)));
    assert_eq!(Version::of("ovs-vswitchd (Open vSwitch) 3.1.0\n").unwrap().dpdk, None);
    assert_eq!(Version::of("something else"), None);
}

#[test]
fn pools_with_what_is_left_in_them() {
    let pool = |name: &str, size, common| Mempool {
        name: name.to_owned(),
        socket: Some(0),
        size: Some(size),
        populated: Some(size),
        object_bytes: Some(3008),
        average_bytes: Some(4096),
        common: Some(common),
        cached: Some(544),
    };
    let null0 = pool("ovsc274aa2c00021580022560", 22_560, 22_016);
    let vhu1 = pool("ovs40d40b8200021580020512", 20_512, 19_968);
    assert_eq!(Mempool::all(&real("get-mempool-info")), [null0, vhu1.clone()]);
    assert_eq!(Mempool::all(&real("get-mempool-info-vhu1")), std::slice::from_ref(&vhu1));
    assert_eq!((vhu1.available(), vhu1.in_use()), (Some(20_512), Some(0)));
    assert_eq!((vhu1.bytes(), vhu1.adjusted_mtu()), (Some(20_512 * 4096), Some(2158)));
}

#[test]
fn heaps_that_are_there() {
    let heap = Heap {
        id: Some(0),
        name: "socket_0".to_owned(),
        size: Some(384 << 20),
        free: Some(223_027_968),
        allocated: Some(179_625_216),
        greatest_free: Some(223_027_968),
    };
    assert_eq!(heap.socket(), Some(0));
    assert_eq!(Heap::all(&real("get-malloc-stats")), [heap]);
}

#[test]
fn counters_of_ports_where_they_are_counted() {
    let [datapath] = <[Traffic; 1]>::try_from(Traffic::all(&real("dpctl-show"))).unwrap();
    let totals = (datapath.hit, datapath.missed, datapath.lost, datapath.flows);
    assert_eq!(totals, (Some(111_138_293), Some(2), Some(457), Some(2)));
    let ports: Vec<_> = datapath.ports.iter().map(|port| (port.number, port.name.as_str())).collect();
    assert_eq!(ports, [(0, "ovs-netdev"), (1, "br0"), (2, "vhu1"), (3, "null0")]);
    let vhu1 = &datapath.ports[2];
    assert_eq!(
        (vhu1.kind.name.as_str(), vhu1.kind.settings["mtu"].as_str()),
        ("dpdkvhostuserclient", "1500")
    );
    let counters = |packets, bytes| Counters {
        packets: Some(packets),
        errors: None,
        dropped: Some(0),
        bytes: Some(bytes),
    };
    assert_eq!((vhu1.rx, vhu1.tx), (counters(32, 2048), counters(0, 0)));
}

#[test]
fn what_the_installed_version_prints() {
    let work = |name: &str, read: fn(&str) -> Vec<Work>| read(&real(name)).remove(0);
    let counted = work("pmd-stats-show", Work::of_stats);
    let wanted = Work {
        thread: pmd(0, 1),
        received: Some(110_630_720),
        lost_upcalls: Some(457),
        idle_cycles: Some(2_247_760),
        busy_cycles: Some(25_312_452_408),
        slept_us: None,
    };
    assert_eq!(counted, wanted);
    let shared = work("pmd-perf-show", Work::of_perf);
    assert_eq!(
        (shared.busy(), shared.slept_us, shared.received),
        (Some(1.0), Some(173_161), Some(110_775_616))
    );
    let queues = vec![queue("null0", 0, true, None), queue("vhu1", 0, true, None)];
    let polls = Pmd { thread: pmd(0, 1), isolated: false, queues, overhead: None };
    assert_eq!(Pmd::all(&real("pmd-rxq-show")), [polls]);
    let datapath = Datapath::all(&real("dpif-show")).remove(0);
    let null0 = datapath.port("null0").unwrap();
    assert_eq!((null0.ofport, null0.number, null0.kind.settings.len()), (Some(2), Some(3), 12));
    let version = Version { daemon: "ovs-vswitchd-dpdk".to_owned(), ovs: "3.1.0".to_owned(), dpdk: None };
    assert_eq!(Version::of(&real("version")), Some(version));
    let known = commands(&real("list-commands"));
    let all = [
        command::MEMPOOLS,
        command::RXQ,
        command::STATS,
        command::PERF,
        command::TRAFFIC,
        command::DATAPATHS,
    ];
    let all = all.into_iter().chain([command::HEAPS, command::VERSION, command::COMMANDS]);
    assert_eq!(all.filter(|command| !known.contains(*command)).collect::<Vec<_>>(), Vec::<&str>::new());
}

#[test]
fn text_that_is_none_of_it_is_nothing() {
    for text in ["", "Not a DPDK Interface\n", "DPDK not initialized", "pmd thread numa_id x core_id :\n\n"] {
        assert_eq!((Mempool::all(text), Heap::all(text), Pmd::all(text)), (vec![], vec![], vec![]));
        assert_eq!((Work::of_stats(text), Work::of_perf(text)), (vec![], vec![]));
    }
}
