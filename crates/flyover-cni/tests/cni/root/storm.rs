//! Many attachments at once, and everything that can die does.
//!
//! Invariant: after the collection nothing is left that any source knows nothing of; the model is that nothing is attached.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use flyover_cni_core::node::Node;
use flyover_cni_core::reconcile::{Options, reconcile};
use serde_json::json;

use super::rig::Rig;

/// How many attachments come and go; `FLYOVER_STORM=200` is the whole storm.
const FEW: u32 = 24;

/// How many come and go at the same time.
const AT_ONCE: usize = 8;

fn size() -> u32 {
    std::env::var("FLYOVER_STORM").ok().and_then(|size| size.parse().ok()).unwrap_or(FEW)
}

/// Calls plugins from many threads: the n-th attachment is given to `work`.
fn at_once(work: impl Fn(u32) + Sync) {
    let next = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    if number >= size() {
                        return;
                    }
                    work(number);
                }
            });
        }
    });
}

fn collect(rig: &Rig) {
    let node = Node::load(rig.root()).unwrap();
    let now = Options { dry_run: false, grace: Duration::ZERO };
    let looked = reconcile(&node, Options { dry_run: true, ..now }).unwrap();
    let found = reconcile(&node, now).unwrap();
    let ids = |found: &[flyover_cni_core::reconcile::Finding]| {
        found.iter().map(|f| f.id.clone()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&found), ids(&looked), "a dry run sees what a run sees");
    assert!(found.iter().all(|finding| finding.removed), "{found:#?}");
    assert_eq!(rig.traces(), Vec::<String>::new());
}

#[test]
fn parallel_adds_all_succeed_and_parallel_dels_leave_nothing() {
    let rig = Rig::new();
    let network = rig.addressed("net", "1.0.0");
    at_once(|number| drop(rig.call("ADD", &network).of(&format!("c{number}"), "net1").run().good()));
    assert_eq!((rig.ports().len(), rig.addresses().len()), (size() as usize, size() as usize));
    at_once(|number| drop(rig.call("DEL", &network).of(&format!("c{number}"), "net1").run().good()));
    assert_eq!(rig.traces(), Vec::<String>::new());
}

#[test]
fn plugins_killed_at_random_leave_nothing_that_the_collection_does_not_find() {
    let rig = Rig::new();
    let network = rig.addressed("net", "1.0.0");
    // No clock and no dice: each number dies somewhere else, so that a failure can be repeated.
    at_once(|number| {
        let of = |verb: &str| rig.call(verb, &network).of(&format!("c{number}"), "net1");
        of("ADD").dying_at(number * 7 % 20 + 1).run();
        if number % 3 == 0 {
            of("DEL").dying_at(number * 5 % 12 + 1).run();
        }
    });
    collect(&rig);
}

#[test]
fn a_switch_and_a_database_that_die_meanwhile_leave_nothing_either() {
    let mut rig = Rig::new();
    rig.node(&json!({"group": "hugetlbfs", "applyTimeoutMs": 500}));
    let network = rig.addressed("net", "1.0.0");
    let calls = |rig: &Rig, verb: &str, numbers: std::ops::Range<u32>| {
        std::thread::scope(|scope| {
            for number in numbers {
                let call = rig.call(verb, &network).of(&format!("c{number}"), "net1");
                scope.spawn(move || drop(call.run()));
            }
        });
    };
    calls(&rig, "ADD", 0..4);
    rig.kill_daemon();
    calls(&rig, "ADD", 4..8);
    calls(&rig, "DEL", 0..2);
    rig.kill_server();
    calls(&rig, "ADD", 8..12);
    calls(&rig, "DEL", 2..6);
    rig.start_server();
    rig.start_daemon();
    collect(&rig);
}

#[test]
fn the_collection_leaves_alone_what_the_runtime_or_a_pod_has() {
    let rig = Rig::new();
    rig.pod("uid-1");
    let network = rig.network("net");
    rig.call("ADD", &network)
        .of("c1", "net1")
        .with("CNI_ARGS", "IgnoreUnknown=1;K8S_POD_UID=uid-1")
        .run()
        .good();
    rig.call("ADD", &network).of("c2", "net1").run().good();
    rig.call("ADD", &network).of("c3", "net1").run().good();
    std::fs::write(rig.path("var/lib/cni/results/net-c2-net1"), "{}").unwrap();
    let node = Node::load(rig.root()).unwrap();
    let now = Options { dry_run: false, grace: Duration::ZERO };
    reconcile(&node, Options::default()).unwrap();
    assert_eq!(rig.ports().len(), 3, "what is young may be under way");
    reconcile(&node, now).unwrap();
    assert_eq!(rig.ports(), ["c1-net1".to_owned(), "c2-net1".to_owned()].into());
    std::fs::remove_file(rig.path("var/lib/cni/results/net-c2-net1")).unwrap();
    std::fs::remove_dir_all(rig.path("var/lib/kubelet/pods/uid-1")).unwrap();
    collect(&rig);
}

#[test]
fn what_is_lost_under_a_running_pod_can_be_made_again_by_another_program() {
    use flyover_cni_core::state::Store;
    use flyover_cni_core::{broker, sockets, switch};
    let rig = Rig::new();
    rig.pod("uid-1");
    let mut network = rig.network("net");
    network["host"]["vhost"]["mode"] = "server".into();
    network["container"]["vhost"]["mode"] = "client".into();
    let args = "IgnoreUnknown=1;K8S_POD_UID=uid-1";
    let of = |verb: &str, network: &serde_json::Value| {
        rig.call(verb, network).of("c1", "net1").with("CNI_ARGS", args)
    };
    let result = of("ADD", &network).run().good();
    let mut with = network.clone();
    with["prevResult"] = result.clone();
    let socket = std::path::PathBuf::from(result["interfaces"][0]["socketPath"].as_str().unwrap());
    let directory = socket.parent().unwrap();
    rig.tear_out("c1-net1");
    broker::end(directory, None).unwrap();
    nix::mount::umount2(directory, nix::mount::MntFlags::MNT_DETACH).unwrap();
    assert_eq!(of("CHECK", &with).run().code(), 101);
    // This program is not the plugin, and the broker has to be.
    let node = Node::load(rig.root()).unwrap();
    let store = Store::open(&node).unwrap();
    let mut state = store.load(&store.list().unwrap()[0]).unwrap().unwrap();
    assert_eq!(sockets::differences(&state).len(), 3);
    sockets::make(&mut state).unwrap();
    sockets::serve(&mut state).unwrap();
    switch::attach(&mut rig.client(), &node, &state, state.port.as_ref().unwrap()).unwrap();
    store.save(&state).unwrap();
    of("CHECK", &with).run().good();
    of("DEL", &network).run().good();
    assert_eq!(rig.traces(), Vec::<String>::new());
}
