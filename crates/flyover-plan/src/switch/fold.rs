//! Options that have a field of their own, moved into it.
//!
//! Invariants: afterwards no key in `options` has a field; an option and a field that contradict each other are refused.

use flyover_api::{DpdkInit, RxqAssign, SwitchSpec};
use flyover_core::{CpuMask, CpuSet, Refusal};

/// A spec whose options are being moved.
struct Fold {
    spec: SwitchSpec,
    refusals: Vec<Refusal>,
}

/// The same spec with all that has a field in its field.
pub(super) fn fold(spec: &SwitchSpec) -> (SwitchSpec, Vec<Refusal>) {
    let mut fold = Fold { spec: spec.clone(), refusals: Vec::new() };
    fold.init();
    fold.memory();
    fold.threads();
    fold.switches();
    (fold.spec, fold.refusals)
}

impl Fold {
    /// Takes an option out and puts what it says into its field.
    fn take<T: PartialEq>(
        &mut self,
        key: &str,
        (field, form): (&str, &str),
        read: impl Fn(&str) -> Option<T>,
        slot: impl Fn(&mut SwitchSpec) -> &mut Option<T>,
    ) {
        let Some(text) = self.spec.options.remove(key) else { return };
        let at = format!("options.{key}");
        let Some(value) = read(text.trim()) else {
            let what = format!("`{text}` is not its value (expected {form})");
            self.refusals.push(Refusal::invalid(at, what).hint(format!("say it with `{field}`")));
            return;
        };
        let slot = slot(&mut self.spec);
        if slot.as_ref().is_some_and(|there| *there != value) {
            let what = format!("`{text}` is not what `{field}` says");
            self.refusals.push(Refusal::invalid(at, what).hint("keep one of them"));
        } else {
            *slot = Some(value);
        }
    }

    fn init(&mut self) {
        let Some(text) = self.spec.options.remove("dpdk-init") else { return };
        match text.trim() {
            "true" => {}
            "try" => self.spec.dpdk.init = DpdkInit::Try,
            _ => self.refusals.push(
                Refusal::invalid("options.dpdk-init", format!("`{text}` leaves the switch without DPDK"))
                    .hint("say it with `dpdk.init`: `required` or `try`"),
            ),
        }
    }

    fn memory(&mut self) {
        let list = ("dpdk.socketMemory", "MiB for each NUMA node: 1024,1024");
        self.take("dpdk-socket-mem", list, mib_list, |spec| &mut spec.dpdk.socket_memory);
        let list = ("dpdk.socketLimit", "MiB for each NUMA node: 4096,4096");
        self.take("dpdk-socket-limit", list, mib_list, |spec| &mut spec.dpdk.socket_limit);
        let dir = ("dpdk.hugepageDir", "an absolute path");
        self.take("dpdk-hugepage-dir", dir, |text| text.parse().ok(), |spec| &mut spec.dpdk.hugepage_dir);
        if let Some(text) = self.spec.options.remove("dpdk-extra") {
            let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
            if !self.spec.dpdk.extra.is_empty() && self.spec.dpdk.extra != words {
                let what = format!("`{text}` is not what `dpdk.extra` says");
                self.refusals.push(Refusal::invalid("options.dpdk-extra", what).hint("keep one of them"));
            }
            self.spec.dpdk.extra = words;
        }
    }

    fn threads(&mut self) {
        let form = "a mask of processors: 0xc00000c";
        self.take("dpdk-lcore-mask", ("dpdk.lcores", form), mask, |spec| &mut spec.dpdk.lcores);
        self.take("pmd-cpu-mask", ("pmd.cpus", form), mask, |spec| &mut spec.pmd.cpus);
        let form = "cycles, roundrobin or group";
        self.take("pmd-rxq-assign", ("pmd.rxqAssign", form), rxq_assign, |spec| &mut spec.pmd.rxq_assign);
        let form = "true or false";
        self.take("pmd-auto-lb", ("pmd.autoBalance", form), truth, |spec| &mut spec.pmd.auto_balance);
        for key in ["pmd-sleep-max", "pmd-maxsleep"] {
            // Newer versions take one for each core besides, which has no field.
            if self.spec.options.get(key).is_some_and(|text| text.contains(':')) {
                continue;
            }
            let form = ("pmd.maxSleepUs", "microseconds");
            self.take(key, form, |text| text.parse().ok(), |spec| &mut spec.pmd.max_sleep_us);
        }
    }

    fn switches(&mut self) {
        for (key, field) in
            [("per-port-memory", "dpdk.perPortMemory"), ("vhost-iommu-support", "dpdk.vhostIommu")]
        {
            let Some(text) = self.spec.options.remove(key) else { continue };
            let dpdk = &mut self.spec.dpdk;
            let slot =
                if key == "per-port-memory" { &mut dpdk.per_port_memory } else { &mut dpdk.vhost_iommu };
            match (truth(text.trim()), *slot) {
                (Some(true), _) => *slot = true,
                (Some(false), false) => {}
                (value, _) => {
                    let what = match value {
                        Some(_) => format!("`{text}` is not what `{field}` says"),
                        None => format!("`{text}` is not its value (expected true or false)"),
                    };
                    let refusal = Refusal::invalid(format!("options.{key}"), what);
                    self.refusals.push(refusal.hint(format!("say it with `{field}`")));
                }
            }
        }
    }
}

/// As `dpdk-socket-mem` has it; an empty part is none of that node.
fn mib_list(text: &str) -> Option<Vec<u32>> {
    let part = |part: &str| if part.trim().is_empty() { Some(0) } else { part.trim().parse().ok() };
    if text.is_empty() { None } else { text.split(',').map(part).collect() }
}

fn mask(text: &str) -> Option<CpuSet> {
    text.parse::<CpuMask>().ok().map(|mask| mask.cpus())
}

fn truth(text: &str) -> Option<bool> {
    match text {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

fn rxq_assign(text: &str) -> Option<RxqAssign> {
    match text {
        "cycles" => Some(RxqAssign::Cycles),
        "roundrobin" => Some(RxqAssign::Roundrobin),
        "group" => Some(RxqAssign::Group),
        _ => None,
    }
}
