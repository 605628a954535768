//! Programs for images: static, for a target, and the same wherever they are built.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use flyover_bundle::Architecture;
use flyover_host::cmd::Cmd;

use super::sysroot;
use super::toolchain::{Libc, Places, target, variables};

/// A release build of everything on two busy cores.
const BUILD: Duration = Duration::from_secs(3600);

/// A program of this workspace.
#[derive(Clone, Copy, Debug)]
pub(super) struct Program {
    /// Its package.
    pub(super) package: &'static str,
    /// Its own name.
    pub(super) name: &'static str,
    /// How it becomes static.
    pub(super) libc: Libc,
    /// Where it stands in the image.
    pub(super) path: &'static str,
}

/// Where programs come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// They are built for images, static.
    Image,
    /// Those that the tests were built with, and the libraries that they link.
    Debug,
}

impl Program {
    /// What the tests were built with, without what only a debugger reads.
    pub(super) fn debug(&self, root: &Path, to: &Path) -> anyhow::Result<PathBuf> {
        let (file, stripped) =
            (root.join("target/debug").join(self.name), to.join(self.name).with_extension("stripped"));
        anyhow::ensure!(file.exists(), "no `{}`\n  hint: `make test-cluster` builds it", file.display());
        let words: [&Path; 4] = ["--strip-debug".as_ref(), &file, "-o".as_ref(), &stripped];
        Cmd::new("strip").args(words).run()?;
        Ok(stripped)
    }

    /// Where `build` puts it below `to`.
    pub(super) fn built(&self, to: &Path, architecture: Architecture) -> PathBuf {
        to.join("build").join(target(self.libc, architecture)).join("image").join(self.name)
    }
}

/// Builds all of an image below `to`: those of one target together, since what they share is built once then.
pub(super) fn build(
    programs: &[Program],
    root: &Path,
    to: &Path,
    architecture: Architecture,
) -> anyhow::Result<()> {
    let folder = to.join("build");
    for libc in [Libc::Musl, Libc::Gnu] {
        let together: Vec<&Program> = programs.iter().filter(|program| program.libc == libc).collect();
        if together.is_empty() {
            continue;
        }
        let target = target(libc, architecture);
        let sysroot = if libc == Libc::Gnu { sysroot::of(root, architecture)? } else { None };
        let set = variables(libc, architecture, &Places::of(root, &folder)?, sysroot.as_deref());
        let cargo = Cmd::new("cargo")
            .args(["build", "--profile", "image", "--locked", "--target", target])
            .args(together.iter().flat_map(|program| ["--package", program.package, "--bin", program.name]))
            .args(["--manifest-path".as_ref(), root.join("Cargo.toml").as_os_str()])
            .args(["--target-dir".as_ref(), folder.as_os_str()]);
        set.into_iter()
            .fold(cargo, |cargo, (name, value)| cargo.env(name, value))
            .timeout(BUILD)
            .run()
            .with_context(|| format!("failed to build {} for {target}", names(&together)))?;
    }
    Ok(())
}

fn names(programs: &[&Program]) -> String {
    programs.iter().map(|program| format!("`{}`", program.name)).collect::<Vec<_>>().join(" and ")
}
