//! The formats' own readers get back what was put in, whatever it is.

use flyover_core::{FileMode, HostPath};
use flyover_plan::{OwnFile, Settled, units};
use flyover_render::{Target, render};
use ignition_config::Config;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::fixture::{everything, meta, nothing};

fn text(settled: &Settled, target: Target) -> String {
    render(settled, target, &meta()).files.remove(0).text
}

fn ignition(settled: &Settled, target: Target) -> Value {
    let json = text(settled, target);
    let (config, warnings) = Config::parse_str(&json).unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
    assert_eq!(matches!(config, Config::V3_3(_)), target == Target::Flatcar);
    serde_json::from_str(&json).unwrap()
}

fn machineconfig(settled: &Settled) -> Value {
    let object: Value = serde_saphyr::from_str(&text(settled, Target::MachineConfig)).unwrap();
    let config = object["spec"]["config"].to_string();
    let (_, warnings) = Config::parse_str(&config).unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
    object
}

fn talos(settled: &Settled) -> Vec<Value> {
    serde_saphyr::from_multiple(&text(settled, Target::Talos)).unwrap()
}

fn bottlerocket(settled: &Settled) -> Value {
    let table: toml::Table = toml::from_str(&text(settled, Target::Bottlerocket)).unwrap();
    serde_json::to_value(table).unwrap()
}

/// What a URL of RFC 2397 holds.
fn decoded(url: &str) -> String {
    let mut bytes = Vec::new();
    let mut parts = url.strip_prefix("data:,").unwrap().split('%');
    bytes.extend_from_slice(parts.next().unwrap().as_bytes());
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).unwrap());
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).unwrap()
}

fn files_of(config: &Value) -> Vec<(String, u64, String)> {
    let file = |file: &Value| {
        let contents = decoded(file["contents"]["source"].as_str().unwrap());
        (file["path"].as_str().unwrap().to_owned(), file["mode"].as_u64().unwrap(), contents)
    };
    config["storage"]["files"].as_array().unwrap().iter().map(file).collect()
}

fn files(settled: &Settled) -> Vec<(String, u64, String)> {
    let file =
        |(path, mode, text): (HostPath, FileMode, String)| (path.to_string(), mode.bits().into(), text);
    units::all_files(settled).into_iter().map(file).collect()
}

#[test]
fn ignition_holds_every_file_and_unit_byte_for_byte() {
    let settled = everything();
    for config in [
        ignition(&settled, Target::Ignition),
        ignition(&settled, Target::Flatcar),
        machineconfig(&settled)["spec"]["config"].clone(),
    ] {
        assert_eq!(files_of(&config), files(&settled));
        let units = config["systemd"]["units"].as_array().unwrap();
        for (name, contents) in units::all_units(&settled) {
            assert!(units.contains(&json!({"name": name, "enabled": true, "contents": contents})), "{name}");
        }
        assert!(units.contains(&json!({"name": "chrony.service", "enabled": false})));
        assert!(units.contains(&json!({"name": "irqbalance.service", "mask": true})));
    }
}

#[test]
fn the_arguments_of_a_machineconfig_stand_beside_its_ignition() {
    let object = machineconfig(&everything());
    assert_eq!(object["spec"]["kernelArguments"][1], "hugepagesz=1G hugepages=0:4,1:4");
    assert_eq!(object["spec"]["config"].get("kernelArguments"), None);
    assert_eq!(object["metadata"]["labels"]["machineconfiguration.openshift.io/role"], "worker");
}

#[test]
fn reserved_and_isolated_share_out_all_processors() {
    let object: Value = serde_saphyr::from_str(&text(&everything(), Target::PerformanceProfile)).unwrap();
    assert_eq!(object["spec"]["cpu"], json!({"reserved": "0-3,24-27", "isolated": "4-23,28-47"}));
    assert_eq!(object["spec"]["hugepages"]["pages"][2], json!({"size": "2M", "count": 512, "node": 0}));
    assert_eq!(object["spec"]["additionalKernelArgs"][2], "isolcpus=2-3,26-27");
}

#[test]
fn talos_gets_a_document_for_each_device() {
    let documents = talos(&everything());
    assert_eq!(documents.len(), 2);
    assert_eq!(documents[0]["machine"]["install"]["extraKernelArgs"][0], "-quiet");
    let node0 = "devices.system.node.node0.hugepages.hugepages-2048kB.nr_hugepages";
    assert_eq!(documents[0]["machine"]["sysfs"][node0], "512");
    assert_eq!(documents[1]["name"], "0000:06:00.0");
}

