//! Services, sysctls, files, modules, and hosts whose image others change.

use flyover_core::facts::{Enablement, HostFacts, ManagedOs};
use flyover_core::{Action, Ledger, Owned, UnitLink, UnitState};
use flyover_plan::recall;

use crate::fixtures::server;
use crate::{refused, settled};

/// What is owned once chrony was brought from running to `left`.
fn owned_chrony(left: &Enablement) -> Ledger {
    let link = |path: &str| UnitLink {
        path: format!("/etc/systemd/system/{path}").parse().unwrap(),
        target: "/lib/systemd/system/chrony.service".into(),
    };
    let links = vec![link("time-keeper.service"), link("multi-user.target.wants/chrony.service")];
    let found = UnitState {
        unit: "chrony".parse().unwrap(),
        enablement: Enablement::Enabled,
        active: true,
        links: Some(links),
        dirs: Vec::new(),
    };
    let left =
        Action::Unit(UnitState { enablement: left.clone(), active: false, links: None, ..found.clone() });
    let owned = Owned { found: Action::Unit(found), left: left.clone(), wished: left.clone() };
    Ledger::from([(left.subject(), owned)])
}

fn with_chrony(enablement: &Enablement) -> HostFacts {
    let mut host = server();
    let chrony = host.services.get_mut(&"chrony".parse().unwrap()).unwrap();
    (chrony.enablement, chrony.active) = (enablement.clone(), false);
    host
}

#[test]
fn a_service_that_was_asked_for_by_an_alias_is_found_by_it_once_disabled() {
    let yaml = "services: [{name: time-keeper, state: disabled}]";
    let ledger = owned_chrony(&Enablement::Disabled);
    let mut host = with_chrony(&Enablement::Disabled);
    for _ in 0..2 {
        let chosen = settled(yaml, &recall(host.clone(), &ledger));
        let names: Vec<&str> = chosen.services.keys().map(|unit| unit.as_str()).collect();
        assert_eq!((names, chosen.notes), (vec!["chrony.service"], Vec::new()));
        // Where nothing but the alias was asked for, nothing is known of the service itself.
        host.services.clear();
    }
}

#[test]
fn a_mask_satisfies_disabled_unless_it_is_ours() {
    let yaml = "services: [{name: chrony, state: disabled}]";
    let state = |host: &HostFacts| settled(yaml, host).services.into_values().next().unwrap();
    let host = with_chrony(&Enablement::Masked);
    assert_eq!(state(&host), Enablement::Masked);
    assert_eq!(state(&recall(host.clone(), &owned_chrony(&Enablement::Masked))), Enablement::Disabled);
    let mut running = host;
    running.services.get_mut(&"chrony".parse().unwrap()).unwrap().active = true;
    assert_eq!(state(&running), Enablement::Disabled);
}

#[test]
fn what_clusters_and_switches_run_by_is_not_stopped() {
    let names = [
        "k3s",
        "k3s-agent",
        "rke2-server",
        "rke2-agent",
        "systemd-resolved",
        "network",
        "containerd",
        "crio",
        "docker",
        "openvswitch",
        "openvswitch-switch",
        "ovs-vswitchd",
        "ovsdb-server",
    ];
    for name in names {
        let mut host = with_chrony(&Enablement::Enabled);
        let mut facts = host.services[&"chrony".parse().unwrap()].clone();
        facts.unit = name.parse().unwrap();
        host.services.insert(facts.unit.clone(), facts);
        let text = refused(&format!("services: [{{name: {name}, state: disabled}}]"), &host);
        assert!(text.contains(&format!("the host needs {name}.service")), "{text}");
    }
}

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
        "sysctls: {a.b: 1}\nfiles: [{path: /etc/sysctl.d/zz-flyover.conf, content: a}]",
    ] {
        text += &format!("{yaml}\n{}\n\n", refused(yaml, &host));
    }
    host.os.systemd = false;
    text += &refused("services: [{name: chrony, state: disabled}]", &host);
    insta::assert_snapshot!(text);
}

#[test]
fn what_no_apply_can_take_back_is_refused() {
    for sysctl in [
        "kernel.modules_disabled: 1",
        "kernel/kexec_load_disabled: 1",
        "kernel.yama.ptrace_scope: '0x3'",
        "kernel.unprivileged_bpf_disabled: ' 1'",
    ] {
        let text = refused(&format!("sysctls: {{{sysctl}}}"), &server());
        assert!(text.contains("cannot be undone without a reboot"), "{text}");
    }
    for sysctl in [
        "kernel.yama.ptrace_scope: 2",
        "kernel.unprivileged_bpf_disabled: 2",
        "kernel.perf_event_paranoid: 3",
    ] {
        settled(&format!("sysctls: {{{sysctl}}}"), &server());
    }
}

#[test]
fn control_characters_are_refused_but_in_what_a_file_holds() {
    for yaml in [
        r#"files: [{path: "/etc/a\nb", content: a}]"#,
        r#"hugepages: {mounts: [{path: "/mnt/a\nb", pageSize: 2M}]}"#,
        r#"sysctls: {kernel.core_pattern: "a\x1bb"}"#,
        r#"modules: [{name: vfio-pci, options: {ids: "a\x01"}}]"#,
    ] {
        assert_eq!(crate::refusals(yaml, &server()).len(), 1, "{yaml}");
    }
    settled(r#"files: [{path: /etc/a, content: "a\tb\n\e"}]"#, &server());
    let tabs = settled(r#"sysctls: {net.ipv4.ip_local_port_range: "1\t2"}"#, &server());
    assert_eq!(tabs.sysctls.into_values().collect::<Vec<_>>(), ["1 2"]);
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
