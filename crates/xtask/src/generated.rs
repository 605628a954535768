//! `cargo xtask gen`: files that are committed and made from our programs, so that readers need not build.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use flyover_host::cmd::Cmd;
use flyover_render::Document;
use flyover_render::install::{chart, kustomize, privilege, reference};

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
            self.write(root, file, &Cmd::new(&flyover).args(verb).run()?)?;
        }
        for document in installed() {
            self.write(root, &document.name, &document.text)?;
        }
        Ok(ExitCode::SUCCESS)
    }

    fn write(&self, root: &Path, file: &str, text: &str) -> anyhow::Result<()> {
        let path = root.join(file);
        if fs::read_to_string(&path).is_ok_and(|old| old == text) {
            return Ok(());
        }
        if self.check {
            bail!("`{file}` is not what the program says now: run `cargo xtask gen`");
        }
        fs::create_dir_all(path.parent().expect("a joined path has a parent"))?;
        fs::write(&path, text).with_context(|| format!("failed to write `{file}`"))
    }
}

/// What is installed in a cluster, for those who do not install it by the command, and the pages about it.
fn installed() -> Vec<Document> {
    let below = |folder: &'static str, documents: Vec<Document>| {
        documents
            .into_iter()
            .map(move |document| Document { name: format!("{folder}/{}", document.name), ..document })
    };
    let page = |name: &str, text: String| Document { name: format!("docs/reference/{name}"), text };
    let pages = [page("resources.md", reference::page()), page("privileges.md", privilege::page())];
    below("deploy/kustomize", kustomize::base())
        .chain(below("deploy/crds", kustomize::definitions()))
        .chain(below("deploy/helm/flyover", chart::files()))
        .chain(pages)
        .collect()
}
