//! Everything here builds namespaces. The names of labs differ between tests and between runs.

mod life;
mod packets;
mod policy;
mod reach;

use flyover_lab::{IpMode, Lab, LabGuard, LabSpec, Labs, Overlay, RuleForm};
use tempfile::TempDir;

/// A lab that ends with its test, and the root its record is below.
struct Rig {
    lab: LabGuard,
    labs: Labs,
    _root: TempDir,
}

fn spec(name: &str) -> LabSpec {
    let name = format!("fo-{name}-{}", std::process::id()).parse().unwrap();
    LabSpec { services: 3, rules: RuleForm::Nft, ..LabSpec::new(name) }
}

fn rig(spec: &LabSpec) -> Rig {
    let root = tempfile::tempdir().unwrap();
    let labs = Labs::below(root.path());
    let lab = labs.up(spec).unwrap().guarded();
    Rig { lab, labs, _root: root }
}

fn of(name: &str, overlay: Overlay, ip: IpMode, rules: RuleForm) -> Rig {
    rig(&LabSpec { overlay, ip, rules, ..spec(name) })
}

fn in_node(lab: &Lab, i: u8, tool: &[&str]) -> String {
    let netns = lab.node(i).unwrap().netns().unwrap();
    let command = flyover_host::cmd::Cmd::new(tool[0]).args(&tool[1..]);
    netns.run(|| command.run()).unwrap().unwrap()
}
