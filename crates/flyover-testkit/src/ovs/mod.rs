//! A private Open vSwitch with DPDK: a folder, a network namespace and two daemons of its own, and nothing that needs a
//! NIC.
//!
//! Invariants: DPDK is told to leave PCI alone; hugepages are asked for only where a test wants them, and given back; when
//! a rig goes, its processes, its namespace and its folder go, and a test whose rig left anything fails.

mod guest;
mod leftovers;
mod ports;
mod settings;
mod testpmd;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, ensure};
use flyover_host::cmd::Cmd;
use flyover_net::netns::Netns;
use flyover_ovs::tables::OpenVswitch;
use flyover_ovs::transaction::row;
use flyover_ovs::{Client, Datum, Transaction, unixctl};
use nix::sys::signal::Signal;
use tempfile::TempDir;

pub use self::guest::{Guest, Pings, Vm};

pub use self::ports::NewPort;
pub use self::settings::{Options, Switch};
pub use self::testpmd::{Counters, Mode, Pod, Rates, Testpmd};
use crate::hugepages::Hugepages;
use crate::process::Process;

/// The daemon that has DPDK; the one in PATH may be the one without. A daemon names its files after itself, so it is
/// started under the name that it has on a node.
const VSWITCHD: &str = "/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk";
const SCHEMA: &str = "/usr/share/openvswitch/vswitch.ovsschema";

/// For one question to a daemon.
const ANSWER: Duration = Duration::from_secs(10);
/// From a daemon's start until it has done what its database says; DPDK clears its memory in it.
const START: Duration = Duration::from_secs(60);
/// From a polite signal until it is followed by another.
const END: Duration = Duration::from_secs(10);

/// A daemon of the rig.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Daemon {
    /// `ovsdb-server`.
    Database,
    /// `ovs-vswitchd`.
    Switch,
}

/// A private Open vSwitch.
#[derive(Debug)]
pub struct Rig {
    options: Options,
    name: String,
    database: Option<Process>,
    switch: Option<Process>,
    hugepages: Option<Hugepages>,
    folder: Option<TempDir>,
}

