//! What a kernel does at boot: what its command line says, then modules and sysctls of files.

use std::fs;
use std::io;
use std::path::Path;

use super::setup::put;
use super::{Machine, at, pci};

impl Machine {
    /// The command line takes effect.
    pub(super) fn obey_command_line(&self, root: &Path) -> io::Result<()> {
        let line = fs::read_to_string(at(root, "/proc/cmdline"))?;
        let words = || line.split_whitespace().map(|word| word.split_once('=').unwrap_or((word, "")));
        let on = |on, (name, value)| match (name, value) {
            ("intel_iommu", "on") => true,
            ("intel_iommu", "off") => false,
            _ => on,
        };
        pci::group(root, &self.hardware.nics, words().fold(self.hardware.iommu, on))?;
        let mut size = "2M";
        for (name, value) in words() {
            match name {
                "isolcpus" => {
                    let cpus: Vec<&str> = value
                        .split(',')
                        .filter(|part| part.starts_with(|c: char| c.is_ascii_digit()))
                        .collect();
                    put(root, "/sys/devices/system/cpu/isolated", &format!("{}\n", cpus.join(",")))?;
                }
                "nohz_full" => put(root, "/sys/devices/system/cpu/nohz_full", &format!("{value}\n"))?,
                "hugepagesz" => {
                    size = value;
                    self.offer(root, size)?;
                }
                "hugepages" => self.pages_at_boot(root, size, value)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// A size that the command line names is there from then on.
    fn offer(&self, root: &Path, size: &str) -> io::Result<()> {
        let places =
            (0..self.hardware.pages.len()).map(|node| format!("/sys/devices/system/node/node{node}"));
        for place in places.chain(["/sys/kernel/mm".to_owned()]).filter(|_| size == "1G") {
            for name in ["nr_hugepages", "free_hugepages", "surplus_hugepages"] {
                put(root, &format!("{place}/hugepages/hugepages-1048576kB/{name}"), "0\n")?;
            }
        }
        Ok(())
    }

    /// `hugepages=COUNT` or `hugepages=NODE:COUNT,…`.
    fn pages_at_boot(&self, root: &Path, size: &str, counts: &str) -> io::Result<()> {
        let directory = if size == "1G" { "hugepages-1048576kB" } else { "hugepages-2048kB" };
        for count in counts.split(',') {
            let (place, count) = match count.split_once(':') {
                Some((node, count)) => (format!("/sys/devices/system/node/node{node}"), count),
                None => ("/sys/kernel/mm".to_owned(), count),
            };
            self.attribute(root, &format!("{place}/hugepages/{directory}/nr_hugepages"), count)?;
        }
        Ok(())
    }

    /// systemd-modules-load and systemd-sysctl: what does not work is left out.
    pub(super) fn read_files_of_boot(&self, root: &Path) -> io::Result<()> {
        for module in lines_below(root, "/etc/modules-load.d")? {
            drop(self.modprobe(root, &[module.trim()]));
        }
        for line in lines_below(root, "/etc/sysctl.d")? {
            if let Some((key, value)) = line.split_once('=') {
                let path = format!("/proc/sys/{}", key.trim().replace('.', "/"));
                drop(self.attribute(root, &path, value.trim()));
            }
        }
        Ok(())
    }
}

fn lines_below(root: &Path, directory: &str) -> io::Result<Vec<String>> {
    let mut paths: Vec<_> = fs::read_dir(at(root, directory))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ending| ending == "conf"))
        .collect();
    paths.sort();
    let mut lines = Vec::new();
    for path in paths {
        lines.extend(
            fs::read_to_string(path)?.lines().filter(|line| !line.starts_with('#')).map(str::to_owned),
        );
    }
    Ok(lines)
}
