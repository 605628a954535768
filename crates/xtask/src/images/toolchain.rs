//! How programs are compiled and linked for a target: static, and with no path of the machine that does it.
//!
//! Invariant: what is linked comes with Rust, or from packages whose versions the bill of materials names.

use std::path::{Path, PathBuf};

use anyhow::Context;
use flyover_bundle::Architecture;

/// How a program becomes static.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Libc {
    /// Rust brings musl along: nothing of a system is linked.
    Musl,
    /// Debian's glibc, libelf and zlib, as archives: for what links libbpf.
    Gnu,
}

/// Which target that is.
pub(super) fn target(libc: Libc, architecture: Architecture) -> &'static str {
    match (libc, architecture) {
        (Libc::Musl, Architecture::Amd64) => "x86_64-unknown-linux-musl",
        (Libc::Musl, Architecture::Arm64) => "aarch64-unknown-linux-musl",
        (Libc::Gnu, Architecture::Amd64) => "x86_64-unknown-linux-gnu",
        (Libc::Gnu, Architecture::Arm64) => "aarch64-unknown-linux-gnu",
    }
}

/// Folders of this machine, which would stand in messages of panics.
#[derive(Clone, Debug)]
pub(super) struct Places {
    /// The workspace.
    pub(super) root: PathBuf,
    /// Where cargo builds.
    pub(super) build: PathBuf,
    /// Where cargo keeps what it fetched.
    pub(super) cargo: PathBuf,
}

impl Places {
    /// Those of a build in the folder `build`.
    pub(super) fn of(root: &Path, build: &Path) -> anyhow::Result<Self> {
        let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
        let home = home.or_else(|| Some(std::env::home_dir()?.join(".cargo")));
        let cargo = home.context("there is no home folder")?;
        Ok(Self { root: root.to_owned(), build: build.to_owned(), cargo })
    }

    /// A compiler's option that puts other names in their place: of two that fit the last one holds.
    fn renamed(&self, option: &str) -> [String; 3] {
        [(&self.root, "/flyover"), (&self.build, "/build"), (&self.cargo, "/cargo")]
            .map(|(from, to)| format!("{option}={}={to}", from.display()))
    }
}

/// The variables that tell cargo, and what builds C for it, how to build for a target; `sysroot` is what stands in for
/// this machine's libraries.
pub(super) fn variables(
    libc: Libc,
    architecture: Architecture,
    places: &Places,
    sysroot: Option<&Path>,
) -> [(String, String); 4] {
    let mut rust = vec!["-Ctarget-feature=+crt-static".to_owned()];
    rust.extend(places.renamed("--remap-path-prefix"));
    let mut c = places.renamed("-ffile-prefix-map").to_vec();
    let linker = match libc {
        // Rust brings start-up code too, so no driver has to look for any.
        Libc::Musl => "rust-lld",
        Libc::Gnu => {
            rust.push("-Clink-arg=-fuse-ld=lld".into());
            "clang-16"
        }
    };
    let target = target(libc, architecture);
    // The machine's own is where a compiler looks by itself, so this is another architecture's.
    if let Some(sysroot) = sysroot {
        let there = format!("--sysroot={}", sysroot.display());
        rust.extend(["-Clink-arg=--target=aarch64-linux-gnu".into(), format!("-Clink-arg={there}")]);
        c.push(there);
    }
    let name = target.replace('-', "_");
    [
        ("CARGO_ENCODED_RUSTFLAGS".into(), rust.join("\x1f")),
        (format!("CARGO_TARGET_{}_LINKER", name.to_uppercase()), linker.into()),
        (format!("CC_{name}"), "clang-16".into()),
        (format!("CFLAGS_{name}"), c.join(" ")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built_for(libc: Libc, architecture: Architecture, sysroot: Option<&str>) -> Vec<String> {
        let [root, build, cargo] =
            ["/here", "/here/target/images/build", "/home/x/.cargo"].map(PathBuf::from);
        let all = variables(libc, architecture, &Places { root, build, cargo }, sysroot.map(Path::new));
        all.map(|(name, value)| format!("{name}: {}", value.replace('\x1f', " "))).to_vec()
    }

    #[test]
    fn what_needs_no_system_is_linked_by_what_comes_with_rust_and_no_path_is_left_to_either_compiler() {
        let expected = [
            "CARGO_ENCODED_RUSTFLAGS: -Ctarget-feature=+crt-static --remap-path-prefix=/here=/flyover \
             --remap-path-prefix=/here/target/images/build=/build --remap-path-prefix=/home/x/.cargo=/cargo",
            "CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_LINKER: rust-lld",
            "CC_x86_64_unknown_linux_musl: clang-16",
            "CFLAGS_x86_64_unknown_linux_musl: -ffile-prefix-map=/here=/flyover \
             -ffile-prefix-map=/here/target/images/build=/build -ffile-prefix-map=/home/x/.cargo=/cargo",
        ];
        assert_eq!(built_for(Libc::Musl, Architecture::Amd64, None), expected);
    }

    #[test]
    fn for_another_architecture_both_compiler_and_linker_look_in_its_own_system() {
        let here = built_for(Libc::Gnu, Architecture::Amd64, None);
        assert!(here.iter().all(|line| !line.contains("--sysroot")), "{here:?}");
        let there = built_for(Libc::Gnu, Architecture::Arm64, Some("/arm"));
        let ends = [
            " -Clink-arg=-fuse-ld=lld -Clink-arg=--target=aarch64-linux-gnu -Clink-arg=--sysroot=/arm",
            "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER: clang-16",
            "CC_aarch64_unknown_linux_gnu: clang-16",
            " --sysroot=/arm",
        ];
        assert!(there.iter().zip(ends).all(|(line, end)| line.ends_with(end)), "{there:?}");
    }
}
