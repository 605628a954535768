//! Devices that are given away, and those that must not be.

use flyover_core::IommuGroup;

use crate::fixtures::{amd, device, laptop, server, server_with_iommu};
use crate::{refused, settled};

fn vfio(select: &str) -> String {
    format!("drivers: [{{select: {{{select}}}, driver: vfio-pci}}]\n")
}

#[test]
fn a_device_is_chosen_by_address_maker_class_and_name() {
    let host = server_with_iommu();
    for (select, devices) in [
        ("address: '06:00.0'", "0000:06:00.0"),
        ("name: ens2f*", "0000:82:00.0 0000:82:00.1"),
        ("vendor: 0x8086, device: 10fb, name: ens1f0", "0000:06:00.0"),
        ("class: 02, name: '*0'", "0000:06:00.0 0000:82:00.0"),
    ] {
        let chosen: Vec<String> =
            settled(&vfio(select), &host).drivers.iter().map(|choice| choice.device.to_string()).collect();
        assert_eq!(chosen.join(" "), devices, "{select}");
    }
}

#[test]
fn a_device_that_must_stay_is_refused_with_the_reason() {
    let mut host = server_with_iommu();
    let mut mellanox = device("0000:a1:00.0", "15b3:1017", "0x020000", Some("mlx5_core"));
    mellanox.group = Some(IommuGroup(30));
    let mut pod = device("0000:a2:00.0", "8086:10fb", "0x020000", Some("ixgbe"));
    (pod.group, pod.elsewhere) = (Some(IommuGroup(31)), true);
    let mut held = device("0000:a3:00.0", "8086:10fb", "0x020000", Some("uio_pci_generic"));
    (held.group, held.held_by) = (Some(IommuGroup(32)), vec!["ovs-vswitchd (812)".into()]);
    let mut apart = device("0000:a4:00.0", "8086:10fb", "0x020000", Some("ixgbe"));
    apart.group = None;
    host.pci.extend([mellanox, pod, held, apart]);
    let mut text = String::new();
    for address in ["06:00.1", "00:01.0", "84:00.0", "a1:00.0", "a2:00.0", "a3:00.0", "a4:00.0", "ff:00.0"] {
        text += &refused(&vfio(&format!("address: '{address}'")), &host);
        text += "\n";
    }
    insta::assert_snapshot!(text);
}

#[test]
fn a_group_is_given_away_whole() {
    let mut host = server_with_iommu();
    host.pci[3].group = Some(IommuGroup(9));
    host.pci[4].group = Some(IommuGroup(9));
    host.pci[0].group = Some(IommuGroup(9));
    insta::assert_snapshot!(refused(&vfio("address: '82:00.0'"), &host));
    settled(&vfio("name: ens2f*"), &host);
    host.pci[4].driver = None;
    settled(&vfio("address: '82:00.0'"), &host);
}

#[test]
fn without_an_iommu_nothing_is_given_away_unless_the_risk_is_accepted() {
    let one = vfio("name: enp0s31f6");
    let mut text = format!("{}\n", refused(&one, &laptop()));
    text += &format!("{}\n", refused(&format!("{one}iommu: off\n"), &laptop()));
    let mut firmware_off = laptop();
    firmware_off.boot.args = "intel_iommu=on".parse().unwrap();
    text += &refused(&format!("{one}iommu: on\n"), &firmware_off);
    insta::assert_snapshot!(text);

    let settled = settled(&format!("{one}unsafeNoiommu: true\n"), &laptop());
    assert_eq!(settled.notes, ["taint: vfio-pci has 0000:00:1f.6 without an IOMMU"]);
    let modules: Vec<String> =
        settled.modules.iter().map(|(name, options)| format!("{name} {options:?}")).collect();
    assert_eq!(modules, [r#"vfio {"enable_unsafe_noiommu_mode": "1"}"#, "vfio-pci {}"]);
}

#[test]
fn drivers_without_protection_need_the_risk_to_be_accepted() {
    let yaml = "drivers: [{select: {address: '06:00.0'}, driver: uio_pci_generic}]\n";
    insta::assert_snapshot!(refused(yaml, &server()));
    let accepted = settled(&format!("{yaml}unsafeNoiommu: true\n"), &server());
    assert!(accepted.notes[0].starts_with("taint: uio_pci_generic"));
}

#[test]
fn selectors_that_say_nothing_or_two_things_are_refused() {
    let mut text = String::new();
    for yaml in [
        vfio(""),
        vfio("vendor: 86"),
        "drivers:\n- {select: {name: ens2f0}, driver: vfio-pci}\n- {select: {name: 'ens2f*'}, driver: igb}\n"
            .into(),
    ] {
        text += &format!("{yaml}{}\n\n", refused(&yaml, &server_with_iommu()));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn a_device_that_has_the_driver_already_is_fine_whoever_holds_it() {
    let mut host = amd();
    host.pci[0].driver = "vfio-pci".parse().ok();
    host.pci[0].held_by = vec!["ovs-vswitchd (812)".into()];
    assert_eq!(settled(&vfio("address: '41:00.0'"), &host).drivers.len(), 1);
}

#[test]
fn a_port_whose_virtual_function_carries_a_route_stays() {
    let mut host = server_with_iommu();
    let mut function = host.pci[3].clone();
    function.address = "0000:82:10.0".parse().unwrap();
    function.physical = Some(host.pci[3].address);
    function.group = Some(IommuGroup(40));
    host.guarded[0].device = function.address;
    host.pci.push(function);
    assert!(refused(&vfio("address: '82:00.0'"), &host).contains("it carries the default route"));
}

#[test]
fn a_port_with_virtual_functions_and_an_adapter_with_disks_behind_it_stay() {
    let mut host = server_with_iommu();
    let mut function = host.pci[3].clone();
    (function.address, function.physical) = ("82:10.0".parse().unwrap(), Some(host.pci[3].address));
    function.group = Some(IommuGroup(40));
    let mut adapter = device("0000:a1:00.0", "1077:2261", "0x0c0400", Some("qla2xxx"));
    adapter.group = Some(IommuGroup(41));
    host.pci.extend([function, adapter]);
    let port = refused(&vfio("address: '82:00.0'"), &host);
    assert!(port.contains("cannot bind 0000:82:00.0 to vfio-pci: it has 1 virtual functions"), "{port}");
    assert!(port.ends_with("take them away first: echo 0 > /sys/bus/pci/devices/0000:82:00.0/sriov_numvfs"));
    assert!(refused(&vfio("address: 'a1:00.0'"), &host).contains("it is a disk controller"));
    assert_eq!(settled(&vfio("address: '82:10.0'"), &host).drivers.len(), 1);
}

#[test]
fn the_iommu_stays_on_for_devices_that_are_given_away() {
    let kept = settled(&vfio("address: '06:00.0'"), &server_with_iommu());
    assert_eq!(crate::args(&kept), "intel_iommu=on");
    let off = format!("{}kernelArgs: {{present: [intel_iommu=off]}}\n", vfio("address: '06:00.0'"));
    assert!(refused(&off, &server_with_iommu()).contains("cannot hold together with intel_iommu=on"));
}
