//! The journal on disk, its lock, and what is told from it.

use flyover_host::executor::Outcome;
use flyover_host::receipt::receipt;
use flyover_host::store::{Store, StoreError};
use flyover_testkit::model::{Hardware, Model};

use crate::plans::{do_apply, everything, file, plan};

#[test]
fn a_second_applier_is_refused_at_once_and_told_who_the_first_is() {
    let model = Model::new(Hardware::default()).unwrap();
    let store = Store::at(&model.host());
    let first = store.lock().unwrap();
    let Err(StoreError::Locked { pid }) = store.lock() else { panic!("the lock was given twice") };
    assert_eq!(pid, std::process::id().to_string());
    drop(first);
    store.lock().unwrap();
}

#[test]
fn applying_twice_changes_nothing() {
    let model = Model::new(Hardware::default()).unwrap();
    let the_plan = plan(&model, &everything(&model));
    assert_eq!(do_apply(&model, &the_plan).unwrap(), Outcome::Done { generation: 1 });
    model.at_ease();
    assert_eq!(do_apply(&model, &the_plan).unwrap(), Outcome::AlreadySo);
    assert_eq!(model.changes(), 0);
}

#[test]
fn a_journal_that_is_damaged_or_of_a_newer_program_stops_everything() {
    let model = Model::new(Hardware::default()).unwrap();
    let the_plan = plan(&model, &[file("/etc/a", "a\n")]);
    do_apply(&model, &the_plan).unwrap();
    let path = model.root().join("var/lib/flyover/node/generations/0001.json");
    let text = std::fs::read_to_string(&path).unwrap();
    for (damage, told) in [
        (
            text.replace("\"layout\": 1", "\"layout\": 2"),
            "`/var/lib/flyover/node/generations/0001.json` was written by a newer flyover",
        ),
        (text[..text.len() / 2].to_owned(), "`/var/lib/flyover/node/generations/0001.json` is damaged"),
    ] {
        std::fs::write(&path, damage).unwrap();
        model.at_ease();
        let error = do_apply(&model, &plan(&model, &[file("/etc/b", "b\n")])).unwrap_err();
        assert!(error.to_string().starts_with(told), "{error}");
        assert_eq!(model.changes(), 0);
    }
}

#[test]
fn the_receipt_lists_what_is_ours_by_kind() {
    let model = Model::new(Hardware::default()).unwrap();
    do_apply(&model, &plan(&model, &everything(&model))).unwrap();
    let receipt = receipt(&Store::at(&model.host())).unwrap();
    let count = [&receipt.files, &receipt.units, &receipt.drivers, &receipt.kernel_args, &receipt.others]
        .map(Vec::len);
    assert_eq!(count, [4, 3, 1, 1, 6]);
}
