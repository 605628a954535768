//! Which module files a list of module names needs, from what `depmod` wrote.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// The modules of a kernel: files relative to its folder, and what each needs.
#[derive(Clone, Debug)]
pub struct Modules {
    needs: BTreeMap<String, Vec<PathBuf>>,
    builtin: BTreeSet<String>,
}

impl Modules {
    /// Reads `modules.dep` and `modules.builtin` in `folder`.
    pub fn read(folder: &Path) -> anyhow::Result<Self> {
        let file = |name: &str| {
            fs::read_to_string(folder.join(name))
                .with_context(|| format!("failed to read `{name}` in `{}`", folder.display()))
        };
        Ok(Self::parse(&file("modules.dep")?, &file("modules.builtin")?))
    }

    fn parse(dep: &str, builtin: &str) -> Self {
        let needs = dep.lines().filter_map(|line| {
            let (file, needs) = line.split_once(':')?;
            let files = std::iter::once(file).chain(needs.split_whitespace()).map(PathBuf::from);
            Some((name_of(Path::new(file)), files.collect()))
        });
        Self { needs: needs.collect(), builtin: builtin.lines().map(|l| name_of(Path::new(l))).collect() }
    }

    /// The files of the wanted modules and of all they need. `nft_*` is every module of that beginning, be it
    /// none; a name without a star must be there, as a file or built in.
    pub fn files(&self, wanted: &[&str]) -> anyhow::Result<BTreeSet<PathBuf>> {
        let mut files = BTreeSet::new();
        for want in wanted {
            let want = want.replace('-', "_");
            if let Some(beginning) = want.strip_suffix('*') {
                let named = self.needs.iter().filter(|(name, _)| name.starts_with(beginning));
                files.extend(named.flat_map(|(_, needs)| needs.clone()));
            } else if let Some(needs) = self.needs.get(&want) {
                files.extend(needs.clone());
            } else if !self.builtin.contains(&want) {
                bail!("this kernel has no module `{want}`");
            }
        }
        Ok(files)
    }
}

/// `kernel/net/nf-x.ko.xz` is the module `nf_x`.
fn name_of(file: &Path) -> String {
    let name = file.file_name().map(|n| n.to_string_lossy().replace('-', "_")).unwrap_or_default();
    name.split(".ko").next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_brings_what_it_needs_and_what_is_built_in_is_there() {
        let dep = "kernel/net/vxlan.ko.xz: kernel/net/udp-tunnel.ko.xz\nkernel/net/udp-tunnel.ko.xz:\nkernel/x.ko:\n";
        let modules = Modules::parse(dep, "kernel/net/bridge.ko\n");
        let files = modules.files(&["vxlan", "bridge", "nft_*"]).unwrap();
        assert_eq!(
            files,
            ["kernel/net/udp-tunnel.ko.xz", "kernel/net/vxlan.ko.xz"].map(PathBuf::from).into()
        );
        assert_eq!(modules.files(&["udp-*"]).unwrap().len(), 1);
        assert_eq!(modules.files(&["netkit"]).unwrap_err().to_string(), "this kernel has no module `netkit`");
    }
}
