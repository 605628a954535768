//! `kubectl flyover plan`: what resources would do, by the API server's own checks and the operator's own choice of nodes.
//!
//! Only a node's agent can say what a spec takes there: for a node that has the same spec already, what it said is shown; another's
//! agent is asked by a command in its pod, which plans as it would if the spec were its own, and changes nothing. Where it cannot
//! be asked, it is said that it would plan first and wait before it disturbs pods.

mod boot;
mod foresee;
mod outlook;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use flyover_api::resource::{GROUP, Lane, Placement, VERSION};
use kube::Client;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::core::ApiResource;
use serde_json::Value;

use super::connect::Connect;
use super::format::Formatted;
use super::{seen, told};
use crate::cli::fault::{Exit, Fault};
use crate::cli::node::read_text;

/// `kubectl flyover plan`.
#[derive(Debug, Args)]
pub(crate) struct Plan {
    #[command(flatten)]
    connect: Connect,
    /// YAML or JSON with NodeProfile, FastPath or Switch objects; `-` reads from standard input.
    #[arg(short, long, value_name = "FILE")]
    filename: PathBuf,
    /// Ask the agents of at most so many nodes of each resource what it would take there; 0 asks nobody. It takes the right to
    /// `create` `pods/exec` in the agents' namespace; without it all else is said.
    #[arg(long, value_name = "NODES", default_value_t = 20)]
    ask: usize,
    #[command(flatten)]
    formatted: Formatted,
}

/// A resource as it would be.
pub(super) struct Proposed {
    pub(super) lane: Lane,
    pub(super) name: String,
    pub(super) placement: Placement,
    /// The spec without the placement.
    pub(super) spec: serde_json::Map<String, Value>,
}

impl Plan {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let objects = read(&self.filename)?;
        let client = self.connect.client().await?.client;
        let mut proposed = Vec::new();
        for object in objects {
            proposed.push(check(&client, object).await?);
        }
        let mut outlook = outlook::outlook(&proposed, &seen::look(&client).await?);
        foresee::ask(&client, &proposed, &mut outlook, self.ask).await;
        self.formatted.show(&outlook, |_| outlook::table(&outlook))?;
        let refused = outlook.iter().flat_map(|one| &one.nodes).any(|node| node.refuses);
        Ok(if refused { Exit::Impossible.into() } else { ExitCode::SUCCESS })
    }
}

fn read(file: &Path) -> anyhow::Result<Vec<Value>> {
    let text = read_text(file)?;
    let documents: Vec<Value> = serde_saphyr::from_multiple(&text)
        .map_err(|error| Fault::new(Exit::Usage, format!("`{}` is no YAML: {error}", file.display())))?;
    let objects: Vec<Value> = documents.into_iter().filter(|document| !document.is_null()).collect();
    if objects.is_empty() {
        return Err(Fault::new(Exit::Usage, format!("`{}` holds no object", file.display())).into());
    }
    Ok(objects)
}

/// Has the API server check an object as if it were applied, and fill in what is not said.
async fn check(client: &Client, object: Value) -> anyhow::Result<Proposed> {
    let kind = object["kind"].as_str().unwrap_or_default().to_owned();
    let known = Lane::of_kind(&kind);
    let api_version = format!("{GROUP}/{VERSION}");
    let Some(lane) = known.filter(|_| object["apiVersion"] == api_version.as_str()) else {
        let what =
            format!("an object is `{}` of `{}`", kind, object["apiVersion"].as_str().unwrap_or("no version"));
        return Err(Fault::new(Exit::Usage, what)
            .hint(format!("NodeProfile, FastPath and Switch of {api_version} can be planned"))
            .into());
    };
    let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    if name.is_empty() {
        return Err(Fault::new(Exit::Usage, format!("a {kind} has no metadata.name")).into());
    }
    let plural = lane.plural().to_owned();
    let resource =
        ApiResource { group: GROUP.into(), version: VERSION.into(), api_version, kind: kind.clone(), plural };
    let params = PatchParams::apply("flyover-plan").force().dry_run().validation_strict();
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
    let checked = api.patch(&name, &params, &Patch::Apply(&object)).await;
    let checked =
        checked.map_err(|error| told::error(&format!("{kind} `{name}` would not be taken"), error))?;
    let spec = checked.data.get("spec").and_then(Value::as_object).cloned().unwrap_or_default();
    split(lane, name, spec)
}

fn split(lane: Lane, name: String, mut spec: serde_json::Map<String, Value>) -> anyhow::Result<Proposed> {
    let placement = Placement::take(&mut spec).context("the API server's answer makes no sense")?;
    Ok(Proposed { lane, name, placement, spec })
}
