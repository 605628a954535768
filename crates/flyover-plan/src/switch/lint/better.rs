//! The better attachment.

use flyover_api::Tree;

/// The same configuration, without what a node decides. A group is what a node decides too, unless somebody named one; and
/// who makes the socket stays as it is, for a broker keeps the pod attached where the switch did.
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
    let (host, container) = modes(config);
    better.set(&["host", "vhost", "mode"], host.into());
    better.remove(&["host", "bridge", "bridgeId"]);
    if better.text(&["host", "bridge", "bridgeName"]).is_none_or(str::is_empty) {
        better.set(&["host", "bridge", "bridgeName"], "br0".into());
    }
    better.set(&["container", "netType"], "interface".into());
    better.set(&["container", "vhost", "mode"], container.into());
    better
}

/// Who opens the socket and who makes it; the application does where the configuration contradicts itself.
fn modes(config: &Tree) -> (&'static str, &'static str) {
    let mode = |side| config.text(&[side, "vhost", "mode"]);
    match (mode("host"), mode("container")) {
        (Some("server"), None | Some("client")) | (None, Some("client")) => ("server", "client"),
        _ => ("client", "server"),
    }
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
