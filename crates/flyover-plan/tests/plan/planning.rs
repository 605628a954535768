//! Plans: what is done, in which order, what goes back, and when there is nothing to do.

use flyover_core::facts::Loader;
use flyover_core::{Action, Plan};
use flyover_plan::{plan, verify, wishes};

use crate::fixtures::{laptop, server, server_with_iommu, vm};
use crate::model::Model;
use crate::settled;

const DOCUMENT: &str = "\
iommu: passthrough
cpu: {isolated: auto}
hugepages:
  pages:
  - {size: 1G, count: 4, when: boot}
  - {size: 2M, count: 1024, node: 0}
  mounts:
  - {path: /dev/hugepages-1G, pageSize: 1G, mode: 0770, gid: 107}
drivers:
- {select: {name: ens1f0}, driver: vfio-pci}
services:
- {name: chronyd, state: disabled}
sysctls: {vm.swappiness: 1}
";

fn planned(yaml: &str, model: &Model) -> Plan {
    let facts = model.facts();
    let settled = settled(yaml, &facts);
    plan(&settled, &facts, &model.observe(&wishes(&settled, &facts)), &model.ledger)
}

/// A plan as text: one line a step, its commands below it.
fn text(plan: &Plan) -> String {
    let mut text = String::new();
    for step in &plan.steps {
        let reboot = if step.after_reboot { " (after the reboot)" } else { "" };
        text += &format!("{}: {:?}{reboot}: {}\n", step.action.subject(), step.disturbs, step.why);
        for line in step.by_hand.iter().flat_map(|line| line.lines()) {
            text += &format!("    {line}\n");
        }
    }
    text + &plan.notes.iter().map(|note| format!("note: {note}\n")).collect::<String>()
}

#[test]
fn the_server_of_the_documents_is_prepared_with_one_reboot() {
    insta::assert_snapshot!("document", text(&planned(DOCUMENT, &Model::of(server()))));
}

#[test]
fn a_prepared_server_stays_as_it_is_and_goes_back_as_it_was() {
    let mut model = Model::of(server());
    let before = model.clone();
    let first = planned(DOCUMENT, &model);
    assert!(model.apply(&first), "the arguments need a reboot");
    let second = planned(DOCUMENT, &model);
    assert_eq!(second.hash, first.hash);
    assert_eq!(second.reboot(), None);
    assert!(!model.apply(&second));
    let third = planned(DOCUMENT, &model);
    assert_eq!((third.steps.as_slice(), &third.hash), ([].as_slice(), &first.hash));

    let back = planned("", &model);
    insta::assert_snapshot!("document-back", text(&back));
    assert!(!model.apply(&back));
    assert!(model.ledger.is_empty());
    assert_eq!(model.next_args, before.next_args);
    assert_eq!(
        model.facts.pci.iter().map(|d| &d.driver).collect::<Vec<_>>(),
        before.facts.pci.iter().map(|d| &d.driver).collect::<Vec<_>>()
    );
}

#[test]
fn what_a_person_changed_since_is_kept_and_named() {
    let mut model = Model::of(vm());
    let yaml = "sysctls: {vm.swappiness: 1}";
    model.apply(&planned(yaml, &model));
    let subject = model.state.keys().find(|s| s.to_string() == "sysctl vm.swappiness").unwrap().clone();
    if let Some(Action::Sysctl(sysctl)) = model.state.get_mut(&subject) {
        sysctl.value = "10".into();
    }
    let back = planned("", &model);
    assert_eq!(back.steps.len(), 1, "the file alone");
    assert_eq!(back.notes, ["sysctl vm.swappiness was changed since Flyover set it; it stays as it is"]);
}

#[test]
fn other_arguments_are_set_upon_what_was_found() {
    let mut model = Model::of(vm());
    model.apply(&planned("kernelArgs: {present: [a=1, b=1]}", &model));
    let next = planned("kernelArgs: {present: [a=1]}", &model);
    let subjects: Vec<String> = next.steps.iter().map(|step| step.action.subject().to_string()).collect();
    assert_eq!(subjects, ["kernel arguments", "kernel arguments"]);
    model.apply(&next);
    assert_eq!(model.next_args.to_string(), "BOOT_IMAGE=/vmlinuz root=/dev/sda1 ro quiet a=1");
    assert!(planned("kernelArgs: {present: [a=1]}", &model).steps.is_empty());
    model.apply(&planned("", &model));
    assert_eq!(model.next_args.to_string(), "BOOT_IMAGE=/vmlinuz root=/dev/sda1 ro quiet");
}

