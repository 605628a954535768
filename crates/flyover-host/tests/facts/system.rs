//! Distributions, boot loaders, services and kubelet.

use flyover_core::facts::{Enablement, GrubGenerator, Loader, ManagedOs};
use flyover_host::facts::{Inspection, inspect};
use flyover_host::tree::HostTree;
use flyover_testkit::hosts::{HostTreeBuilder, Maker, System, Topology, Unpacked};

use crate::{facts, facts_asked};

fn host(system: System) -> HostTreeBuilder {
    HostTreeBuilder::new(Topology::simple(Maker::Intel, 2), system)
}

fn without(tree: &HostTree, path: &str) -> HostTree {
    let kept = tree
        .to_string()
        .lines()
        .filter(|line| !line.contains(path))
        .map(|l| format!("{l}\n"))
        .collect::<String>();
    kept.parse().expect("a tree without some lines is a tree")
}

#[test]
fn systems_that_are_changed_by_declaration_are_known() {
    for (system, managed) in [
        (System::Debian, None),
        (System::Ubuntu, None),
        (System::Rhel, None),
        (System::Rhcos, Some(ManagedOs::Rhcos)),
        (System::Talos, Some(ManagedOs::Talos)),
        (System::Bottlerocket, Some(ManagedOs::Bottlerocket)),
        (System::Flatcar, Some(ManagedOs::Flatcar)),
    ] {
        assert_eq!(facts(&host(system).build()).os.managed, managed, "{system:?}");
    }
}

#[test]
fn an_ostree_of_another_distribution_is_one() {
    let tree = host(System::Debian).file("/run/ostree-booted", "").build();
    assert_eq!(facts(&tree).os.managed, Some(ManagedOs::Ostree));
}

#[test]
fn debian_and_ubuntu_have_grub_with_drop_ins() {
    for system in [System::Debian, System::Ubuntu] {
        let Some(Loader::Grub { defaults, drop_ins, config, generator }) =
            facts(&host(system).build()).boot.loader
        else {
            panic!("no GRUB on {system:?}")
        };
        assert_eq!((defaults.as_str(), config.as_str()), ("/etc/default/grub", "/boot/grub/grub.cfg"));
        assert_eq!(
            (drop_ins.unwrap().as_str(), generator),
            ("/etc/default/grub.d", GrubGenerator::UpdateGrub)
        );
    }
}

#[test]
fn red_hats_entries_are_edited_by_grubby() {
    let Some(Loader::Bls { entries, grubby, defaults }) = facts(&host(System::Rhel).build()).boot.loader
    else {
        panic!("no entries")
    };
    assert_eq!((entries.as_str(), grubby), ("/boot/loader/entries", true));
    assert_eq!(defaults.unwrap().as_str(), "/etc/default/grub");
}

#[test]
fn entries_that_grub_was_not_told_to_read_do_not_count() {
    let tree = host(System::Rhel)
        .file("/etc/default/grub", "GRUB_CMDLINE_LINUX=\"\"\n")
        .file("/usr/sbin/grub2-mkconfig", "")
        .file("/boot/grub2/grub.cfg", "")
        .file("/boot/efi/EFI/redhat/grub.cfg", "search x\nconfigfile $prefix/grub.cfg\n");
    let config = |tree: &HostTree| match facts(tree).boot.loader {
        Some(Loader::Grub { config, generator: GrubGenerator::Grub2Mkconfig, drop_ins: None, .. }) => {
            config.to_string()
        }
        other => panic!("{other:?}"),
    };
    let tree = tree.build();
    assert_eq!(config(&tree), "/boot/grub2/grub.cfg");
    let whole = tree.to_string().replace("configfile $prefix/grub.cfg", "menuentry");
    assert_eq!(config(&whole.parse().unwrap()), "/boot/efi/EFI/redhat/grub.cfg");
}