#[test]
fn a_sysctl_that_cannot_be_named_is_left_out_and_noted() {
    let settled = everything();
    for (target, sysctls) in [
        (Target::Talos, talos(&settled)[0]["machine"]["sysctls"].clone()),
        (Target::Bottlerocket, bottlerocket(&settled)["settings"]["kernel"]["sysctl"].clone()),
    ] {
        assert_eq!(sysctls, json!({"vm.max_map_count": "262144"}));
        let notes = render(&settled, target, &meta()).notes;
        assert!(notes.iter().any(|note| note.contains("net/ipv4/conf/eth0.100/forwarding")), "{notes:?}");
    }
}

#[test]
fn bottlerocket_counts_hugepages_by_size_and_not_on_its_command_line() {
    let settings = &bottlerocket(&everything())["settings"];
    assert_eq!(
        settings["kernel"]["hugepages"]["static"],
        json!({"1Gi": {"count": "8"}, "2Mi": {"count": "512"}})
    );
    let parameters = settings["boot"]["kernel-parameters"].as_object().unwrap();
    assert!(parameters.keys().all(|name| name != "hugepages" && name != "hugepagesz"));
    assert_eq!(parameters["default_hugepagesz"], json!(["1G"]));
    assert_eq!(parameters["vfio_pci.disable_idle_d3"], json!(["1"]));
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "(?s)[ a'\"\\\\$`%#:,{}\\[\\]|>&*!?~\\n\\r\\t\\x00-]{0,12}",
        "(0x?[0-9]{1,4}|[0-9]{1,2}:[0-9]{2}:[0-9]{2}|yes|no|on|off|null|~|1e3|\\.inf|=|<<|true|y)",
    ]
}

fn any_settled() -> impl Strategy<Value = Settled> {
    let arg = "[a-z]{1,6}(=([a-z0-9,:'\\\\$#]{0,8}|\"[ -!#-~]{0,10}\"))?";
    let args = proptest::collection::vec(arg, 0..5);
    (args, any_text(), any_text(), "/var/[^\\x00/]{1,12}").prop_map(|(args, content, value, path)| {
        let mut settled = nothing();
        settled.args.set = args.iter().filter_map(|arg| arg.parse().ok()).collect();
        settled.sysctls.insert("kernel.core_pattern".parse().unwrap(), value);
        if let Ok(path) = path.parse() {
            let mode = "0644".parse().unwrap();
            settled.files.insert(path, OwnFile { content, mode, why: "a test".to_owned() });
        }
        settled
    })
}

proptest! {
    #[test]
    fn whatever_a_profile_holds_ignition_reads_it_back(settled in any_settled()) {
        let config = ignition(&settled, Target::Ignition);
        prop_assert_eq!(files_of(&config), files(&settled));
        prop_assert_eq!(files_of(&machineconfig(&settled)["spec"]["config"]), files(&settled));
        let raw: Vec<&str> = settled.args.set.iter().map(flyover_core::KernelArg::raw).collect();
        let expected = if raw.is_empty() { Value::Null } else { json!(raw) };
        prop_assert_eq!(&config["kernelArguments"]["shouldExist"], &expected);
    }

    #[test]
    fn whatever_a_profile_holds_talos_and_bottlerocket_read_it_back(settled in any_settled()) {
        let machine = &talos(&settled)[0]["machine"];
        let value = &settled.sysctls.values().next().unwrap();
        prop_assert_eq!(&machine["sysctls"]["kernel.core_pattern"], value.as_str());
        for (at, (path, file)) in settled.files.iter().enumerate() {
            prop_assert_eq!(&machine["files"][at]["path"], path.as_str());
            prop_assert_eq!(&machine["files"][at]["content"], file.content.as_str());
        }
        let settings = &bottlerocket(&settled)["settings"];
        prop_assert_eq!(&settings["kernel"]["sysctl"]["kernel.core_pattern"], value.as_str());
        for arg in &settled.args.set {
            let values = settings["boot"]["kernel-parameters"][arg.name()].as_array().unwrap();
            prop_assert!(arg.value().is_none_or(|value| values.contains(&json!(value))));
        }
    }
}
