//! What cannot be done is refused before anything is changed.

use flyover_core::Action;
use flyover_core::facts::Enablement;
use flyover_host::executor::ApplyError;
use flyover_testkit::model::{Hardware, Model};

use crate::plans::{args, assert_same, do_apply, file, module, mount, pages, plan, sysctl, unit, vfio};

/// Refuses `bad` although it comes last, and gives the reason.
fn refused(model: &Model, bad: Action) -> String {
    let found = model.copy().unwrap();
    let first = [file("/etc/first", "x\n"), module("vfio-pci")];
    let wishes: Vec<Action> = first.into_iter().chain([bad]).collect();
    model.at_ease();
    let error = do_apply(model, &plan(model, &wishes)).unwrap_err();
    assert!(matches!(error, ApplyError::Refused { .. }), "{error:?}");
    assert_eq!(model.changes(), 0, "{error}");
    assert_same(&found, model, "refused");
    std::error::Error::source(&error).unwrap().to_string()
}

#[test]
fn what_is_not_there_or_not_of_its_kind_is_refused_with_a_reason() {
    let model = Model::new(Hardware::default()).unwrap();
    std::os::unix::fs::symlink("/etc/motd", model.root().join("etc/link")).unwrap();
    for (bad, reason) in [
        (file("/etc/link", "x\n"), "`/etc/link` is a link"),
        (file("/etc/default", "x\n"), "`/etc/default` is a link, a directory"),
        (file("/etc/motd/below", "x\n"), "`/etc/motd` cannot be made: `/etc/motd` is not a directory"),
        (unit("ntpd.service", Enablement::Disabled, false), "there is no unit ntpd.service"),
        (
            unit("chronyd.service", Enablement::Masked, false),
            "chronyd.service is another name of chrony.service",
        ),
        (pages(7, 1), "the kernel offers no hugepages of 2M"),
        (module("no_such"), "there is no module no_such"),
        (mount("/etc/motd"), "`/etc/motd` is not a directory"),
        (args(model.loader(), &["x=$HOME"], &[]), "kernel argument `x=$HOME` has a character"),
    ] {
        let told = refused(&model, bad);
        assert!(told.starts_with(reason) && told.contains("\n  hint: "), "{told}");
    }
}

#[test]
fn a_device_without_a_group_is_left_with_its_driver() {
    let model = Model::new(Hardware::default()).unwrap();
    do_apply(&model, &plan(&model, &[module("vfio-pci")])).unwrap();
    let found = model.copy().unwrap();
    let error = do_apply(&model, &plan(&model, &[vfio("0000:06:00.1")])).unwrap_err();
    let told = std::error::Error::source(&error).unwrap().to_string();
    assert!(told.starts_with("cannot bind 0000:06:00.1 to vfio-pci: it has no IOMMU group"), "{told}");
    assert_same(&found, &model, "no group");
}

#[test]
fn defaults_that_are_not_understood_are_refused() {
    let model = Model::new(Hardware::default()).unwrap();
    let path = model.root().join("etc/default/grub");
    std::fs::write(&path, "GRUB_CMDLINE_LINUX=\"$(cat /etc/args)\"\n").unwrap();
    let told = refused(&model, args(model.loader(), &["iommu=pt"], &[]));
    assert!(
        told.starts_with("cannot edit `/etc/default/grub`: line 1 is not understood: it runs a command"),
        "{told}"
    );
}

#[test]
fn a_value_that_the_kernel_refuses_is_named() {
    let model = Model::new(Hardware::default()).unwrap();
    let error = do_apply(&model, &plan(&model, &[sysctl("vm.swappiness", "900")])).unwrap_err();
    let told = std::error::Error::source(&error).unwrap().to_string();
    assert!(told.starts_with("the kernel refuses `900` as value of vm.swappiness ("), "{told}");
}

mod root {
    //! File systems that take nothing, in a mount namespace of the test's own.

    use nix::mount::{MsFlags, mount};
    use nix::sched::{CloneFlags, unshare};

    use super::*;

    /// Runs with a tmpfs of that size and those flags over a directory of the model.
    fn with_tmpfs(directory: &str, options: &'static str, flags: MsFlags) -> String {
        let model = Model::new(Hardware::default()).unwrap();
        let over = model.root().join(directory);
        std::fs::create_dir_all(&over).unwrap();
        let run = move || {
            unshare(CloneFlags::CLONE_NEWNS).unwrap();
            let none = None::<&str>;
            mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
            mount(Some("tmpfs"), &over, Some("tmpfs"), flags, Some(options)).unwrap();
            model.at_ease();
            let error = do_apply(
                &model,
                &plan(&model, &[file("/etc/first", "x\n"), file("/etc/sysctl.d/a.conf", "x\n")]),
            )
            .unwrap_err();
            assert_eq!(model.changes(), 0, "{error:?}");
            let told = std::error::Error::source(&error).unwrap().to_string();
            nix::mount::umount(&over).unwrap();
            told
        };
        // The namespace is the thread's alone.
        std::thread::spawn(run).join().unwrap()
    }

    #[test]
    fn a_read_only_directory_is_refused_before_anything_changes() {
        let told = with_tmpfs("etc/sysctl.d", "size=4m", MsFlags::MS_RDONLY);
        assert!(told.starts_with("`/etc/sysctl.d` cannot be written to"), "{told}");
    }

    #[test]
    fn a_full_disk_is_refused_before_anything_changes() {
        let told = with_tmpfs("etc/sysctl.d", "size=64k", MsFlags::empty());
        assert!(told.starts_with("the disk of `/etc/sysctl.d` has 64 KiB free"), "{told}");
        let told = with_tmpfs("var/lib/flyover", "size=64k", MsFlags::empty());
        assert!(told.starts_with("the disk of `/var/lib/flyover` has 64 KiB free"), "{told}");
    }
}
