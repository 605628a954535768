//! An API server with pods that no node runs: etcd and kube-apiserver, as `make setup-cluster` builds them, on the loopback.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flyover_host::cmd::Cmd;
use flyover_testkit::process::Process;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

const TOOLS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/tools/kubernetes");

/// From its start until it takes requests; a first one fills its database.
const START: Duration = Duration::from_secs(120);

/// The server.
pub(super) struct Api {
    folder: PathBuf,
    etcd: Process,
    server: Process,
    command: Vec<String>,
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

impl Api {
    pub(super) fn start(folder: &Path) -> Self {
        fs::create_dir_all(folder).unwrap();
        let (store, peers, door) = (free_port(), free_port(), free_port());
        let at = folder.display();
        // The server's own certificate is all that is trusted.
        for asked in [
            format!(
                "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=rig -keyout {at}/key -out {at}/crt -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE"
            ),
            format!("rsa -in {at}/key -pubout -out {at}/pub"),
        ] {
            Cmd::new("openssl").args(words(&asked)).run().unwrap();
        }
        fs::write(folder.join("tokens"), "secret,rig:admin,rig:admin,\"system:masters\"\n").unwrap();
        let etcd = format!(
            "{TOOLS}/etcd --data-dir={at}/etcd --unsafe-no-fsync --log-level=warn --listen-client-urls=http://127.0.0.1:{store} \
             --advertise-client-urls=http://127.0.0.1:{store} --listen-peer-urls=http://127.0.0.1:{peers}"
        );
        let server = format!(
            "{TOOLS}/kube-apiserver --etcd-servers=http://127.0.0.1:{store} --bind-address=127.0.0.1 --secure-port={door} \
             --advertise-address=127.0.0.1 --service-cluster-ip-range=10.96.0.0/16 --authorization-mode=RBAC \
             --disable-admission-plugins=ServiceAccount --token-auth-file={at}/tokens --tls-cert-file={at}/crt \
             --tls-private-key-file={at}/key --service-account-issuer=https://rig --service-account-key-file={at}/pub \
             --service-account-signing-key-file={at}/key --endpoint-reconciler-type=none"
        );
        let kubeconfig = json!({"apiVersion": "v1", "kind": "Config", "current-context": "rig",
            "clusters": [{"name": "rig", "cluster": {"server": format!("https://127.0.0.1:{door}"),
                "certificate-authority": folder.join("crt")}}],
            "users": [{"name": "admin", "user": {"token": "secret"}}],
            "contexts": [{"name": "rig", "context": {"cluster": "rig", "user": "admin"}}]});
        fs::write(folder.join("kubeconfig"), kubeconfig.to_string()).unwrap();
        let etcd = Process::start("etcd", &words(&etcd), None, &folder.join("etcd.log")).unwrap();
        let command = words(&server);
        let server = Process::start("kube-apiserver", &command, None, &folder.join("server.log")).unwrap();
        let mut api = Self { folder: folder.to_owned(), etcd, server, command };
        api.until_ready();
        api
    }

    fn until_ready(&mut self) {
        let folder = self.folder.clone();
        let ready = || Ok(kubectl(&folder, &["get", "namespace", "default"], "").is_ok());
        self.server.until("begun to serve", START, ready).unwrap();
    }

    /// The kubeconfig of somebody who may do anything.
    pub(super) fn kubeconfig(&self) -> PathBuf {
        self.folder.join("kubeconfig")
    }

    pub(super) fn kubectl(&self, arguments: &[&str]) -> String {
        kubectl(&self.folder, arguments, "").unwrap()
    }

    /// Makes a pod that is bound to a node, and gives its uid.
    pub(super) fn pod(&self, name: &str) -> String {
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "annotations": {"other": "stays"}},
            "spec": {"nodeName": "here", "containers": [{"name": "c", "image": "none"}]}});
        kubectl(&self.folder, &["create", "-f", "-"], &pod.to_string()).unwrap();
        self.read(name).unwrap()["metadata"]["uid"].as_str().unwrap().to_owned()
    }

    /// A pod, if it is there.
    pub(super) fn read(&self, name: &str) -> Option<Value> {
        let said =
            kubectl(&self.folder, &["get", "pod", name, "-o", "json", "--show-managed-fields"], "").ok()?;
        serde_json::from_str(&said).unwrap()
    }

    pub(super) fn stop(&mut self) {
        self.server.end(Signal::SIGKILL, START).unwrap();
    }

    pub(super) fn go_on(&mut self) {
        let log = self.folder.join("server.log");
        self.server = Process::start("kube-apiserver", &self.command, None, &log).unwrap();
        self.until_ready();
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        for process in [&mut self.server, &mut self.etcd] {
            let _ended = process.end(Signal::SIGKILL, START);
        }
    }
}

fn kubectl(folder: &Path, arguments: &[&str], input: &str) -> Result<String, flyover_host::cmd::CmdError> {
    let kubeconfig = format!("--kubeconfig={}", folder.join("kubeconfig").display());
    let command = Cmd::new(format!("{TOOLS}/kubectl")).args([&kubeconfig, "--cache-dir=/nonexistent"]);
    command.args(arguments).stdin(input).run()
}
