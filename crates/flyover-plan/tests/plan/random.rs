//! Any profile on any host: nothing panics, nothing wavers, and what was done is done.

use flyover_api::NodeProfileSpec;
use flyover_core::facts::HostFacts;
use flyover_plan::{plan, settle, verify, wishes};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use crate::fixtures;
use crate::model::Model;

/// Pieces that contradict each other, do not fit, or do.
const PIECES: [&str; 23] = [
    "iommu: on",
    "iommu: off",
    "iommu: passthrough",
    "unsafeNoiommu: true",
    "cpu: {isolated: auto}",
    "cpu: {isolated: auto, coresPerNode: 2, reserved: '0'}",
    "cpu: {isolated: '2-3', reserved: auto}",
    "cpu: {reserved: '0-1'}",
    "hugepages: {pages: [{size: 1G, count: 2, when: boot}], mounts: [{path: /mnt/g, pageSize: 1G}]}",
    "hugepages: {pages: [{size: 2M, count: 64, node: 0}], mounts: [{path: /mnt/m, pageSize: 2M, size: 64M}]}",
    "hugepages: {defaultSize: 2M, pages: [{size: 2M, count: 128}]}",
    "kernelArgs: {present: [nosmt, intel_iommu=on], absent: [quiet]}",
    "kernelArgs: {present: [amd_iommu=on, iommu=pt]}",
    "kernelArgs: {present: [hugepages=3]}",
    "drivers: [{select: {class: 02}, driver: vfio-pci}]",
    "drivers: [{select: {name: 'e*0'}, driver: vfio-pci}]",
    "drivers: [{select: {vendor: 8086}, driver: uio_pci_generic}]",
    "modules: [{name: vfio-pci, options: {disable_vga: '1'}}]",
    "sysctls: {vm.swappiness: 1, kernel.nmi_watchdog: 0}",
    "services: [{name: chronyd, state: disabled}, {name: irqbalance, state: masked}]",
    "services: [{name: irqbalance, state: disabled}]",
    "files: [{path: /etc/ours, content: a}]",
    "services: [{name: fixed, state: disabled}]",
];

fn any_host() -> impl Strategy<Value = HostFacts> {
    let hosts = [
        fixtures::server,
        fixtures::server_with_iommu,
        fixtures::vm,
        fixtures::amd,
        fixtures::snc2,
        fixtures::nps4,
        fixtures::offline,
        fixtures::isolated,
        fixtures::arm,
        fixtures::laptop,
    ];
    (select(hosts.to_vec()), any::<[bool; 5]>()).prop_map(
        |(host, [systemd, driverctl, loader, memory, guarded])| {
            let mut host = host();
            host.os.systemd = systemd;
            host.os.driverctl = driverctl && systemd;
            if !loader {
                host.boot.loader = None;
            }
            if !memory {
                host.numa.clear();
            }
            if !guarded {
                host.guarded.clear();
            }
            host
        },
    )
}

fn any_spec() -> impl Strategy<Value = NodeProfileSpec> {
    subsequence(PIECES.to_vec(), 0..6).prop_map(|pieces| {
        let mut fields = std::collections::BTreeMap::new();
        for piece in pieces {
            let (field, _) = piece.split_once(':').unwrap();
            fields.insert(field, piece);
        }
        let text: Vec<&str> = fields.into_values().collect();
        NodeProfileSpec::from_yaml(&text.join("\n")).unwrap()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn a_profile_is_refused_or_done_once_and_taken_back(spec in any_spec(), other in any_spec(), host in any_host(), has_iommu: bool) {
        let mut model = Model::of(host);
        model.has_iommu = has_iommu || model.facts.iommu_is_on();
        let before = model.clone();
        for spec in [&spec, &other] {
            let facts = model.facts();
            let Ok(settled) = settle(spec, &facts) else { continue };
            let wished = wishes(&settled, &facts);
            let first = plan(&settled, &facts, &model.observe(&wished), &model.ledger);
            prop_assert_eq!(&first, &plan(&settled, &facts, &model.observe(&wished), &model.ledger));
            if model.apply(&first) {
                // A reboot that did not do what was hoped for ends in a refusal, never in another reboot.
                let facts = model.facts();
                let Ok(settled) = settle(spec, &facts) else { continue };
                let wished = wishes(&settled, &facts);
                let second = plan(&settled, &facts, &model.observe(&wished), &model.ledger);
                prop_assert_eq!(&second.hash, &first.hash);
                prop_assert_eq!(second.reboot(), None);
                model.apply(&second);
            }
            let facts = model.facts();
            let settled = settle(spec, &facts).unwrap();
            let wished = wishes(&settled, &facts);
            let seen = model.observe(&wished);
            let last = plan(&settled, &facts, &seen, &model.ledger);
            prop_assert!(last.steps.is_empty(), "{:#?}", last.steps);
            prop_assert_eq!(last.hash, first.hash);
            let drift = verify(&settled, &facts, &seen);
            let wavering = drift.iter().find(|d| {
                !["iommu", "isolated CPUs"].contains(&d.subject.as_str()) && !d.subject.starts_with("hugepages")
            });
            prop_assert!(wavering.is_none(), "{:?}", wavering);
        }
        let facts = model.facts();
        let nothing = settle(&NodeProfileSpec::default(), &facts).unwrap();
        let back = plan(&nothing, &facts, &model.observe(&[]), &model.ledger);
        model.apply(&back);
        prop_assert!(model.ledger.is_empty(), "{:?}", model.ledger);
        prop_assert_eq!(model.next_args, before.next_args);
        let drivers = |model: &HostFacts| model.pci.iter().map(|d| (d.driver.clone(), d.netdevs.clone())).collect::<Vec<_>>();
        prop_assert_eq!(drivers(&model.facts), drivers(&before.facts));
    }
}
