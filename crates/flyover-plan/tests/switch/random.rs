//! What holds of any switch on any host.

use proptest::prelude::*;

use super::*;
use flyover_plan::hash;
use flyover_plan::switch::import::config_cfg;
use flyover_plan::switch::lint::lint;
use flyover_plan::switch::wishes;

fn hosts() -> Vec<HostFacts> {
    let hosts = [
        fixtures::server(),
        fixtures::vm(),
        fixtures::amd(),
        fixtures::snc2(),
        fixtures::nps4(),
        fixtures::offline(),
        fixtures::isolated(),
        fixtures::arm(),
        fixtures::laptop(),
    ];
    hosts.into_iter().map(|host| with_pages(host, 1 << 20)).collect()
}

fn guests(count: u32, mtu: u32, per_port: bool) -> SwitchSpec {
    spec(&format!("dpdk: {{perPortMemory: {per_port}}}\nexpectedPorts: [{{count: {count}, mtu: {mtu}}}]"))
}

fn mib(spec: &SwitchSpec, host: &HostFacts) -> Vec<u64> {
    size(spec, host, &release()).0.memory.nodes.iter().map(|node| node.mib).collect()
}

proptest! {
    #[test]
    fn more_ports_or_longer_packets_never_need_less(
        host in prop::sample::select(hosts()),
        (count, mtu) in (1..200u32, 68..9600u32),
        (more, longer) in (0..50u32, 0..100u32),
        per_port: bool,
    ) {
        let before = mib(&guests(count, mtu, per_port), &host);
        let after = mib(&guests(count + more, mtu + longer, per_port), &host);
        for (before, after) in before.iter().zip(after) {
            prop_assert!(*before <= after);
        }
    }

    #[test]
    fn a_mask_by_topology_is_of_whole_cores_and_never_a_nodes_first(
        host in prop::sample::select(hosts()),
        cores in 1..4u32,
    ) {
        let spec = spec(&format!("pmd: {{coresPerNode: {cores}}}"));
        let (sizing, refusals) = size(&spec, &host, &release());
        prop_assume!(refusals.is_empty());
        for core in &sizing.pmd.cores {
            let first = core.cpus.first().unwrap();
            let cpu = host.cpu.cpus.iter().find(|cpu| cpu.id == first).unwrap();
            prop_assert_eq!(&cpu.siblings.intersection(&host.cpu.online), &core.cpus);
        }
        for node in &host.numa {
            prop_assert!(!sizing.pmd.cpus.contains(node.cpus.first().unwrap()));
            prop_assert!(!sizing.pmd.cpus.is_disjoint(&node.cpus));
        }
        prop_assert_eq!(sizing.pmd.mask.cpus(), sizing.pmd.cpus);
    }

    #[test]
    fn the_same_switch_on_the_same_host_is_wished_alike_and_what_is_computed_is_accepted_as_given(
        host in prop::sample::select(hosts()),
        (count, mtu) in (1..64u32, 68..9702u32),
        per_port: bool,
    ) {
        let spec = guests(count, mtu, per_port);
        let facts = switch(&spec, &host, Some("3.1.0"));
        let Ok(settled) = settle(&spec, &host, &facts) else { return Ok(()) };
        let again = settle(&spec, &host, &facts).unwrap();
        prop_assert_eq!(hash(&wishes(&settled)), hash(&wishes(&again)));
        let mut explicit = spec.clone();
        let list = settled.sizing.memory.socket_mem.clone().unwrap();
        explicit.dpdk.socket_memory = Some(list.split(',').map(|mib| mib.parse().unwrap()).collect());
        explicit.pmd.cpus = Some(settled.sizing.pmd.cpus.clone());
        let explicit = settle(&explicit, &host, &facts).unwrap();
        prop_assert_eq!(hash(&wishes(&settled)), hash(&wishes(&explicit)));
    }

    #[test]
    fn any_text_is_a_configuration_or_is_refused(text in "[a-z=\"'$`# \n-]{0,80}") {
        let imported = config_cfg(&text, None);
        prop_assert_eq!(SwitchSpec::from_yaml(&imported.spec.to_yaml()).unwrap(), imported.spec);
    }

    #[test]
    fn any_document_is_looked_at(text in "[a-z{}\\[\\]:,\" \n-]{0,80}") {
        if let Ok(documents) = flyover_api::documents(&text) {
            let _ = lint(&documents);
        }
    }
}
