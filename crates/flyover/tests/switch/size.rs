//! What a switch needs.

use serde_json::Value;

use crate::run::{on_server, switch};

const DOCUMENT: &str = "\
bridges:
- name: br-dpdk0
  uplinks: [{name: dpdk0, device: \"0000:06:00.0\"}]
expectedPorts: [{count: 8}]
";

#[test]
fn the_documents_server_gets_the_documents_mask_and_memory() {
    let ran = on_server(8, &["size", "-f", "-", "--ovs-version", "3.1.0"], DOCUMENT);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(
        ran.out,
        "pmd-cpu-mask     0xc00000c (CPUs 2-3,26-27)\n\
         dpdk-socket-mem  1024,1024\n\
         hugepages node0  1 of 1G; 8192 MiB are there\n\
         hugepages node1  1 of 1G; 8192 MiB are there\n\
         reserved CPUs    0-3,24-27\n"
    );
    assert!(ran.err.contains("are not isolated"), "{}", ran.err);
}

#[test]
fn every_bit_and_mebibyte_has_its_reason() {
    let ran = on_server(8, &["size", "-f", "-", "--ovs-version", "3.1.0", "--explain"], DOCUMENT);
    insta::assert_snapshot!(ran.out);
}

#[test]
fn programs_get_the_same_as_json() {
    let ran = on_server(8, &["size", "-f", "-", "-o", "json"], DOCUMENT);
    let sizing: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(sizing["pmd"]["mask"], "0xc00000c");
    assert_eq!(sizing["memory"]["socket_mem"], "1024,1024");
    assert_eq!(sizing["memory"]["pools"][0]["bytes"], 752 << 20);
}

#[test]
fn what_does_not_fit_ends_with_4_and_what_contradicts_itself_with_2() {
    let ran = on_server(0, &["size", "-f", "-"], DOCUMENT);
    assert_eq!(ran.code, 4);
    assert!(ran.out.starts_with("pmd-cpu-mask     0xc00000c"), "the need is said all the same: {}", ran.out);
    assert!(ran.err.contains("NUMA node 0 has 0 MiB of hugepages, and 1024 are needed"), "{}", ran.err);
    assert!(ran.err.contains("hugepages: {pages: [{size: 1G, count: 1, node: 0}]}"), "{}", ran.err);
    let jumbo = format!(
        "dpdk: {{socketMemory: [1024, 1024]}}\n{}",
        DOCUMENT.replace("count: 8", "count: 8, mtu: 9000")
    );
    let ran = on_server(8, &["size", "-f", "-"], &jumbo);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("NUMA node 1 gets 1024 MiB, and its pools need 2545"), "{}", ran.err);
}

#[test]
fn what_is_no_switch_is_refused_with_its_place() {
    for (text, what, hint) in [
        ("dpdk: {socketMemry: [1]}", "unknown field `socketMemry`", "did you mean `socketMemory`?"),
        (
            "apiVersion: flyover.dev/v1alpha1\nkind: NodeProfile\nspec: {}",
            "this is a NodeProfile",
            "`kind: Switch`",
        ),
        ("bridges: 1", "line 1", "`flyover switch explain`"),
    ] {
        let ran = switch(&["size", "-f", "-"], text);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{text}");
        assert!(ran.err.contains(what) && ran.err.contains(hint), "{text}: {}", ran.err);
    }
    let ran = switch(&["size", "-f", "-", "--ovs-version", "new"], "{}");
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("`new` is no version of Open vSwitch"), "{}", ran.err);
}
