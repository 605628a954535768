//! A real API server with a real etcd behind it, on loopback. One for all tests; each test clears away what it made.
//!
//! Invariant: the processes die with the test program.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use flyover_testkit::process::Process;
use kube::config::{
    AuthInfo, Cluster, Context, KubeConfigOptions, Kubeconfig, NamedAuthInfo, NamedCluster, NamedContext,
};
use kube::{Client, Config};

/// Somebody who may do anything.
pub(crate) const ADMIN: &str = "admin";
/// Who has the operator's rights, and no others.
pub(crate) const OPERATOR: &str = "flyover-operator";

/// Until an API server on a busy machine answers.
const START: Duration = Duration::from_secs(120);

/// What the server writes into its audit log: what the operator asked for.
const AUDIT: &str = "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived, ResponseStarted]\nrules:\n\
                     - {level: Metadata, users: [flyover-operator]}\n- {level: None}\n";

/// The server.
pub(crate) struct Server {
    folder: PathBuf,
    port: u16,
    _running: Vec<Process>,
}

impl Server {
    /// The one of this test program.
    pub(crate) fn get() -> &'static Self {
        static SERVER: OnceLock<Server> = OnceLock::new();
        SERVER.get_or_init(|| Self::start().expect("the API server starts"))
    }

    fn start() -> anyhow::Result<Self> {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("api-{}", std::process::id()));
        drop(fs::remove_dir_all(&folder));
        fs::create_dir_all(&folder)?;
        let [client, peer, port] = free_ports()?;
        fs::write(folder.join("audit.yaml"), AUDIT)?;
        fs::write(
            folder.join("tokens.csv"),
            "admin,admin,admin,system:masters\nflyover-operator,flyover-operator,flyover-operator,\n",
        )?;
        keys(&folder)?;
        let mut running = vec![
            run(&folder, "etcd", &etcd(&folder, client, peer))?,
            run(&folder, "kube-apiserver", &api_server(&folder, client, port))?,
        ];
        let server = running.last_mut().expect("it was put there");
        server.until("opened its port", START, || {
            Ok(std::net::TcpStream::connect(("127.0.0.1", port)).is_ok())
        })?;
        let mut server = Self { folder, port, _running: running };
        server.until_ready()?;
        server.manage()?;
        Ok(server)
    }

    /// On a thread of its own: whoever asks for the server is in a runtime already.
    fn until_ready(&self) -> anyhow::Result<()> {
        let wait = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async { tokio::time::timeout(START, self.ready()).await })?;
            Ok(())
        };
        std::thread::scope(|scope| scope.spawn(wait).join().expect("waiting does not panic"))
    }

    async fn ready(&self) {
        let client = self.client(ADMIN).await;
        loop {
            let request = http::Request::get("/readyz").body(Vec::new()).expect("it is a request");
            if client.request_text(request).await.is_ok_and(|said| said == "ok") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Controllers that a test needs: budgets are counted, and what has lost its owner goes.
    fn manage(&mut self) -> anyhow::Result<()> {
        let kubeconfig = self.kubeconfig(ADMIN);
        let arguments = [
            format!("--kubeconfig={kubeconfig}"),
            "--leader-elect=false".into(),
            "--controllers=disruption,garbage-collector-controller,serviceaccount-controller".into(),
            format!("--service-account-private-key-file={}", self.folder.join("accounts.key").display()),
            "--secure-port=0".into(),
        ];
        self._running.push(run(&self.folder, "kube-controller-manager", &arguments)?);
        Ok(())
    }

    /// A kubeconfig of that user, as a file.
    pub(crate) fn kubeconfig(&self, user: &str) -> String {
        let path = self.folder.join(format!("{user}.kubeconfig"));
        let text = serde_json::to_string(&self.config(user)).expect("it can be written down");
        fs::write(&path, text).expect("the folder is ours");
        path.display().to_string()
    }

    /// A client of that user.
    pub(crate) async fn client(&self, user: &str) -> Client {
        let options = KubeConfigOptions::default();
        let config = Config::from_custom_kubeconfig(self.config(user), &options).await;
        Client::try_from(config.expect("it is a kubeconfig")).expect("it makes a client")
    }

    /// What the operator asked for so far, as group, resource and verb.
    pub(crate) fn asked(&self) -> Vec<(String, String, String)> {
        let text = fs::read_to_string(self.folder.join("audit.log")).expect("there is an audit log");
        text.lines().filter_map(|line| asked(&serde_json::from_str(line).ok()?)).collect()
    }

    fn config(&self, user: &str) -> Kubeconfig {
        let cluster = Cluster {
            server: Some(format!("https://127.0.0.1:{}", self.port)),
            insecure_skip_tls_verify: Some(true),
            ..Cluster::default()
        };
        let auth = AuthInfo { token: Some(user.to_owned().into()), ..AuthInfo::default() };
        let context = Context { cluster: "c".into(), user: Some("u".into()), ..Context::default() };
        let cluster = NamedCluster { name: "c".into(), cluster: Some(cluster), ..NamedCluster::default() };
        let auth = NamedAuthInfo { name: "u".into(), auth_info: Some(auth), ..NamedAuthInfo::default() };
        let context = NamedContext { name: "x".into(), context: Some(context), ..NamedContext::default() };
        Kubeconfig {
            clusters: vec![cluster],
            auth_infos: vec![auth],
            contexts: vec![context],
            current_context: Some("x".into()),
            ..Kubeconfig::default()
        }
    }
}

fn asked(line: &serde_json::Value) -> Option<(String, String, String)> {
    let object = line.get("objectRef")?;
    let of = |field: &str| object[field].as_str().unwrap_or_default().to_owned();
    let resource = match of("subresource") {
        sub if sub.is_empty() => of("resource"),
        sub => format!("{}/{sub}", of("resource")),
    };
    Some((of("apiGroup"), resource, line["verb"].as_str()?.to_owned()))
}

fn free_ports<const N: usize>() -> anyhow::Result<[u16; N]> {
    let held: Vec<TcpListener> =
        (0..N).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<_, _>>()?;
    let mut ports = [0; N];
    for (port, held) in ports.iter_mut().zip(held) {
        *port = held.local_addr()?.port();
    }
    Ok(ports)
}

fn keys(folder: &Path) -> anyhow::Result<()> {
    let key = folder.join("accounts.key");
    flyover_host::cmd::Cmd::new("openssl").args(["genrsa", "-out"]).args([&key]).args(["2048"]).run()?;
    Ok(())
}

fn etcd(folder: &Path, client: u16, peer: u16) -> Vec<String> {
    vec![
        format!("--data-dir={}", folder.join("etcd").display()),
        "--unsafe-no-fsync".into(),
        "--log-level=warn".into(),
        format!("--listen-client-urls=http://127.0.0.1:{client}"),
        format!("--advertise-client-urls=http://127.0.0.1:{client}"),
        format!("--listen-peer-urls=http://127.0.0.1:{peer}"),
    ]
}

fn api_server(folder: &Path, etcd: u16, port: u16) -> Vec<String> {
    let file = |name: &str| folder.join(name).display().to_string();
    vec![
        format!("--etcd-servers=http://127.0.0.1:{etcd}"),
        "--bind-address=127.0.0.1".into(),
        "--advertise-address=127.0.0.1".into(),
        format!("--secure-port={port}"),
        format!("--cert-dir={}", file("cert")),
        "--service-cluster-ip-range=10.96.0.0/16".into(),
        "--authorization-mode=RBAC".into(),
        // Pods here need no account, and nodes no taints.
        "--disable-admission-plugins=ServiceAccount,TaintNodesByCondition".into(),
        format!("--token-auth-file={}", file("tokens.csv")),
        "--service-account-issuer=https://kubernetes.default.svc".into(),
        format!("--service-account-key-file={}", file("accounts.key")),
        format!("--service-account-signing-key-file={}", file("accounts.key")),
        format!("--audit-policy-file={}", file("audit.yaml")),
        format!("--audit-log-path={}", file("audit.log")),
        "--audit-log-mode=blocking".into(),
        "--max-requests-inflight=2000".into(),
        "--max-mutating-requests-inflight=1000".into(),
    ]
}

fn run(folder: &Path, name: &str, arguments: &[String]) -> anyhow::Result<Process> {
    let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/kubernetes");
    let program = programs.join(name);
    anyhow::ensure!(
        program.exists(),
        "`{}` is not there\n  hint: `scripts/install-kubernetes` builds it",
        program.display()
    );
    let command = [vec![program.display().to_string()], arguments.to_vec()].concat();
    Process::start(name, &command, None, &folder.join(format!("{name}.log")))
}
