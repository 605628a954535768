//! The memory of each NUMA node, against the numbers of a real switch.

use flyover_plan::switch::{adjusted_mtu, buffer_bytes, objects_of_port, objects_shared};

use super::*;

const MIB: u64 = 1 << 20;

#[test]
fn the_pools_of_the_usual_mtus_have_the_size_a_real_switch_gives_them() {
    for (mtu, buffer, object, mib) in [
        (1500, 2176, 3008, 752),
        (2000, 2176, 3008, 752),
        (6000, 6272, 7104, 1776),
        (9000, 9344, 10176, 2544),
    ] {
        assert_eq!(buffer_bytes(mtu), buffer, "{mtu}");
        let yaml = format!("expectedPorts: [{{count: 1, mtu: {mtu}, node: 0}}]");
        let sizing = sizing(&yaml, &server(8));
        let pool = &sizing.memory.pools[0];
        assert_eq!((pool.object_bytes, pool.bytes, pool.objects), (object, mib * MIB, 262_144), "{mtu}");
        assert_eq!(pool.adjusted_mtu, buffer - 18);
    }
}

#[test]
fn packets_of_998_bytes_are_few_and_of_999_many() {
    assert_eq!((adjusted_mtu(998), objects_shared(998)), (1134, 16_384));
    assert_eq!((adjusted_mtu(999), objects_shared(999)), (2158, 262_144));
}

#[test]
fn a_port_of_its_own_pool_has_what_its_queues_hold() {
    // Measured: 20512 of a guest with one pair of queues; 22560 of an uplink with one thread that polls.
    assert_eq!(objects_of_port((1, 1), (2048, 2048)), 20_512);
    assert_eq!(objects_of_port((1, 2), (2048, 2048)), 22_560);
    let yaml = "dpdk: {perPortMemory: true}\npmd: {cpus: \"2\"}\nbridges: [{name: br0, uplinks: [{name: p0, device: \
                \"06:00.0\"}]}]\nexpectedPorts: [{count: 3, node: 0}]";
    let sizing = sizing(yaml, &server(8));
    let pools: Vec<_> = sizing.memory.pools.iter().map(|pool| (pool.objects, pool.count)).collect();
    assert_eq!(pools, [(20_512, 3), (22_560, 1)]);
}

#[test]
fn ports_of_one_adjusted_mtu_on_a_node_share_a_pool() {
    let yaml = "expectedPorts: [{count: 4, mtu: 1500, node: 0}, {count: 4, mtu: 2000, node: 0}, {count: 1, mtu: 9000}]";
    let sizing = sizing(yaml, &server(8));
    let pools: Vec<_> =
        sizing.memory.pools.iter().map(|pool| (pool.node.0, pool.adjusted_mtu, pool.count)).collect();
    assert_eq!(pools, [(0, 2158, 1), (0, 9326, 1), (1, 9326, 1)]);
    assert_eq!(sizing.memory.socket_mem.as_deref(), Some("4096,3072"));
}

#[test]
fn a_node_without_ports_gets_no_memory() {
    let uplink = DOCUMENT.replace("expectedPorts: [{count: 8}]\n", "");
    assert_eq!(sizing(&uplink, &server(8)).memory.socket_mem.as_deref(), Some("1024,0"));
    assert_eq!(sizing("{}", &server(8)).memory.socket_mem.as_deref(), Some("1024,1024"), "any may get some");
}

#[test]
fn every_mebibyte_of_the_document_has_its_reason() {
    let sizing = sizing(DOCUMENT, &server(8));
    assert_eq!(sizing.memory.socket_mem.as_deref(), Some("1024,1024"));
    let node = &sizing.memory.nodes[0];
    let parts: Vec<String> =
        node.parts.iter().map(|part| format!("{:>10} {}", part.bytes, part.why)).collect();
    insta::assert_snapshot!(parts.join("\n"));
    let pages: Vec<_> = sizing.hugepages.iter().map(|p| (p.node.0, p.size, p.needed, p.there_mib)).collect();
    assert_eq!(pages, [(0, HugepageSize::ONE_GIB, 1, 8192), (1, HugepageSize::ONE_GIB, 1, 8192)]);
}

#[test]
fn the_documents_memory_holds_one_pool_of_1500_and_none_of_9000() {
    let given = "dpdk: {socketMemory: [1024, 1024]}\n";
    let fits = sizing(&format!("{given}{DOCUMENT}"), &server(8));
    assert_eq!(fits.memory.socket_mem.as_deref(), Some("1024,1024"));
    let jumbo = DOCUMENT.replace("{count: 8}", "{count: 8, mtu: 9000}");
    insta::assert_snapshot!(refused(&format!("{given}{jumbo}"), &server(8)));
}

