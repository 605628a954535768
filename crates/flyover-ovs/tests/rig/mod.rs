//! A database server, and a switch on it, in a directory of their own.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]
#![allow(dead_code, reason = "each test uses a part of the rig")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use flyover_host::cmd::Cmd;
use flyover_ovs::transaction::row;
use flyover_ovs::{Atom, Client, Condition, Datum, Mutation, Row, Rows, Transaction};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// Long enough for a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(10);

const SCHEMA: &str = "/usr/share/openvswitch/vswitch.ovsschema";

/// A process that is ended when the test is done with it.
pub(crate) struct Daemon(Child);

impl Daemon {
    pub(crate) fn start(command: Cmd, log: &Path) -> Self {
        Self(command.daemon(File::options().create(true).append(true).open(log).unwrap()).unwrap())
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.0.id().try_into().unwrap()), signal).unwrap();
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // One that is gone already is no reason to fail.
        let _killed = self.0.kill();
        let _status = self.0.wait();
    }
}

/// Debian's ovsdb-server with an empty switch.
pub(crate) struct Database {
    dir: TempDir,
    server: Option<Daemon>,
    remotes: Vec<String>,
}

impl Database {
    pub(crate) fn start() -> Self {
        Self::listening(&[])
    }

    /// Listens there too.
    pub(crate) fn listening(remotes: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut database =
            Self { dir, server: None, remotes: remotes.iter().map(|r| (*r).to_owned()).collect() };
        database.create();
        database.run();
        database
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.dir().join("db.sock")
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(&self.socket(), LIMIT).unwrap()
    }

    pub(crate) fn server(&self) -> &Daemon {
        self.server.as_ref().unwrap()
    }

    /// The port that a remote got which asked for any.
    pub(crate) fn port(&self) -> u16 {
        let mut port = None;
        wait_for("the server to say its port", || {
            let log = fs::read_to_string(self.dir().join("ovsdb.log")).unwrap();
            let told = log
                .rsplit_once("listening on port ")
                .map(|(_, port)| port.lines().next().unwrap().to_owned());
            port = told.and_then(|told| told.parse().ok());
            port.is_some()
        });
        port.unwrap()
    }

    pub(crate) fn kill(&mut self) {
        self.server = None;
    }

    /// Starts the server, on what the last one left.
    pub(crate) fn run(&mut self) {
        let at = |name: &str| self.dir().join(name).display().to_string();
        let _gone = fs::remove_file(self.socket());
        let remotes = [format!("--remote=punix:{}", at("db.sock"))].into_iter().chain(self.remotes.clone());
        let options =
            [format!("--unixctl={}", at("ovsdb.ctl")), format!("--pidfile={}", at("ovsdb-server.pid"))];
        let command =
            Cmd::new("ovsdb-server").args(remotes).args(options).args(["--no-chdir", "-vconsole:info"]);
        self.server = Some(Daemon::start(command.args([at("conf.db")]), &self.dir().join("ovsdb.log")));
        // It listens before its control socket is there; it answers after.
        let answers = |mut client: Client| client.call("list_dbs", serde_json::json!([])).is_ok();
        wait_for("the server to answer", || Client::connect(&self.socket(), LIMIT).is_ok_and(answers));
    }

    /// Takes the database away and starts the server on a new one.
    pub(crate) fn replace(&mut self) {
        self.kill();
        fs::remove_file(self.dir().join("conf.db")).unwrap();
        self.create();
        self.run();
    }

    fn create(&self) {
        let file = self.dir().join("conf.db").display().to_string();
        Cmd::new("ovsdb-tool").args(["create", &file, SCHEMA]).run().unwrap();
        let row = r#"["Open_vSwitch",{"op":"insert","table":"Open_vSwitch","row":{}}]"#;
        Cmd::new("ovsdb-tool").args(["transact", &file, row]).run().unwrap();
    }
}

/// Debian's ovs-vswitchd, in a network namespace that goes with it.
pub(crate) fn switch(database: &Database) -> Daemon {
    let dir = database.dir().display().to_string();
    let homes =
        ["OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVS_SYSCONFDIR"].map(|home| format!("{home}={dir}"));
    let command = Cmd::new("unshare").args(["--net", "env"]).args(homes).args(["ovs-vswitchd"]);
    let files = [format!("--pidfile={dir}/ovs-vswitchd.pid"), format!("unix:{dir}/db.sock")];
    let command = command.args(["--disable-system", "--no-chdir", "-vconsole:warn"]).args(files);
    Daemon::start(command, &database.dir().join("vswitchd.log"))
}

/// Waits until something holds.
pub(crate) fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + LIMIT;
    while !holds() {
        assert!(Instant::now() < end, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Columns of an interface of a kind that needs no hardware.
pub(crate) fn interface(name: &str, kind: &str) -> Row {
    row([("name", name.into()), ("type", kind.into())])
}

/// Puts a port into a bridge.
pub(crate) fn add_port(transaction: &mut Transaction, bridge: &str, interface: &Row) {
    let row_of_port = |at: Atom| row([("name", interface["name"].clone()), ("interfaces", at.into())]);
    let made = transaction.insert("Interface", interface);
    let port = transaction.insert("Port", &row_of_port(made));
    let whose = [Condition::equals("name", bridge)];
    transaction.mutate("Bridge", &whose, &[Mutation::insert("ports", port)], Rows::Exactly(1));
}

/// Adds a bridge with its own port.
pub(crate) fn add_bridge(transaction: &mut Transaction, name: &str) {
    let own = transaction.insert("Interface", &interface(name, "internal"));
    let port = transaction.insert("Port", &row([("name", name.into()), ("interfaces", own.into())]));
    let columns = [("name", name.into()), ("datapath_type", "netdev".into()), ("ports", port.into())];
    let bridge = transaction.insert("Bridge", &row(columns));
    transaction.mutate("Open_vSwitch", &[], &[Mutation::insert("bridges", bridge)], Rows::Exactly(1));
}

/// A map of strings, as a datum.
pub(crate) fn strings<const N: usize>(pairs: [(&str, &str); N]) -> Datum {
    Datum::map(pairs)
}
