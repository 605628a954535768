//! Any profile on any model host: applied, it holds; another over it holds too; rolled back, nothing is left of them.

use std::cell::Cell;
use std::path::Path;

use flyover_api::NodeProfileSpec;
use flyover_host::executor::{ApplyError, Outcome};
use flyover_host::journal::Cause;
use flyover_host::node::{How, Node, NodeError};
use flyover_testkit::model::{BootKind, Hardware, Model};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::test_runner::{Config, TestRunner};

fn node(model: &Model) -> Node {
    Node::of(model.host(), vec![])
}

pub(crate) fn apply(model: &Model, spec: &NodeProfileSpec) -> Result<Outcome, NodeError> {
    let program = Some(Path::new("/usr/bin/flyover"));
    let now = "2026-01-01T00:00:00Z".to_owned();
    let how = How { allow_reboot: true, cause: Cause::Asked, now, program, resumes: false };
    node(model).apply(spec, &how).map(|applied| applied.outcome)
}

/// Applies a profile to its end, through its reboot, and sees that it holds. Whether it was accepted.
pub(crate) fn make_so(model: &Model, spec: &NodeProfileSpec) -> bool {
    let before = model.tree().unwrap();
    let mut outcome = match apply(model, spec) {
        Err(NodeError::Refused(_) | NodeError::Apply(ApplyError::Refused { .. })) => {
            let differences = before.differences(&model.tree().unwrap());
            assert!(differences.is_empty(), "refused, and changed:\n{}", differences.join("\n"));
            return false;
        }
        outcome => outcome.unwrap(),
    };
    if matches!(outcome, Outcome::Rebooting { .. }) {
        // What the resume unit does.
        let interrupted = node(model).interrupted().unwrap();
        assert_eq!(interrupted, *spec);
        outcome = apply(model, &interrupted).unwrap();
    }
    assert!(matches!(outcome, Outcome::Done { .. } | Outcome::AlreadySo), "{outcome:?}");
    assert_is_so(model, spec);
    true
}

pub(crate) fn assert_is_so(model: &Model, spec: &NodeProfileSpec) {
    let view = node(model).view(spec).unwrap();
    assert!(view.drift.is_empty(), "{:#?}", view.drift);
    assert!(view.plan.steps.is_empty(), "{:#?}", view.plan.steps);
}

fn boots(model: &Model) -> String {
    std::fs::read_to_string(model.root().join("proc/sys/kernel/random/boot_id")).unwrap()
}

/// Rolls all back. What only a boot brings back is compared after one.
pub(crate) fn assert_rolls_back(found: &Model, model: &Model, when: &str) {
    let report = node(model).roll_back(Some(0)).unwrap();
    assert!(
        report.failed.is_empty() && report.kept.is_empty() && report.mixed.is_empty(),
        "{when}: {report:?}"
    );
    let found = found.copy().unwrap();
    let differences = || found.tree().unwrap().differences(&model.tree().unwrap());
    if boots(&found) != boots(model) {
        let lasting: Vec<String> = differences()
            .into_iter()
            .filter(|each| !["proc/", "sys/", "run/"].iter().any(|volatile| each.starts_with(volatile)))
            .collect();
        assert!(lasting.is_empty(), "{when}, rolled back:\n{}", lasting.join("\n"));
        model.boot().unwrap();
        while boots(&found) != boots(model) {
            found.boot().unwrap();
        }
    }
    assert!(differences().is_empty(), "{when}, rolled back:\n{}", differences().join("\n"));
}

fn hugepages() -> impl Strategy<Value = String> {
    let pools = prop_oneof![
        Just(String::new()),
        (0..256u32, 0..128u32).prop_map(|(one, two)| format!(
            "{{size: 2M, count: {one}, node: 0}}, {{size: 2M, count: {two}, node: 1}}"
        )),
        (0..200u32).prop_map(|count| format!("{{size: 2M, count: {count}}}")),
        (1..200u32).prop_map(|count| format!("{{size: 2M, count: {count}, when: boot}}")),
        (1..128u32, 1..128u32).prop_map(|(one, two)| format!(
            "{{size: 2M, count: {one}, node: 0, when: boot}}, {{size: 2M, count: {two}, node: 1}}"
        )),
        (1..64u32).prop_map(|count| format!(
            "{{size: 1G, count: 1, node: 0, when: boot}}, {{size: 2M, count: {count}, node: 1}}"
        )),
    ];
    let mounts = subsequence(
        vec![
            "{path: /mnt/huge, pageSize: 2M}",
            "{path: /mnt/a/deep-er/x.y, pageSize: 2M, mode: '0770', gid: 42, size: 64M}",
            "{path: /dev/hugepages-2M, pageSize: 2M, mode: '0700'}",
            "{path: /mnt/1G, pageSize: 1G}",
        ],
        0..3,
    );
    (pools, mounts, prop::bool::weighted(0.2)).prop_map(|(pools, mut mounts, names_default)| {
        if !pools.contains("1G") {
            mounts.retain(|mount| !mount.contains("1G"));
        }
        let default = if names_default { "defaultSize: 2M, " } else { "" };
        format!("hugepages: {{{default}pages: [{pools}], mounts: [{}]}}", mounts.join(", "))
    })
}

