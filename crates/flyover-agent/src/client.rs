//! The way to the API server: by a kubeconfig, or by the account of the pod.
//!
//! Invariant: in a pod the token and the authority are read through the descriptor of their directory that was opened before
//! the host's mounts were entered, each time anew: the kubelet changes them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

/// For how long a connection may be silent.
const SILENCE: Duration = Duration::from_secs(300);

/// Why there is no way to the API server.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// The kubeconfig is none.
    #[error("failed to read the kubeconfig `{path}`")]
    Kubeconfig {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        source: kube::config::KubeconfigError,
    },
    /// The pod's environment does not say where it is.
    #[error("the API server's address is not known: {0}\n  hint: outside a pod name a --kubeconfig")]
    Address(String),
    /// The pod's account cannot be read.
    #[error("failed to read the service account's `{path}`")]
    Account {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// TLS cannot be set up.
    #[error("failed to set up TLS to the API server")]
    Tls(#[source] kube::Error),
}

/// By a kubeconfig.
pub(crate) async fn by_kubeconfig(path: &Path) -> Result<Client, ClientError> {
    let wrong = |source| ClientError::Kubeconfig { path: path.to_owned(), source };
    let kubeconfig = Kubeconfig::read_from(path).map_err(wrong)?;
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(wrong)?;
    client(config)
}

/// By the account of the pod, whose directory is at `account`.
pub(crate) fn by_account(account: &Path) -> Result<Client, ClientError> {
    let asked =
        |name: &str| std::env::var(name).map_err(|error| ClientError::Address(format!("{name}: {error}")));
    let (host, port) = (asked("KUBERNETES_SERVICE_HOST")?, asked("KUBERNETES_SERVICE_PORT")?);
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    let url = format!("https://{host}:{port}");
    let url = url.parse::<http::Uri>().map_err(|error| ClientError::Address(format!("{url}: {error}")))?;
    let (authority, token) = (account.join("ca.crt"), account.join("token"));
    for path in [&authority, &token] {
        std::fs::File::open(path).map_err(|source| ClientError::Account { path: path.clone(), source })?;
    }
    let mut config = Config::new(url);
    config.root_cert_file = Some(authority);
    config.auth_info =
        AuthInfo { token_file: Some(token.to_string_lossy().into_owned()), ..AuthInfo::default() };
    client(config)
}

fn client(mut config: Config) -> Result<Client, ClientError> {
    // A watch hears a bookmark every minute: where nothing comes for so long, the connection is dead and nobody said so.
    config.read_timeout = Some(SILENCE);
    Client::try_from(config).map_err(ClientError::Tls)
}
