//! `cargo xtask images`: the images that a cluster installs, as OCI layouts, without docker or a registry.
//!
//! Invariant: an image depends on the sources, the toolchain and the packages it names alone: paths of this machine are taken
//! out of the programs, and the writer knows no clock. `--check` holds that by building everything twice.

mod program;
mod recipe;
mod sbom;
mod sysroot;
mod toolchain;

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
    /// Images by name; all if none is given.
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
        let source = if self.debug { Source::Debug } else { Source::Image };
        let mut digests = Vec::new();
        for recipe in self.recipes()? {
            let image = |&architecture| recipe.image(root, to, (architecture, source));
            let images = self.architectures().iter().map(image).collect::<anyhow::Result<Vec<_>>>()?;
            digests.push(lay_out(recipe.name, &images, to)?);
        }
        Ok(digests)
    }

    /// What is laid out.
    fn recipes(&self) -> anyhow::Result<Vec<&'static Recipe>> {
        let known = RECIPES.each_ref().map(|recipe| recipe.name);
        if let Some(unknown) = self.names.iter().find(|name| !known.contains(&name.as_str())) {
            bail!("no image is called `{unknown}`: {}", known.join(", "));
        }
        let asked = |name: &str| self.names.is_empty() || self.names.iter().any(|asked| asked == name);
        Ok(RECIPES.iter().filter(|recipe| asked(recipe.name)).collect())
    }

    /// For which architectures each is.
    fn architectures(&self) -> &'static [Architecture] {
        if self.native || self.debug {
            &[Architecture::Amd64]
        } else {
            &[Architecture::Amd64, Architecture::Arm64]
        }
    }
}

fn lay_out(name: &str, images: &[Image], to: &Path) -> anyhow::Result<String> {
    let full = format!("flyover.dev/{name}:{}", env!("CARGO_PKG_VERSION"));
    let mut layout = Layout::create(&to.join(name))?;
    let digest = layout.add(&full, images)?;
    let folder = layout.finish()?;
    archive(&folder, &to.join(format!("{name}.tar")))?;
    Ok(format!("{full} {digest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn laid_out(names: &[&str], native: bool, debug: bool) -> anyhow::Result<Vec<String>> {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        let images = Images { names, check: false, native, debug };
        let architectures = images.architectures().iter().map(|a| a.as_str()).collect::<Vec<_>>().join(" ");
        Ok(images.recipes()?.iter().map(|recipe| format!("{} {architectures}", recipe.name)).collect())
    }

    #[test]
    fn each_image_is_for_both_architectures_unless_it_is_only_for_here() {
        let both = ["flyover-operator amd64 arm64", "flyover-agent amd64 arm64"];
        assert_eq!(laid_out(&[], false, false).unwrap(), both);
        let here = ["flyover-operator amd64", "flyover-agent amd64"];
        assert_eq!(laid_out(&[], true, false).unwrap(), here);
        assert_eq!(laid_out(&[], false, true).unwrap(), here);
    }

    #[test]
    fn what_is_asked_for_is_laid_out_and_nothing_else() {
        assert_eq!(laid_out(&["flyover-agent"], false, false).unwrap(), ["flyover-agent amd64 arm64"]);
        let error = laid_out(&["flyover-agent", "flyover-ovs"], false, false).unwrap_err();
        assert_eq!(error.to_string(), "no image is called `flyover-ovs`: flyover-operator, flyover-agent");
    }
}
