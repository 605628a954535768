//! The image of the document's pods: testpmd with its drivers and libraries, a shell, and what else somebody wants there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use flyover_bundle::{Architecture, Config, Content, Image, Layout};

use crate::cluster::Cluster;
use crate::cluster::images::{busybox_files, libraries};

const NAME: &str = "rig.local/dpdk:22.11";
const PROGRAM: &str = "/usr/bin/dpdk-testpmd";
/// Where Debian's DPDK looks for drivers; and those that are needed for ports on sockets.
const DRIVERS: &str = "/usr/lib/x86_64-linux-gnu/dpdk/pmds-23.0";
const NEEDED: [&str; 4] = ["librte_bus_vdev", "librte_mempool_ring", "librte_net_virtio", "librte_bus_pci"];

impl Cluster {
    /// Writes the image into a folder and gives it to the nodes. More programs stand in its `/bin`, each by its name there.
    pub fn load_userspace(&self, folder: &Path, more: &[(&str, &Path)]) -> anyhow::Result<()> {
        let drivers = NEEDED.map(|name| Path::new(DRIVERS).join(format!("{name}.so.23.0")));
        let programs = [&[PathBuf::from(PROGRAM)], &drivers[..]].concat();
        let linking = programs.iter().map(PathBuf::as_path).chain(more.iter().map(|(_, program)| *program));
        let mut linked = BTreeSet::new();
        for program in linking {
            linked.extend(libraries(program)?);
        }
        let mut files = busybox_files()?;
        for (name, program) in more {
            files = files.file(&format!("/bin/{name}"), 0o755, Content::Disk(program.into()))?;
        }
        for path in linked.iter().chain(&programs) {
            // A driver that two paths lead to has to be one file, for it must not be loaded twice.
            let real = path.canonicalize()?;
            let at = |path: &Path| path.display().to_string();
            files = files.file(&at(&real), 0o755, Content::Disk(real.clone()))?;
            if real != *path {
                files = files.link(&at(path), at(&real))?;
            }
        }
        let environment = [("PATH".to_owned(), "/usr/bin:/bin".to_owned())].into();
        let config = Config { environment, ..Config::default() };
        let mut layout = Layout::create(&folder.join("dpdk"))?;
        layout.add(NAME, &[Image { architecture: Architecture::Amd64, files, config }])?;
        self.load_image(&layout.finish()?)
    }
}