#[test]
fn of_a_boot_configuration_that_was_changed_since_only_ours_is_taken_out() {
    let mut model = Model::of(vm());
    model.apply(&planned("kernelArgs: {present: [quiet, a=1, b=1]}", &model));
    model.next_args = format!("{} of_an_update=1", model.next_args).parse().unwrap();
    let next = planned("kernelArgs: {present: [quiet, a=1]}", &model);
    assert_eq!(
        next.steps[0].by_hand[0].split_once("# ").unwrap().1,
        "GRUB_CMDLINE_LINUX: add quiet a=1, remove b=1"
    );
    model.apply(&next);
    assert_eq!(model.next_args.to_string(), "BOOT_IMAGE=/vmlinuz root=/dev/sda1 ro quiet a=1 of_an_update=1");
    assert!(planned("kernelArgs: {present: [quiet, a=1]}", &model).steps.is_empty());

    let back = planned("", &model);
    assert!(back.steps[0].why.contains("only ours is taken out"), "{back:?}");
    model.apply(&back);
    assert_eq!(model.next_args.to_string(), "BOOT_IMAGE=/vmlinuz root=/dev/sda1 ro quiet of_an_update=1");
    assert_eq!(back.notes, ["the running kernel keeps quiet a=1 until the next boot"]);
    assert!(planned("", &model).steps.is_empty());
}

#[test]
fn a_reboot_alone_is_planned_where_the_boot_loader_is_right_already() {
    let mut model = Model::of(vm());
    model.next_args = "quiet a=1".parse().unwrap();
    let plan = planned("kernelArgs: {present: [a=1], absent: [ro]}", &model);
    assert_eq!(plan.steps.len(), 1);
    assert_eq!(plan.reboot(), Some("the running kernel lacks a=1 and has ro"));
}

#[test]
fn an_argument_in_another_form_needs_nothing() {
    let mut host = server_with_iommu();
    host.boot.args = "intel_iommu=on,sm_on".parse().unwrap();
    let plan = planned("iommu: on", &Model::of(host));
    assert_eq!((plan.steps.len(), plan.fulfilled), (0, 1));
}

#[test]
fn commands_are_those_of_the_hosts_own_tools() {
    let mut host = laptop();
    host.os.driverctl = true;
    host.boot.loader =
        Some(Loader::Bls { entries: "/boot/loader/entries".parse().unwrap(), grubby: true, defaults: None });
    let yaml =
        "iommu: on\ndrivers: [{select: {name: 'enp*'}, driver: vfio-pci}]\nkernelArgs: {absent: [quiet]}\n";
    insta::assert_snapshot!("grubby-driverctl", text(&planned(yaml, &Model::of(host))));
}

#[test]
fn drift_is_named_with_what_came_of_the_arguments() {
    let mut model = Model::of(server());
    model.has_iommu = false;
    model.apply(&planned(DOCUMENT, &model));
    let facts = model.facts();
    let mut wanted = settled("iommu: on\nhugepages: {pages: [{size: 1G, count: 4, when: boot}]}\n", &facts);
    wanted.cpu = settled("cpu: {isolated: auto}", &facts).cpu;
    let drift = verify(&wanted, &facts, &model.observe(&wishes(&wanted, &facts)));
    let text: Vec<String> =
        drift.iter().map(|d| format!("{}: {} ({})", d.subject, d.found, d.wanted)).collect();
    insta::assert_snapshot!(text.join("\n"));
}

#[test]
fn without_systemd_hugepages_are_mounted_now_and_said_not_to_persist() {
    let mut host = vm();
    host.os.systemd = false;
    let yaml = "hugepages: {pages: [{size: 2M, count: 8}], mounts: [{path: /mnt/huge, pageSize: 2M}]}";
    insta::assert_snapshot!(text(&planned(yaml, &Model::of(host))));
}
