//! `flyover node emit`: a profile in the form of a system that manages its nodes itself.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use flyover_render::{Document, Meta, Target, render};

use super::Which;
use super::input::{Profile, told};
use crate::cli::fault::{Exit, Fault};
use crate::cli::print;

/// `flyover node emit`.
#[derive(Debug, Args)]
pub(crate) struct Emit {
    #[command(flatten)]
    profile: Profile,
    /// The form.
    #[arg(long = "for", value_name = "FORM", value_parser = forms())]
    form: Target,
    /// Facts of a node of the kind that is meant, as `flyover node inspect -o json` prints them, instead of this
    /// machine's: what is `auto` in the profile depends on them.
    #[arg(long, value_name = "FILE", conflicts_with = "host")]
    facts: Option<PathBuf>,
    #[command(flatten)]
    which: Which,
    /// An existing folder to write the files into, instead of standard output.
    #[arg(long, value_name = "FOLDER")]
    into: Option<PathBuf>,
    /// Name of the objects.
    #[arg(long, default_value = "flyover")]
    name: String,
    /// Role of the nodes they are for.
    #[arg(long, default_value = "worker")]
    role: String,
}

fn forms() -> impl TypedValueParser<Value = Target> {
    PossibleValuesParser::new(Target::ALL.map(Target::as_str))
        .map(|word| word.parse().expect("it is one of the words"))
}

impl Emit {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let spec = self.profile.read()?;
        let facts = match &self.facts {
            Some(file) => {
                let name = file.display();
                let bad = || {
                    Fault::new(Exit::Usage, format!("`{name}` holds no facts of a host"))
                        .hint("write them with `flyover node inspect -o json`")
                };
                let text = std::fs::read_to_string(file).with_context(bad)?;
                serde_json::from_str(&text).with_context(bad)?
            }
            None => self.which.host()?.node().facts(Some(&spec)).map_err(told)?,
        };
        let settled = flyover_plan::settle_elsewhere(&spec, &facts)
            .map_err(|refusals| told(flyover_host::node::NodeError::Refused(refusals)))?;
        let meta = Meta { name: self.name.clone(), role: self.role.clone() };
        let rendered = render(&settled, self.form, &meta);
        self.write(&rendered.files)?;
        rendered.notes.iter().for_each(|note| eprintln!("note: {note}"));
        Ok(ExitCode::SUCCESS)
    }

    /// One document on standard output; several need a folder, for their names matter.
    fn write(&self, files: &[Document]) -> anyhow::Result<()> {
        if let Some(folder) = &self.into {
            for file in files {
                let path = folder.join(&file.name);
                std::fs::write(&path, &file.text)
                    .with_context(|| format!("failed to write `{}`", path.display()))?;
            }
            return Ok(());
        }
        match files {
            [one] => print::text(one.text.trim_end()),
            _ => {
                let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
                let what = format!("{} is {} files: {}", self.form, files.len(), names.join(", "));
                Err(Fault::new(Exit::Usage, what).hint("name a folder for them with --into").into())
            }
        }
    }
}