impl Rig {
    /// Raises a switch and waits until it works.
    pub fn start(options: Options) -> anyhow::Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        leftovers::sweep()?;
        let name = leftovers::name(COUNT.fetch_add(1, Ordering::Relaxed));
        let folder =
            tempfile::Builder::new().prefix(&leftovers::folder_prefix()).tempdir_in(leftovers::PLACE)?;
        Netns::create(&name)?;
        let mut rig =
            Self { options, name, database: None, switch: None, hugepages: None, folder: Some(folder) };
        rig.namespace()?.run(|| Cmd::new("ip").args(["link", "set", "lo", "up"]).run())??;
        rig.hugepages = rig.options.hugepages().map(Hugepages::raise).transpose()?;
        symlink(VSWITCHD, rig.folder().join(program(Daemon::Switch)))?;
        rig.create_database()?;
        rig.begin(Daemon::Database)?;
        rig.initialise(&rig.options.settings(&rig.name))?;
        if rig.options.switch != Switch::None {
            rig.begin(Daemon::Switch)?;
        }
        if let Switch::Dpdk { .. } = rig.options.switch {
            let ready = rig.row()?.dpdk_initialized;
            ensure!(ready, "DPDK did not start:\n{}", rig.process(Daemon::Switch)?.said());
        }
        Ok(rig)
    }

    /// Where its sockets, logs and database are; anybody may put files here.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.as_ref().expect("the folder goes when the rig does").path()
    }

    /// The name of its network namespace.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its network namespace.
    pub fn namespace(&self) -> anyhow::Result<Netns> {
        Ok(Netns::named(&self.name)?)
    }

    /// The socket of its database.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.folder().join("db.sock")
    }

    /// The socket that a daemon takes commands on, where it is by default.
    pub fn control(&self, daemon: Daemon) -> anyhow::Result<PathBuf> {
        let id = self.process(daemon)?.id();
        Ok(self.folder().join(format!("{}.{id}.ctl", program(daemon))))
    }

    /// A new connection to its database.
    pub fn client(&self) -> anyhow::Result<Client> {
        Ok(Client::connect(&self.database(), ANSWER)?)
    }

    /// Asks `ovs-vswitchd` what `ovs-appctl` asks.
    pub fn ask(&self, command: &str, arguments: &[&str]) -> anyhow::Result<String> {
        Ok(unixctl::ask(&self.control(Daemon::Switch)?, command, arguments, ANSWER)?)
    }

    /// What the database says of the switch as a whole.
    pub fn row(&self) -> anyhow::Result<OpenVswitch> {
        let rows = self.client()?.rows::<OpenVswitch>(&[])?;
        rows.into_iter().next().context("the database has no switch")
    }

    /// A running daemon, e.g. to send it a signal.
    pub fn process(&self, daemon: Daemon) -> anyhow::Result<&Process> {
        let process = match daemon {
            Daemon::Database => &self.database,
            Daemon::Switch => &self.switch,
        };
        process.as_ref().with_context(|| format!("{} does not run", program(daemon)))
    }

    /// Starts a daemon and waits until it does its work: `ovs-vswitchd` what the database asks for, if that runs.
    pub fn begin(&mut self, daemon: Daemon) -> anyhow::Result<()> {
        ensure!(self.process(daemon).is_err(), "{} runs already", program(daemon));
        let log = self.folder().join(format!("{}.log", program(daemon)));
        let command = self.command(daemon);
        let mut process = Process::start(program(daemon), &command, Some(&self.name), &log)?;
        match daemon {
            Daemon::Database => {
                process.until("opened its socket", START, || Ok(self.client().is_ok()))?;
                self.database = Some(process);
            }
            Daemon::Switch => {
                if self.database.is_some() {
                    self.until_applied(&mut process)?;
                }
                self.switch = Some(process);
            }
        }
        Ok(())
    }

    /// Ends a daemon by a signal and waits until it is gone. One that does not run is no error.
    pub fn end(&mut self, daemon: Daemon, signal: Signal) -> anyhow::Result<()> {
        let process = match daemon {
            Daemon::Database => self.database.take(),
            Daemon::Switch => self.switch.take(),
        };
        process.map_or(Ok(()), |mut process| process.end(signal, END).map(drop))
    }

    /// Ends a daemon and starts it again.
    pub fn restart(&mut self, daemon: Daemon, signal: Signal) -> anyhow::Result<()> {
        self.end(daemon, signal)?;
        self.begin(daemon)
    }

    /// Stops a daemon where it is, so that it answers nothing.
    pub fn freeze(&self, daemon: Daemon) -> anyhow::Result<()> {
        self.process(daemon)?.signal(Signal::SIGSTOP)
    }

    /// Lets a stopped daemon go on.
    pub fn thaw(&self, daemon: Daemon) -> anyhow::Result<()> {
        self.process(daemon)?.signal(Signal::SIGCONT)
    }

    /// Replaces the database by a new one, with nothing in it but the row that start scripts make.
    pub fn wipe(&mut self) -> anyhow::Result<()> {
        self.end(Daemon::Database, Signal::SIGTERM)?;
        fs::remove_file(self.file()).context("failed to remove the old database")?;
        self.create_database()?;
        self.begin(Daemon::Database)?;
        self.initialise(&[])
    }

    fn file(&self) -> PathBuf {
        self.folder().join("conf.db")
    }

    fn create_database(&self) -> anyhow::Result<()> {
        Cmd::new("ovsdb-tool").args(["create".as_ref(), self.file().as_os_str(), SCHEMA.as_ref()]).run()?;
        Ok(())
    }

    fn initialise(&self, settings: &[(String, String)]) -> anyhow::Result<()> {
        let mut transaction = Transaction::default();
        transaction.only_if_none("Open_vSwitch", &[], "the database has a switch already");
        transaction.insert("Open_vSwitch", &row([("other_config", Datum::map(settings.iter().cloned()))]));
        self.client()?.transact(&transaction)?;
        Ok(())
    }

    fn command(&self, daemon: Daemon) -> Vec<String> {
        let folder = self.folder().display();
        let places = ["OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVS_SYSCONFDIR", "RUNTIME_DIRECTORY"];
        let places = places.iter().map(|place| format!("{place}={folder}"));
        let socket = self.database();
        let mut words: Vec<String> = std::iter::once("env".to_owned()).chain(places).collect();
        match daemon {
            Daemon::Database => {
                words.extend(["ovsdb-server".into(), self.file().display().to_string()]);
                words.push(format!("--remote=punix:{}", socket.display()));
                words.extend(self.options.remotes.iter().map(|remote| format!("--remote={remote}")));
            }
            Daemon::Switch => {
                let renamed = self.folder().join(program(daemon));
                words.extend([renamed.display().to_string(), format!("unix:{}", socket.display())]);
                words.push("--disable-system".into());
            }
        }
        words.extend(["--pidfile", "-vsyslog:off"].map(str::to_owned));
        words
    }

    /// Waits until the switch has done what the database says now, whatever it did before it was started.
    fn until_applied(&self, process: &mut Process) -> anyhow::Result<()> {
        let mut client = self.client()?;
        let mut transaction = Transaction::default();
        transaction.ask_to_apply();
        let wanted = client.transact(&transaction)?.next_cfg().context("the database has no switch")?;
        process.until("applied its configuration", START, || {
            let rows = client.rows::<OpenVswitch>(&[])?;
            Ok(rows.first().is_some_and(|row| row.cur_cfg >= wanted))
        })
    }

    /// Ends all of it, goes on after a fault, and tells all faults.
    fn tear_down(&mut self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut note = |what: &str, done: anyhow::Result<()>| {
            faults.extend(done.err().map(|error| format!("{what}: {error:#}")));
        };
        note("ovs-vswitchd", self.end(Daemon::Switch, Signal::SIGTERM));
        note("ovsdb-server", self.end(Daemon::Database, Signal::SIGTERM));
        note("hugepages", self.hugepages.take().map_or(Ok(()), Hugepages::give_back));
        if let Some(folder) = self.folder.take() {
            note("leftovers", leftovers::none(&self.name, folder.path()));
            note("folder", folder.close().map_err(anyhow::Error::from));
        }
        note("namespace", Netns::delete(&self.name).map_err(anyhow::Error::from));
        faults
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        let faults = self.tear_down();
        // A test that fails already says why it does.
        assert!(faults.is_empty() || thread::panicking(), "the rig is not gone: {}", faults.join("; "));
    }
}

fn program(daemon: Daemon) -> &'static str {
    match daemon {
        Daemon::Database => "ovsdb-server",
        Daemon::Switch => "ovs-vswitchd",
    }
}
