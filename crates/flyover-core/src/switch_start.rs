//! How the daemons of a switch that Flyover keeps are started: by a hand on its host, and by a person who types it.

use crate::{HostPath, Processes, SwitchAt};

/// A daemon of a switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SwitchDaemon {
    /// `ovsdb-server`, which keeps what is asked of the switch.
    OvsdbServer,
    /// `ovs-vswitchd`, which does it.
    Vswitchd,
}

impl SwitchDaemon {
    /// Its program, as Open vSwitch calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OvsdbServer => "ovsdb-server",
            Self::Vswitchd => "ovs-vswitchd",
        }
    }
}

impl Processes {
    /// Where the network namespace has its name, if they run in one.
    #[must_use]
    pub fn netns_path(&self) -> Option<HostPath> {
        let path = |name| HostPath::fixed("/run/netns").join(name).expect("names of namespaces were checked");
        self.netns.as_deref().map(path)
    }

    /// What env(1) is told to start a daemon in its network namespace, with all its files in the switch's own directory. `real`
    /// tells under which name whoever runs it has a file of the host.
    #[must_use]
    pub fn start(
        &self,
        switch: &SwitchAt,
        daemon: SwitchDaemon,
        real: impl Fn(&HostPath) -> String,
    ) -> Vec<String> {
        let (rundir, name) = (real(&switch.rundir), daemon.name());
        // DPDK keeps its files where the last of them says, and two switches would meet in /run/dpdk.
        let directories = ["OVS_RUNDIR", "OVS_DBDIR", "OVS_LOGDIR", "RUNTIME_DIRECTORY"];
        let mut words = directories.map(|directory| format!("{directory}={rundir}")).to_vec();
        if let Some(netns) = self.netns_path() {
            words.extend(["nsenter".to_owned(), format!("--net={}", real(&netns))]);
        }
        let database = real(&switch.database);
        words.extend(match daemon {
            SwitchDaemon::OvsdbServer => {
                [real(&self.ovsdb_server), real(&self.file), format!("--remote=punix:{database}")]
            }
            // Without `--disable-system` it would take over a datapath of the kernel that another switch may use.
            SwitchDaemon::Vswitchd => {
                [real(&self.vswitchd), format!("unix:{database}"), "--disable-system".to_owned()]
            }
        });
        let files = [("pidfile", "pid"), ("unixctl", "ctl"), ("log-file", "log")];
        words.extend(files.map(|(option, ending)| format!("--{option}={rundir}/{name}.{ending}")));
        words.extend(["-vconsole:off", "--no-chdir", "--detach"].map(str::to_owned));
        words
    }
}
