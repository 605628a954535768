//! A real API server with its etcd, in a network namespace of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use flyover_host::cmd::Cmd;
use flyover_net::netns::Netns;
use flyover_testkit::process::Process;

const LIMIT: Duration = Duration::from_secs(120);

/// An API server. It ends with the test.
pub(crate) struct Server {
    name: String,
    folder: tempfile::TempDir,
    running: Vec<Process>,
}

fn tool(name: &str) -> String {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/kubernetes");
    let tool = tools.join(name);
    assert!(tool.exists(), "there is no `{}`; `make setup-cluster` builds it", tool.display());
    tool.display().to_string()
}

impl Server {
    /// Starts one, and waits until it answers.
    pub(crate) fn up() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("fo-agent-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        drop(Netns::create(&name).unwrap());
        Cmd::new("ip").args(["-n", &name, "link", "set", "lo", "up"]).run().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut server = Self { name, folder, running: Vec::new() };
        server.files();
        server.start();
        server
    }

    /// The namespace.
    pub(crate) fn namespace(&self) -> Netns {
        Netns::named(&self.name).unwrap()
    }

    /// The administrator's kubeconfig.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    fn at(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn files(&self) {
        let (key, public) = (self.at("accounts.key"), self.at("accounts.pub"));
        Cmd::new("openssl").args(["genrsa", "-out", &key, "2048"]).run().unwrap();
        Cmd::new("openssl").args(["rsa", "-in", &key, "-pubout", "-out", &public]).run().unwrap();
        fs::write(self.at("tokens.csv"), "secret,admin,admin,\"system:masters\"\n").unwrap();
        let kubeconfig = "{apiVersion: v1, kind: Config, current-context: c,\
            clusters: [{name: c, cluster: {server: 'https://127.0.0.1:6443', insecure-skip-tls-verify: true}}],\
            users: [{name: u, user: {token: secret}}], contexts: [{name: c, context: {cluster: c, user: u}}]}";
        fs::write(self.kubeconfig(), kubeconfig).unwrap();
    }

    /// Starts what does not run.
    pub(crate) fn start(&mut self) {
        let (data, certificates) = (self.at("etcd"), self.at("certificates"));
        let (tokens, key, public) = (self.at("tokens.csv"), self.at("accounts.key"), self.at("accounts.pub"));
        self.run("etcd", &format!(
            "--data-dir={data} --unsafe-no-fsync --log-level=warn --listen-client-urls=http://127.0.0.1:2379 \
             --advertise-client-urls=http://127.0.0.1:2379 --listen-peer-urls=http://127.0.0.1:2380"
        ));
        self.run("kube-apiserver", &format!(
            "--etcd-servers=http://127.0.0.1:2379 --bind-address=127.0.0.1 --advertise-address=127.0.0.1 \
             --secure-port=6443 --service-cluster-ip-range=10.96.0.0/16 --token-auth-file={tokens} --cert-dir={certificates} \
             --authorization-mode=RBAC --service-account-issuer=https://kubernetes.default.svc \
             --service-account-key-file={public} --service-account-signing-key-file={key} --endpoint-reconciler-type=none"
        ));
        let (kubectl, kubeconfig) = (tool("kubectl"), self.kubeconfig());
        let namespace = self.namespace();
        let answers = || {
            let ask = Cmd::new(&kubectl)
                .args(["--kubeconfig"])
                .args([&kubeconfig])
                .args(["get", "--raw", "/readyz"]);
            Ok(namespace.run(|| ask.run().is_ok())?)
        };
        self.running[1].until("answered", LIMIT, answers).unwrap();
    }

    /// Kills it.
    pub(crate) fn stop(&mut self) {
        self.running.clear();
    }

    fn run(&mut self, name: &str, arguments: &str) {
        let command: Vec<String> =
            [tool(name)].into_iter().chain(arguments.split_whitespace().map(str::to_owned)).collect();
        let log = self.folder.path().join(format!("{name}.log"));
        self.running.push(Process::start(name, &command, Some(&self.name), &log).unwrap());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.running.clear();
        // What cannot be taken away is told by whoever looks for it.
        let _left = Netns::delete(&self.name);
    }
}
