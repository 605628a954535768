//! Which cluster, found as kubectl finds it.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};

use super::told;
use crate::cli::fault::{Exit, Fault};

/// Which cluster.
#[derive(Debug, Args)]
pub(super) struct Connect {
    /// The kubeconfig; else `KUBECONFIG`, else `~/.kube/config`, else the account of the pod it runs in.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig; the current one unless given.
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// How long one request may take.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = humantime::parse_duration)]
    request_timeout: Duration,
}

/// A cluster that is reached.
#[derive(Clone)]
pub(super) struct Connected {
    /// Who asks.
    pub(super) client: Client,
    /// The namespace that is meant where none is named.
    pub(super) namespace: String,
}

impl Connect {
    /// A client; nothing is asked yet.
    pub(super) async fn client(&self) -> anyhow::Result<Connected> {
        let mut config = self.config().await?;
        config.connect_timeout = Some(self.request_timeout.min(Duration::from_secs(10)));
        config.read_timeout = Some(self.request_timeout);
        let namespace = config.default_namespace.clone();
        let server = config.cluster_url.to_string();
        let client = Client::try_from(config)
            .map_err(|error| told::error(&format!("failed to set up a connection to {server}"), error))?;
        Ok(Connected { client, namespace })
    }

    async fn config(&self) -> anyhow::Result<Config> {
        let read = self.kubeconfig.as_ref().map_or_else(Kubeconfig::read, Kubeconfig::read_from);
        let file = match read {
            Ok(file) => file,
            Err(error) if self.kubeconfig.is_none() && is_missing(&error) => {
                return Config::incluster().map_err(|_| none());
            }
            Err(error) => return Err(bad(&error)),
        };
        let options = KubeConfigOptions { context: self.context.clone(), ..KubeConfigOptions::default() };
        Config::from_custom_kubeconfig(file, &options).await.map_err(|error| bad(&error))
    }
}

fn is_missing(error: &KubeconfigError) -> bool {
    matches!(error, KubeconfigError::FindPath)
        || matches!(error, KubeconfigError::ReadConfig(io, _) if io.kind() == std::io::ErrorKind::NotFound)
}

fn none() -> anyhow::Error {
    Fault::new(Exit::Usage, "there is no kubeconfig, and this is no pod of a cluster")
        .hint("set KUBECONFIG, or give --kubeconfig FILE")
        .into()
}

fn bad(error: &KubeconfigError) -> anyhow::Error {
    let fault = Fault::new(Exit::Usage, format!("the kubeconfig cannot be used: {error}"));
    match error {
        KubeconfigError::LoadContext(_) | KubeconfigError::CurrentContextNotSet => fault
            .hint("`kubectl config get-contexts` names the contexts there are; choose one with --context")
            .into(),
        _ => fault.into(),
    }
}
