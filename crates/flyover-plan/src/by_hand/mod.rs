//! The commands a person would type instead of an action: those of the documents, for this host's tools.
//!
//! Invariant: they are to be read, and safe to paste; nothing here executes them.

mod switch;

use flyover_core::facts::{Enablement, GrubGenerator, Loader};
use flyover_core::{
    Action, ArgEdit, ArgPattern, BootArgs, BootState, DriverOf, FileAt, FileState, KernelArg, Module,
    MountAt, UnitState,
};

use crate::shell;

/// The commands that would do what `action` does to what was found.
#[must_use]
pub fn by_hand(action: &Action, found: Option<&Action>) -> Vec<String> {
    match action {
        Action::Hugepages(pages) => vec![format!("echo {} > {}", pages.count, pages.size.pool(pages.node))],
        Action::File(file) => of_file(file),
        Action::Mount(mount) => of_mount(mount),
        Action::Sysctl(sysctl) => {
            vec![format!("sysctl -w {}", shell::word(&format!("{}={}", sysctl.key, sysctl.value)))]
        }
        Action::Module(module) => of_module(module),
        Action::Driver(driver) => of_driver(driver, found),
        Action::Unit(unit) => of_unit(unit, found),
        Action::BootArgs(boot) => of_boot(boot),
        Action::OvsDaemons(_)
        | Action::OvsOption(_)
        | Action::OvsRestart(_)
        | Action::OvsBridge(_)
        | Action::OvsPort(_) => switch::by_hand(action),
        Action::Reboot(_) => vec!["systemctl reboot".to_owned()],
    }
}

fn of_file(file: &FileAt) -> Vec<String> {
    let path = shell::word(file.path.as_str());
    match &file.file {
        None => {
            let dirs = file.dirs.iter().map(|dir| format!("rmdir {}", shell::word(dir.as_str())));
            std::iter::once(format!("rm {path}")).chain(dirs).collect()
        }
        Some(FileState { content, mode, .. }) => match content.text().filter(|text| text.ends_with('\n')) {
            Some(text) => {
                vec![format!(
                    "install -D -m {mode} /dev/stdin {path} <<'{0}'\n{text}{0}",
                    shell::delimiter("EOF", text)
                )]
            }
            None => vec![format!("install -D -m {mode} SAVED {path}    # {} bytes", content.0.len())],
        },
    }
}

fn of_mount(mount: &MountAt) -> Vec<String> {
    let path = shell::word(mount.path.as_str());
    match &mount.options {
        None => {
            let dirs = mount.dirs.iter().map(|dir| format!("rmdir {}", shell::word(dir.as_str())));
            std::iter::once(format!("umount {path}")).chain(dirs).collect()
        }
        Some(options) => {
            vec![
                format!("mkdir -p {path}"),
                format!("mount -t hugetlbfs -o {} hugetlbfs {path}", shell::word(options)),
            ]
        }
    }
}

fn of_module(module: &Module) -> Vec<String> {
    if !module.loaded {
        return vec![format!("modprobe -r {}", module.name)];
    }
    let options =
        module.options.iter().map(|(name, value)| format!(" {}", shell::word(&format!("{name}={value}"))));
    vec![format!("modprobe {}{}", module.name, options.collect::<String>())]
}

fn of_driver(driver: &DriverOf, found: Option<&Action>) -> Vec<String> {
    let device = driver.device;
    let forced_before = matches!(found, Some(Action::Driver(before)) if before.forced.is_some());
    let mut lines = match (&driver.forced, forced_before) {
        (Some(forced), _) => vec![format!("driverctl -v set-override {device} {forced}")],
        (None, true) => vec![format!("driverctl -v unset-override {device}")],
        (None, false) => match &driver.driver {
            Some(name) => vec![format!("echo {device} > /sys/bus/pci/drivers/{name}/bind")],
            None => vec![format!("echo {device} > /sys/bus/pci/devices/{device}/driver/unbind")],
        },
    };
    lines.extend(
        driver.links.iter().filter(|link| link.up).map(|link| format!("ip link set {} up", link.name)),
    );
    lines
}

