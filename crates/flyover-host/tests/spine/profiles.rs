//! Profiles that once went wrong, and one with everything in it under a crash at every change.

use flyover_api::NodeProfileSpec;
use flyover_host::executor::Outcome;
use flyover_testkit::model::{BootKind, Hardware, Model};

use crate::plans::with_each;
use crate::profile::{apply, assert_is_so, assert_rolls_back, make_so};

/// Everything, and the reboot that turns the IOMMU on for it.
const RICH: &str = "
iommu: passthrough
cpu: {isolated: auto}
kernelArgs: {present: [audit=0], absent: [quiet]}
hugepages:
  pages: [{size: 1G, count: 1, when: boot}, {size: 2M, count: 64, node: 1}]
  mounts: [{path: /mnt/1G, pageSize: 1G}, {path: /mnt/a/huge, pageSize: 2M, mode: '0770'}]
drivers: [{select: {name: ens1f0}, driver: vfio-pci}]
modules: [{name: br_netfilter}]
sysctls: {vm.swappiness: '1', net.bridge.bridge-nf-call-iptables: '0'}
services: [{name: chronyd, state: masked}, {name: irqbalance, state: disabled}]
files: [{path: /etc/a/b/ours.conf, content: ours}, {path: /etc/motd, content: ours}]
";

fn profile(text: &str) -> NodeProfileSpec {
    NodeProfileSpec::from_yaml(text).unwrap()
}

fn without_iommu() -> Model {
    Model::new(Hardware { iommu: false, ..Hardware::default() }).unwrap()
}

/// Applies profiles one over the other, then rolls all back.
fn do_and_undo(profiles: &[&str]) {
    let found = without_iommu();
    let model = found.copy().unwrap();
    for text in profiles {
        assert!(make_so(&model, &profile(text)), "{text} was refused");
    }
    assert_rolls_back(&found, &model, "named");
}

/// Until it is done, by as many reboots as are allowed.
fn to_its_end(model: &Model, spec: &NodeProfileSpec) {
    let mut outcome = apply(model, spec).unwrap();
    if matches!(outcome, Outcome::Rebooting { .. }) {
        outcome = apply(model, spec).unwrap();
    }
    assert!(matches!(outcome, Outcome::Done { .. } | Outcome::AlreadySo), "{outcome:?}");
}

#[test]
fn a_profile_with_everything_in_it_holds_on_every_boot_loader() {
    for boot in BootKind::ALL {
        let found = Model::new(Hardware { boot, iommu: false, ..Hardware::default() }).unwrap();
        let model = found.copy().unwrap();
        assert!(make_so(&model, &profile(RICH)));
        assert_rolls_back(&found, &model, &format!("{boot:?}"));
    }
}

#[test]
fn the_resume_unit_goes_although_it_runs_by_then() {
    let model = without_iommu();
    assert!(make_so(&model, &profile("iommu: on")));
    let tree = model.tree().unwrap();
    for path in ["multi-user.target.wants/flyover-node-resume.service", "flyover-node-resume.service"] {
        assert_eq!(tree.get(&format!("/etc/systemd/system/{path}")), None);
    }
}

#[test]
fn a_unit_goes_before_its_file_although_a_later_profile_wrote_the_file_last() {
    do_and_undo(&[
        "hugepages: {pages: [{size: 2M, count: 1}]}",
        "hugepages: {pages: [{size: 2M, count: 1, node: 1}, {size: 2M, count: 0, node: 0}]}",
    ]);
}

#[test]
fn a_unit_that_a_later_profile_took_away_is_not_told_as_kept() {
    do_and_undo(&["hugepages: {pages: [{size: 2M, count: 1}]}", "sysctls: {vm.swappiness: '1'}"]);
}

#[test]
fn a_directory_goes_although_another_file_kept_it_when_its_own_went() {
    do_and_undo(&[
        "files: [{path: /etc/a/b/ours, content: x}, {path: /etc/a/c/ours, content: x}]",
        "files: [{path: /etc/a/c/ours, content: x}]",
    ]);
}

#[test]
fn a_sysctl_may_be_of_a_module_that_the_profile_loads() {
    do_and_undo(&[
        "{modules: [{name: br_netfilter}], sysctls: {net.bridge.bridge-nf-call-iptables: '0'}}",
        "{}",
    ]);
}

#[test]
fn a_crash_at_any_change_of_a_profile_through_its_reboot_is_finished_and_rolled_back() {
    let (found, spec) = (without_iommu(), profile(RICH));
    let whole = found.copy().unwrap();
    to_its_end(&whole, &spec);
    let points = whole.changes();
    assert!(points > 100, "{points}");
    with_each(0..points, |n| {
        let crashed = found.copy().unwrap();
        assert!(crashed.until_crash(n, || to_its_end(&crashed, &spec)).is_err(), "change {n} does not come");
        to_its_end(&crashed, &spec);
        assert_is_so(&crashed, &spec);
        assert_rolls_back(&found, &crashed, &format!("crashed at {n}"));
    });
}
