//! `kubectl flyover install`: sends what is rendered, in order, and waits for it.

mod place;
mod ready;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use flyover_api::resource::marks::NAMESPACE;
use flyover_render::install::{Installation, Object, objects, stream};
use kube::Client;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::core::ApiResource;

pub(super) use ready::{Count, SHOWN, kept, of_daemons, of_deployment};

use super::connect::Connect;
use super::told;
use super::uninstall::is_of_cluster;
use crate::cli::fault::{Exit, Fault};
use crate::cli::print;

/// The owner of the fields that are sent.
const MANAGER: &str = "flyover-install";

/// `kubectl flyover install`.
#[derive(Debug, Args)]
pub(crate) struct Install {
    #[command(flatten)]
    connect: Connect,
    /// Change nothing: print the objects (`client`), or have the API server check them (`server`).
    #[arg(long, value_name = "WHERE", num_args = 0..=1, require_equals = true, default_missing_value = "client")]
    dry_run: Option<DryRun>,
    /// How to print the objects of a dry run.
    #[arg(short, long, value_enum, default_value_t)]
    output: Written,
    /// The namespace of operator and agents; it is made if it is not there.
    #[arg(short, long, default_value = NAMESPACE)]
    namespace: String,
    /// The agents' image.
    #[arg(long, value_name = "IMAGE", default_value_t = Installation::default().image_agent)]
    image_agent: String,
    /// The operator's image.
    #[arg(long, value_name = "IMAGE", default_value_t = Installation::default().image_operator)]
    image_operator: String,
    /// When images are fetched.
    #[arg(long, value_name = "WHEN", default_value = "IfNotPresent", value_parser = ["Always", "IfNotPresent", "Never"])]
    image_pull_policy: String,
    /// What operator and agents log: error, warn, info, debug, or a filter by module.
    #[arg(long, value_name = "FILTER", default_value = "info")]
    log: String,
    /// How many operators; one works, the others wait.
    #[arg(long, value_name = "NUMBER", default_value_t = 2, value_parser = clap::value_parser!(i32).range(0..=9))]
    replicas: i32,
    /// A label that nodes must have to get an agent; can be given several times.
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    node_selector: Vec<(String, String)>,
    /// Where the container runtime looks for CNI plugins.
    #[arg(long, value_name = "FOLDER", default_value = "/opt/cni/bin")]
    cni_bin_dir: String,
    /// Kubelet's folder.
    #[arg(long, value_name = "FOLDER", default_value = "/var/lib/kubelet")]
    kubelet_dir: String,
    /// Do not wait until all is ready.
    #[arg(long)]
    no_wait: bool,
    /// How long to wait at most.
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = humantime::parse_duration)]
    timeout: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum DryRun {
    Client,
    Server,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Written {
    #[default]
    Yaml,
    Json,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("is not KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

impl Install {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        if is_of_cluster(&self.namespace) {
            return Err(Fault::new(
                Exit::Usage,
                format!("namespace {} is the cluster's own", self.namespace),
            )
            .hint("Flyover labels its namespace, and an uninstall removes it: choose one for it alone")
            .into());
        }
        let wanted = self.wanted();
        let objects = objects(&wanted);
        if self.dry_run == Some(DryRun::Client) {
            print(&objects, self.output)?;
            return Ok(ExitCode::SUCCESS);
        }
        let client = self.connect.client().await?.client;
        let server_only = self.dry_run == Some(DryRun::Server);
        place::check(&client, &self.namespace).await?;
        for other in place::other_images(&client, &wanted).await? {
            eprintln!("note: {other}");
        }
        for object in &objects {
            send(&client, object, server_only).await?;
            let how = if server_only { "would be applied" } else { "applied" };
            eprintln!("{}/{} {how}", object.kind.to_lowercase(), object.name);
        }
        if !server_only && !self.no_wait {
            ready::wait(&client, &self.namespace, self.timeout).await?;
            eprintln!(
                "Flyover is ready. Next: apply a FastPath, NodeProfile or Switch if there is none, and see `kubectl flyover status`."
            );
        }
        Ok(ExitCode::SUCCESS)
    }

    fn wanted(&self) -> Installation {
        let default = Installation::default();
        let mut node_selector = default.node_selector.clone();
        node_selector.extend(self.node_selector.iter().cloned());
        Installation {
            namespace: self.namespace.clone(),
            image_agent: self.image_agent.clone(),
            image_operator: self.image_operator.clone(),
            pull_policy: self.image_pull_policy.clone(),
            log: self.log.clone(),
            replicas: self.replicas,
            node_selector,
            cni_bin_dir: self.cni_bin_dir.clone(),
            kubelet_dir: self.kubelet_dir.clone(),
            ..default
        }
    }
}

fn print(objects: &[Object], written: Written) -> anyhow::Result<()> {
    if written == Written::Yaml {
        return print::text(stream(objects).trim_end());
    }
    let items: Vec<_> = objects.iter().map(|object| &object.body).collect();
    print::json(&serde_json::json!({"apiVersion": "v1", "kind": "List", "items": items}))
}

/// The API of such an object.
pub(super) fn api_of(client: &Client, object: &Object) -> Api<DynamicObject> {
    let resource = ApiResource {
        group: object.group.into(),
        version: object.version.into(),
        api_version: object.body["apiVersion"].as_str().unwrap_or_default().into(),
        kind: object.kind.into(),
        plural: object.plural.into(),
    };
    match &object.namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    }
}

async fn send(client: &Client, object: &Object, server_only: bool) -> anyhow::Result<()> {
    let params =
        PatchParams { dry_run: server_only, ..PatchParams::apply(MANAGER).force().validation_strict() };
    match api_of(client, object).patch(&object.name, &params, &Patch::Apply(&object.body)).await {
        Ok(_) => Ok(()),
        Err(error) if server_only && told::is_absent(&error) => Err(Fault::new(
            Exit::Failed,
            format!(
                "the API server cannot check {} `{}` before its namespace is there",
                object.kind, object.name
            ),
        )
        .hint("make the namespace first: `kubectl create namespace`")
        .into()),
        Err(error) => Err(told::error(&format!("failed to apply {} `{}`", object.kind, object.name), error)),
    }
}
