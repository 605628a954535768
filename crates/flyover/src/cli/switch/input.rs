//! What the verbs take: a spec, and a release of Open vSwitch.

use std::path::{Path, PathBuf};

use clap::Args;
use flyover_api::SwitchSpec;
use flyover_core::facts::HostFacts;
use flyover_core::{HostPath, UnitName};
use flyover_host::live::Live;
use flyover_plan::switch::{Release, UNITS};
use flyover_switch::{Switch, SwitchError};

use crate::cli::fault::{Exit, Fault};
use crate::cli::node::{Which, read_text, refused};

/// A spec.
#[derive(Debug, Args)]
pub(super) struct Spec {
    /// The switch: YAML, the bare spec or a whole `Switch`; `-` is standard input.
    #[arg(short, long, value_name = "FILE")]
    file: PathBuf,
}

impl Spec {
    pub(super) fn read(&self) -> anyhow::Result<SwitchSpec> {
        read_spec(&self.file)
    }
}

pub(super) fn read_spec(file: &Path) -> anyhow::Result<SwitchSpec> {
    let text = read_text(file)?;
    SwitchSpec::from_yaml(&text).map_err(|bad| {
        let hint = bad.hint().unwrap_or_else(|| "`flyover switch explain` lists every field".to_owned());
        let what = format!("`{}` is not a switch", file.display());
        anyhow::Error::new(bad).context(Fault::new(Exit::Usage, what).hint(hint))
    })
}

/// Which switch, where no spec says it.
#[derive(Debug, Args)]
pub(super) struct At {
    /// Its run directory; the system's own unless given.
    #[arg(long, value_name = "FOLDER")]
    at: Option<HostPath>,
}

impl At {
    pub(super) fn switch(&self) -> Switch {
        Switch::of(Live::host(), self.at.clone())
    }
}

/// Says why a switch cannot be made, each reason with its hint.
pub(super) fn told(error: SwitchError) -> anyhow::Error {
    match error {
        SwitchError::Refused(refusals) => refused(refusals),
        other => other.into(),
    }
}

/// A release of Open vSwitch.
#[derive(Debug, Args)]
pub(super) struct Version {
    /// The version of Open vSwitch that is, or will be, installed.
    #[arg(long, value_name = "VERSION")]
    ovs_version: Option<String>,
    /// Bytes of a packet in a pool beside its buffer, where they are known better: `total_obj_size` of
    /// `netdev-dpdk/get-mempool-info` less the buffer's.
    #[arg(long, value_name = "BYTES")]
    overhead: Option<u64>,
}

/// No packet has more about it.
const MOST_OVERHEAD: u64 = 1 << 16;

impl Version {
    pub(super) fn release(&self) -> anyhow::Result<Release> {
        let release = Release::of(self.ovs_version.as_deref());
        if let Some(bad) = self.ovs_version.as_deref().filter(|_| release.version.is_none()) {
            let what = format!("`{bad}` is no version of Open vSwitch");
            return Err(Fault::new(Exit::Usage, what).hint("such as 3.1 or 3.5.1").into());
        }
        match self.overhead {
            Some(bytes) if bytes > MOST_OVERHEAD => {
                let what = format!("{bytes} bytes are more than a packet has about it");
                Err(Fault::new(Exit::Usage, what).hint("832 with OVS 3.1").into())
            }
            Some(bytes) => Ok(release.with_overhead(bytes)),
            None => Ok(release),
        }
    }
}

/// The facts of a host, and of the units that keep a switch.
pub(super) fn facts(which: &Which) -> anyhow::Result<HostFacts> {
    let units = UNITS.iter().map(|name| name.parse::<UnitName>());
    which.facts(units.collect::<Result<_, _>>()?)
}
