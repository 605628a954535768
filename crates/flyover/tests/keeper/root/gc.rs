//! `flyover switch gc`: what nobody has any more is named, and goes when that is wanted.

use flyover_testkit::ovs::Options;
use serde_json::{Value, json};

use super::node::Node;

/// What the verb ended with, and what it told.
fn gc(node: &Node, arguments: &[&str]) -> (Option<i32>, Value) {
    let ran = node.flyover(&[&["gc", "-o", "json", "--grace", "0s"], arguments].concat());
    let told = serde_json::from_slice(&ran.stdout);
    (ran.status.code(), told.unwrap_or_else(|_| json!(String::from_utf8_lossy(&ran.stderr))))
}

/// Of each attachment: its container, what is to become of it, of what there are traces, and whether it went.
fn findings(told: &Value) -> Vec<(String, String, Value, bool)> {
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    let of = |finding: &Value| {
        let removed = finding["removed"].as_bool().unwrap();
        assert_eq!(finding["errors"], json!([]));
        (text(finding, "container"), text(finding, "verdict"), finding["traces"].clone(), removed)
    };
    let mut all: Vec<_> = told.as_array().unwrap().iter().map(of).collect();
    all.sort_by(|one, other| one.0.cmp(&other.0));
    all
}

#[test]
fn the_verb_names_what_was_left_behind_and_takes_it_away_unless_it_only_looks() {
    let node = Node::new(Options::default());
    let (_kept, _left) = (node.pod("kept"), node.pod("left"));
    let everything = json!(["directory", "port", "state"]);
    let found = |container: &str, verdict: &str, removed: bool| {
        (container.to_owned(), verdict.to_owned(), everything.clone(), removed)
    };
    let both = [found("kept", "keep", false), found("left", "stale", false)];
    node.forget("left");

    let (code, told) = gc(&node, &["--dry-run"]);
    assert_eq!((code, findings(&told)), (Some(0), both.to_vec()));
    assert_eq!(told[0]["network"], "net");
    assert!(node.has("kept") && node.has("left"));
    let table = node.flyover(&["gc", "--dry-run", "--grace", "0s"]);
    let table = String::from_utf8(table.stdout).unwrap();
    assert!(
        table.contains("would go: the runtime does not know it (")
            && table.contains("kept: the runtime knows it (")
    );
    assert!(table.ends_with("2 attachments, 1 would go\n"), "{table}");
    // An ADD that may be under way is left alone.
    let young = node.flyover(&["gc", "-o", "json"]);
    let young: Value = serde_json::from_slice(&young.stdout).unwrap();
    assert_eq!(findings(&young).iter().filter(|finding| finding.1 == "stale").count(), 0);

    let (code, told) = gc(&node, &[]);
    let gone = [both[0].clone(), found("left", "stale", true)];
    assert_eq!((code, findings(&told)), (Some(0), gone.to_vec()));
    assert!(node.has("kept") && !node.has("left"));
    assert_eq!(gc(&node, &[]).0, Some(0));
    assert_eq!(findings(&gc(&node, &[]).1), both[..1].to_vec());
}

#[test]
fn what_could_not_be_taken_away_is_told_and_ends_with_one() {
    let mut node = Node::new(Options::default());
    let _left = node.pod("left");
    node.forget("left");
    node.rig.end(flyover_testkit::ovs::Daemon::Database, nix::sys::signal::Signal::SIGTERM).unwrap();
    let (code, told) = gc(&node, &[]);
    assert_eq!((code, told[0]["removed"].clone()), (Some(1), json!(false)), "{told}");
    let error = told[0]["errors"][0].as_str().unwrap();
    assert!(error.contains("db.sock"), "{error}");
    node.rig.begin(flyover_testkit::ovs::Daemon::Database).unwrap();
    let (code, told) = gc(&node, &[]);
    assert_eq!((code, told[0]["removed"].clone()), (Some(0), json!(true)), "{told}");
    assert!(!node.has("left"));

    std::fs::write(node.path("etc/flyover/cni.json"), "{").unwrap();
    let (code, told) = gc(&node, &[]);
    assert_eq!(code, Some(1));
    assert!(told.as_str().unwrap().contains("failed to read the node's configuration"), "{told}");
}
