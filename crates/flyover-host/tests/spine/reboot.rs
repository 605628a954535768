//! One reboot for a plan, and what comes after it.

use flyover_core::{Action, Plan};
use flyover_host::executor::{ApplyError, Order, Outcome, Resumed, apply};
use flyover_host::store::Store;
use flyover_testkit::model::{Hardware, Model};

use crate::plans::{
    args, assert_holds, assert_same, do_apply, do_resume, do_roll_back, file, hash, module, order, pages,
    plan, reboot, vfio,
};

fn wishes(model: &Model) -> Vec<Action> {
    vec![file("/etc/flyover.conf", "x\n"), args(model.loader(), &["iommu=pt"], &[])]
}

fn with_reboot(model: &Model) -> Plan {
    let mut all = wishes(model);
    all.extend([reboot(), module("vfio-pci"), vfio("0000:06:00.0")]);
    let mut plan = plan(model, &all);
    plan.steps
        .iter_mut()
        .skip_while(|step| !matches!(step.action, Action::Reboot(_)))
        .skip(1)
        .for_each(|step| step.after_reboot = true);
    plan
}

fn after_reboot(model: &Model) -> Plan {
    let mut all = wishes(model);
    all.extend([module("vfio-pci"), vfio("0000:06:00.0")]);
    Plan { hash: with_reboot(model).hash, ..plan(model, &all) }
}

#[test]
fn a_plan_is_done_up_to_its_reboot_and_goes_on_after_it_in_the_same_generation() {
    let found = Model::new(Hardware::default()).unwrap();
    let model = found.copy().unwrap();
    let the_plan = with_reboot(&model);
    assert_eq!(
        do_apply(&model, &the_plan).unwrap(),
        Outcome::Rebooting { generation: 1, why: "kernel arguments".to_owned() }
    );
    assert_eq!(do_resume(&model).unwrap(), Resumed::AwaitingReboot { generation: 1, rebooted: true });
    assert!(std::fs::read_to_string(model.root().join("proc/cmdline")).unwrap().contains("iommu=pt"));
    let rest = Plan { hash: the_plan.hash.clone(), ..after_reboot(&model) };
    assert_eq!(do_apply(&model, &rest).unwrap(), Outcome::Done { generation: 1 });
    assert_holds(&model, &[module("vfio-pci"), vfio("0000:06:00.0")], "after the reboot");
    assert_eq!(Store::at(&model.host()).ledger().unwrap().len(), 4);
    assert!(do_roll_back(&model, 0).unwrap().needs_reboot);
    model.boot().unwrap();
    let fresh = found.copy().unwrap();
    (0..2).for_each(|_| fresh.boot().unwrap());
    assert_same(&fresh, &model, "rolled back and booted");
}

#[test]
fn a_crash_at_any_change_around_the_reboot_leads_to_exactly_one() {
    let found = Model::new(Hardware::default()).unwrap();
    let count = found.copy().unwrap();
    do_apply(&count, &with_reboot(&count)).unwrap();
    for n in 0..count.changes() {
        let model = found.copy().unwrap();
        let the_plan = with_reboot(&model);
        assert!(model.until_crash(n, || do_apply(&model, &the_plan)).is_err());
        for _ in 0..4 {
            let rebooted = match do_resume(&model).unwrap() {
                Resumed::AwaitingReboot { rebooted, .. } => rebooted,
                Resumed::Nothing => false,
                _ => continue,
            };
            let next = if rebooted { after_reboot(&model) } else { with_reboot(&model) };
            do_apply(&model, &Plan { hash: the_plan.hash.clone(), ..next }).unwrap();
            if rebooted {
                break;
            }
        }
        assert_holds(&model, &after_reboot_wishes(&model), &format!("crash at {n}"));
        assert_eq!(
            std::fs::read_to_string(model.root().join("proc/sys/kernel/random/boot_id")).unwrap(),
            "boot-2\n",
            "crash at {n}"
        );
    }
}

fn after_reboot_wishes(model: &Model) -> Vec<Action> {
    wishes(model).into_iter().chain([module("vfio-pci"), vfio("0000:06:00.0")]).collect()
}

