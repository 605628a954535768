//! Kernel modules.
//!
//! A module that is built in is loaded for ever; whether it shows in `/sys/module` depends on its having parameters.

use flyover_core::{Action, HostPath, Module};

use super::{Hand, QUICK, refused};
use crate::root::{HostError, HostRoot};

fn is_built_in(module: &Module, host: &HostRoot) -> bool {
    let Some(release) = host.text(&HostPath::fixed("/proc/sys/kernel/osrelease")) else { return false };
    let list = format!("/lib/modules/{release}/modules.builtin").parse::<HostPath>();
    let list = list.ok().and_then(|list| host.text(&list)).unwrap_or_default();
    let stem = |line: &str| {
        line.rsplit('/').next().and_then(|file| file.split('.').next()).map(|s| s.replace('-', "_"))
    };
    list.lines().any(|line| stem(line).is_some_and(|stem| stem == module.name.normalized()))
}

/// Whether the kernel has it as a module that can go.
fn is_live(module: &Module, host: &HostRoot) -> bool {
    let list = host.text(&HostPath::fixed("/proc/modules")).unwrap_or_default();
    list.lines().any(|line| line.split(' ').next() == Some(&module.name.normalized()))
}

fn is_loaded(module: &Module, host: &HostRoot) -> bool {
    is_live(module, host)
        || host.exists(&HostPath::fixed(&format!("/sys/module/{}", module.name.normalized())))
        || is_built_in(module, host)
}

impl Hand for Module {
    fn check(&self, host: &HostRoot) -> Result<(), HostError> {
        if self.loaded {
            if is_loaded(self, host) {
                return Ok(());
            }
            let known = host.ask("modprobe", &["--dry-run", "--quiet", self.name.as_str()], QUICK);
            return known.map(drop).map_err(|_| {
                refused(
                    format!("there is no module {} for the running kernel", self.name),
                    "install the package with the modules of this kernel (uname -r)",
                )
            });
        }
        if is_loaded(self, host) && !is_live(self, host) {
            let what = format!("{} is built into the kernel and cannot be unloaded", self.name);
            return Err(refused(what, "leave it, or deny it by the kernel argument initcall_blacklist="));
        }
        Ok(())
    }

    fn observe(&self, host: &HostRoot) -> Result<Action, HostError> {
        // With which options it was loaded nobody remembers.
        let options = if self.loaded { self.options.clone() } else { std::collections::BTreeMap::new() };
        Ok(Action::Module(Self { name: self.name.clone(), loaded: is_loaded(self, host), options }))
    }

    fn holds(&self, host: &HostRoot) -> Result<bool, HostError> {
        Ok(is_loaded(self, host) == self.loaded)
    }

    fn act(&self, host: &HostRoot) -> Result<(), HostError> {
        if self.holds(host)? {
            return Ok(());
        }
        let options: Vec<String> =
            self.options.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut args = if self.loaded { vec![self.name.as_str()] } else { vec!["-r", self.name.as_str()] };
        if self.loaded {
            args.extend(options.iter().map(String::as_str));
        }
        host.run("modprobe", &args, QUICK)?;
        tracing::info!(module = %self.name, loaded = self.loaded, "module changed");
        Ok(())
    }
}
