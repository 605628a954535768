//! A captured host says of itself what the host said, but for what was redacted.

use std::path::Path;

use flyover_core::KernelArgs;
use flyover_core::facts::HostFacts;
use proptest::prelude::*;

use super::*;
use crate::live::Live;

fn any_node() -> impl Strategy<Value = Node> {
    let content = prop_oneof![any::<String>().prop_map(Bytes::from), any::<Vec<u8>>().prop_map(Bytes)];
    prop_oneof![
        Just(Node::Dir),
        ".{1,20}".prop_map(Node::Link),
        (0..0o7777u32, content).prop_map(|(mode, content)| Node::File { mode: FileMode::of(mode), content }),
    ]
}

fn any_path() -> impl Strategy<Value = HostPath> {
    proptest::collection::vec("[^/\0]{1,6}", 1..4)
        .prop_filter_map("a path without `..`", |parts| format!("/{}", parts.join("/")).parse().ok())
}

fn any_tree() -> impl Strategy<Value = HostTree> {
    let nodes = proptest::collection::btree_map(any_path(), any_node(), 0..12);
    let answers = proptest::collection::btree_map(".{1,12}( => )?\"?", any::<String>(), 0..4);
    (nodes, answers).prop_map(|(nodes, answers)| HostTree { nodes, answers })
}

proptest! {
    #[test]
    fn every_tree_survives_printing_and_parsing(tree in any_tree()) {
        prop_assert_eq!(tree.to_string().parse::<HostTree>().unwrap(), tree);
    }

    #[test]
    fn any_text_is_read_without_a_panic(text in any::<String>(), lines in "([dflx#] [0-7]{0,4} ?/?[a-z\"\\\\ ]*( => )?\"?\n){0,6}") {
        let _ = text.parse::<HostTree>();
        let _ = lines.parse::<HostTree>();
    }
}

#[test]
fn what_is_no_entry_is_named_with_its_line() {
    let error = "# a host\n\nd /a\nf 0644 /b\n".parse::<HostTree>().unwrap_err();
    assert_eq!(error.to_string(), "line 4 of the host tree is not `f MODE PATH \"CONTENT\"`: `f 0644 /b`");
}

/// The facts without what redaction changes.
fn redacted(mut facts: HostFacts) -> HostFacts {
    facts.boot.boot_id = String::new();
    facts.boot.args = KernelArgs::default();
    facts.net.iter_mut().for_each(|device| device.mac = None);
    facts.guarded.iter_mut().for_each(|guarded| {
        let kind = guarded.carries.split(" from ").next().and_then(|kind| kind.split(" server ").next());
        guarded.carries = kind.unwrap_or_default().to_owned();
    });
    facts
}

#[test]
fn this_machine_captured_and_unpacked_gives_the_same_facts() {
    let peers = ["203.0.113.9".parse().unwrap(), "fd00::9".parse().unwrap()];
    let asked = Inspection { ssh_peers: peers.to_vec(), units: Vec::new() };
    let (mut tree, facts, reach) = record(&Live::host(), &asked).unwrap();
    redact::redact(&mut tree, &reach);
    let tree: HostTree = tree.to_string().parse().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let unpacked = tree.unpack(dir.path()).unwrap();
    let again = inspect(&unpacked, &Inspection::default()).unwrap();
    assert_eq!(redacted(again), redacted(facts));
}

#[test]
fn a_capture_of_a_capture_is_the_same_capture() {
    let dir = tempfile::tempdir().unwrap();
    let tree = capture(&Live::host(), &Inspection::default()).unwrap();
    let unpacked = tree.unpack(dir.path()).unwrap();
    assert_eq!(capture(&unpacked, &Inspection::default()).unwrap().to_string(), tree.to_string());
}

#[test]
fn a_record_answers_what_was_recorded_and_refuses_all_else() {
    let tree: HostTree = "x systemctl show a => \"Id=a.service\"\n".parse().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let host = tree.unpack(dir.path()).unwrap();
    let ask = |args: &[&str]| host.ask("systemctl", args, std::time::Duration::from_secs(1));
    assert_eq!(ask(&["show", "a"]).unwrap(), "Id=a.service");
    assert_eq!(ask(&["stop", "a"]).unwrap_err().to_string(), "failed to start `systemctl stop a`");
    let attribute = HostPath::fixed("/sys/x");
    assert!(host.write_attribute(&attribute, "1").is_err());
    assert!(!Path::new(dir.path()).join("sys").exists());
}
