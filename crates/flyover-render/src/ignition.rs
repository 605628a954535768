//! Ignition: files, units and kernel arguments of a machine's first boot.
//!
//! Source: coreos.github.io/ignition, configuration specifications 3.3 and 3.4; nothing used here differs between
//! the two.

use flyover_core::facts::Enablement;
use flyover_plan::{Settled, units};

use crate::Rendered;
use crate::args;
use crate::doc::{Map, json};
use crate::quote::data_url;
use crate::unsaid::{self, Part};

/// For Fedora CoreOS and its kin.
pub(crate) fn render(settled: &Settled) -> Rendered {
    Rendered::one("flyover.ign", json(&with_args(settled, "3.4.0")), notes(settled, "Ignition"))
}

/// For Flatcar, which knows 3.3 since release 3185. What it updates and when is left alone.
pub(crate) fn render_flatcar(settled: &Settled) -> Rendered {
    let mut notes = notes(settled, "Ignition");
    if !settled.args.set.is_empty() {
        notes.push(
            "Flatcar keeps kernel arguments in /usr/share/oem/grub.cfg, as far as that file sets linux_append \
             unconditionally"
                .to_owned(),
        );
    }
    // Its helper writes them between double quotes into a file that GRUB reads as a script.
    let quoted = settled.args.set.iter().filter(|arg| arg.raw().contains(['"', '$', '\\']));
    notes.extend(
        quoted.map(|arg| format!("Flatcar loses the quotes of `{arg}`; set it in its grub.cfg by hand")),
    );
    Rendered::one("flyover.ign", json(&with_args(settled, "3.3.0")), notes)
}

/// A configuration without kernel arguments: OpenShift refuses them here and takes them beside it.
pub(crate) fn config(settled: &Settled, version: &str) -> Map {
    Map::new()
        .with("ignition", Map::new().with("version", version))
        .with("storage", Map::new().with("files", files(settled)))
        .with("systemd", Map::new().with("units", all_units(settled)))
}

fn with_args(settled: &Settled, version: &str) -> Map {
    let edit = Map::new()
        .with("shouldExist", args::entries(&settled.args.set))
        .with("shouldNotExist", args::unset(settled));
    config(settled, version).with("kernelArguments", edit)
}

fn files(settled: &Settled) -> Vec<Map> {
    let file = |(path, mode, text): (flyover_core::HostPath, flyover_core::FileMode, String)| {
        Map::new()
            .with("path", path.to_string())
            .with("overwrite", true)
            .with("mode", u64::from(mode.bits()))
            .with("contents", Map::new().with("source", data_url(&text)))
    };
    units::all_files(settled).into_iter().map(file).collect()
}

fn all_units(settled: &Settled) -> Vec<Map> {
    let ours = units::all_units(settled).into_iter();
    let ours = ours.map(|(name, text)| {
        Map::new().with("name", name.to_string()).with("enabled", true).with("contents", text)
    });
    let others = settled.services.iter().filter_map(|(unit, state)| {
        let named = Map::new().with("name", unit.to_string());
        match state {
            Enablement::Masked => Some(named.with("mask", true)),
            Enablement::Disabled => Some(named.with("enabled", false)),
            Enablement::Enabled => Some(named.with("enabled", true)),
            _ => None,
        }
    });
    ours.chain(others).collect()
}

pub(crate) fn notes(settled: &Settled, target: &str) -> Vec<String> {
    let beside = "give it to kubelet with `--for kubelet`";
    let mut notes: Vec<String> = unsaid::note(settled, target, &[Part::Cpu], beside).into_iter().collect();
    let bare = args::unset(settled).into_iter().filter(|arg| !arg.contains('='));
    notes.extend(bare.map(|arg| format!("{target} removes `{arg}` only where it stands without a value")));
    notes
}