fn of_unit(unit: &UnitState, found: Option<&Action>) -> Vec<String> {
    let name = shell::word(unit.unit.as_str());
    let masked = matches!(found, Some(Action::Unit(UnitState { enablement: Enablement::Masked, .. })));
    let mut lines = Vec::new();
    if masked && unit.enablement != Enablement::Masked {
        lines.push(format!("systemctl unmask {name}"));
    }
    let start = if unit.active { "start" } else { "stop" };
    match &unit.enablement {
        Enablement::Enabled if unit.active => lines.push(format!("systemctl enable --now {name}")),
        Enablement::Enabled => {
            lines.extend([format!("systemctl enable {name}"), format!("systemctl stop {name}")])
        }
        Enablement::Disabled | Enablement::NotFound if !unit.active => {
            lines.push(format!("systemctl disable --now {name}"));
        }
        Enablement::Disabled => {
            lines.extend([format!("systemctl disable {name}"), format!("systemctl start {name}")]);
        }
        Enablement::Masked if !unit.active => lines.push(format!("systemctl mask --now {name}")),
        Enablement::Masked => lines.push(format!("systemctl mask {name}")),
        Enablement::NotFound | Enablement::Static | Enablement::Other(_) => {
            lines.push(format!("systemctl {start} {name}"));
        }
    }
    lines
}

fn of_boot(boot: &BootArgs) -> Vec<String> {
    let edit = match &boot.state {
        BootState::Edited(edit) => edit,
        BootState::Files(files) => {
            let back = files.iter().flat_map(of_file);
            return back.chain(generate(&boot.loader)).collect();
        }
    };
    match &boot.loader {
        Loader::Bls { grubby: true, .. } => vec![grubby(edit)],
        Loader::Bls { entries, defaults, .. } => {
            let mut lines = vec![format!("editor {entries}/*.conf    # the line `options`: {}", words(edit))];
            lines.extend(defaults.iter().map(|file| format!("editor {file}    # the same")));
            lines
        }
        Loader::Grub { defaults, .. } => {
            let mut lines = vec![format!("editor {defaults}    # GRUB_CMDLINE_LINUX: {}", words(edit))];
            lines.extend(generate(&boot.loader));
            lines
        }
    }
}

fn grubby(edit: &ArgEdit) -> String {
    let set: Vec<&str> = edit.set.iter().map(KernelArg::raw).collect();
    let unset: Vec<String> = edit.unset.iter().map(ArgPattern::to_string).collect();
    let mut line = "grubby --update-kernel=ALL".to_owned();
    if !unset.is_empty() {
        line += &format!(" --remove-args={}", shell::word(&unset.join(" ")));
    }
    if !set.is_empty() {
        line += &format!(" --args={}", shell::word(&set.join(" ")));
    }
    line
}

fn words(edit: &ArgEdit) -> String {
    let set: Vec<&str> = edit.set.iter().map(KernelArg::raw).collect();
    let unset: Vec<String> = edit.unset.iter().map(ArgPattern::to_string).collect();
    match (set.is_empty(), unset.is_empty()) {
        (false, false) => format!("add {}, remove {}", set.join(" "), unset.join(" ")),
        (true, _) => format!("remove {}", unset.join(" ")),
        (false, true) => format!("add {}", set.join(" ")),
    }
}

fn generate(loader: &Loader) -> Option<String> {
    let Loader::Grub { config, generator, .. } = loader else { return None };
    Some(match generator {
        GrubGenerator::UpdateGrub => "update-grub".to_owned(),
        GrubGenerator::Grub2Mkconfig => format!("grub2-mkconfig -o {}", shell::word(config.as_str())),
        GrubGenerator::GrubMkconfig => format!("grub-mkconfig -o {}", shell::word(config.as_str())),
    })
}