fn one_of(field: &'static str, values: &[&'static str]) -> impl Strategy<Value = String> + use<> {
    prop::option::of(select(values.to_vec()))
        .prop_map(move |value| value.map_or(String::new(), |value| format!("{field}: {value}")))
}

fn profile() -> impl Strategy<Value = String> {
    let args = (
        subsequence(vec!["intel_idle.max_cstate=1", "audit=0", "mitigations=off", "intel_iommu=on"], 0..3),
        subsequence(vec!["quiet", "splash", "crashkernel", "console=tty9"], 0..3),
    );
    let args = prop::option::of(args).prop_map(|args| {
        args.map_or(String::new(), |(present, absent)| {
            format!("kernelArgs: {{present: [{}], absent: [{}]}}", present.join(", "), absent.join(", "))
        })
    });
    let cpu = one_of(
        "cpu",
        &["{isolated: auto}", "{isolated: '2-3', reserved: '0-1'}", "{isolated: '1,5', reserved: auto}"],
    );
    let drivers = one_of(
        "drivers",
        &[
            "[{select: {address: '0000:06:00.0'}, driver: vfio-pci}]",
            "[{select: {name: 'ens1f0'}, driver: vfio-pci}]",
            "[{select: {name: 'ens*0'}, driver: vfio-pci}]",
            // It carries the default route.
            "[{select: {name: 'eno1'}, driver: vfio-pci}]",
        ],
    );
    let modules = one_of("modules", &["[{name: br_netfilter}]", "[{name: vfio-pci}]"]);
    let sysctls = (prop::option::of(0..200u8), any::<bool>(), any::<bool>());
    let services = prop::collection::btree_map(
        select(vec!["chronyd", "irqbalance", "chrony.service", "ntpd"]),
        select(vec!["disabled", "masked"]),
        0..3,
    )
    .prop_map(|services| {
        let each = services.iter().map(|(name, state)| format!("{{name: {name}, state: {state}}}"));
        format!("services: [{}]", each.collect::<Vec<_>>().join(", "))
    });
    let files = prop::collection::btree_map(
        select(vec!["/etc/motd", "/etc/ours", "/etc/a/b/ours.conf", "/etc/a/c/ours.conf"]),
        "[a-z]{0,5}",
        0..3,
    )
    .prop_map(|files| {
        let each = files.iter().map(|(path, text)| format!("{{path: {path}, content: '{text}'}}"));
        format!("files: [{}]", each.collect::<Vec<_>>().join(", "))
    });
    let iommu = one_of("iommu", &["on", "passthrough"]);
    (hugepages(), args, iommu, cpu, drivers, modules, sysctls, services, files).prop_map(
        |(hugepages, args, iommu, cpu, drivers, modules, (swappiness, numa, bridge), services, files)| {
            let mut sysctls: Vec<String> =
                swappiness.iter().map(|value| format!("vm.swappiness: '{value}'")).collect();
            sysctls.extend(numa.then(|| "net.ipv4.tcp_rmem: '4096 262144 16777216'".to_owned()));
            let has_bridge = bridge && modules.contains("br_netfilter");
            sysctls.extend(has_bridge.then(|| "net.bridge.bridge-nf-call-iptables: '0'".to_owned()));
            let sysctls = format!("sysctls: {{{}}}", sysctls.join(", "));
            [hugepages, args, iommu, cpu, drivers, modules, sysctls, services, files].join("\n")
        },
    )
}

#[test]
fn the_facts_of_a_model_host_name_its_loader() {
    for boot in BootKind::ALL {
        let model = Model::new(Hardware { boot, ..Hardware::default() }).unwrap();
        assert_eq!(node(&model).facts(None).unwrap().boot.loader, Some(boot.loader()), "{boot:?}");
    }
}

#[test]
fn any_profile_holds_and_rolled_back_nothing_is_left() {
    let (asked, accepted) = (Cell::new(0), Cell::new(0));
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(64) });
    let cases = (select(BootKind::ALL.to_vec()), any::<bool>(), profile(), profile());
    let ran = runner.run(&cases, |(boot, iommu, first, second)| {
        let found = Model::new(Hardware { boot, iommu, ..Hardware::default() }).unwrap();
        let model = found.copy().unwrap();
        for text in [&first, &second] {
            let spec = NodeProfileSpec::from_yaml(text).unwrap();
            asked.set(asked.get() + 1);
            accepted.set(accepted.get() + u32::from(make_so(&model, &spec)));
        }
        assert_rolls_back(&found, &model, "both");
        Ok(())
    });
    ran.unwrap_or_else(|error| panic!("{error}"));
    assert!(accepted.get() * 2 > asked.get(), "only {} of {} were accepted", accepted.get(), asked.get());
}
