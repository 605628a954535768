//! The threads that poll.

use super::*;

#[test]
fn two_sockets_with_hyper_threads_get_the_mask_of_the_document() {
    let sizing = sizing(DOCUMENT, &server(8));
    assert_eq!(sizing.pmd.mask.to_string(), "0xc00000c");
    assert_eq!(sizing.pmd.cpus.to_string(), "2-3,26-27");
    assert_eq!(sizing.reserved.to_string(), "0-3,24-27");
    let cores: Vec<String> =
        sizing.pmd.cores.iter().map(|core| format!("CPUs {}: {}", core.cpus, core.why)).collect();
    insta::assert_snapshot!(cores.join("\n"));
}

#[test]
fn a_node_without_ports_polls_nothing() {
    let only_uplink = DOCUMENT.replace("expectedPorts: [{count: 8}]\n", "");
    assert_eq!(sizing(&only_uplink, &server(8)).pmd.mask.to_string(), "0x4000004");
    let guests_of_node_1 = "expectedPorts: [{count: 8, node: 1}]";
    assert_eq!(sizing(guests_of_node_1, &server(8)).pmd.mask.to_string(), "0x8000008");
    assert_eq!(sizing("{}", &server(8)).pmd.mask.to_string(), "0xc00000c");
}

#[test]
fn isolated_cores_are_taken_first_and_only_whole_ones() {
    let mut host = server(8);
    host.cpu.isolated = "2,4-7,28-31".parse().unwrap();
    let two = sizing(DOCUMENT, &host);
    assert_eq!(two.pmd.cpus.to_string(), "4-5,28-29");
    assert!(two.notes.iter().all(|note| !note.contains("not isolated")), "{:?}", two.notes);
    let six = sizing(&format!("{DOCUMENT}pmd: {{coresPerNode: 3}}\n"), &host);
    assert_eq!(six.pmd.cpus.to_string(), "2-7,26-31", "too few are isolated, so they are the next ones");
    assert!(six.notes.iter().any(|note| note.contains("not isolated")), "{:?}", six.notes);
}

#[test]
fn a_node_with_too_few_cores_is_refused_with_the_numbers() {
    let host = with_pages(fixtures::host(fixtures::Shape { cores_per_node: 2, ..shape() }), 8);
    insta::assert_snapshot!(refused("pmd: {coresPerNode: 2}", &host));
}

fn shape() -> fixtures::Shape {
    fixtures::Shape {
        vendor: flyover_core::facts::CpuVendor::Intel,
        nodes: 1,
        cores_per_node: 4,
        smt: true,
        interleaved: false,
        memory_per_node: flyover_core::Kib(16 * fixtures::GIB),
        sizes: &["2M", "1G"],
        flags: &["pse", "pdpe1gb"],
    }
}

#[test]
fn a_mask_outside_the_machine_is_refused_and_an_unwise_one_is_said() {
    insta::assert_snapshot!(refused("pmd: {cpus: \"2,48-50\"}", &server(8)));
    let sizing = sizing(&format!("{DOCUMENT}pmd: {{cpus: \"0,2\"}}\n"), &server(8));
    assert_eq!(sizing.pmd.mask.to_string(), "0x5");
    insta::assert_snapshot!(sizing.notes.join("\n"));
}

#[test]
fn an_option_says_the_same_as_its_field() {
    let by_option = format!("{DOCUMENT}options: {{pmd-cpu-mask: \"0xc00000c\"}}\n");
    let by_field = format!("{DOCUMENT}pmd: {{cpus: \"2,3,26,27\"}}\n");
    assert_eq!(sizing(&by_option, &server(8)), sizing(&by_field, &server(8)));
    let both = "pmd: {cpus: \"2\"}\noptions: {pmd-cpu-mask: \"0x8\", dpdk-init: \"false\", per-port-memory: \"yes\"}";
    insta::assert_snapshot!(refused(both, &server(8)));
}
