//! What a person changed since is kept and named.

use flyover_core::{Action, Module};
use flyover_host::facts::{Inspection, inspect};
use flyover_testkit::model::{BootKind, Hardware, Model, Node};

use crate::plans::{assert_same, do_apply, do_roll_back, everything, plan};

#[test]
fn a_file_and_a_sysctl_that_a_person_changed_are_kept_and_named() {
    let model = Model::new(Hardware::default()).unwrap();
    do_apply(&model, &plan(&model, &everything(&model))).unwrap();
    std::fs::write(model.root().join("etc/motd"), "a person's\n").unwrap();
    std::fs::write(model.root().join("proc/sys/vm/swappiness"), "30\n").unwrap();
    let report = do_roll_back(&model, 0).unwrap();
    let kept: Vec<String> = report.kept.iter().map(|kept| kept.subject.to_string()).collect();
    assert_eq!(kept, ["file /etc/motd", "sysctl vm.swappiness"]);
    assert!(report.failed.is_empty());
    assert!(
        matches!(model.tree().unwrap().get("/etc/motd"), Some(Node::File(_, text)) if text == "a person's\n")
    );
    assert!(do_roll_back(&model, 0).unwrap().kept.is_empty(), "it was told, and is not ours any more");
}

#[test]
fn what_a_person_put_back_by_hand_is_not_touched() {
    let found = Model::new(Hardware::default()).unwrap();
    let model = found.copy().unwrap();
    do_apply(&model, &plan(&model, &everything(&model))).unwrap();
    std::fs::write(model.root().join("etc/motd"), "theirs\n").unwrap();
    let report = do_roll_back(&model, 0).unwrap();
    assert!(report.kept.is_empty());
    assert_same(&found, &model, "rolled back");
}

#[test]
fn arguments_that_a_person_added_since_stay_and_ours_go() {
    let edits = [
        (BootKind::Debian, "etc/default/grub", "splash", "splash theirs=1", "boot/grub/grub.cfg"),
        (
            BootKind::RedHat,
            "etc/default/grub",
            "crashkernel=auto",
            "crashkernel=auto theirs=1",
            "boot/grub2/grub.cfg",
        ),
        (
            BootKind::Grubby,
            "boot/loader/entries/a-6.1.conf",
            "ro ",
            "ro theirs=1 ",
            "boot/loader/entries/a-6.1.conf",
        ),
        (
            BootKind::Entries,
            "boot/loader/entries/a-6.1.conf",
            "ro ",
            "ro theirs=1 ",
            "boot/loader/entries/a-6.1.conf",
        ),
    ];
    for (boot, path, from, to, judged) in edits {
        let model = Model::new(Hardware { boot, ..Hardware::default() }).unwrap();
        do_apply(&model, &plan(&model, &everything(&model))).unwrap();
        let path = model.root().join(path);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
        let report = do_roll_back(&model, 0).unwrap();
        assert_eq!(
            report.mixed.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["kernel arguments"],
            "{boot:?}"
        );
        assert!(report.failed.is_empty() && report.kept.is_empty(), "{boot:?}: {report:?}");
        let text = std::fs::read_to_string(model.root().join(judged)).unwrap();
        for (word, there) in [
            ("theirs=1", true),
            ("iommu=nopt", true),
            ("quiet", true),
            ("iommu=pt", false),
            ("hugepages=64", false),
        ] {
            assert_eq!(text.contains(word), there, "{boot:?}, {word}: {text}");
        }
        assert!(model.tree().unwrap().get("/etc/default/grub.d/zz-flyover.cfg").is_none());
    }
}

#[test]
fn an_option_of_a_loaded_module_is_written_and_put_back() {
    let model = Model::new(Hardware::default()).unwrap();
    let switch = model.root().join("sys/module/vfio/parameters/enable_unsafe_noiommu_mode");
    std::fs::create_dir_all(switch.parent().unwrap()).unwrap();
    std::fs::write(&switch, "N\n").unwrap();
    let options = [("enable_unsafe_noiommu_mode".to_owned(), "1".to_owned())].into();
    let wish = Action::Module(Module { name: "vfio".parse().unwrap(), loaded: true, options });
    do_apply(&model, &plan(&model, std::slice::from_ref(&wish))).unwrap();
    assert_eq!(std::fs::read_to_string(&switch).unwrap(), "1\n");
    let facts = inspect(&model.host(), &Inspection::default()).unwrap();
    assert!(facts.taints[0].starts_with("unsafe no-IOMMU mode"), "{:?}", facts.taints);
    do_roll_back(&model, 0).unwrap();
    assert_eq!(std::fs::read_to_string(&switch).unwrap(), "N\n");
}
