//! A host in a folder with a real switch on it: its processes are the machine's, its files and its journal are its own.

use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use flyover_core::{
    Action, Disturbance, HostPath, Keeper, OvsDaemons, OvsOption, Plan, PlanHash, Processes, Step, SwitchAt,
};
use flyover_host::cmd::{Cmd, CmdError};
use flyover_host::executor::{ApplyError, Order, Outcome, Report, Resumed, apply, resume, roll_back};
use flyover_host::hands;
use flyover_host::journal::Cause;
use flyover_host::ovs;
use flyover_host::root::{HostRoot, Outside};
use flyover_host::store::{Lane, Store};
use tempfile::TempDir;

const NEVER: u64 = u64::MAX;

/// What is thrown where a crash is asked for.
pub(crate) struct Crashed;

/// Lets the machine do what is asked, but for one change that may crash or fail.
struct Machine {
    changes: AtomicU64,
    crash_at: AtomicU64,
    fail_at: AtomicU64,
}

impl Outside for Machine {
    fn write_attribute(&self, _root: &Path, path: &HostPath, _value: &str) -> io::Result<()> {
        Err(io::Error::other(format!("a switch writes no attribute, {path} least of all")))
    }

    fn run(&self, _root: &Path, program: &str, args: &[&str], limit: Duration) -> Result<String, CmdError> {
        Cmd::new(program).args(args).timeout(limit).run()
    }

    fn before_change(&self, _what: &str) -> io::Result<()> {
        let n = self.changes.fetch_add(1, Ordering::SeqCst);
        if n == self.crash_at.load(Ordering::SeqCst) {
            resume_unwind(Box::new(Crashed));
        }
        if n == self.fail_at.load(Ordering::SeqCst) {
            return Err(io::Error::from_raw_os_error(nix::libc::EIO));
        }
        Ok(())
    }
}

/// A host in a folder.
pub(crate) struct World {
    home: TempDir,
    machine: Arc<Machine>,
    pub(crate) at: SwitchAt,
}

impl World {
    /// A host on which nothing of a switch is, whose daemons would run in that network namespace.
    pub(crate) fn new(netns: Option<&str>, vswitchd: &str) -> Self {
        // Paths of sockets are short.
        let home = tempfile::Builder::new().prefix("sw").tempdir_in(memory()).unwrap();
        for (name, target) in [("proc", "/proc"), ("usr", "/usr")] {
            std::os::unix::fs::symlink(target, home.path().join(name)).unwrap();
        }
        std::fs::create_dir_all(home.path().join("var/lib")).unwrap();
        std::fs::create_dir(home.path().join("run")).unwrap();
        std::os::unix::fs::symlink("/run/netns", home.path().join("run/netns")).unwrap();
        let processes = Processes {
            file: HostPath::fixed("/run/sw/conf.db"),
            vswitchd: HostPath::fixed(vswitchd),
            ovsdb_server: HostPath::fixed("/usr/sbin/ovsdb-server"),
            schema: HostPath::fixed("/usr/share/openvswitch/vswitch.ovsschema"),
            netns: netns.map(str::to_owned),
        };
        let at = SwitchAt {
            rundir: HostPath::fixed("/run/sw"),
            database: HostPath::fixed("/run/sw/db.sock"),
            keeper: Keeper::Flyover(processes),
        };
        let machine = Machine { changes: 0.into(), crash_at: NEVER.into(), fail_at: NEVER.into() };
        Self { home, machine: Arc::new(machine), at }
    }

    pub(crate) fn host(&self) -> HostRoot {
        HostRoot::new(self.home.path(), Arc::clone(&self.machine) as Arc<dyn Outside>)
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.home.path().join(below)
    }

    pub(crate) fn at_ease(&self) {
        self.machine.changes.store(0, Ordering::SeqCst);
        self.machine.crash_at.store(NEVER, Ordering::SeqCst);
        self.machine.fail_at.store(NEVER, Ordering::SeqCst);
    }

    /// Runs until its end or until just before the n-th change; whether it came to its end.
    pub(crate) fn until_crash<T>(&self, n: u64, run: impl FnOnce() -> T) -> Option<T> {
        self.at_ease();
        self.machine.crash_at.store(n, Ordering::SeqCst);
        let ended = catch_unwind(AssertUnwindSafe(run));
        self.at_ease();
        ended.map_err(|thrown| if thrown.is::<Crashed>() { Crashed } else { resume_unwind(thrown) }).ok()
    }

    pub(crate) fn fail_at(&self, n: u64) {
        self.at_ease();
        self.machine.fail_at.store(n, Ordering::SeqCst);
    }

    pub(crate) fn changes(&self) -> u64 {
        self.machine.changes.load(Ordering::SeqCst)
    }

