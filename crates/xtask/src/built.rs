//! Programs of this workspace, built by cargo.
//!
//! Invariant: cargo is asked for members of the whole workspace, so that what they share has the features that all of them want
//! together, and is built once; and it is told nothing of this chore's own package, which a cargo that runs it says in variables: build
//! scripts that read those would have much of the workspace built anew, here and again by whoever asks next.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use cargo_metadata::{Artifact, Message};
use flyover_host::cmd::Cmd;

/// A clean build on two cores.
const BUILD: Duration = Duration::from_secs(1800);

/// The program `name` of the package `name`.
pub(crate) fn program(root: &Path, name: &str) -> anyhow::Result<PathBuf> {
    executable(root, &["build", "--bin", name], (name, name))
}

/// The test binary of the package's target `target`: the library, or a file in its `tests/`.
pub(crate) fn tests(root: &Path, package: &str, target: &str) -> anyhow::Result<PathBuf> {
    let which = if target == package.replace('-', "_") { vec!["--lib"] } else { vec!["--test", target] };
    executable(root, &[&["test", "--no-run", "--workspace"], which.as_slice()].concat(), (package, target))
}

fn executable(root: &Path, args: &[&str], (package, target): (&str, &str)) -> anyhow::Result<PathBuf> {
    let manifest = root.join("Cargo.toml");
    let cargo =
        Cmd::new("cargo").args(args).args(["--message-format=json", "--manifest-path"]).args([&manifest]);
    let messages = ours().fold(cargo, Cmd::env_remove).timeout(BUILD).run()?;
    let artifacts = Message::parse_stream(messages.as_bytes()).filter_map(|message| match message {
        Ok(Message::CompilerArtifact(artifact)) if is(&artifact, package, target) => artifact.executable,
        _ => None,
    });
    let found = artifacts.last().with_context(|| format!("cargo built no `{target}`"))?;
    Ok(found.into_std_path_buf())
}

/// What cargo says of a package to the program that it runs.
fn ours() -> impl Iterator<Item = OsString> {
    let names = std::env::vars_os().map(|(name, _)| name);
    names.filter(|name| {
        let begins = |word: &[u8]| name.as_encoded_bytes().starts_with(word);
        begins(b"CARGO_PKG_") || begins(b"CARGO_MANIFEST_")
    })
}

/// Packages stand in folders of their names.
fn is(artifact: &Artifact, package: &str, target: &str) -> bool {
    artifact.target.name == target && artifact.package_id.repr.contains(&format!("/{package}#"))
}
