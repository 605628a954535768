//! Where a comparison gets its paths from: the lab of that name, and companions of it.
//!
//! The lab itself is the overlay and the wire. For what it is not, companions are built after its pattern: one with
//! the tunnel's outer flow untracked, one with the bypass, one without rules. All stand idle but the one measured.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use flyover_host::cmd::Cmd;
use flyover_lab::{Family, Lab, LabGuard, LabName, LabSpec, Place as At, RuleForm};
use flyover_latency::compare::{Case, Ends, LayingError, PathName, Paths, Probe, Ways};
use flyover_latency::place::{Place, Way};

use super::super::fault::{Exit, Fault};
use super::super::lab::fastpath;

/// Port of the servers: one that every pod's service has.
const PORT: u16 = 5201;

/// The paths of a lab.
struct LabPaths {
    ways: Ways,
    companions: Vec<Companion>,
    base: Lab,
}

/// A lab that lives as long as the comparison.
struct Companion {
    lab: LabGuard,
    accelerated: bool,
}

impl Drop for Companion {
    fn drop(&mut self) {
        if self.accelerated
            && let Err(error) = fastpath::turn_off(&self.lab)
        {
            tracing::warn!(%error, lab = %self.lab.name(), "could not remove FastPath");
        }
    }
}

/// The paths of a lab, and companions of it for what the lab itself is not.
pub(crate) fn of_lab(name: &str) -> anyhow::Result<Box<dyn Paths>> {
    let name: LabName = name.parse()?;
    let base = Lab::open(&name).map_err(|error| {
        let fault = Fault::new(Exit::Failed, format!("failed to open lab `{name}`"));
        anyhow::Error::new(error).context(fault.hint(format!("build it with `flyover lab up --name {name}`")))
    })?;
    let mut paths = LabPaths { ways: Ways::new(), companions: Vec::new(), base };
    paths.lay()?;
    Ok(Box::new(paths))
}

impl LabPaths {
    fn lay(&mut self) -> anyhow::Result<()> {
        pods(&mut self.ways, &self.base, PathName::Overlay)?;
        nodes(&mut self.ways, &self.base, PathName::Wire)?;
        let spec = self.base.spec().clone();
        let bare = companion(&spec, "bare", |spec| spec.rules = RuleForm::None)?;
        nodes(&mut self.ways, &bare.lab, PathName::Bare)?;
        self.companions.push(bare);
        for (suffix, path, options) in [
            ("nt", PathName::Notrack, ["--backend", "nft"].as_slice()),
            ("fp", PathName::Fastpath, ["--backend", "ebpf"].as_slice()),
        ] {
            let mut with = companion(&spec, suffix, |_| {})?;
            with.accelerated = true;
            let options: Vec<_> = options.iter().map(|&o| o.to_owned()).collect();
            fastpath::turn_on(&with.lab, &options)?;
            pods(&mut self.ways, &with.lab, path)?;
            self.companions.push(with);
        }
        Ok(())
    }
}

impl Paths for LabPaths {
    fn way(&mut self, path: PathName, case: &Case) -> Result<Option<Way>, LayingError> {
        // Cold connections: none may find what an earlier sample left in conntrack.
        if matches!(case.probe, Probe::Crr) {
            let labs = self.companions.iter().map(|c| &*c.lab).chain([&self.base]);
            for node in labs.flat_map(Lab::nodes) {
                node.netns()?.run(|| Cmd::new("conntrack").args(["-F"]).run())??;
            }
        }
        self.ways.way(path, case)
    }
}

fn companion(of: &LabSpec, suffix: &str, change: impl FnOnce(&mut LabSpec)) -> anyhow::Result<Companion> {
    let mut spec = of.clone();
    spec.name = format!("{}-{suffix}", of.name).parse()?;
    change(&mut spec);
    // One may be left of a comparison that was killed.
    flyover_lab::Labs::from_env().down(&spec.name)?;
    Ok(Companion { lab: Lab::up(&spec)?.guarded(), accelerated: false })
}

fn place(lab: &Lab, at: At) -> anyhow::Result<Place> {
    Ok(Place::netns(Arc::new(lab.netns(at)?)))
}

fn way(client: Place, server: Place, ip: IpAddr, dial: IpAddr) -> Way {
    Way { client, server, listen: SocketAddr::new(ip, PORT), dial: SocketAddr::new(dial, PORT) }
}

/// Ways between pods: from the first of the first node to the first of the second, and to its own neighbour.
fn pods(ways: &mut Ways, lab: &Lab, path: PathName) -> anyhow::Result<()> {
    let client = || place(lab, At::Pod(1, 1));
    let far = lab.pod(2, 1)?;
    if let Some(ip) = far.ip(Family::V4) {
        ways.insert(path, Ends::Remote, way(client()?, place(lab, At::Pod(2, 1))?, ip, ip));
        if let Some(service) = lab.service_for(2, 1).map(|s| s.address(Family::V4)) {
            ways.insert(path, Ends::ClusterIp, way(client()?, place(lab, At::Pod(2, 1))?, ip, service));
        }
    }
    if let Some(ip) = far.ip(Family::V6) {
        ways.insert(path, Ends::V6, way(client()?, place(lab, At::Pod(2, 1))?, ip, ip));
    }
    if let Ok(near) = lab.pod(1, 2)
        && let Some(ip) = near.ip(Family::V4)
    {
        ways.insert(path, Ends::SameNode, way(client()?, place(lab, At::Pod(1, 2))?, ip, ip));
    }
    Ok(())
}

/// Ways between nodes. Two namespaces joined by one veth pair is what the nodes are, so that is "same node" too.
fn nodes(ways: &mut Ways, lab: &Lab, path: PathName) -> anyhow::Result<()> {
    let far = lab.node(2)?;
    for (family, ends) in
        [(Family::V4, [Ends::Remote, Ends::ClusterIp].as_slice()), (Family::V6, &[Ends::V6])]
    {
        let Some(ip) = far.ip(family) else { continue };
        for &ends in ends {
            ways.insert(path, ends, way(place(lab, At::Node(1))?, place(lab, At::Node(2))?, ip, ip));
        }
    }
    if path == PathName::Bare
        && let Some(ip) = far.ip(Family::V4)
    {
        ways.insert(path, Ends::SameNode, way(place(lab, At::Node(1))?, place(lab, At::Node(2))?, ip, ip));
    }
    Ok(())
}
