//! A failure of each change there is: what was changed is put back.

use flyover_host::executor::ApplyError;
use flyover_host::store::Store;
use flyover_testkit::model::{BootKind, Hardware, Model};

use crate::plans::{
    assert_holds, assert_same, do_apply, do_roll_back, everything, finish, pages, plan, with_each,
};

#[test]
fn whichever_change_fails_the_host_is_as_found_and_a_second_try_succeeds() {
    for boot in BootKind::ALL {
        let found = Model::new(Hardware { boot, ..Hardware::default() }).unwrap();
        let (wishes, the_plan) = (everything(&found), plan(&found, &everything(&found)));
        let count = found.copy().unwrap();
        do_apply(&count, &the_plan).unwrap();
        with_each(0..count.changes(), |n| {
            let model = found.copy().unwrap();
            model.fail_at(n);
            let ended = do_apply(&model, &the_plan);
            model.at_ease();
            // A failure that changes nothing in the end is none: an unbind that is tried in another way, for one.
            let Err(error) = ended else {
                assert_holds(&model, &wishes, &format!("{boot:?}, failure at {n}"));
                return;
            };
            if let ApplyError::Stopped { remains, .. } = &error {
                assert!(remains.is_empty(), "{boot:?}, failure at {n}: {remains:?}");
            }
            assert_same(&found, &model, &format!("{boot:?}, failure at {n}: {error}"));
            assert!(Store::at(&model.host()).ledger().unwrap().is_empty(), "{boot:?}, failure at {n}");
            finish(&model, &wishes);
            assert_holds(&model, &wishes, &format!("{boot:?}, second try after a failure at {n}"));
        });
    }
}

#[test]
fn whichever_change_fails_while_rolling_back_the_next_rollback_ends_it() {
    let found = Model::new(Hardware::default()).unwrap();
    let applied = found.copy().unwrap();
    do_apply(&applied, &plan(&applied, &everything(&applied))).unwrap();
    let count = applied.copy().unwrap();
    do_roll_back(&count, 0).unwrap();
    for n in 0..count.changes() {
        let model = applied.copy().unwrap();
        model.fail_at(n);
        // Whether it is told as an error or in the report.
        let first = do_roll_back(&model, 0);
        model.at_ease();
        let second = do_roll_back(&model, 0).unwrap();
        assert!(second.failed.is_empty() && second.kept.is_empty(), "failure at {n}: {first:?}, {second:?}");
        assert_same(&found, &model, &format!("rollback with a failure at {n}: {first:?}"));
    }
}

#[test]
fn too_few_hugepages_are_an_error_that_says_how_many_there_are_and_the_rest_is_put_back() {
    let found = Model::new(Hardware::default()).unwrap();
    let model = found.copy().unwrap();
    let mut wishes = everything(&model);
    wishes.push(pages(1, 1000));
    let error = do_apply(&model, &plan(&model, &wishes)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "failed to set hugepages 2M node1; everything this run had changed was put back"
    );
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(
        cause.starts_with("wanted 1000 hugepages of 2M on node 1, the kernel took 256\n  hint: "),
        "{cause}"
    );
    assert_same(&found, &model, "too few hugepages");
}
