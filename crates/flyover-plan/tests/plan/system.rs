//! Services, sysctls, files, modules, and hosts whose image others change.

use flyover_core::facts::{Enablement, ManagedOs};

use crate::fixtures::server;
use crate::{refused, settled};

#[test]
fn a_service_is_known_by_its_alias_and_one_that_is_not_installed_is_left_out() {
    let yaml = "services: [{name: chronyd, state: disabled}, {name: ntpd, state: masked}]";
    let chosen = settled(yaml, &server());
    let names: Vec<&str> = chosen.services.keys().map(|unit| unit.as_str()).collect();
    assert_eq!(names, ["chrony.service"]);
    assert_eq!(chosen.notes, ["ntpd.service is not installed, so it is left out"]);
    // Once disabled, the alias is gone.
    let mut host = server();
    host.services.get_mut(&"chronyd".parse().unwrap()).unwrap().enablement = Enablement::NotFound;
    assert_eq!(settled(yaml, &host).services, chosen.services);
}

#[test]
fn what_cannot_or_must_not_be_done_is_refused() {
    let mut host = server();
    let mut text = String::new();
    for yaml in [
        "services: [{name: fixed, state: disabled}]",
        "services: [{name: local, state: masked}]",
        "services: [{name: ssh, state: disabled}]",
        "services: [{name: chrony, state: disabled}, {name: chronyd, state: masked}]",
        "sysctls: {vm.swappiness: ''}",
        "modules: [{name: vfio-pci}, {name: vfio_pci}]",
        "modules: [{name: vfio-pci, options: {ids: '8086:10fb x'}}]",
        "files: [{path: /etc/a, content: a}, {path: /etc/a, content: b}]",
        "files: [{path: /proc/sys/a, content: a}]",
        "files: [{path: /etc/default/grub, content: a}]",
        "sysctls: {a.b: 1}\nfiles: [{path: /etc/sysctl.d/90-flyover.conf, content: a}]",
    ] {
        text += &format!("{yaml}\n{}\n\n", refused(yaml, &host));
    }
    host.os.systemd = false;
    text += &refused("services: [{name: chrony, state: disabled}]", &host);
    insta::assert_snapshot!(text);
}

#[test]
fn a_managed_image_is_left_to_its_manager_with_the_right_emitter() {
    let mut text = String::new();
    for os in
        [ManagedOs::Rhcos, ManagedOs::Ostree, ManagedOs::Talos, ManagedOs::Bottlerocket, ManagedOs::Flatcar]
    {
        let mut host = server();
        host.os.managed = Some(os);
        host.boot.loader = None;
        text += &format!("{}\n\n", refused("iommu: on\nfiles: [{path: /usr/a, content: a}]", &host));
        // What is in force is fine.
        host.boot.args = "intel_iommu=on".parse().unwrap();
        settled("iommu: on", &host);
    }
    insta::assert_snapshot!(text);
}

#[test]
fn without_a_boot_loader_arguments_are_refused_unless_they_are_in_force() {
    let mut host = server();
    host.boot.loader = None;
    insta::assert_snapshot!(refused("iommu: passthrough", &host));
    host.boot.args = "intel_iommu=on,sm_on iommu=pt".parse().unwrap();
    settled("iommu: passthrough", &host);
}

#[test]
fn all_refusals_are_collected() {
    let yaml = "cpu: {isolated: '99'}\nhugepages: {pages: [{size: 64K, count: 1}]}\nfiles: [{path: /dev/a, content: a}]";
    assert_eq!(crate::refusals(yaml, &server()).len(), 3);
}
