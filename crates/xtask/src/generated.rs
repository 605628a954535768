//! `cargo xtask gen`: files that are committed and made from our programs, so that readers need not build.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use flyover_host::cmd::Cmd;

use crate::built;

/// What is made, and what prints it.
const FILES: [(&str, &[&str]); 5] = [
    ("docs/reference/cli.md", &["generate", "reference"]),
    ("docs/reference/node-profile.txt", &["node", "explain"]),
    ("docs/reference/node-profile.schema.json", &["node", "explain", "--schema"]),
    ("docs/reference/switch.txt", &["switch", "explain"]),
    ("docs/reference/switch.schema.json", &["switch", "explain", "--schema"]),
];

/// What `cargo xtask gen` takes.
#[derive(Debug, Args)]
pub(crate) struct Gen {
    /// Change nothing; fail if a file differs from what would be written.
    #[arg(long)]
    check: bool,
}

impl Gen {
    /// Runs the chore for the workspace at `root`.
    pub(crate) fn run(self, root: &Path) -> anyhow::Result<ExitCode> {
        let flyover = built::program(root, "flyover")?;
        for (file, verb) in FILES {
            let path = root.join(file);
            let text = Cmd::new(&flyover).args(verb).run()?;
            if fs::read_to_string(&path).is_ok_and(|old| old == text) {
                continue;
            }
            if self.check {
                bail!("`{file}` is not what the program says now: run `cargo xtask gen`");
            }
            fs::create_dir_all(path.parent().expect("a joined path has a parent"))?;
            fs::write(&path, text).with_context(|| format!("failed to write `{file}`"))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
