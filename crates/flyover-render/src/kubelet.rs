//! `KubeletConfiguration`: which processors kubelet hands out, and that what a pod gets is near together.

use flyover_plan::{Settled, units};

use crate::doc::{Map, yaml};
use crate::unsaid::{self, Part};
use crate::{Rendered, quote};

const WHY: &str = "\
Merge this into the configuration of kubelet (/var/lib/kubelet/config.yaml, or a file in its --config-dir).
reservedSystemCPUs: the host's CPUs and those of polling threads, for the static policy knows nothing of the latter.";

pub(crate) fn render(settled: &Settled) -> Rendered {
    let object =
        Map::new().with("apiVersion", "kubelet.config.k8s.io/v1beta1").with("kind", "KubeletConfiguration");
    let object = settings(settled).into_iter().fold(object, |object, (key, value)| object.with(key, value));
    let text = format!("{}\n{}{}", units::HEADER, quote::comment(WHY), yaml(&object));
    Rendered::one("kubelet.yaml", text, all_notes(settled))
}

/// The settings by their names in a `KubeletConfiguration`; none where the profile says nothing of processors.
pub(crate) fn settings(settled: &Settled) -> Vec<(&'static str, crate::doc::Node)> {
    let Some(cpu) = &settled.cpu else { return Vec::new() };
    vec![
        ("reservedSystemCPUs", cpu.kubelet_reserved.to_string().into()),
        ("cpuManagerPolicy", "static".into()),
        ("cpuManagerPolicyOptions", Map::new().with("full-pcpus-only", "true").into()),
        ("topologyManagerPolicy", "single-numa-node".into()),
    ]
}

/// What to know of these settings, wherever they are made.
pub(crate) fn notes(settled: &Settled) -> Vec<String> {
    let Some(cpu) = &settled.cpu else { return Vec::new() };
    vec![
        "changing cpuManagerPolicy takes a drained node, and /var/lib/kubelet/cpu_manager_state removed before \
         kubelet starts again"
            .to_owned(),
        format!(
            "pods without CPUs of their own may still run on {}: add the policy option strict-cpu-reservation where \
             kubelet has it (without a feature gate from 1.33 on)",
            cpu.kubelet_reserved
        ),
        "memoryManagerPolicy is left out: Static needs reservedMemory, which follows from kubeReserved, \
         systemReserved and evictionHard together"
            .to_owned(),
    ]
}

fn all_notes(settled: &Settled) -> Vec<String> {
    let parts = [&[Part::KernelArgs][..], &Part::OF_THE_SYSTEM].concat();
    let beside = "use `flyover node apply` or another `--for` beside it";
    let mut all = notes(settled);
    if settled.cpu.is_none() {
        all.push("the profile says nothing of processors, so there is nothing for kubelet".to_owned());
    }
    all.extend(unsaid::note(settled, "a KubeletConfiguration", &parts, beside));
    all
}
