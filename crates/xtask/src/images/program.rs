//! Programs for images: static, for a target, and the same wherever they are built.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use flyover_bundle::Architecture;
use flyover_host::cmd::Cmd;

/// A release build of everything on two busy cores.
const BUILD: Duration = Duration::from_secs(3600);

/// How a program becomes static.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Libc {
    /// Rust brings musl along: nothing of the machine is linked.
    Musl,
    /// glibc, libelf and zlib of the machine, as archives: for what links libbpf.
    Gnu,
}

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

/// Which target it is built for.
pub(super) fn target(libc: Libc, architecture: Architecture) -> &'static str {
    match (libc, architecture) {
        (Libc::Musl, Architecture::Amd64) => "x86_64-unknown-linux-musl",
        (Libc::Musl, Architecture::Arm64) => "aarch64-unknown-linux-musl",
        (Libc::Gnu, Architecture::Amd64) => "x86_64-unknown-linux-gnu",
        (Libc::Gnu, Architecture::Arm64) => "aarch64-unknown-linux-gnu",
    }
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

    /// Builds it below `to`; gives the file.
    pub(super) fn build(
        &self,
        root: &Path,
        to: &Path,
        architecture: Architecture,
    ) -> anyhow::Result<PathBuf> {
        let target = target(self.libc, architecture);
        let folder = to.join("build");
        let home = std::env::var_os("CARGO_HOME")
            .map(PathBuf::from)
            .or_else(|| Some(std::env::home_dir()?.join(".cargo")));
        let home = home.context("there is no home folder")?;
        // Paths of this machine would stand in messages of panics.
        let flags = [
            "-Ctarget-feature=+crt-static".to_owned(),
            "-Clink-arg=-fuse-ld=lld".to_owned(),
            format!("--remap-path-prefix={}=/flyover", root.display()),
            format!("--remap-path-prefix={}=/build", folder.display()),
            format!("--remap-path-prefix={}=/cargo", home.display()),
        ];
        let underscored = target.replace('-', "_");
        let mut cargo = Cmd::new("cargo")
            .args([
                "build",
                "--profile",
                "image",
                "--locked",
                "--package",
                self.package,
                "--bin",
                self.name,
                "--target",
                target,
            ])
            .args(["--manifest-path".as_ref(), root.join("Cargo.toml").as_os_str()])
            .args(["--target-dir".as_ref(), folder.as_os_str()])
            .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"))
            .env(format!("CC_{underscored}"), "clang-16");
        if self.libc == Libc::Musl && architecture == Architecture::Arm64 {
            // Nothing of a foreign system is there to link with, and nothing is needed: Rust brings start-up code and libc.
            cargo = cargo.env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER", "rust-lld");
            let without_driver: Vec<&str> =
                flags.iter().map(String::as_str).filter(|flag| !flag.contains("fuse-ld")).collect();
            cargo = cargo.env("CARGO_ENCODED_RUSTFLAGS", without_driver.join("\x1f"));
        }
        cargo
            .timeout(BUILD)
            .run()
            .with_context(|| format!("failed to build `{}` for {target}", self.name))?;
        Ok(folder.join(target).join("image").join(self.name))
    }
}
