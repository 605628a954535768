//! A switch whose daemon does not answer: that is told, what needs no switch is made again, and the rest as soon as it can be.

use std::fs;
use std::time::{Duration, Instant};

use flyover_testkit::ovs::{Daemon, Options};
use nix::sys::signal::Signal;

use super::node::{Keeper, Node, passes, wait};

/// Whether the daemon is said to run.
fn runs(node: &Node, keeper: &Keeper) -> Option<u64> {
    let switch = node.rig.folder().display();
    keeper
        .metric(&format!("flyover_switch_condition{{object=\"switch\",name=\"{switch}\",type=\"Running\"}}"))
}

/// From an answer until what waited for it is done.
const AT_ONCE: Duration = Duration::from_secs(3);

#[test]
fn while_the_daemon_is_stopped_this_is_told_and_when_it_goes_on_so_does_all() {
    let node = Node::new(Options::default());
    let (mut a, mut b) = (node.pod("a"), node.pod("b"));
    passes(&mut a, &mut b, "before");
    // So that nothing but the daemon's answer makes it look again.
    let keeper = node.keep_with("10m", &[]);
    wait("the first round", || (runs(&node, &keeper) == Some(1)).then_some(()));
    node.rig.freeze(Daemon::Switch).unwrap();
    // It is gone from the database, and the daemon does not know it yet.
    node.vsctl(&["--no-wait", "del-port", "br0", "a-net1"]);
    let asked = Instant::now();
    assert_eq!(runs(&node, &keeper), Some(0), "{}", node.log());
    assert!(asked.elapsed() < Duration::from_secs(9), "who scrapes gives up: {:?}", asked.elapsed());
    wait("a line of the log", || node.log().contains("ports wait: ").then_some(()));
    std::thread::sleep(Duration::from_secs(5));
    assert!(!node.has("a"));

    node.rig.thaw(Daemon::Switch).unwrap();
    let thawed = Instant::now();
    wait("the port", || node.has("a").then_some(()));
    assert!(thawed.elapsed() < AT_ONCE, "{:?}", thawed.elapsed());
    passes(&mut a, &mut b, "after");
    assert_eq!(runs(&node, &keeper), Some(1));
    assert!(node.log().contains("ovs-vswitchd answers again"), "{}", node.log());
}

#[test]
fn while_no_daemon_runs_directories_come_back_and_with_it_the_ports_do() {
    let mut node = Node::new(Options::default());
    let (mut a, mut b) = (node.pod("a"), node.pod("b"));
    passes(&mut a, &mut b, "before");
    let lost = node.attach("lost");
    let directory = lost.parent().unwrap();
    let keeper = node.keep();
    node.rig.end(Daemon::Switch, Signal::SIGKILL).unwrap();
    node.vsctl(&["--no-wait", "del-port", "br0", "a-net1"]);
    fs::remove_dir_all(directory).unwrap();
    wait("the directory", || directory.is_dir().then_some(()));
    assert_eq!(runs(&node, &keeper), Some(0));
    assert!(!node.has("a"));

    node.rig.begin(Daemon::Switch).unwrap();
    let begun = Instant::now();
    wait("the port", || node.has("a").then_some(()));
    assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
    passes(&mut a, &mut b, "after");
}
