//! A crash before each change there is: the plan is finished, or the host is as it was found.

use flyover_testkit::model::{BootKind, Hardware, Model};

use crate::plans::{
    assert_holds, assert_same, do_apply, do_resume, do_roll_back, everything, finish, plan, with_each,
};

fn model(boot: BootKind) -> Model {
    Model::new(Hardware { boot, ..Hardware::default() }).unwrap()
}

/// How many changes a run makes.
fn changes(model: &Model, run: impl FnOnce(&Model)) -> u64 {
    let copy = model.copy().unwrap();
    run(&copy);
    copy.changes()
}

fn crash_everywhere(boot: BootKind) -> u64 {
    let found = model(boot);
    let (wishes, the_plan) = (everything(&found), plan(&found, &everything(&found)));
    let points = changes(&found, |model| drop(do_apply(model, &the_plan).unwrap()));
    with_each(0..points, |n| {
        let crashed = found.copy().unwrap();
        assert!(
            crashed.until_crash(n, || do_apply(&crashed, &the_plan)).is_err(),
            "change {n} does not come"
        );
        let other = crashed.copy().unwrap();
        finish(&crashed, &wishes);
        assert_holds(&crashed, &wishes, &format!("{boot:?}, finished after a crash at {n}"));
        let report = do_roll_back(&crashed, 0).unwrap();
        assert!(report.failed.is_empty() && report.kept.is_empty(), "{report:?}");
        assert_same(&found, &crashed, &format!("{boot:?}, finished after a crash at {n} and rolled back"));
        let report = do_roll_back(&other, 0).unwrap();
        assert!(report.failed.is_empty() && report.kept.is_empty(), "{report:?}");
        assert_same(&found, &other, &format!("{boot:?}, rolled back after a crash at {n}"));
    });
    points
}

#[test]
fn a_crash_at_any_change_is_finished_or_rolled_back_on_debian() {
    assert!(crash_everywhere(BootKind::Debian) > 100);
}

#[test]
fn a_crash_at_any_change_is_finished_or_rolled_back_on_red_hat() {
    crash_everywhere(BootKind::RedHat);
}

#[test]
fn a_crash_at_any_change_is_finished_or_rolled_back_with_grubby() {
    crash_everywhere(BootKind::Grubby);
}

#[test]
fn a_crash_at_any_change_is_finished_or_rolled_back_with_plain_entries() {
    crash_everywhere(BootKind::Entries);
}

#[test]
fn a_power_cut_at_any_change_is_finished() {
    let found = model(BootKind::Debian);
    let (wishes, the_plan) = (everything(&found), plan(&found, &everything(&found)));
    let points = changes(&found, |model| drop(do_apply(model, &the_plan).unwrap()));
    for n in 0..points {
        let crashed = found.copy().unwrap();
        assert!(crashed.until_crash(n, || do_apply(&crashed, &the_plan)).is_err());
        crashed.boot().unwrap();
        finish(&crashed, &wishes);
        assert_holds(&crashed, &wishes, &format!("power cut at {n}"));
    }
}

/// Every second crash where `step` is one; the pairs are too many for each commit.
fn crash_twice(step: u64, second: impl Fn(&Model), third: impl Fn(&Model, &Model, &str)) -> u64 {
    let found = model(BootKind::Debian);
    let the_plan = plan(&found, &everything(&found));
    let points = changes(&found, |model| drop(do_apply(model, &the_plan).unwrap()));
    let mut pairs = 0;
    for n in (0..points).step_by(usize::try_from(step).unwrap()) {
        let crashed = found.copy().unwrap();
        assert!(crashed.until_crash(n, || do_apply(&crashed, &the_plan)).is_err());
        let more = changes(&crashed, &second);
        for m in (n % step..more).step_by(usize::try_from(step).unwrap()) {
            let twice = crashed.copy().unwrap();
            assert!(twice.until_crash(m, || second(&twice)).is_err(), "change {m} after {n} does not come");
            third(&found, &twice, &format!("crashes at {n} and then at {m}"));
            pairs += 1;
        }
    }
    pairs
}

const SAMPLE: u64 = 7;

#[test]
fn a_crash_while_resuming_is_finished() {
    crash_twice(
        SAMPLE,
        |model| drop(do_resume(model).unwrap()),
        |found, model, when| {
            finish(model, &everything(found));
            assert_holds(model, &everything(found), when);
        },
    );
}

#[test]
fn a_crash_while_rolling_back_is_rolled_back() {
    crash_twice(
        SAMPLE,
        |model| drop(do_roll_back(model, 0).unwrap()),
        |found, model, when| {
            do_resume(model).unwrap();
            let report = do_roll_back(model, 0).unwrap();
            assert!(report.failed.is_empty() && report.kept.is_empty(), "{report:?}");
            assert_same(found, model, when);
        },
    );
}

#[test]
fn a_crash_while_rolling_back_two_generations_is_rolled_back() {
    let found = model(BootKind::Debian);
    let both = found.copy().unwrap();
    do_apply(&both, &plan(&both, &everything(&both)[..9])).unwrap();
    let mut more = everything(&both);
    more.push(crate::plans::pages(0, 256));
    more.push(crate::plans::file("/etc/motd", "ours again\n"));
    do_apply(&both, &plan(&both, &more[9..])).unwrap();
    let points = changes(&both, |model| drop(do_roll_back(model, 0).unwrap()));
    for n in 0..points {
        let crashed = both.copy().unwrap();
        assert!(crashed.until_crash(n, || do_roll_back(&crashed, 0)).is_err());
        do_resume(&crashed).unwrap();
        let report = do_roll_back(&crashed, 0).unwrap();
        assert!(report.failed.is_empty() && report.kept.is_empty(), "{report:?}");
        assert_same(&found, &crashed, &format!("crash of the rollback at {n}"));
    }
}
