//! What one node is to have, and what its agent says of it.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Args;
use flyover_api::resource::{Lane, LaneStatus, NodeState};
use kube::api::Api;

use super::super::connect::Connect;
use super::super::format::Formatted;
use super::super::told;
use crate::cli::fault::{Exit, Fault};

/// `kubectl flyover explain node`.
#[derive(Debug, Args)]
pub(crate) struct OfNode {
    /// The node's name.
    node: String,
    #[command(flatten)]
    connect: Connect,
    #[command(flatten)]
    formatted: Formatted,
}

impl OfNode {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let client = self.connect.client().await?.client;
        let found = Api::<NodeState>::all(client).get_opt(&self.node).await;
        let state = found.map_err(|error| told::error("failed to read the node's state", error))?;
        let Some(state) = state else {
            return Err(Fault::new(Exit::Failed, format!("nothing is asked of node `{}`", self.node))
                .hint("is it the name of a node (`kubectl get nodes`), and does a resource select it?")
                .into());
        };
        self.formatted.show(&state, |_| table(&self.node, &state))?;
        Ok(ExitCode::SUCCESS)
    }
}

fn table(name: &str, state: &NodeState) -> String {
    let status = state.status.clone().unwrap_or_default();
    let mut text = format!(
        "node {name}: kernel {}, agent {}, said at {}\n",
        status.facts.kernel, status.version, status.reported
    );
    for lane in Lane::ALL {
        let wanted = state.spec.lanes.get(&lane);
        let said = status.lanes.get(&lane);
        let asked = match wanted {
            None if said.is_none() => continue,
            None => "nothing is asked for".to_owned(),
            Some(assignment) => assignment
                .wanted
                .as_ref()
                .map_or_else(|| "all is to be taken back".to_owned(), |wanted| lane.title(&wanted.from)),
        };
        let _infallible = writeln!(text, "\n{lane}: {asked}");
        match said {
            Some(said) => lane_told(&mut text, said),
            None => text.push_str("  the agent has said nothing of it\n"),
        }
    }
    text
}

fn lane_told(text: &mut String, said: &LaneStatus) {
    let _infallible = writeln!(text, "  {:?}: {}", said.phase, said.message);
    if let Some(plan) = &said.plan {
        let _infallible = writeln!(text, "  plan, {} steps:", plan.count);
        for step in &plan.steps {
            let _infallible = writeln!(text, "    {step}");
        }
        if let Some(why) = &plan.reboot {
            let _infallible = writeln!(text, "    reboots: {why}");
        }
    }
    for (title, lines) in
        [("other than asked for", &said.drift), ("journal", &said.journal), ("put back", &said.receipt)]
    {
        if !lines.is_empty() {
            let _infallible = writeln!(text, "  {title}:\n    {}", lines.join("\n    "));
        }
    }
}