    pub(crate) fn store(&self) -> Store {
        Store::of(&self.host(), Lane::switch(&self.at.rundir))
    }

    pub(crate) fn apply(&self, wishes: &[Action]) -> Result<Outcome, ApplyError> {
        let plan = self.plan(wishes);
        let order = Order {
            plan: &plan,
            profile: serde_json::Value::Null,
            cause: Cause::Asked,
            now: "2026-01-01T00:00:00Z".to_owned(),
            allow_reboot: false,
        };
        let held = self.store().lock()?;
        apply(&held, &order)
    }

    fn plan(&self, wishes: &[Action]) -> Plan {
        let host = self.host();
        let open = wishes.iter().filter(|wish| !hands::of(wish).holds(&host).unwrap_or(false));
        let steps = open.map(|wish| Step {
            action: wish.clone(),
            found: None,
            why: "the test wants it".to_owned(),
            by_hand: Vec::new(),
            disturbs: Disturbance::None,
            after_reboot: false,
        });
        let hash = PlanHash(format!("{:016x}", wishes.len()));
        Plan { hash, steps: steps.collect(), fulfilled: 0, notes: Vec::new() }
    }

    pub(crate) fn resume(&self) -> Resumed {
        resume(&self.store().lock().unwrap(), false).unwrap()
    }

    pub(crate) fn roll_back(&self) -> Report {
        roll_back(&self.store().lock().unwrap(), 0).unwrap()
    }

    /// What `flyover switch apply` does after a crash.
    pub(crate) fn finish(&self, wishes: &[Action]) {
        let resumed = self.resume();
        assert!(!matches!(resumed, Resumed::Undone { .. }), "{resumed:?}");
        let outcome = self.apply(wishes).unwrap();
        assert!(matches!(outcome, Outcome::Done { .. } | Outcome::AlreadySo), "{outcome:?}");
    }

    pub(crate) fn assert_holds(&self, wishes: &[Action], when: &str) {
        for wish in wishes {
            assert!(hands::of(wish).holds(&self.host()).unwrap(), "{when}: {wish:?}");
        }
    }

    pub(crate) fn option(&self, key: &str, value: Option<&str>) -> Action {
        let (key, value) = (key.to_owned(), value.map(str::to_owned));
        Action::OvsOption(OvsOption { switch: self.at.clone(), key, value })
    }

    pub(crate) fn daemons(&self) -> OvsDaemons {
        OvsDaemons { switch: self.at.clone(), running: true, absent: Vec::new() }
    }

    /// All that the database says and a person could have said.
    pub(crate) fn database(&self) -> Database {
        let found = ovs::snapshot(&mut self.client()).unwrap();
        let row = found.switch.as_ref().unwrap();
        let ports =
            |bridge| found.ports_of(bridge).map(|port| format!("{:?}", ovs::all_of_port(&found, port)));
        let bridges = found.bridges.iter().map(|bridge| {
            (bridge.name.clone(), (format!("{:?}", ovs::all_of_bridge(bridge)), ports(bridge).collect()))
        });
        Database {
            options: row.other_config.clone(),
            external_ids: row.external_ids.clone(),
            bridges: bridges.collect(),
        }
    }

    pub(crate) fn client(&self) -> flyover_ovs::Client {
        ovs::connect(&self.host(), &self.at, Duration::from_secs(10)).unwrap()
    }

    /// Everything on the host but our own state.
    pub(crate) fn tree(&self) -> Vec<String> {
        let mut all = Vec::new();
        walk(self.home.path(), self.home.path(), &mut all);
        all.retain(|path| !path.starts_with("var/lib/flyover") && !path.starts_with("run/flyover"));
        all.sort();
        all
    }
}

/// What a database holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Database {
    pub(crate) options: BTreeMap<String, String>,
    pub(crate) external_ids: BTreeMap<String, String>,
    pub(crate) bridges: BTreeMap<String, (String, Vec<String>)>,
}

fn walk(root: &Path, folder: &Path, all: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        all.push(entry.path().strip_prefix(root).unwrap().display().to_string());
        if entry.file_type().unwrap().is_dir() {
            walk(root, &entry.path(), all);
        }
    }
}

/// In memory where that can be, for every change is synced.
fn memory() -> &'static Path {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { memory } else { Path::new("/tmp") }
}

impl Drop for World {
    fn drop(&mut self) {
        self.at_ease();
        let daemons = OvsDaemons { running: false, ..self.daemons() };
        let stopped = hands::of(&Action::OvsDaemons(daemons)).act(&self.host());
        assert!(stopped.is_ok() || std::thread::panicking(), "{stopped:?}");
    }
}
