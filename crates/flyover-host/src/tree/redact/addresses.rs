//! Replaces Ethernet addresses, also where a network device is called by one (`enx525400123456`).

use std::collections::BTreeMap;

use flyover_core::{Bytes, MacAddr};

use crate::tree::{HostTree, Node};

/// The part of an address that says that it was chosen locally.
const LOCAL: u64 = 0x0200_0000_0000;

/// Replaces all addresses, the same one by the same one. The address of no device stays.
pub(super) fn replace_macs(tree: &mut HostTree) {
    let mut known: BTreeMap<MacAddr, MacAddr> = BTreeMap::new();
    let addresses = tree.nodes.iter_mut().filter(|(path, _)| path.as_str().ends_with("/address"));
    for (_, node) in addresses {
        let Node::File { content, .. } = node else { continue };
        // What is no Ethernet address may be one of InfiniBand, or the IP address of a tunnel.
        let mac = content.text().and_then(|text| text.trim().parse::<MacAddr>().ok());
        let next = known.len() as u64 + 1;
        let alias =
            mac.map(
                |mac| if mac == MacAddr::default() { mac } else { *known.entry(mac).or_insert(local(next)) },
            );
        *content = alias.map_or_else(Bytes::default, |alias| format!("{alias}\n").into());
    }
    for (mac, alias) in known {
        rename(tree, &bare(mac), &bare(alias));
    }
}

fn local(number: u64) -> MacAddr {
    let [_, _, mac @ ..] = (LOCAL + number).to_be_bytes();
    MacAddr(mac)
}

fn bare(mac: MacAddr) -> String {
    mac.to_string().replace(':', "")
}

/// Replaces a word in all paths, targets and texts.
fn rename(tree: &mut HostTree, word: &str, alias: &str) {
    let text = tree.to_string();
    if text.contains(word) {
        *tree = text
            .replace(word, alias)
            .parse()
            .expect("hexadecimal digits for hexadecimal digits keep the form");
    }
}
