//! Plans for the model host, and how to carry them out in a test.

use std::num::NonZero;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use flyover_core::facts::{Enablement, Loader};
use flyover_core::{
    Action, ArgEdit, BootArgs, BootState, Bytes, Disturbance, DriverOf, FileAt, FileMode, FileState,
    HostPath, HugepageSize, Hugepages, Module, MountAt, NumaNode, Plan, PlanHash, Reboot, Step, Sysctl,
    UnitState,
};
use flyover_host::executor::{ApplyError, Order, Outcome, Report, Resumed, apply, resume, roll_back};
use flyover_host::hands;
use flyover_host::journal::Cause;
use flyover_host::store::{Store, StoreError};
use flyover_testkit::model::Model;

pub(crate) fn file(path: &str, text: &str) -> Action {
    let (uid, gid) = (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
    let file = FileState { content: Bytes::from(text), mode: FileMode::of(0o644), uid, gid };
    Action::File(FileAt { path: HostPath::fixed(path), file: Some(file), dirs: Vec::new() })
}

pub(crate) fn unit(name: &str, enablement: Enablement, active: bool) -> Action {
    Action::Unit(UnitState { unit: name.parse().unwrap(), enablement, active, links: None, dirs: Vec::new() })
}

pub(crate) fn sysctl(key: &str, value: &str) -> Action {
    Action::Sysctl(Sysctl { key: key.parse().unwrap(), value: value.to_owned() })
}

pub(crate) fn module(name: &str) -> Action {
    Action::Module(Module {
        name: name.parse().unwrap(),
        loaded: true,
        options: std::collections::BTreeMap::new(),
    })
}

pub(crate) fn pages(node: u32, count: u64) -> Action {
    Action::Hugepages(Hugepages { size: HugepageSize::TWO_MIB, node: Some(NumaNode(node)), count })
}

pub(crate) fn mount(path: &str) -> Action {
    Action::Mount(MountAt {
        path: HostPath::fixed(path),
        options: Some("pagesize=1G,mode=0770".to_owned()),
        dirs: Vec::new(),
    })
}

pub(crate) fn vfio(device: &str) -> Action {
    let driver = Some("vfio-pci".parse().unwrap());
    Action::Driver(DriverOf {
        device: device.parse().unwrap(),
        driver: driver.clone(),
        forced: driver,
        links: Vec::new(),
    })
}

pub(crate) fn args(loader: Loader, set: &[&str], unset: &[&str]) -> Action {
    let edit = ArgEdit {
        set: set.iter().map(|arg| arg.parse().unwrap()).collect(),
        unset: unset.iter().map(|arg| arg.parse().unwrap()).collect(),
    };
    Action::BootArgs(BootArgs { loader, state: BootState::Edited(edit) })
}

pub(crate) fn reboot() -> Action {
    Action::Reboot(Reboot { why: "kernel arguments".to_owned() })
}

/// A wish of every kind.
pub(crate) fn everything(model: &Model) -> Vec<Action> {
    vec![
        file("/etc/modules-load.d/flyover.conf", "vfio-pci\n"),
        module("vfio-pci"),
        sysctl("vm.swappiness", "10"),
        sysctl("net.ipv4.tcp_rmem", "4096 262144 16777216"),
        pages(0, 128),
        file("/etc/motd", "ours\n"),
        file("/etc/flyover/deep/down.conf", "x\n"),
        file(
            "/etc/systemd/system/flyover-pages.service",
            "[Service]\nExecStart=/bin/sh -c 'echo 64 > /sys/devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages'\n\
             [Install]\nWantedBy=sysinit.target\n",
        ),
        pages(1, 64),
        unit("flyover-pages.service", Enablement::Enabled, true),
        mount("/mnt/huge/1g"),
        unit("chrony.service", Enablement::Masked, false),
        unit("irqbalance.service", Enablement::Disabled, false),
        vfio("0000:06:00.0"),
        args(model.loader(), &["iommu=pt", "intel_iommu=on", "hugepagesz=2M", "hugepages=64"], &["quiet"]),
    ]
}

/// Does it with each number, on all processors: hosts that are directories know nothing of each other.
pub(crate) fn with_each(numbers: Range<u64>, does: impl Fn(u64) + Sync) {
    let (next, end) = (AtomicU64::new(numbers.start), numbers.end);
    let work = || {
        let take = || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|n| *n < end);
        std::iter::from_fn(take).for_each(&does);
    };
    let hands = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| (0..hands).for_each(|_| drop(scope.spawn(work))));
}

/// A plan of those wishes that do not hold.
pub(crate) fn plan(model: &Model, wishes: &[Action]) -> Plan {
    let host = model.host();
    let steps =
        wishes.iter().filter(|wish| !hands::of(wish).holds(&host).unwrap_or(false)).map(|wish| Step {
            action: wish.clone(),
            found: None,
            why: "the test wants it".to_owned(),
            by_hand: Vec::new(),
            disturbs: Disturbance::None,
            after_reboot: false,
        });
    Plan { hash: hash(wishes), steps: steps.collect(), fulfilled: 0, notes: Vec::new() }
}

pub(crate) fn hash(wishes: &[Action]) -> PlanHash {
    PlanHash(format!("{:016x}", wishes.iter().map(|wish| format!("{wish:?}").len() as u64).sum::<u64>()))
}

pub(crate) fn order(plan: &Plan) -> Order<'_> {
    Order {
        plan,
        profile: serde_json::Value::Null,
        cause: Cause::Asked,
        now: "2026-01-01T00:00:00Z".to_owned(),
        allow_reboot: true,
    }
}

pub(crate) fn do_apply(model: &Model, plan: &Plan) -> Result<Outcome, ApplyError> {
    let held = Store::at(&model.host()).lock()?;
    apply(&held, &order(plan))
}

/// What nobody asks for now: it was so before.
pub(crate) fn do_heal(model: &Model, plan: &Plan) -> Result<Outcome, ApplyError> {
    let held = Store::at(&model.host()).lock()?;
    apply(&held, &Order { cause: Cause::Drift, ..order(plan) })
}

pub(crate) fn do_resume(model: &Model) -> Result<Resumed, ApplyError> {
    let held = Store::at(&model.host()).lock()?;
    resume(&held, true)
}

pub(crate) fn do_roll_back(model: &Model, to: u64) -> Result<Report, StoreError> {
    let held = Store::at(&model.host()).lock()?;
    roll_back(&held, to)
}

/// What `flyover node apply` does after a crash: brings to an end what was cut off, then plans anew.
pub(crate) fn finish(model: &Model, wishes: &[Action]) {
    let resumed = do_resume(model).unwrap();
    assert!(!matches!(resumed, Resumed::Undone { .. }), "{resumed:?}");
    let outcome = do_apply(model, &plan(model, wishes)).unwrap();
    assert!(matches!(outcome, Outcome::Done { .. } | Outcome::AlreadySo), "{outcome:?}");
}

pub(crate) fn assert_holds(model: &Model, wishes: &[Action], when: &str) {
    for wish in wishes {
        assert!(hands::of(wish).holds(&model.host()).unwrap(), "{when}: {wish:?}");
    }
}

pub(crate) fn assert_same(found: &Model, now: &Model, when: &str) {
    let differences = found.tree().unwrap().differences(&now.tree().unwrap());
    assert!(differences.is_empty(), "{when}:\n{}", differences.join("\n"));
}