#[test]
fn systemd_boot_has_entries_and_no_grub() {
    let tree =
        without(&host(System::Rhel).file("/etc/kernel/cmdline", "ro quiet\n").build(), "/etc/default/grub");
    let Some(Loader::Bls { defaults, .. }) = facts(&tree).boot.loader else { panic!("no entries") };
    assert_eq!(defaults.unwrap().as_str(), "/etc/kernel/cmdline");
}

#[test]
fn a_host_without_a_loader_says_so() {
    assert_eq!(facts(&host(System::Talos).build()).boot.loader, None);
}

#[test]
fn a_service_is_told_under_the_name_asked_for_with_its_own_name() {
    let services = facts(&host(System::Debian).build()).services;
    let chronyd = &services[&"chronyd".parse().unwrap()];
    assert_eq!(
        (chronyd.unit.as_str(), &chronyd.enablement, chronyd.active),
        ("chrony.service", &Enablement::Enabled, true)
    );
    assert!(!services.contains_key(&"ntpd".parse().unwrap()));
}

#[test]
fn a_masked_service_and_one_that_is_not_there_are_different() {
    let tree = host(System::Debian).service("tuned.service", "masked", false).build();
    let asked = Inspection { units: vec!["ntpd".parse().unwrap()], ..Inspection::default() };
    let services = facts_asked(&tree, &asked).services;
    assert_eq!(services[&"tuned".parse().unwrap()].enablement, Enablement::Masked);
    assert_eq!(services[&"ntpd".parse().unwrap()].enablement, Enablement::NotFound);
}

#[test]
fn units_that_a_record_does_not_hold_do_not_hide_the_others() {
    let asked = Inspection { units: vec!["mine".parse().unwrap()], ..Inspection::default() };
    let services = facts_asked(&host(System::Debian).build(), &asked).services;
    assert!(services.contains_key(&"irqbalance".parse().unwrap()));
}

#[test]
fn a_host_without_systemd_has_no_services() {
    let found = facts(&host(System::Talos).build());
    assert!(!found.os.systemd && found.services.is_empty());
}

#[test]
fn kubelets_managers_and_reserved_processors_are_read() {
    let config = "kind: KubeletConfiguration\ncpuManagerPolicy: static\nreservedSystemCPUs: \"0,24\"\nevictionHard: {a: b}\n";
    let kubelet =
        facts(&host(System::Debian).file("/var/lib/kubelet/config.yaml", config).build()).kubelet.unwrap();
    assert_eq!((kubelet.cpu_manager.as_deref(), kubelet.topology_manager), (Some("static"), None));
    assert_eq!(kubelet.reserved_cpus.unwrap().to_string(), "0,24");
}

#[test]
fn kubelets_configuration_that_is_broken_is_as_none() {
    let tree = host(System::Debian).file("/var/lib/kubelet/config.yaml", "cpuManagerPolicy: [").build();
    assert_eq!(facts(&tree).kubelet, None);
}

#[test]
fn the_firmware_the_lockdown_and_the_control_groups_are_told() {
    let secure_boot = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
    let tree = host(System::Debian)
        .file(secure_boot, "\u{6}\0\0\0\u{1}")
        .file("/sys/kernel/security/lockdown", "none [integrity] confidentiality\n")
        .build();
    let boot = facts(&tree).boot;
    assert_eq!((boot.secure_boot, boot.lockdown.as_deref(), boot.cgroup), (Some(true), Some("integrity"), 2));
    assert_eq!(facts(&host(System::Debian).build()).boot.secure_boot, None);
}

#[test]
fn a_host_without_a_command_line_is_none() {
    let nothing = Unpacked::of(&HostTree::default()).unwrap();
    let error = inspect(&nothing.host, &Inspection::default()).unwrap_err();
    assert_eq!(error.to_string(), "failed to read `/proc/cmdline`");
}

#[test]
fn a_host_with_a_command_line_alone_has_facts() {
    let found = facts(&"f 0444 /proc/cmdline \"quiet\\n\"\n".parse().unwrap());
    assert!(found.cpu.cpus.is_empty() && found.pci.is_empty() && found.guarded.is_empty());
    assert_eq!(found.numa.len(), 1);
}
