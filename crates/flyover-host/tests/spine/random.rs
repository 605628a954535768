//! Any wishes on any model host: they hold, and rolled back nothing is left of them.

use flyover_core::Action;
use flyover_core::facts::Enablement;
use flyover_testkit::model::{BootKind, Hardware, Model};
use proptest::prelude::*;

use crate::plans::{
    args, assert_holds, assert_same, do_apply, do_roll_back, file, module, mount, pages, plan, sysctl, unit,
    vfio,
};

/// An argument that grubby cannot write.
const QUOTED: &str = "x=\"a b\"";

fn enablement() -> impl Strategy<Value = (Enablement, bool)> {
    prop_oneof![
        Just((Enablement::Enabled, true)),
        Just((Enablement::Enabled, false)),
        Just((Enablement::Disabled, false)),
        Just((Enablement::Disabled, true)),
        Just((Enablement::Masked, false)),
    ]
}

fn wish(boot: BootKind) -> impl Strategy<Value = Action> {
    let arg = prop::sample::select(vec![
        "iommu=pt",
        "intel_iommu=on",
        "isolcpus=2-3",
        "nohz_full=2-3",
        "hugepages=8",
        QUOTED,
    ]);
    let gone = prop::sample::select(vec!["quiet", "iommu", "console", "splash"]);
    prop_oneof![
        ("[a-z]{1,3}(/[a-z]{1,2}){0,2}", "[a-z\n]{0,9}")
            .prop_map(|(path, text)| file(&format!("/etc/{path}.x"), &text)),
        "[a-z]{0,9}".prop_map(|text| file("/etc/motd", &text)),
        (0..2u32, 0..256u64).prop_map(|(node, count)| pages(node, count)),
        (0..200u8).prop_map(|value| sysctl("vm.swappiness", &value.to_string())),
        Just(module("vfio-pci")),
        Just(module("br_netfilter")),
        "[a-z]{1,3}(/[a-z]{1,2}){0,2}".prop_map(|path| mount(&format!("/mnt/{path}"))),
        (prop::sample::select(vec!["chrony.service", "irqbalance.service"]), enablement())
            .prop_map(|(name, (en, active))| unit(name, en, active)),
        (prop::collection::btree_set(arg, 1..4), prop::collection::btree_set(gone, 0..3)).prop_map(
            move |(mut set, unset)| {
                if boot == BootKind::Grubby {
                    set.remove(QUOTED);
                }
                let unset: Vec<&str> =
                    unset.into_iter().filter(|gone| !set.iter().any(|arg| arg.starts_with(gone))).collect();
                args(boot.loader(), &set.into_iter().collect::<Vec<_>>(), &unset)
            }
        ),
    ]
}

fn wishes() -> impl Strategy<Value = (BootKind, Vec<Action>, Vec<Action>, bool)> {
    prop::sample::select(BootKind::ALL.to_vec()).prop_flat_map(|boot| {
        (
            Just(boot),
            prop::collection::vec(wish(boot), 0..9),
            prop::collection::vec(wish(boot), 0..5),
            any::<bool>(),
        )
    })
}

/// Each subject once: a profile that wishes two things of one subject is refused by the planner.
fn settled(wishes: Vec<Action>) -> Vec<Action> {
    let mut settled: Vec<Action> = Vec::new();
    for wish in wishes {
        if !settled.iter().any(|before| before.subject() == wish.subject()) {
            settled.push(wish);
        }
    }
    settled
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn any_wishes_hold_and_rolled_back_nothing_is_left((boot, first, second, with_vfio) in wishes()) {
        let found = Model::new(Hardware { boot, ..Hardware::default() }).unwrap();
        let model = found.copy().unwrap();
        let mut first = settled(first);
        if with_vfio {
            first = settled([vec![module("vfio-pci"), vfio("0000:06:00.0")], first].concat());
        }
        do_apply(&model, &plan(&model, &first)).unwrap();
        assert_holds(&model, &first, "first");
        let between = model.copy().unwrap();
        let second = settled(second);
        let generations = usize::from(do_apply(&model, &plan(&model, &second)).is_ok());
        prop_assert_eq!(generations, 1);
        assert_holds(&model, &second, "second");
        let copy = model.copy().unwrap();
        let first_is_one = plan(&found, &first).steps.is_empty();
        do_roll_back(&copy, u64::from(!first_is_one)).unwrap();
        assert_same(&between, &copy, "rolled back to the first");
        let report = do_roll_back(&model, 0).unwrap();
        prop_assert!(report.failed.is_empty() && report.kept.is_empty(), "{:?}", report);
        assert_same(&found, &model, "rolled back to none");
    }
}