#[test]
fn a_reboot_that_was_not_allowed_is_asked_for_and_can_be_allowed_later() {
    let model = Model::new(Hardware::default()).unwrap();
    let the_plan = with_reboot(&model);
    let held = Store::at(&model.host()).lock().unwrap();
    let order = Order { allow_reboot: false, ..order(&the_plan) };
    assert!(matches!(apply(&held, &order).unwrap(), Outcome::NeedsReboot { generation: 1, .. }));
    drop(held);
    assert_eq!(do_resume(&model).unwrap(), Resumed::AwaitingReboot { generation: 1, rebooted: false });
    let again = Plan { hash: the_plan.hash.clone(), ..with_reboot(&model) };
    assert!(matches!(do_apply(&model, &again).unwrap(), Outcome::Rebooting { generation: 1, .. }));
}

#[test]
fn a_second_reboot_for_the_same_plan_is_refused_and_names_what_is_missing() {
    let model = Model::new(Hardware::default()).unwrap();
    let the_plan = with_reboot(&model);
    do_apply(&model, &the_plan).unwrap();
    // The firmware, an operator, a second boot loader: the argument did not arrive.
    std::fs::write(model.root().join("proc/cmdline"), "root=/dev/vda1 ro\n").unwrap();
    let error = do_apply(&model, &the_plan).unwrap_err();
    assert!(matches!(&error, ApplyError::RebootedInVain { missing } if missing == "+iommu=pt"), "{error}");
    let before = model.tree().unwrap();
    assert!(do_apply(&model, &the_plan).is_err());
    assert!(before.differences(&model.tree().unwrap()).is_empty());
    do_roll_back(&model, 0).unwrap();
    assert!(
        matches!(do_apply(&model, &with_reboot(&model)).unwrap(), Outcome::Rebooting { .. }),
        "a person asked anew"
    );
}

#[test]
fn another_plan_ends_the_wait_for_a_reboot() {
    let model = Model::new(Hardware::default()).unwrap();
    let the_plan = with_reboot(&model);
    let held = Store::at(&model.host()).lock().unwrap();
    apply(&held, &Order { allow_reboot: false, ..order(&the_plan) }).unwrap();
    drop(held);
    let other = [pages(0, 4)];
    assert_ne!(hash(&other), the_plan.hash);
    assert_eq!(do_apply(&model, &plan(&model, &other)).unwrap(), Outcome::Done { generation: 2 });
}

#[test]
fn a_crash_at_any_change_after_the_reboot_is_finished_or_rolled_back() {
    let found = Model::new(Hardware::default()).unwrap();
    let rebooted = found.copy().unwrap();
    let hash = with_reboot(&rebooted).hash;
    do_apply(&rebooted, &with_reboot(&rebooted)).unwrap();
    let rest = |model: &Model| Plan { hash: hash.clone(), ..after_reboot(model) };
    let count = rebooted.copy().unwrap();
    do_apply(&count, &rest(&count)).unwrap();
    let before = found.copy().unwrap();
    (0..2).for_each(|_| before.boot().unwrap());
    for n in 0..count.changes() {
        let model = rebooted.copy().unwrap();
        let the_rest = rest(&model);
        assert!(model.until_crash(n, || do_apply(&model, &the_rest)).is_err());
        let other = model.copy().unwrap();
        do_resume(&model).unwrap();
        do_apply(&model, &rest(&model)).unwrap();
        assert_holds(&model, &after_reboot_wishes(&model), &format!("crash at {n}"));
        do_roll_back(&other, 0).unwrap();
        other.boot().unwrap();
        assert_same(&before, &other, &format!("rolled back after a crash at {n}"));
    }
}

#[test]
fn a_failure_after_the_reboot_undoes_what_came_after_it_and_the_rest_stays_ours() {
    let model = Model::new(Hardware::default()).unwrap();
    do_apply(&model, &with_reboot(&model)).unwrap();
    let before = model.copy().unwrap();
    let mut rest = after_reboot(&model);
    rest.steps.extend(plan(&model, &[pages(1, 1000)]).steps);
    let error = do_apply(&model, &rest).unwrap_err();
    assert!(matches!(error, ApplyError::Stopped { .. }), "{error}");
    assert_same(&before, &model, "undone up to the reboot");
    assert_eq!(Store::at(&model.host()).ledger().unwrap().len(), 2);
    assert_eq!(do_resume(&model).unwrap(), Resumed::Nothing);
    assert_eq!(do_apply(&model, &after_reboot(&model)).unwrap(), Outcome::Done { generation: 2 });
    assert_eq!(do_roll_back(&model, 0).unwrap().undone.len(), 4);
}
