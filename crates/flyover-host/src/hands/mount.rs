//! Mounts of hugepages, on hosts where systemd does not mount.

use flyover_core::{Action, HostPath, HugepageSize, MountAt};

use super::{Hand, QUICK, refused};
use crate::root::{HostError, HostRoot};

/// Type and options of what is mounted at a path last: that is what is seen there.
fn mounted(host: &HostRoot, path: &HostPath) -> Option<(String, String)> {
    let table = host.text(&HostPath::fixed("/proc/self/mounts"))?;
    let mut at_path = table.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        let (at, kind, options) = (words.next()?, words.next()?, words.next()?);
        (at.replace("\\040", " ") == path.as_str()).then(|| (kind.to_owned(), options.to_owned()))
    });
    at_path.next_back()
}

/// Whether the options of a mount, as the kernel prints them, say what was asked for.
fn satisfies(options: &str, wanted: &str) -> bool {
    wanted
        .split(',')
        .filter(|want| !want.is_empty())
        .all(|want| options.split(',').any(|have| says(have, want)))
}

fn says(have: &str, want: &str) -> bool {
    match (have.split_once('='), want.split_once('=')) {
        (Some(("pagesize", have)), Some(("pagesize", want))) => {
            have.parse::<HugepageSize>().ok().zip(want.parse().ok()).is_some_and(|(have, want)| have == want)
        }
        (Some(("mode", have)), Some(("mode", want))) => u32::from_str_radix(have, 8)
            .ok()
            .zip(u32::from_str_radix(want, 8).ok())
            .is_some_and(|(a, b)| a == b),
        // The kernel prints bytes.
        (Some(("size", have)), Some(("size", want))) => bytes(have).is_some() && bytes(have) == bytes(want),
        _ => have == want,
    }
}

fn bytes(size: &str) -> Option<u64> {
    let digits = size.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match size[digits.len()..].to_ascii_lowercase().as_str() {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_shl(shift)
}

impl Hand for MountAt {
    fn check(&self, host: &HostRoot) -> Result<(), HostError> {
        let real = host.path(&self.path);
        if real.exists() && !real.is_dir() {
            return Err(refused(
                format!("`{}` is not a directory to mount at", self.path),
                "choose another path",
            ));
        }
        match mounted(host, &self.path) {
            Some((kind, _)) if kind != "hugetlbfs" => Err(refused(
                format!("a {kind} is mounted at `{}` already", self.path),
                "choose another path for the hugepages",
            )),
            _ => Ok(()),
        }
    }

    fn observe(&self, host: &HostRoot) -> Result<Action, HostError> {
        let options = mounted(host, &self.path).map(|(_, options)| options);
        let mut dirs = super::file::missing_above(host, &self.path);
        if !host.exists(&self.path) {
            dirs.insert(0, self.path.clone());
        }
        Ok(Action::Mount(Self { path: self.path.clone(), options, dirs }))
    }

    fn holds(&self, host: &HostRoot) -> Result<bool, HostError> {
        Ok(match (mounted(host, &self.path), &self.options) {
            (Some((kind, options)), Some(wanted)) => kind == "hugetlbfs" && satisfies(&options, wanted),
            (None, None) => true,
            _ => false,
        })
    }

    fn act(&self, host: &HostRoot) -> Result<(), HostError> {
        let path = self.path.as_str();
        if !self.holds(host)? {
            if mounted(host, &self.path).is_some() {
                host.run("umount", &[path], QUICK)?;
            }
            if let Some(options) = &self.options {
                host.make_directory(&self.path)?;
                host.run("mount", &["-t", "hugetlbfs", "-o", options, "hugetlbfs", path], QUICK)?;
            }
            tracing::info!(path, options = self.options.as_deref().unwrap_or("none"), "mount changed");
        }
        if self.options.is_none() {
            self.dirs.iter().try_for_each(|directory| host.remove_empty_directory(directory))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_prints_options_in_its_own_words() {
        let printed = "rw,relatime,gid=107,mode=770,pagesize=1024M";
        assert!(satisfies(printed, "pagesize=1G,mode=0770"));
        assert!(satisfies(printed, ""));
        assert!(!satisfies(printed, "pagesize=2M"));
        assert!(!satisfies(printed, "mode=0700"));
    }
}
