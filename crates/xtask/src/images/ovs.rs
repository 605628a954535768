//! The image `flyover-ovs`: Open vSwitch with DPDK from Debian's packages, for clusters whose hosts have none.
//!
//! It is as reproducible as the mirror: the packages are those of the machine's own suite on the day it is built.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use flyover_bundle::{Architecture, Config, Content, Files, Image};
use flyover_host::cmd::Cmd;

/// Its name.
pub(super) const NAME: &str = "flyover-ovs";

/// What is installed: the switch, what DPDK loads for ports in user space, and what the entry point calls.
const PACKAGES: [&str; 6] = [
    "openvswitch-switch-dpdk",
    "librte-mempool-ring23",
    "librte-net-virtio23",
    "librte-net-tap23",
    "librte-net-af-packet23",
    "procps",
];

const ENTRY: &str = include_str!("ovs-entry.sh");
const FETCH: Duration = Duration::from_secs(1200);

/// Makes a root file system and its image.
pub(super) fn image(to: &Path) -> anyhow::Result<Image> {
    let system = to.join("build/ovs");
    drop(fs::remove_dir_all(&system));
    fs::create_dir_all(&system).with_context(|| format!("failed to make `{}`", system.display()))?;
    let release = fs::read_to_string("/etc/os-release").context("failed to read which Debian this is")?;
    let suite = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    let suite = suite.context("this system does not say which Debian it is")?;
    Cmd::new("mmdebstrap")
        .args(["--variant=minbase", "--format=directory", &format!("--include={}", PACKAGES.join(","))])
        // The documents of packages are not run, and caches name the day.
        .args(["--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*"])
        .args(["--customize-hook=rm -rf $1/var/lib/apt/lists $1/var/cache $1/var/log $1/dev $1/proc $1/sys $1/etc/machine-id"])
        .args([suite.as_ref(), system.as_os_str()])
        .timeout(FETCH)
        .run()
        .context("failed to install the packages")?;
    let files = Files::new().tree(&system)?.file("/entry", 0o755, Content::Bytes(ENTRY.into()))?;
    let config = Config { entrypoint: vec!["/entry".into()], ..Config::default() };
    Ok(Image { architecture: Architecture::Amd64, files, config })
}
