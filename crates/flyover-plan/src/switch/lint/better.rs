//! The better attachment.

use flyover_api::Tree;

/// The group that QEMU and the switch share in most places.
const GROUP: &str = "hugetlbfs";

/// The same configuration, without what a node decides, and with the socket made by the application.
pub(super) fn config(config: &Tree) -> Tree {
    let mut better = config.without_repeats();
    for field in ["kubeconfig", "sharedDir", "logFile", "logLevel"] {
        better.remove(&[field]);
    }
    for side in ["host", "container"] {
        better.remove(&[side, "memif"]);
        better.remove(&[side, "vhost", "socketfile"]);
        better.set(&[side, "engine"], "ovs-dpdk".into());
        better.set(&[side, "iftype"], "vhostuser".into());
    }
    better.set(&["host", "netType"], "bridge".into());
    better.set(&["host", "vhost", "mode"], "client".into());
    if better.text(&["host", "vhost", "group"]).is_none() {
        better.set(&["host", "vhost", "group"], GROUP.into());
    }
    better.remove(&["host", "bridge", "bridgeId"]);
    if better.text(&["host", "bridge", "bridgeName"]).is_none_or(str::is_empty) {
        better.set(&["host", "bridge", "bridgeName"], "br0".into());
    }
    better.set(&["container", "netType"], "interface".into());
    better.set(&["container", "vhost", "mode"], "server".into());
    better
}

/// A configuration as JSON.
pub(super) fn json(config: &Tree) -> String {
    escaped(&serde_json::to_string_pretty(config).expect("documents have texts for keys")) + "\n"
}

/// An attachment as YAML, its configuration as a block of text, which is how people write it.
pub(super) fn attachment(document: &Tree, config: &Tree) -> String {
    let nothing = Tree::Map(Vec::new());
    let version = document.get(&["apiVersion"]).cloned().unwrap_or_else(|| "k8s.cni.cncf.io/v1".into());
    let metadata = document.get(&["metadata"]).unwrap_or(&nothing).parts(&[]);
    let metadata = metadata.iter().map(|(key, part)| format!("  {}: {}\n", name(key), flow(part)));
    let block: String = json(config).lines().map(|line| format!("    {line}\n")).collect();
    format!(
        "apiVersion: {}\nkind: NetworkAttachmentDefinition\nmetadata:\n{}spec:\n  config: |\n{block}",
        flow(&version),
        metadata.collect::<String>()
    )
}

/// JSON on one line, which is YAML too.
fn flow(tree: &Tree) -> String {
    escaped(&serde_json::to_string(tree).expect("documents have texts for keys"))
}

/// A key as people write it, in quotes unless it is a word of Kubernetes'.
fn name(key: &str) -> String {
    let known = ["name", "namespace", "labels", "annotations"].contains(&key);
    if known { key.to_owned() } else { flow(&key.into()) }
}

/// The same JSON without characters that YAML takes for ends of lines or does not take at all.
fn escaped(json: &str) -> String {
    let bad = |c: char| {
        matches!(c, '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
    };
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if bad(c) { text += &format!("\\u{:04x}", u32::from(c)) } else { text.push(c) }
    }
    text
}
