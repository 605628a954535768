//! `cargo xtask images`: the images that a cluster installs, as OCI layouts, without docker or a registry.
//!
//! Invariant: an image depends on the sources, the toolchain and the packages it names alone: paths of this machine are taken
//! out of the programs, and the writer knows no clock. `--check` holds that by building everything twice.

mod ovs;
mod program;
mod recipe;
mod sbom;

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use flyover_bundle::{Architecture, Image, Layout, archive};

use program::Source;
use recipe::{RECIPES, Recipe};

/// What `cargo xtask images` takes.
#[derive(Debug, Args)]
pub(crate) struct Images {
    /// Images by name; all but flyover-ovs if none is given.
    names: Vec<String>,
    /// Build all of it twice, in two places, and fail if an image differs.
    #[arg(long)]
    check: bool,
    /// For this machine's architecture only.
    #[arg(long)]
    native: bool,
    /// Of what the tests were built with, below target/images/debug: nothing is built, and nothing is static.
    #[arg(long, conflicts_with = "check")]
    debug: bool,
}

impl Images {
    /// Runs the chore for the workspace at `root`.
    pub(crate) fn run(self, root: &Path) -> anyhow::Result<ExitCode> {
        let first =
            self.write(root, &root.join(if self.debug { "target/images/debug" } else { "target/images" }))?;
        if self.check {
            let second = self.write(root, &root.join("target/images-again"))?;
            if first != second {
                bail!("two builds are not the same:\n{}\n{}", first.join("\n"), second.join("\n"));
            }
        }
        // It is data: what a pipeline reads.
        writeln!(std::io::stdout().lock(), "{}", first.join("\n")).context("failed to print the digests")?;
        Ok(ExitCode::SUCCESS)
    }

    /// Writes each image as a layout, as an archive that containerd imports, and its bill of materials; gives `name digest`.
    fn write(&self, root: &Path, to: &Path) -> anyhow::Result<Vec<String>> {
        fs::create_dir_all(to).with_context(|| format!("failed to make `{}`", to.display()))?;
        let wanted = |name: &str| self.names.iter().any(|asked| asked == name);
        let source = if self.debug { Source::Debug } else { Source::Image };
        let mut digests = Vec::new();
        for recipe in RECIPES.iter().filter(|recipe| self.names.is_empty() || wanted(recipe.name)) {
            let mut images = Vec::new();
            for architecture in [Architecture::Amd64, Architecture::Arm64] {
                let skipped = (self.native || self.debug) && architecture != Architecture::Amd64;
                if recipe.is_for(architecture) && !skipped {
                    images.push(recipe.image(root, to, (architecture, source))?);
                }
            }
            digests.push(lay_out(recipe.name, &images, to)?);
        }
        if wanted(ovs::NAME) {
            digests.push(lay_out(ovs::NAME, &[ovs::image(to)?], to)?);
        }
        match digests.is_empty() {
            true => bail!("no image is called `{}`: {}", self.names.join("`, `"), known()),
            false => Ok(digests),
        }
    }
}

fn known() -> String {
    let names: Vec<&str> = RECIPES.iter().map(|recipe: &Recipe| recipe.name).chain([ovs::NAME]).collect();
    names.join(", ")
}

fn lay_out(name: &str, images: &[Image], to: &Path) -> anyhow::Result<String> {
    let full = format!("flyover.dev/{name}:{}", env!("CARGO_PKG_VERSION"));
    let mut layout = Layout::create(&to.join(name))?;
    let digest = layout.add(&full, images)?;
    let folder = layout.finish()?;
    archive(&folder, &to.join(format!("{name}.tar")))?;
    Ok(format!("{full} {digest}"))
}
