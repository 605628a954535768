//! What somebody changes of what was asked for is made so again, and is not what goes back one day.

use std::fs;

use flyover_host::hands;
use flyover_host::receipt::{Receipt, receipt};
use flyover_host::store::Store;
use flyover_testkit::model::{BootKind, Hardware, Model};

use crate::plans::{
    assert_holds, assert_same, do_apply, do_heal, do_resume, do_roll_back, everything, pages, plan,
};

/// A host that was found as it is, and was made as asked.
fn applied(boot: BootKind) -> (Model, Model) {
    let found = Model::new(Hardware { boot, ..Hardware::default() }).unwrap();
    let model = found.copy().unwrap();
    do_apply(&model, &plan(&model, &everything(&model))).unwrap();
    (found, model)
}

/// Somebody changes things of every kind that is files.
fn change(model: &Model) {
    let root = model.root();
    fs::write(root.join("etc/motd"), "a person's\n").unwrap();
    fs::write(root.join("proc/sys/vm/swappiness"), "30\n").unwrap();
    // As the kernel would take it, with all that shows in it.
    hands::of(&pages(1, 3)).act(&model.host()).unwrap();
    model.at_ease();
    fs::remove_dir_all(root.join("etc/flyover")).unwrap();
}

#[test]
fn what_was_healed_goes_back_to_what_was_found_first() {
    for boot in BootKind::ALL {
        let (found, model) = applied(boot);
        for _ in 0..2 {
            change(&model);
            let again = plan(&model, &everything(&model));
            assert_eq!(again.steps.len(), 4, "{again:#?}");
            do_heal(&model, &again).unwrap();
        }
        let report = do_roll_back(&model, 0).unwrap();
        assert!(report.kept.is_empty() && report.failed.is_empty(), "{report:#?}");
        assert_same(&found, &model, &format!("{boot:?}, healed and rolled back"));
    }
}

#[test]
fn what_was_as_asked_for_before_us_is_not_ours_by_being_healed() {
    let (_, model) = applied(BootKind::Debian);
    let wishes = everything(&model);
    // Nobody knows any more who made it so.
    fs::remove_dir_all(model.root().join("var/lib/flyover")).unwrap();
    let found = model.copy().unwrap();
    change(&model);
    do_heal(&model, &plan(&model, &wishes)).unwrap();
    assert_same(&found, &model, "healed");
    assert_eq!(receipt(&Store::at(&model.host())).unwrap(), Receipt::default());
    let report = do_roll_back(&model, 0).unwrap();
    assert!(report.undone.is_empty() && report.kept.is_empty() && report.failed.is_empty(), "{report:#?}");
    assert_same(&found, &model, "rolled back");
}

#[test]
fn a_heal_that_fails_changes_nothing_and_one_that_is_cut_off_is_finished_or_rolled_back() {
    let (found, drifted) = applied(BootKind::Debian);
    change(&drifted);
    let (wishes, again) = (everything(&drifted), plan(&drifted, &everything(&drifted)));
    let count = drifted.copy().unwrap();
    do_heal(&count, &again).unwrap();
    assert!(count.changes() > 20, "{}", count.changes());
    for n in 0..count.changes() {
        let model = drifted.copy().unwrap();
        model.fail_at(n);
        let healed = do_heal(&model, &again);
        model.at_ease();
        if healed.is_err() {
            assert_same(&drifted, &model, &format!("failure at {n}: {healed:?}"));
        }
        let model = drifted.copy().unwrap();
        assert!(model.until_crash(n, || do_heal(&model, &again)).is_err(), "change {n} does not come");
        let other = model.copy().unwrap();
        do_resume(&model).unwrap();
        do_heal(&model, &plan(&model, &wishes)).unwrap();
        assert_holds(&model, &wishes, &format!("crash at {n}"));
        let report = do_roll_back(&model, 0).unwrap();
        assert!(report.kept.is_empty() && report.failed.is_empty(), "crash at {n}: {report:#?}");
        assert_same(&found, &model, &format!("crash at {n}, finished and rolled back"));
        // What was not come to yet is somebody's, and named.
        let report = do_roll_back(&other, 0).unwrap();
        assert!(report.failed.is_empty() && report.kept.len() <= 4, "crash at {n}: {report:#?}");
        if report.kept.is_empty() {
            assert_same(&found, &other, &format!("crash at {n}, rolled back"));
        }
    }
}
