//! What a node's daemons are told: the texts of their files.

use super::network::{self, PODS};
use super::pki::Pki;
use super::{Proxy, images};

/// containerd's, whose control groups and processes are runc's own: there is no systemd in a node.
///
/// Without the capability for it no process can lower its own badness to the OOM killer, so the sandboxes may not try.
pub(super) fn containerd() -> String {
    format!(
        r#"version = 2
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
  "io.containerd.internal.v1.tracing",
  "io.containerd.tracing.processor.v1.otlp",
]

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{pause}"
disable_apparmor = true
restrict_oom_score_adj = true

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/opt/cni/bin"
conf_dir = "/etc/cni/net.d"

[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "overlayfs"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false
"#,
        pause = images::PAUSE
    )
}

/// kubelet's. Images cannot be pulled again, so it may never collect them, however full the disk is.
pub(super) fn kubelet(node: u8, pki: &Pki) -> String {
    format!(
        "apiVersion: kubelet.config.k8s.io/v1beta1\n\
         kind: KubeletConfiguration\n\
         failCgroupV1: false\n\
         cgroupDriver: cgroupfs\n\
         containerRuntimeEndpoint: unix:///run/containerd/containerd.sock\n\
         address: {address}\n\
         healthzBindAddress: 127.0.0.1\n\
         authentication:\n\
         \x20 anonymous: {{enabled: false}}\n\
         \x20 webhook: {{enabled: true}}\n\
         \x20 x509: {{clientCAFile: {ca}}}\n\
         authorization: {{mode: Webhook}}\n\
         clusterDomain: cluster.local\n\
         clusterDNS: [10.96.0.10]\n\
         resolvConf: /etc/resolv.conf.pods\n\
         failSwapOn: false\n\
         imageGCHighThresholdPercent: 100\n\
         imageGCLowThresholdPercent: 99\n\
         evictionHard:\n\
         \x20 memory.available: 100Mi\n\
         \x20 nodefs.available: 0%\n\
         \x20 nodefs.inodesFree: 0%\n\
         \x20 imagefs.available: 0%\n\
         \x20 imagefs.inodesFree: 0%\n\
         nodeStatusUpdateFrequency: 5s\n",
        address = network::address(node),
        ca = pki.file("ca.crt"),
    )
}

/// kube-proxy's. The limits of conntrack are the whole machine's, so it may not set them.
pub(super) fn proxy(node: u8, proxy: Proxy, pki: &Pki) -> String {
    let mode = match proxy {
        Proxy::Iptables => "iptables",
        Proxy::Nftables => "nftables",
    };
    format!(
        "apiVersion: kubeproxy.config.k8s.io/v1alpha1\n\
         kind: KubeProxyConfiguration\n\
         mode: {mode}\n\
         hostnameOverride: node{node}\n\
         clusterCIDR: {PODS}\n\
         clientConnection: {{kubeconfig: {kubeconfig}}}\n\
         conntrack: {{maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}}\n\
         healthzBindAddress: 127.0.0.1:10256\n\
         metricsBindAddress: 127.0.0.1:10249\n",
        kubeconfig = pki.kubeconfig("proxy"),
    )
}

/// flannel's.
pub(super) fn flannel() -> String {
    format!(r#"{{"Network": "{PODS}", "Backend": {{"Type": "vxlan"}}}}"#)
}

/// The pods' first network, behind Multus. Multus is given it inline: from a file of its own it would lose what it does
/// not know of it, and could take no pod away.
pub(super) fn pods(range: &str, mtu: &str) -> String {
    format!(
        r#"{{
  "cniVersion": "1.0.0",
  "name": "multus",
  "type": "multus",
  "capabilities": {{"portMappings": true}},
  "kubeconfig": "/etc/cni/net.d/multus.d/multus.kubeconfig",
  "logFile": "/var/log/multus.log",
  "logLevel": "verbose",
  "delegates": [
    {{
      "cniVersion": "1.0.0",
      "name": "pods",
      "plugins": [
        {{
          "type": "bridge",
          "bridge": "cni0",
          "isDefaultGateway": true,
          "hairpinMode": true,
          "ipMasq": false,
          "mtu": {mtu},
          "ipam": {{"type": "host-local", "ranges": [[{{"subnet": "{range}"}}]]}}
        }},
        {{"type": "portmap", "capabilities": {{"portMappings": true}}}}
      ]
    }}
  ]
}}
"#
    )
}
