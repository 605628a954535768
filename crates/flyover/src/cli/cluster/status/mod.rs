//! `kubectl flyover status`: one screen that a stranger can act on.

mod table;
mod view;

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::connect::Connect;
use super::format::{Format, Formatted};
use super::seen;
use crate::cli::fault::Exit;
use crate::cli::print;

/// `kubectl flyover status`.
#[derive(Debug, Args)]
pub(crate) struct StatusOf {
    #[command(flatten)]
    connect: Connect,
    /// Show it again and again, until interrupted.
    #[arg(short, long)]
    watch: bool,
    #[command(flatten)]
    formatted: Formatted,
}

/// How often it is shown: an API server has others to serve.
const EACH: Duration = Duration::from_secs(2);

impl StatusOf {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let client = self.connect.client().await?.client;
        loop {
            let view = view::view(&seen::look(&client).await?);
            if !self.watch {
                self.formatted.show(&view, |wide| table::table(&view, wide))?;
                return Ok(if view.healthy { ExitCode::SUCCESS } else { Exit::Differs.into() });
            }
            match self.formatted.output {
                Format::Json => print::text(&serde_json::to_string(&view)?)?,
                Format::Yaml => print::text(&format!("---\n{}", serde_saphyr::to_string(&view)?.trim_end()))?,
                // From the top of a cleared screen.
                Format::Table | Format::Wide => {
                    let wide = self.formatted.output == Format::Wide;
                    print::text(&format!("\x1b[H\x1b[2J{}", table::table(&view, wide)))?;
                }
            }
            tokio::time::sleep(EACH).await;
        }
    }
}
