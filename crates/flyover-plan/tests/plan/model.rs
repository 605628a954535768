//! A host in memory that does what plans say, so that planning can be tested against what comes of it.

use std::collections::BTreeMap;

use flyover_core::facts::{CpuVendor, Enablement, HostFacts, HugetlbMount};
use flyover_core::{
    Action, BootArgs, BootState, Bytes, FileAt, FileMode, FileState, HostPath, IommuGroup, KernelArgs,
    Ledger, Link, Owned, Plan, Subject, Wish,
};
use flyover_plan::{Observations, Observed, recall};

/// A host, what its subjects are, and what its boot loader will start.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Model {
    pub(crate) facts: HostFacts,
    pub(crate) state: BTreeMap<Subject, Action>,
    pub(crate) next_args: KernelArgs,
    pub(crate) ledger: Ledger,
    /// Whether the firmware has an IOMMU to turn on.
    pub(crate) has_iommu: bool,
    pub(crate) reboots: usize,
}

impl Model {
    pub(crate) fn of(facts: HostFacts) -> Self {
        let next_args = facts.boot.args.clone();
        Self { facts, state: BTreeMap::new(), next_args, ledger: Ledger::new(), has_iommu: true, reboots: 0 }
    }

    /// The facts as `settle` is to see them.
    pub(crate) fn facts(&self) -> HostFacts {
        recall(self.facts.clone(), &self.ledger)
    }

    pub(crate) fn observe(&self, wishes: &[Wish]) -> Observations {
        let wished = wishes.iter().map(|wish| &wish.action);
        let owned = self.ledger.values().map(|owned| &owned.wished);
        let mut seen = Observations::new();
        for action in owned.chain(wished) {
            let found = self.found(action);
            let holds = match action {
                Action::BootArgs(BootArgs { state: BootState::Edited(edit), .. }) => {
                    self.next_args.edited(edit) == self.next_args
                }
                _ => is_same(&found, action),
            };
            // A wish comes after what is owned, and says last what holds.
            seen.insert(action.subject(), Observed { found, holds });
        }
        seen
    }

    fn found(&self, action: &Action) -> Action {
        if let Action::BootArgs(boot) = action {
            return Action::BootArgs(BootArgs {
                loader: boot.loader.clone(),
                state: BootState::Files(vec![self.grub()]),
            });
        }
        self.state.get(&action.subject()).cloned().unwrap_or_else(|| self.untouched(action))
    }

    fn grub(&self) -> FileAt {
        let path: HostPath = "/etc/default/grub".parse().unwrap();
        let content = Bytes::from(self.next_args.to_string());
        let mode = FileMode::new(0o644).unwrap();
        FileAt { path, file: Some(FileState { content, mode, uid: 0, gid: 0 }), dirs: Vec::new() }
    }

    /// The state of what no plan has touched.
    fn untouched(&self, action: &Action) -> Action {
        let mut found = action.clone();
        match &mut found {
            Action::Hugepages(pages) => {
                let whole = &self.facts.memory.hugepages;
                let node = |id| self.facts.numa.iter().find(|node| node.id == id).map(|node| &node.hugepages);
                let pools = pages.node.map_or(Some(whole), node);
                pages.count = pools.and_then(|p| p.get(&pages.size)).map_or(0, |pool| pool.total);
            }
            Action::File(file) => file.file = None,
            Action::Mount(mount) => mount.options = None,
            Action::Sysctl(sysctl) => sysctl.value = "as found".into(),
            Action::Module(module) => {
                module.loaded = false;
                module.options.clear();
            }
            Action::Driver(driver) => {
                let device = self.facts.pci.iter().find(|d| d.address == driver.device).unwrap();
                driver.driver = device.driver.clone();
                driver.forced = device.forced.clone();
                driver.links =
                    device.netdevs.iter().map(|name| Link { name: name.clone(), up: true }).collect();
            }
            Action::Unit(unit) => {
                let facts = self.facts.services.values().find(|facts| facts.unit == unit.unit);
                unit.enablement = facts.map_or(Enablement::NotFound, |facts| facts.enablement.clone());
                unit.active = facts.is_some_and(|facts| facts.active);
            }
            Action::OvsDaemons(daemons) => daemons.running = false,
            Action::OvsOption(option) => option.value = None,
            Action::OvsRestart(restart) => restart.options.clear(),
            Action::OvsBridge(bridge) => bridge.bridge = None,
            Action::OvsPort(port) => port.port = None,
            Action::BootArgs(_) | Action::Reboot(_) => {}
        }
        found
    }

