//! The wires of a cluster of the rig: one namespace for the control plane with a bridge in it, one for each node.
//!
//! Invariant: none of it touches the machine's own network. There is no default route anywhere; the machine reaches the
//! API by a port of its loopback only.

use std::fs;
use std::path::Path;

use anyhow::Context;
use flyover_host::cmd::Cmd;
use flyover_net::netns::Netns;

/// The control plane's address on the wire.
pub(super) const CONTROL: &str = "10.77.0.1";
/// Where the API server listens in its namespace.
pub(super) const API_PORT: u16 = 6443;
/// The addresses of services, and the first of them, which is the API's.
pub(super) const SERVICES: &str = "10.96.0.0/16";
pub(super) const FIRST_SERVICE: &str = "10.96.0.1";
/// The addresses of pods; each node is given a part of them.
pub(super) const PODS: &str = "10.244.0.0/16";

/// A node's address on the wire.
pub(super) fn address(node: u8) -> String {
    format!("10.77.0.{}", 10 + node)
}

/// Has the kernel show a bridge's packets to the rules of its namespace: else pods of one node get no answer through a
/// service, and flannel does not start. Where it is a module it stays loaded, as those of bridges and tunnels do that are
/// loaded on demand; the machine's own bridges go on as if it were not there.
pub(super) fn filter_bridges() -> anyhow::Result<()> {
    let settings = Path::new("/proc/sys/net/bridge");
    if settings.exists() {
        return Ok(());
    }
    Cmd::new("modprobe").args(["br_netfilter"]).run()?;
    for rules in ["iptables", "ip6tables", "arptables"] {
        let setting = settings.join(format!("bridge-nf-call-{rules}"));
        // Each namespace has its own, and those that are made from now on have it on.
        fs::write(&setting, "0").with_context(|| format!("failed to write `{}`", setting.display()))?;
    }
    Ok(())
}

/// Makes the control plane's namespace, with the bridge that nodes are plugged into.
pub(super) fn create_control(namespace: &str) -> anyhow::Result<()> {
    Netns::create(namespace)?;
    let text = format!(
        "link set lo up\n\
         link add br0 type bridge\n\
         address add {CONTROL}/24 dev br0\n\
         link set br0 up\n\
         route add {SERVICES} via {}\n",
        address(1)
    );
    batch(namespace, &text)
}

/// Makes a node's namespace, plugged in. Processes of the node itself need a route to services before kube-proxy's rules
/// rewrite where they go.
pub(super) fn create_node(control: &str, namespace: &str, node: u8) -> anyhow::Result<()> {
    Netns::create(namespace)?;
    let plug = format!(
        "link add n{node} type veth peer name eth0 address 02:00:0a:4d:00:{:02x} netns {namespace}\n\
         link set n{node} master br0 up\n",
        10 + node
    );
    batch(control, &plug)?;
    let text = format!(
        "link set lo up\n\
         address add {}/24 dev eth0\n\
         link set eth0 up\n\
         route add {SERVICES} via {CONTROL}\n",
        address(node)
    );
    batch(namespace, &text)?;
    Netns::named(namespace)?.run(|| Cmd::new("sysctl").args(["-qw", "net.ipv4.ip_forward=1"]).run())??;
    Ok(())
}

/// Takes a node's namespace, and its plug at once: the kernel takes the other end with it, but in its own time.
pub(super) fn delete_node(control: &str, namespace: &str, node: u8) -> anyhow::Result<()> {
    batch(control, &format!("link delete n{node}\n"))?;
    Ok(Netns::delete(namespace)?)
}

/// Leads the control plane's packets for a node's pods to that node.
pub(super) fn route_pods(control: &str, node: u8, range: &str) -> anyhow::Result<()> {
    batch(control, &format!("route replace {range} via {}\n", address(node)))
}

fn batch(namespace: &str, text: &str) -> anyhow::Result<()> {
    let ip = Cmd::new("ip").args(["-batch", "-"]).stdin(text);
    Netns::named(namespace)?.run(|| ip.run())?.with_context(|| format!("failed to wire {namespace}"))?;
    Ok(())
}
