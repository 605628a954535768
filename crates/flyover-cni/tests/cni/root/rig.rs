//! A switch and a node of a test's own, in namespaces of the test's own thread.
//!
//! Invariants: what is started ends with the rig; `/run`, `/var/lib` and `/var/log` are empty and private; DPDK has no
//! hugepages and no devices.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use flyover_cni_core::broker;
use flyover_host::cmd::Cmd;
use flyover_ovs::tables::{OpenVswitch, Port};
use flyover_ovs::transaction::row;
use flyover_ovs::{Client, Condition, Datum, Mutation, Rows, Transaction};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use serde_json::{Value, json};

use crate::plugin::{NEWEST, Plugin};

/// How long a daemon may take to start.
const LIMIT: Duration = Duration::from_secs(30);

pub(crate) struct Rig {
    dir: tempfile::TempDir,
    server: Option<Child>,
    daemon: Option<Child>,
}

impl Rig {
    /// A node with a switch that has bridge `br0`.
    pub(crate) fn new() -> Self {
        unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET).unwrap();
        let none = None::<&str>;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
        let dir = tempfile::tempdir().unwrap();
        for own in ["/run", "/var/lib", "/var/log"] {
            mount(Some("own"), own, Some("tmpfs"), MsFlags::empty(), none).unwrap();
        }
        let rig = Self { dir, server: None, daemon: None };
        for needed in ["run/openvswitch", "etc/flyover", "var/lib/kubelet/pods", "var/lib/cni/results"] {
            fs::create_dir_all(rig.path(needed)).unwrap();
        }
        fs::write(rig.path("etc/group"), "root:x:0:\nhugetlbfs:x:1234:\n").unwrap();
        rig.node(&json!({"group": "hugetlbfs"}));
        rig.with_database().with_daemon()
    }

    fn with_database(mut self) -> Self {
        let schema = "/usr/share/openvswitch/vswitch.ovsschema";
        let file = self.path("conf.db");
        Cmd::new("ovsdb-tool").args([Path::new("create"), &file, Path::new(schema)]).run().unwrap();
        self.start_server();
        let options = [
            ("dpdk-init", "true".to_owned()),
            (
                "dpdk-extra",
                format!("--no-huge --legacy-mem -m 384 --no-pci --file-prefix=f{}", std::process::id()),
            ),
            ("per-port-memory", "true".to_owned()),
            ("pmd-maxsleep", "100".to_owned()),
        ];
        let mut transaction = Transaction::default();
        transaction.insert("Open_vSwitch", &row([("other_config", Datum::map(options))]));
        self.client().transact(&transaction).unwrap();
        self
    }

    fn with_daemon(mut self) -> Self {
        self.start_daemon();
        self.bridge("br0", "netdev");
        self
    }

    pub(crate) fn start_server(&mut self) {
        let socket = self.path("run/openvswitch/db.sock");
        let _stale = fs::remove_file(&socket);
        let remote = format!("--remote=punix:{}", socket.display());
        let file = self.path("conf.db").display().to_string();
        self.server = Some(self.daemon("ovsdb-server", &[&file, &remote]));
        wait("the database", || Client::connect(&socket, LIMIT).ok());
    }

    pub(crate) fn start_daemon(&mut self) {
        self.start_daemon_with(&[]);
    }

    /// Starts it as Flyover does, which tells it where its control socket is.
    pub(crate) fn start_daemon_of_flyover(&mut self) {
        let control = self.path("run/openvswitch/ovs-vswitchd.ctl");
        self.start_daemon_with(&[&format!("--unixctl={}", control.display())]);
    }

    fn start_daemon_with(&mut self, more: &[&str]) {
        let remote = format!("unix:{}", self.path("run/openvswitch/db.sock").display());
        let program = "/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk";
        let pid = format!("--pidfile={}", self.path("run/openvswitch/ovs-vswitchd.pid").display());
        let words = [&[&remote, "--disable-system", &pid], more].concat();
        self.daemon = Some(self.daemon(program, &words));
        wait("DPDK", || {
            let rows = self.client().rows::<OpenVswitch>(&[]).unwrap();
            let alive = self.path("run/openvswitch/ovs-vswitchd.pid").exists();
            rows.into_iter().find(|row| row.dpdk_initialized && row.cur_cfg >= row.next_cfg && alive)
        });
    }

    fn daemon(&self, program: &str, args: &[&str]) -> Child {
        let log = fs::File::create(
            self.path(&format!("{}.log", Path::new(program).file_name().unwrap().display())),
        )
        .unwrap();
        let rundir = self.path("run/openvswitch");
        Cmd::new(program)
            .args(args)
            .env("OVS_RUNDIR", &rundir)
            .env("OVS_LOGDIR", &rundir)
            .daemon(log)
            .unwrap()
    }

    /// Ends the process that forwards packets, as a crash does.
    pub(crate) fn kill_daemon(&mut self) {
        end(&mut self.daemon);
        let _stale = fs::remove_file(self.path("run/openvswitch/ovs-vswitchd.pid"));
    }

    /// Ends the database, as a crash does.
    pub(crate) fn kill_server(&mut self) {
        end(&mut self.server);
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.dir.path().join(below)
    }

    pub(crate) fn root(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(&self.path("run/openvswitch/db.sock"), LIMIT).unwrap()
    }

    /// Writes the node's configuration.
    pub(crate) fn node(&self, configuration: &Value) {
        fs::write(self.path("etc/flyover/cni.json"), configuration.to_string()).unwrap();
    }

    pub(crate) fn bridge(&self, name: &str, kind: &str) {
        let mut transaction = Transaction::default();
        let internal =
            transaction.insert("Interface", &row([("name", name.into()), ("type", "internal".into())]));
        let port = transaction.insert("Port", &row([("name", name.into()), ("interfaces", internal.into())]));
        let columns = row([("name", name.into()), ("datapath_type", kind.into()), ("ports", port.into())]);
        let bridge = transaction.insert("Bridge", &columns);
        let add = [Mutation::insert("bridges", Datum::from(bridge))];
        transaction.mutate("Open_vSwitch", &[], &add, Rows::Exactly(1));
        self.client().apply(&transaction).unwrap();
    }

    /// Takes a port out of every bridge, as a stranger does.
    pub(crate) fn tear_out(&self, port: &str) {
        let rows = self.client().rows::<Port>(&[Condition::equals("name", port)]).unwrap();
        let uuid = flyover_ovs::Atom::Uuid(rows[0].uuid.clone());
        let mut transaction = Transaction::default();
        let without = [Mutation::delete("ports", Datum::from(uuid))];
        transaction.mutate("Bridge", &[], &without, Rows::Any);
        self.client().apply(&transaction).unwrap();
    }

    /// A pod with a volume for sockets.
    pub(crate) fn pod(&self, uid: &str) -> PathBuf {
        let volume =
            self.path(&format!("var/lib/kubelet/pods/{uid}/volumes/kubernetes.io~empty-dir/shared-dir"));
        fs::create_dir_all(&volume).unwrap();
        volume
    }

    /// A plugin for addresses that writes what it is asked to `bin/log`, and refuses what files beside it say. What it
    /// gives back is the `CNI_PATH` to find it by.
    pub(crate) fn address_plugin(&self, name: &str) -> String {
        let bin = self.path("bin");
        fs::create_dir_all(&bin).unwrap();
        let script = format!(
            "#!/bin/sh\ncd '{}'\nmark=$(sed 's/.*\"mark\":\"\\([a-z]*\\)\".*/\\1/')\n\
             echo \"began $CNI_COMMAND $mark\" >> log\nif [ -e \"slow $CNI_COMMAND\" ]; then sleep 1; fi\n\
             if [ -e \"refuses $CNI_COMMAND $mark\" ]; then echo '{{\"code\": 99, \"msg\": \"no\"}}'; exit 1; fi\n\
             echo \"ended $CNI_COMMAND $mark\" >> log\n\
             if [ $CNI_COMMAND = ADD ]; then echo '{{\"cniVersion\": \"1.1.0\", \"ips\": []}}'; fi\n",
            bin.display()
        );
        fs::write(bin.join(name), script).unwrap();
        fs::set_permissions(bin.join(name), PermissionsExt::from_mode(0o755)).unwrap();
        bin.display().to_string()
    }

    /// What was asked of such a plugin.
    pub(crate) fn asked(&self) -> Vec<String> {
        fs::read_to_string(self.path("bin/log")).unwrap().lines().map(str::to_owned).collect()
    }

    /// A call of the plugin.
    pub(crate) fn call(&self, verb: &str, configuration: &Value) -> Plugin {
        Plugin::new(self.root(), verb, configuration)
    }

    /// The ports that are not the bridges' own.
    pub(crate) fn ports(&self) -> BTreeSet<String> {
        let ports = self.client().rows::<Port>(&[]).unwrap().into_iter().map(|port| port.name);
        ports.filter(|name| !name.starts_with("br")).collect()
    }

    /// Everything that is there of any attachment.
    pub(crate) fn traces(&self) -> Vec<String> {
        let mut traces: Vec<String> = self.ports().into_iter().map(|port| format!("port {port}")).collect();
        traces.extend(
            below(&self.path("run/flyover/vhost")).into_iter().map(|name| format!("directory {name}")),
        );
        let states = ["run/flyover/cni", "var/lib/flyover/cni"].map(|place| below(&self.path(place)));
        let states = states.into_iter().flatten().filter(|name| name != "lock");
        traces.extend(states.map(|name| format!("state {name}")));
        traces.extend(self.addresses().into_iter().map(|address| format!("address {address}")));
        traces.extend(
            below(&self.path("var/run/k8s.cni.cncf.io/devinfo/cni"))
                .into_iter()
                .map(|name| format!("device info {name}")),
        );
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let sockets = self.path("run/flyover").display().to_string();
        traces.extend(
            mounts.lines().filter(|line| line.contains(&sockets)).map(|line| format!("mount {line}")),
        );
        traces.extend(self.brokers().into_iter().map(|pid| format!("broker {pid}")));
        traces
    }

    /// Brokers of this node, also of directories that are gone.
    fn brokers(&self) -> Vec<u32> {
        let root = self.path("run/flyover/vhost").display().to_string();
        let pids = below(Path::new("/proc")).into_iter().filter_map(|name| name.parse::<u32>().ok());
        let words = |pid: &u32| fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        pids.filter(|pid| {
            String::from_utf8_lossy(&words(pid)).contains(&format!("\0{}\0{root}", broker::WORD))
        })
        .collect()
    }

    /// Addresses that are taken, of all networks.
    pub(crate) fn addresses(&self) -> Vec<String> {
        let of = |base: PathBuf| {
            let networks = below(&base).into_iter().map(move |network| base.join(network));
            networks
                .flat_map(|network| below(&network))
                .filter(|name| name.parse::<std::net::IpAddr>().is_ok())
        };
        of(self.path("ipam")).chain(of("/var/lib/cni/networks".into())).collect()
    }

    /// A network of this node with addresses.
    pub(crate) fn network(&self, name: &str) -> Value {
        json!({"cniVersion": NEWEST, "name": name, "type": "userspace",
            "host": {"engine": "ovs-dpdk", "iftype": "vhostuser", "netType": "bridge", "vhost": {"mode": "client"},
                "bridge": {"bridgeName": "br0"}},
            "container": {"engine": "ovs-dpdk", "iftype": "vhostuser", "netType": "interface", "vhost": {"mode": "server"}}})
    }

    /// The same, whose addresses host-local gives. What Debian has speaks up to version 1.0.0.
    pub(crate) fn addressed(&self, name: &str, version: &str) -> Value {
        let mut network = self.network(name);
        network["cniVersion"] = version.into();
        network["ipam"] = json!({"type": "host-local", "subnet": "10.9.0.0/16", "gateway": "10.9.0.1",
            "routes": [{"dst": "0.0.0.0/0"}], "dataDir": self.path("ipam")});
        network
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        end(&mut self.daemon);
        end(&mut self.server);
        for directory in below(&self.path("run/flyover/vhost")) {
            // A test that failed has not detached, and its brokers would stay.
            let _ended = broker::end(&self.path("run/flyover/vhost").join(directory), None);
        }
    }
}

/// The names in a directory, sorted; one that is not there has none.
pub(crate) fn below(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn end(child: &mut Option<Child>) {
    if let Some(mut child) = child.take() {
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

fn wait<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + LIMIT;
    loop {
        if let Some(ready) = ready() {
            return ready;
        }
        assert!(Instant::now() < end, "{what} is not there after {LIMIT:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
