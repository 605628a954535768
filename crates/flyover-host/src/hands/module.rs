//! Kernel modules.
//!
//! A module that is built in is loaded for ever; whether it shows in `/sys/module` depends on its having parameters. An
//! option of a module that is loaded is written where the kernel lets it be written.

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

/// Where the kernel shows an option of a module that is loaded.
fn parameter(module: &Module, option: &str) -> Option<HostPath> {
    format!("/sys/module/{}/parameters/{option}", module.name.normalized()).parse().ok()
}

/// Options of a module that is loaded which are not as asked, and which can be changed now: others wait for the next
/// time it is loaded.
fn to_write<'a>(module: &'a Module, host: &HostRoot) -> Vec<(HostPath, &'a str)> {
    let differs = |(option, value): (&String, &'a String)| {
        let path = parameter(module, option)?;
        let shown = host.file(&path).ok()??;
        let now = shown.content.text()?.trim();
        (shown.mode.bits() & 0o200 != 0 && word(now) != word(value)).then_some((path, value.as_str()))
    };
    module.options.iter().filter_map(differs).collect()
}

/// The kernel prints a switch as `Y` or `N`, whatever it was set by.
fn word(value: &str) -> &str {
    match value {
        "Y" | "y" => "1",
        "N" | "n" => "0",
        other => other,
    }
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
        let loaded = is_loaded(self, host);
        let value = |option: &String| Some((option.clone(), host.text(&parameter(self, option)?)?));
        let options = self.options.keys().filter_map(value).collect();
        Ok(Action::Module(Self { name: self.name.clone(), loaded, options }))
    }

    fn holds(&self, host: &HostRoot) -> Result<bool, HostError> {
        Ok(is_loaded(self, host) == self.loaded && (!self.loaded || to_write(self, host).is_empty()))
    }

    fn act(&self, host: &HostRoot) -> Result<(), HostError> {
        if self.holds(host)? {
            return Ok(());
        }
        if is_loaded(self, host) != self.loaded {
            let mut words = if self.loaded { Vec::new() } else { vec!["-r".to_owned()] };
            words.push(self.name.to_string());
            if self.loaded {
                words.extend(self.options.iter().map(|(name, value)| format!("{name}={value}")));
            }
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            host.run("modprobe", &words, QUICK)?;
        }
        for (path, value) in if self.loaded { to_write(self, host) } else { Vec::new() } {
            host.write_attribute(&path, value)?;
        }
        tracing::info!(module = %self.name, loaded = self.loaded, "module changed");
        Ok(())
    }
}
