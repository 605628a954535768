//! `flyover switch import`.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use flyover_core::{FileMode, HostPath, SwitchFacts};
use flyover_host::root::HostRoot;
use flyover_plan::switch::import::{Imported, config_cfg, running};
use flyover_plan::switch::lint::Level;

use super::findings::comments;
use super::input::{At, Version, facts, told};
use crate::cli::fault::{Exit, Fault};
use crate::cli::node::{Which, read_text};
use crate::cli::print::{Printed, show};

/// `flyover switch import`.
#[derive(Debug, Args)]
pub(crate) struct Import {
    /// The `config.cfg` of kube-ovn: an option a line; `-` is standard input.
    #[arg(long, value_name = "FILE", required_unless_present = "ovs", conflicts_with = "ovs")]
    config_cfg: Option<PathBuf>,
    /// The switch that runs on this host.
    #[arg(long)]
    ovs: bool,
    #[command(flatten)]
    at: At,
    #[command(flatten)]
    version: Version,
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    printed: Printed,
}

impl Import {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        match &self.config_cfg {
            Some(file) => self.read_configuration(file),
            None => self.read_switch(),
        }
    }

    fn read_configuration(&self, file: &Path) -> anyhow::Result<ExitCode> {
        let text = read_text(file)?;
        let release = self.version.release()?;
        let host = facts(&self.which)?;
        let imported = config_cfg(&text, Some((&host, &release)));
        show(&self.printed, &imported, || written(&imported))?;
        let lines = imported.findings.iter().filter(|f| f.level == Level::Error && f.at.starts_with("line "));
        match lines.count() {
            0 => Ok(ExitCode::SUCCESS),
            count => {
                let what = format!("{count} lines of `{}` are no settings", file.display());
                Err(Fault::new(Exit::Usage, what).hint("they are named above, and were left out").into())
            }
        }
    }

    fn read_switch(&self) -> anyhow::Result<ExitCode> {
        let switch = self.at.switch();
        let at = switch.at().map_err(told)?;
        let found = flyover_switch::facts(switch.host(), &at).context("failed to read the switch")?;
        if found.options.is_none() {
            let what = format!("no database answers at {}", at.database);
            return Err(Fault::new(Exit::Impossible, what).hint("name its run directory with --at").into());
        }
        let imported = running(&found, &facts(&self.which)?, &modes(switch.host(), &found));
        show(&self.printed, &imported, || written(&imported))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Who may enter the directories in which guests have their sockets.
fn modes(host: &HostRoot, switch: &SwitchFacts) -> BTreeMap<HostPath, FileMode> {
    let ports = switch.bridges.values().flat_map(|bridge| bridge.ports.values());
    let interfaces = ports.flat_map(|port| port.interfaces.values());
    let sockets = interfaces.filter_map(|interface| interface.options.get("vhost-server-path"));
    let directories = sockets.filter_map(|socket| socket.parse::<HostPath>().ok()?.parent());
    let directories = directories.chain([switch.at.rundir.clone()]);
    let mode = |directory: &HostPath| {
        host.path(directory).metadata().ok().map(|meta| FileMode::of(meta.permissions().mode()))
    };
    directories.filter_map(|directory| Some((directory.clone(), mode(&directory)?))).collect()
}

fn written(imported: &Imported) -> String {
    let text = comments(&imported.findings) + &imported.spec.to_yaml();
    text.trim_end().to_owned()
}