    /// Does all steps up to a reboot, and it; says whether there was one.
    pub(crate) fn apply(&mut self, plan: &Plan) -> bool {
        for step in &plan.steps {
            assert!(step.found.is_some() || matches!(step.action, Action::Reboot(_)), "{step:?}");
            if let Action::Reboot(_) = step.action {
                self.reboot();
                return true;
            }
            self.act(&step.action, step.found.clone().unwrap());
        }
        false
    }

    fn act(&mut self, action: &Action, found: Action) {
        let subject = action.subject();
        match action {
            Action::BootArgs(boot) => match &boot.state {
                BootState::Edited(edit) => self.next_args = self.next_args.edited(edit),
                BootState::Files(files) => {
                    let text = files[0].file.as_ref().unwrap().content.text().unwrap().to_owned();
                    self.next_args = KernelArgs::parse(&text);
                }
            },
            _ => drop(self.state.insert(subject.clone(), action.clone())),
        }
        self.show(action);
        let mut left = self.found(action);
        // An edit on what others have changed leaves nothing that can be put back byte for byte.
        if let (Action::BootArgs(BootArgs { state: BootState::Edited(_), .. }), Some(owned)) =
            (action, self.ledger.get(&subject))
            && owned.left != found
        {
            left = action.clone();
        }
        match self.ledger.get_mut(&subject) {
            // What is as it was found is nobody's.
            None if left == found => {}
            Some(owned) if owned.found == left || owned.found == *action => {
                drop(self.ledger.remove(&subject))
            }
            Some(owned) => *owned = Owned { found: owned.found.clone(), left, wished: action.clone() },
            None => drop(self.ledger.insert(subject, Owned { found, left, wished: action.clone() })),
        }
    }

    /// What the facts say once the action is done.
    fn show(&mut self, action: &Action) {
        match action {
            Action::Driver(driver) => {
                let device = self.facts.pci.iter_mut().find(|d| d.address == driver.device).unwrap();
                device.driver = driver.driver.clone();
                device.forced = driver.forced.clone();
                device.netdevs = driver.links.iter().map(|link| link.name.clone()).collect();
            }
            Action::Hugepages(pages) => {
                let pools = match pages.node {
                    None => &mut self.facts.memory.hugepages,
                    Some(id) => &mut self.facts.numa.iter_mut().find(|node| node.id == id).unwrap().hugepages,
                };
                let pool = pools.entry(pages.size).or_default();
                (pool.total, pool.free) = (pages.count, pages.count);
            }
            Action::Unit(unit) if unit.unit.as_str().ends_with(".mount") => {
                let path = unit.unit.as_str().trim_end_matches(".mount");
                self.mount(&format!("/{}", path.replace('-', "/")), unit.active);
            }
            Action::Mount(mount) => self.mount(mount.path.as_str(), mount.options.is_some()),
            Action::Unit(unit) => {
                for facts in self.facts.services.values_mut().filter(|facts| facts.unit == unit.unit) {
                    facts.enablement = unit.enablement.clone();
                    facts.active = unit.active;
                }
                // systemd takes the alias of a unit away when it is disabled.
                let alias = "chronyd.service".parse().unwrap();
                let gone = unit.enablement != Enablement::Enabled && unit.unit.as_str() == "chrony.service";
                if let Some(facts) = self.facts.services.get_mut(&alias).filter(|_| gone) {
                    facts.enablement = Enablement::NotFound;
                    facts.unit = alias;
                }
            }
            _ => {}
        }
    }

    fn mount(&mut self, path: &str, there: bool) {
        let path: HostPath = path.parse().unwrap();
        let mounts = &mut self.facts.memory.mounts;
        mounts.retain(|mount| mount.path != path);
        if there {
            mounts.push(HugetlbMount { path, size: None, options: "rw,relatime".into() });
        }
    }

    fn reboot(&mut self) {
        self.reboots += 1;
        self.facts.boot.args = self.next_args.clone();
        if self.facts.boot.args.get("nosmt").is_some() {
            let cpu = &mut self.facts.cpu;
            cpu.cpus.retain(|c| c.siblings.first() == Some(c.id));
            cpu.cpus.iter_mut().for_each(|c| c.siblings = [c.id].into_iter().collect());
            cpu.online = cpu.cpus.iter().map(|c| c.id).collect();
        }
        let on = self.facts.boot.args.satisfies(&"intel_iommu=on".parse().unwrap());
        if self.facts.cpu.vendor == CpuVendor::Intel && self.has_iommu {
            for (device, group) in self.facts.pci.iter_mut().zip(1..) {
                device.group = on.then_some(IommuGroup(group));
            }
        }
    }
}

/// Links of a device that is given away are gone, and wishes name none.
fn is_same(found: &Action, wished: &Action) -> bool {
    match (found, wished) {
        (Action::Driver(found), Action::Driver(wished)) => {
            (&found.driver, &found.forced) == (&wished.driver, &wished.forced)
        }
        _ => found == wished,
    }
}
