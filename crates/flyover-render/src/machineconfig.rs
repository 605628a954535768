//! `MachineConfig`: what OpenShift's machine-config operator rolls out, rebooting the nodes one after another.

use flyover_plan::{Settled, units};

use crate::doc::{Map, yaml};
use crate::unsaid::{self, Part};
use crate::{Meta, Rendered, args, ignition};

pub(crate) fn render(settled: &Settled, meta: &Meta) -> Rendered {
    let role = Map::new().with("machineconfiguration.openshift.io/role", meta.role.as_str());
    let name = format!("99-{}-{}", meta.role, meta.name);
    let object = Map::new()
        .with("apiVersion", "machineconfiguration.openshift.io/v1")
        .with("kind", "MachineConfig")
        .with("metadata", Map::new().with("name", name).with("labels", role))
        .with(
            "spec",
            Map::new()
                .with("kernelArguments", args::entries(&settled.args.set))
                .with("config", ignition::config(settled, "3.4.0")),
        );
    let beside = "use `--for performanceprofile` or a KubeletConfig beside it";
    let mut notes: Vec<String> =
        unsaid::note(settled, "a MachineConfig", &[Part::Cpu], beside).into_iter().collect();
    notes.extend(args::unset(settled).into_iter().map(|arg| {
        format!("a MachineConfig cannot remove `{arg}`; take it out of the MachineConfig that adds it")
    }));
    Rendered::one("machineconfig.yaml", format!("{}\n{}", units::HEADER, yaml(&object)), notes)
}
