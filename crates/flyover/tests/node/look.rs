//! The reading verbs.

use serde_json::Value;

use crate::run::{captured, node, on};

#[test]
fn inspect_shows_all_it_knows_of_a_host_to_people_and_to_programs() {
    let host = captured("two_socket_smt");
    let host = host.path().to_str().unwrap();
    let ran = node(&["inspect", "--host", host]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    for row in [
        "system",
        "kernel",
        "arguments",
        "boot loader",
        "firmware",
        "cgroup",
        "cpu",
        "memory",
        "NUMA 1",
        "IOMMU",
        "NIC",
        "service",
    ] {
        assert!(ran.out.lines().any(|line| line.starts_with(row)), "{row} in\n{}", ran.out);
    }
    let facts: Value = serde_json::from_str(&node(&["inspect", "--host", host, "-o", "json"]).out).unwrap();
    assert_eq!(facts["cpu"]["online"], "0-47");
    assert_eq!(facts["numa"][1]["id"], 1);
    assert_eq!(facts["guarded"][0]["carries"], "the default route");
}

#[test]
fn a_plan_shows_what_is_and_will_be_why_the_risk_the_undo_and_the_command() {
    let ran = on(
        "two_socket_smt",
        "plan",
        "iommu: passthrough\nhugepages: {pages: [{size: 2M, count: 512, node: 1}]}\ncpu: {isolated: auto}\n",
        &[],
    );
    assert_eq!(ran.code, 0, "{}", ran.err);
    for part in [
        "hugepages 2M node1  0 pages -> 512 pages",
        "echo 512 > /sys/devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages",
        "undo     echo 0 >",
        "isolcpus=managed_irq,domain,2-3,26-27",
        "REBOOT",
        "Nothing has been changed yet.",
    ] {
        assert!(ran.out.contains(part), "{part} in\n{}", ran.out);
    }
    let json = on("two_socket_smt", "plan", "iommu: passthrough\n", &["-o", "json"]).out;
    let plan: Value = serde_json::from_str(&json).unwrap();
    assert!(
        plan["steps"].as_array().unwrap().iter().any(|step| step["action"]["kind"] == "reboot"),
        "{plan}"
    );
}

#[test]
fn explain_says_what_each_field_means_and_gives_the_schema() {
    let all = node(&["explain"]).out;
    for field in [
        "hugepages",
        "kernelArgs",
        "iommu",
        "unsafeNoiommu",
        "cpu",
        "drivers",
        "modules",
        "sysctls",
        "services",
        "files",
    ] {
        assert!(all.contains(field), "{field} in\n{all}");
    }
    assert!(node(&["explain", "hugepages.pages"]).out.contains("NUMA node"));
    let unknown = node(&["explain", "hugepages.pgaes"]);
    assert_eq!(unknown.code, 2, "{}", unknown.err);
    let schema: Value = serde_json::from_str(&node(&["explain", "--schema"]).out).unwrap();
    assert_eq!(schema["additionalProperties"], false);
}

#[test]
fn a_capture_of_this_machine_can_be_planned_for() {
    let captured = node(&["capture"]);
    assert_eq!(captured.code, 0, "{}", captured.err);
    let host = crate::run::file(&captured.out);
    let (here, there) = (
        node(&["inspect", "-o", "json"]),
        node(&["inspect", "--host", host.path().to_str().unwrap(), "-o", "json"]),
    );
    let [here, there]: [Value; 2] = [here.out, there.out].map(|text| serde_json::from_str(&text).unwrap());
    assert_eq!(here["cpu"], there["cpu"]);
    let drivers = |facts: &Value| {
        facts["pci"].as_array().unwrap().iter().map(|d| d["driver"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(drivers(&here), drivers(&there));
    assert!(!captured.out.contains(here["boot"]["boot_id"].as_str().unwrap()));
}
