//! The control plane of a cluster of the rig: what each of its daemons is started by.

use super::network::{API_PORT, CONTROL, PODS, SERVICES};
use super::pki::Pki;

/// A daemon of the control plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// `etcd`.
    Etcd,
    /// `kube-apiserver`.
    ApiServer,
    /// `kube-controller-manager`.
    ControllerManager,
    /// `kube-scheduler`.
    Scheduler,
}

impl Control {
    /// All of them, in the order they are started in.
    pub(super) const ALL: [Self; 4] = [Self::Etcd, Self::ApiServer, Self::ControllerManager, Self::Scheduler];

    /// Its program.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::ApiServer => "kube-apiserver",
            Self::ControllerManager => "kube-controller-manager",
            Self::Scheduler => "kube-scheduler",
        }
    }

    /// Its arguments. `data` is where etcd keeps the cluster.
    pub(super) fn arguments(self, pki: &Pki, data: &str) -> Vec<String> {
        match self {
            Self::Etcd => etcd(data),
            Self::ApiServer => api_server(pki),
            Self::ControllerManager => controller_manager(pki),
            Self::Scheduler => client(pki, "scheduler"),
        }
    }
}

/// Nobody mourns the data of a rig, so it need not reach the disk.
fn etcd(data: &str) -> Vec<String> {
    words(&format!(
        "--data-dir={data} --unsafe-no-fsync --log-level=warn \
         --listen-client-urls=http://127.0.0.1:2379 --advertise-client-urls=http://127.0.0.1:2379 \
         --listen-peer-urls=http://127.0.0.1:2380"
    ))
}

fn api_server(pki: &Pki) -> Vec<String> {
    let [tokens, ca, crt, key] =
        ["tokens.csv", "ca.crt", "apiserver.crt", "apiserver.key"].map(|f| pki.file(f));
    let [public, private] = ["accounts.pub", "accounts.key"].map(|f| pki.file(f));
    let [kubelet, kubelet_key] = ["kubelet-client.crt", "kubelet-client.key"].map(|f| pki.file(f));
    let [front, front_key] = ["front-proxy.crt", "front-proxy.key"].map(|f| pki.file(f));
    words(&format!(
        "--etcd-servers=http://127.0.0.1:2379 --bind-address=0.0.0.0 --secure-port={API_PORT} \
         --advertise-address={CONTROL} --service-cluster-ip-range={SERVICES} --allow-privileged=true \
         --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction --token-auth-file={tokens} \
         --client-ca-file={ca} --tls-cert-file={crt} --tls-private-key-file={key} \
         --service-account-issuer=https://kubernetes.default.svc --service-account-key-file={public} \
         --service-account-signing-key-file={private} --kubelet-client-certificate={kubelet} \
         --kubelet-client-key={kubelet_key} --kubelet-preferred-address-types=InternalIP \
         --requestheader-client-ca-file={ca} --requestheader-allowed-names=front-proxy-client \
         --requestheader-username-headers=X-Remote-User --requestheader-group-headers=X-Remote-Group \
         --requestheader-extra-headers-prefix=X-Remote-Extra- --proxy-client-cert-file={front} \
         --proxy-client-key-file={front_key}"
    ))
}

fn controller_manager(pki: &Pki) -> Vec<String> {
    let [ca, ca_key, accounts] = ["ca.crt", "ca.key", "accounts.key"].map(|f| pki.file(f));
    let own = format!(
        "--root-ca-file={ca} --service-account-private-key-file={accounts} --cluster-signing-cert-file={ca} \
         --cluster-signing-key-file={ca_key} --service-cluster-ip-range={SERVICES} --allocate-node-cidrs \
         --cluster-cidr={PODS} --node-monitor-grace-period=20s"
    );
    [client(pki, "controller-manager"), words(&own)].concat()
}

/// What those two have in common that only ask the API server.
fn client(pki: &Pki, user: &str) -> Vec<String> {
    let kubeconfig = pki.kubeconfig(user);
    words(&format!(
        "--kubeconfig={kubeconfig} --leader-elect=false --bind-address=127.0.0.1 --kube-api-qps=500 \
         --kube-api-burst=1000"
    ))
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}