#[test]
fn memory_above_the_hugepages_that_are_there_is_refused_with_the_numbers() {
    insta::assert_snapshot!(refused(DOCUMENT, &server(0)));
    insta::assert_snapshot!(refused("dpdk: {socketMemory: [4096, 1024, 1024]}", &server(2)));
}

#[test]
fn without_hugepages_the_memory_is_that_of_the_argument() {
    let none = "dpdk: {extra: [--no-huge, --legacy-mem, -m, \"384\", --no-pci], perPortMemory: true}\npmd: {cpus: \"2\"}\n";
    let guests = "expectedPorts: [{count: 2, node: 0}]\n";
    let sizing = sizing(&format!("{none}{guests}"), &server(0));
    assert_eq!((sizing.memory.socket_mem, sizing.memory.no_huge), (None, Some(384)));
    assert_eq!(sizing.hugepages, []);
    let shared = none.replace(", perPortMemory: true", "");
    insta::assert_snapshot!(refused(&format!("{shared}{guests}"), &server(0)));
}

#[test]
fn without_hugepages_a_packet_has_a_page_of_its_own() {
    // Measured with OVS 3.1: 1024 MiB for 262144 packets of 3008 bytes, and 131072 of them where 900 MiB were there.
    let spec = |mib: u32| {
        format!(
            "dpdk: {{extra: [--no-huge, --legacy-mem, -m, \"{mib}\"]}}\nexpectedPorts: [{{count: 1, node: 0}}]"
        )
    };
    let sizing = sizing(&spec(1100), &server(0));
    assert_eq!(sizing.memory.pools[0].paged_bytes.div_ceil(MIB), 1024);
    assert!(
        refused(&spec(900), &server(0)).contains("`-m 900` MiB is less than the 1024 that the pools need")
    );
}

#[test]
fn without_hugepages_what_is_needed_beside_the_pools_is_compared_too() {
    let notes = |mib: u32| {
        let spec = format!(
            "dpdk: {{extra: [--no-huge, --legacy-mem, -m, \"{mib}\"]}}\nexpectedPorts: [{{count: 16, node: 0}}]"
        );
        let notes = sizing(&spec, &server(0)).notes;
        notes.into_iter().filter(|note| note.contains("`-m")).collect::<Vec<_>>()
    };
    let little = "`-m 1024` MiB has room for the pools, which need 1024, and not for the rest of DPDK and the queues: a \
                  port may not be made; 1110 are computed for all";
    assert_eq!(notes(1024), [little]);
    assert_eq!(notes(1280), Vec::<String>::new());
}

#[test]
fn arguments_that_contradict_the_spec_are_refused() {
    let yaml = "dpdk:\n  lcores: \"0\"\n  socketMemory: [1024]\n  hugepageDir: /dev/hugepages\n  extra: [-c, \"0x3\", \
                --socket-mem=512, --huge-dir=/mnt, --no-huge, a b, -l0-3]";
    insta::assert_snapshot!(refused(yaml, &server(8)));
    insta::assert_snapshot!(refused("dpdk: {extra: [-m, \"512\"], lcores: \"99\"}", &server(8)));
    let devices = "dpdk: {extra: [--no-pci, -a, \"0000:06:00.1\"]}\nbridges: [{name: br0, uplinks: [{name: p0, device: \
                   \"06:00.0\"}]}]";
    insta::assert_snapshot!(refused(devices, &server(8)));
    insta::assert_snapshot!(refused(
        "dpdk: {socketLimit: [512, 0]}\nexpectedPorts: [{count: 1}]",
        &server(8)
    ));
}

#[test]
fn the_overhead_of_a_packet_is_the_running_switches_where_it_was_asked() {
    let spec = spec("expectedPorts: [{count: 1, node: 0}]");
    let (sizing, _) = size(&spec, &server(8), &Release::of(Some("3.5.1")).with_overhead(960));
    assert_eq!(sizing.memory.pools[0].object_bytes, 2176 + 960);
    assert_eq!(sizing.release.why, "read from the running switch");
    let unknown = Release::of(Some("3.5.1"));
    assert_eq!(
        (unknown.overhead, unknown.why.as_str()),
        (832, "taken from OVS 3.1, for OVS 3.5 was not measured")
    );
}
