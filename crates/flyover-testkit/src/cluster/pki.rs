//! Who may do what in a cluster of the rig: its authority, its servers' certificates, tokens and kubeconfigs.
//!
//! Invariant: all of it is made anew for each rig and lies in its folder, readable by its owner only.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flyover_host::cmd::Cmd;

use super::network;

/// Longer than any rig stands.
const DAYS: &str = "365";
/// By what names the API server is known.
const NAMES: &str = "DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,\
                     DNS:kubernetes.default.svc.cluster.local";
/// The group that may do anything.
const MASTERS: &str = "system:masters";

/// Somebody with a token.
struct User {
    /// The kubeconfig's name.
    file: String,
    /// The user's name in the cluster.
    name: String,
    group: &'static str,
}

fn users(nodes: u8) -> Vec<User> {
    let user = |file: &str, name: &str, group| User { file: file.into(), name: name.into(), group };
    let mut users = vec![
        user("admin", "rig:admin", MASTERS),
        user("controller-manager", "system:kube-controller-manager", MASTERS),
        user("scheduler", "system:kube-scheduler", MASTERS),
        user("proxy", "system:kube-proxy", ""),
        user("flannel", "rig:flannel", ""),
        user("multus", "rig:multus", ""),
    ];
    users.extend(
        (1..=nodes).map(|n| user(&format!("node{n}"), &format!("system:node:node{n}"), "system:nodes")),
    );
    users
}

/// The folder of all of it.
#[derive(Clone, Debug)]
pub(super) struct Pki(pub(super) PathBuf);

impl Pki {
    /// Makes all of it; `door` is where people reach the API.
    pub(super) fn create(folder: &Path, nodes: u8, door: u16) -> anyhow::Result<Self> {
        fs::create_dir_all(folder)?;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
        let pki = Self(folder.to_owned());
        pki.authority()?;
        let addresses = format!("IP:127.0.0.1,IP:{},IP:{},{NAMES}", network::CONTROL, network::FIRST_SERVICE);
        pki.certificate("apiserver", "/CN=kube-apiserver", "serverAuth", Some(&addresses))?;
        pki.certificate(
            "kubelet-client",
            "/O=system:masters/CN=apiserver-kubelet-client",
            "clientAuth",
            None,
        )?;
        pki.certificate("front-proxy", "/CN=front-proxy-client", "clientAuth", None)?;
        pki.key("accounts.key")?;
        pki.openssl(&["ec", "-in", "accounts.key", "-pubout", "-out", "accounts.pub"])?;
        pki.tokens(nodes, door)?;
        Ok(pki)
    }

    /// A file of it, by name.
    pub(super) fn file(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    /// A user's kubeconfig.
    pub(super) fn kubeconfig(&self, user: &str) -> String {
        self.file(&format!("{user}.kubeconfig"))
    }

    fn openssl(&self, arguments: &[&str]) -> anyhow::Result<()> {
        Cmd::new("env").args(["-C"]).args([&self.0]).args(["openssl"]).args(arguments).run()?;
        Ok(())
    }

    fn key(&self, file: &str) -> anyhow::Result<()> {
        self.openssl(&["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", file])
    }

    fn authority(&self) -> anyhow::Result<()> {
        self.key("ca.key")?;
        let ask = [
            "req",
            "-x509",
            "-new",
            "-key",
            "ca.key",
            "-subj",
            "/CN=rig-ca",
            "-days",
            DAYS,
            "-out",
            "ca.crt",
        ];
        let uses = [
            "-addext",
            "basicConstraints=critical,CA:TRUE",
            "-addext",
            "keyUsage=critical,keyCertSign,cRLSign",
        ];
        self.openssl(&[&ask[..], &uses].concat())
    }

    fn certificate(&self, name: &str, subject: &str, usage: &str, names: Option<&str>) -> anyhow::Result<()> {
        let [key, ask, extensions, signed] =
            ["key", "csr", "ext", "crt"].map(|ending| format!("{name}.{ending}"));
        self.key(&key)?;
        self.openssl(&["req", "-new", "-key", &key, "-subj", subject, "-out", &ask])?;
        let names = names.map(|names| format!("subjectAltName={names}\n")).unwrap_or_default();
        let text = format!("extendedKeyUsage={usage}\nkeyUsage=critical,digitalSignature\n{names}");
        fs::write(self.0.join(&extensions), text)?;
        let by = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", DAYS];
        let what = ["-extfile", &extensions, "-out", &signed];
        self.openssl(&[&["x509", "-req", "-in", &ask][..], &by, &what].concat())
    }

    fn tokens(&self, nodes: u8, door: u16) -> anyhow::Result<()> {
        let authority = BASE64_STANDARD.encode(fs::read(self.0.join("ca.crt"))?);
        let mut table = String::new();
        for user in users(nodes) {
            let mut token = [0; 24];
            std::io::Read::read_exact(&mut fs::File::open("/dev/urandom")?, &mut token)?;
            let token = BASE64_STANDARD.encode(token);
            table += &format!("{token},{name},{name},\"{}\"\n", user.group, name = user.name);
            let server = match user.file.as_str() {
                "admin" => format!("https://127.0.0.1:{door}"),
                _ => format!("https://{}:{}", network::CONTROL, network::API_PORT),
            };
            let text = kubeconfig(&server, &authority, &user.file, &token);
            let path = self.kubeconfig(&user.file);
            fs::write(&path, text).with_context(|| format!("failed to write `{path}`"))?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        }
        fs::write(self.0.join("tokens.csv"), table).context("failed to write the tokens")
    }
}

fn kubeconfig(server: &str, authority: &str, user: &str, token: &str) -> String {
    format!(
        "apiVersion: v1\n\
         kind: Config\n\
         clusters: [{{name: rig, cluster: {{server: \"{server}\", certificate-authority-data: \"{authority}\"}}}}]\n\
         users: [{{name: {user}, user: {{token: \"{token}\"}}}}]\n\
         contexts: [{{name: rig, context: {{cluster: rig, user: {user}}}}}]\n\
         current-context: rig\n"
    )
}
