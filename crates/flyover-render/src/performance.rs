//! `PerformanceProfile`: from it OpenShift's node tuning operator makes a MachineConfig, a KubeletConfig and
//! a profile of tuned.
//!
//! Source: performance.openshift.io/v2 of cluster-node-tuning-operator.

use flyover_core::HugepageSize;
use flyover_plan::{Pool, Settled, units};

use crate::doc::{Map, yaml};
use crate::quote::comment;
use crate::unsaid::{self, Part};
use crate::{Meta, Rendered, args};

const WHY: &str = "\
reserved: all that kubelet must never hand out, the host's CPUs and those of polling threads alike, for the static
policy knows nothing of polling threads. isolated: the rest, which is what pods get.
What keeps the scheduler and the tick from the polling CPUs is in additionalKernelArgs. workloadHints.realTime is
false so that the operator adds no nohz_full of its own: the kernel ignores a second one that differs.";

pub(crate) fn render(settled: &Settled, meta: &Meta) -> Rendered {
    let selector = Map::new().with(format!("node-role.kubernetes.io/{}", meta.role), "");
    let others = settled.args.set.iter().filter(|arg| !args::is_of_hugepages(arg));
    let hints = Map::new().with("realTime", false).with("highPowerConsumption", false);
    let spec = Map::new()
        .with_some("cpu", cpu(settled))
        .with("hugepages", hugepages(settled))
        .with("additionalKernelArgs", args::entries(others))
        .with("numa", Map::new().with("topologyPolicy", "single-numa-node"))
        .with("realTimeKernel", Map::new().with("enabled", false))
        .with("workloadHints", hints)
        .with("nodeSelector", selector);
    let object = Map::new()
        .with("apiVersion", "performance.openshift.io/v2")
        .with("kind", "PerformanceProfile")
        .with("metadata", Map::new().with("name", meta.name.as_str()))
        .with("spec", spec);
    let text = format!("{}\n{}{}", units::HEADER, comment(WHY), yaml(&object));
    Rendered::one("performanceprofile.yaml", text, notes(settled))
}

fn cpu(settled: &Settled) -> Option<Map> {
    let cpu = settled.cpu.as_ref()?;
    let pods = cpu.online.difference(&cpu.kubelet_reserved);
    Some(Map::new().with("reserved", cpu.kubelet_reserved.to_string()).with("isolated", pods.to_string()))
}

fn known(pool: &Pool) -> bool {
    [HugepageSize::TWO_MIB, HugepageSize::ONE_GIB].contains(&pool.size)
}

fn hugepages(settled: &Settled) -> Map {
    let page = |pool: &Pool| {
        let node = pool.node.map(|node| u64::from(node.0));
        Map::new().with("size", pool.size.to_string()).with("count", pool.count).with_some("node", node)
    };
    let pages: Vec<Map> = settled.pools.iter().filter(|pool| known(pool)).map(page).collect();
    let default = settled.default_size.map(|size| size.to_string());
    Map::new().with_some("defaultHugepagesSize", default).with("pages", pages)
}

fn notes(settled: &Settled) -> Vec<String> {
    let parts = [Part::Drivers, Part::Modules, Part::Sysctls, Part::Services, Part::Files, Part::Mounts];
    let beside = "use `--for machineconfig` beside it, without its kernelArguments";
    let mut notes: Vec<String> =
        unsaid::note(settled, "a PerformanceProfile", &parts, beside).into_iter().collect();
    if settled.cpu.is_none() {
        notes.push(
            "a PerformanceProfile must have spec.cpu: name processors under `cpu` in the profile".to_owned(),
        );
    }
    let unknown = settled.pools.iter().filter(|pool| !known(pool));
    notes.extend(
        unknown.map(|pool| format!("a PerformanceProfile knows pages of 2M and 1G only, not {}", pool.size)),
    );
    notes.extend(
        args::unset(settled).into_iter().map(|arg| format!("a PerformanceProfile cannot remove `{arg}`")),
    );
    notes
}
