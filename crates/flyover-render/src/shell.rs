//! A shell script that does it all by hand, for people who want to see what is done, and why.
//!
//! It remembers nothing and undoes nothing: that is what `flyover node apply` is for.

use flyover_core::facts::Enablement;
use flyover_plan::{Settled, units};

use crate::quote::{comment, sh, sh_write};
use crate::{Rendered, args, boot, kubelet};

const HEAD: &str = "\
# Prepares this node by hand. Unlike `flyover node apply` it checks nothing first and undoes nothing after.
# It can be run again. Run it as root; reboot at the end.
set -eu
";

pub(crate) fn render(settled: &Settled) -> Rendered {
    let steps = [
        kernel_args(settled),
        files(settled),
        now(settled),
        all_units(settled),
        services(settled),
        end(settled),
    ];
    let text = format!("#!/bin/sh\n{}\n{HEAD}{}", units::HEADER, steps.concat());
    let mut notes = kubelet::notes(settled);
    if settled.cpu.is_some() {
        notes.insert(
            0,
            "the script does not touch kubelet's configuration; use `--for kubelet` beside it".to_owned(),
        );
    }
    Rendered::one("flyover.sh", text, notes)
}

/// A step: a blank line, why, and the commands. Without commands there is none.
fn step(why: &str, commands: &str) -> String {
    if commands.is_empty() { String::new() } else { format!("\n{}{commands}", comment(why.trim_end())) }
}

fn kernel_args(settled: &Settled) -> String {
    if settled.args.set.is_empty() && settled.args.unset.is_empty() {
        return String::new();
    }
    let line = args::line(settled);
    let unset = args::unset(settled).join(" ");
    let remove = if unset.is_empty() { String::new() } else { format!(" --remove-args={}", sh(&unset)) };
    let add = if line.is_empty() { String::new() } else { format!(" --args={}", sh(&line)) };
    let write = sh_write("/etc/default/grub.d/zz-flyover.cfg", &boot::snippet(settled));
    let commands = format!(
        "if command -v grubby >/dev/null; then\ngrubby --update-kernel=ALL{remove}{add}\n\
         elif command -v update-grub >/dev/null; then\nmkdir -p /etc/default/grub.d\n{write}update-grub\n\
         else\necho {} >&2\nexit 1\nfi\n",
        sh(&format!("no boot loader that this script knows; add to the command line: {line}")),
    );
    step(&format!("The kernel's command line, from the next boot on.\n{}", args::reasons(settled)), &commands)
}

fn files(settled: &Settled) -> String {
    let mut text = String::new();
    for (path, mode, content) in units::all_files(settled) {
        let why =
            settled.files.get(&path).map_or_else(|| made(path.as_str()).to_owned(), |file| file.why.clone());
        // Empty first, so that no moment shows the content under another mode.
        let empty = format!("install -D -m {mode} /dev/null {}\n", sh(path.as_str()));
        text.push_str(&step(&why, &format!("{empty}{}", sh_write(path.as_str(), &content))));
    }
    text
}

/// Why a file is there that nobody asked for by name.
fn made(path: &str) -> &'static str {
    if path.contains("modules-load") {
        "Modules to load at every boot."
    } else if path.contains("modprobe") {
        "Options of modules, read whenever one is loaded."
    } else {
        "Sysctls for every boot."
    }
}

fn all_units(settled: &Settled) -> String {
    let all = units::all_units(settled);
    let mut text = String::new();
    for (name, content) in &all {
        let why = match name.as_str() {
            units::HUGEPAGES_UNIT => {
                "Hugepages that the running kernel gives, taken again at each boot.".to_owned()
            }
            units::DRIVERS_UNIT => {
                format!("Drivers of devices, given again at each boot.\n{}", drivers(settled))
            }
            _ => "Hugepages are used through a mount.".to_owned(),
        };
        text.push_str(&step(&why, &sh_write(&format!("/etc/systemd/system/{name}"), content)));
    }
    let enable: String = all.iter().map(|(name, _)| start(settled, name.as_str())).collect();
    let enable = if enable.is_empty() { enable } else { format!("systemctl daemon-reload\n{enable}") };
    text + &step(
        "Each unit runs now and at every boot. vfio-pci takes a device only where there is an IOMMU group.",
        &enable,
    )
}

fn drivers(settled: &Settled) -> String {
    settled
        .drivers
        .iter()
        .map(|choice| format!("{} to {}: {}\n", choice.device, choice.driver, choice.why))
        .collect()
}

/// Drivers wait for the reboot, unless the IOMMU is on already: without it vfio-pci refuses, and a device would be
/// left with none.
fn start(settled: &Settled, name: &str) -> String {
    let unit = sh(name);
    let vfio = settled.drivers.iter().any(|choice| choice.driver.as_str() == "vfio-pci");
    if name == units::DRIVERS_UNIT && vfio && !settled.unsafe_noiommu {
        let groups = "\"$(ls /sys/kernel/iommu_groups 2>/dev/null)\"";
        return format!("systemctl enable {unit}\nif [ -n {groups} ]; then systemctl restart {unit}; fi\n");
    }
    format!("systemctl enable {unit}\nsystemctl restart {unit}\n")
}

fn now(settled: &Settled) -> String {
    let load: String = settled.modules.keys().map(|module| format!("modprobe {module}\n")).collect();
    let sysctl =
        units::sysctl_conf(settled).map(|(path, _)| format!("sysctl -p {path}\n")).unwrap_or_default();
    step(
        "The modules and sysctls of the files above, without waiting for the reboot.",
        &format!("{load}{sysctl}"),
    )
}

fn services(settled: &Settled) -> String {
    let verb = |state: &Enablement| match state {
        Enablement::Disabled => Some("disable"),
        Enablement::Masked => Some("mask"),
        _ => None,
    };
    let command = |verb: &str, unit: &str| {
        format!("if systemctl cat {unit} >/dev/null 2>&1; then systemctl {verb} --now {unit}; fi\n")
    };
    let all = settled.services.iter();
    let all = all.filter_map(|(unit, state)| verb(state).map(|verb| command(verb, &sh(unit.as_str()))));
    step(
        "Services that disturb a node with polling threads; one that is not installed is passed over.",
        &all.collect::<String>(),
    )
}

fn end(settled: &Settled) -> String {
    let text = "Reboot: the kernel reads its command line only then.";
    if settled.args.set.is_empty() && settled.args.unset.is_empty() {
        String::new()
    } else {
        step(text, "echo 'done; reboot now'\n")
    }
}
