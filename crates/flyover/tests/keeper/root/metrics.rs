//! What is told of a switch at work is what the switch itself says, family by family.

use std::collections::BTreeMap;

use flyover_testkit::ovs::Options;
use flyover_testkit::ovs::frames::broadcast;

use super::node::{Keeper, Node, passes, wait};
use crate::exposition::Exposition;

fn read(keeper: &Keeper) -> Exposition {
    let answer = keeper.scrape().unwrap();
    Exposition::read(answer.split_once("\r\n\r\n").unwrap().1)
}

fn statistics(node: &Node, container: &str) -> BTreeMap<String, i64> {
    node.rig.interface(&format!("{container}-net1")).unwrap().statistics
}

/// The number behind a word of what a daemon says of a thread.
fn after(said: &str, word: &str) -> f64 {
    let rest = said.split(word).nth(1).unwrap().trim_start_matches([':', '=', ' ']);
    rest.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
}

/// What `ovs-vswitchd` says of its one polling thread.
fn thread(node: &Node) -> String {
    let said = node.rig.ask("dpif-netdev/pmd-stats-show", &[]).unwrap();
    said[said.find("pmd thread").unwrap()..].to_owned()
}

#[test]
fn what_ports_did_and_lost_is_told_as_the_switch_counts_it() {
    let node = Node::new(Options::default());
    let (mut a, mut b) = (node.pod("a"), node.pod("b"));
    let keeper = node.keep();
    passes(&mut a, &mut b, "begin");
    // Nobody takes what comes out at b, whose ring is full soon.
    let sent = (0..4000).map(|_| i64::from(a.send(&broadcast("many")).is_ok())).sum::<i64>();
    // The switch writes its counters every five seconds.
    wait("the counters of all that was sent", || {
        let count = |container: &str, key: &str| statistics(&node, container).get(key).copied().unwrap_or(0);
        (count("b", "tx_dropped") > 0 && count("a", "rx_packets") >= sent).then_some(())
    });
    let (told, ports) = wait("a moment in which nothing is written", || {
        let before = ["a", "b"].map(|container| statistics(&node, container));
        let told = read(&keeper);
        (before == ["a", "b"].map(|container| statistics(&node, container))).then_some((told, before))
    });
    for (name, counted) in [("a", &ports[0]), ("b", &ports[1])] {
        for (family, keys) in [("packets", ["rx_packets", "tx_packets"]), ("bytes", ["rx_bytes", "tx_bytes"])]
        {
            for (direction, key) in ["rx", "tx"].into_iter().zip(keys) {
                let series = format!(
                    "flyover_switch_port_{family}_total{{port=\"{name}-net1\",direction=\"{direction}\"}}"
                );
                assert_eq!(told.value(&series), Some(counted[key] as f64), "{series}");
            }
        }
        let start = format!("flyover_switch_port_drops_total{{port=\"{name}-net1\",cause=\"");
        let of_port = told
            .of("flyover_switch_port_drops_total")
            .filter_map(|(series, lost)| Some((series.strip_prefix(&start)?, lost)));
        let losses: f64 = of_port.filter(|(cause, _)| cause.contains("tx_")).map(|(_, lost)| lost).sum();
        assert_eq!(losses, counted["tx_dropped"] as f64, "the causes make up the whole");
    }
    let full = "flyover_switch_port_drops_total{port=\"b-net1\",cause=\"ovs_tx_failure_drops\"}";
    assert_eq!(told.value(full), Some(ports[1]["tx_dropped"] as f64));
}

#[test]
fn threads_queues_pools_and_peers_are_told_as_the_daemon_knows_them() {
    let node = Node::new(Options::default());
    let (mut a, mut b) = (node.pod("a"), node.pod("b"));
    let keeper = node.keep();
    passes(&mut a, &mut b, "begin");
    let before = thread(&node);
    let told = read(&keeper);
    let later = thread(&node);
    let (core, numa) = (after(&before, "core_id"), after(&before, "numa_id"));
    for (state, word) in [("busy", "processing cycles"), ("idle", "idle cycles")] {
        let series =
            format!("flyover_switch_pmd_cycles_total{{core=\"{core}\",numa=\"{numa}\",state=\"{state}\"}}");
        let value = told.value(&series).unwrap();
        assert!(
            (after(&before, word)..=after(&later, word)).contains(&value),
            "{series} {value}\n{before}\n{later}"
        );
    }
    assert_eq!(told.of("flyover_switch_pmd_cycles_total").count(), 2);

    let pools = node.rig.ask("netdev-dpdk/get-mempool-info", &[]).unwrap();
    let said: Vec<&str> = pools.split("mempool <").skip(1).collect();
    assert_eq!(said.len(), told.of("flyover_switch_pool_size_packets").count());
    assert!(said.len() > 1, "{pools}");
    for pool in said {
        let name = pool.split('>').next().unwrap();
        let value =
            |family: &str| told.value(&format!("flyover_switch_pool_{family}_packets{{pool=\"{name}\"}}"));
        let size = after(pool, "\n  size");
        let free = after(pool, "common_pool_count") + after(pool, "total_cache_count");
        // Nobody sends.
        assert_eq!((value("size"), value("used")), (Some(size), Some(size - free)), "{pool}");
    }

    let queue = format!("flyover_switch_queue_usage_ratio{{port=\"a-net1\",queue=\"0\",core=\"{core}\"}}");
    wait("a share, which is measured for a while", || read(&keeper).value(&queue));
    let peer = |told: &Exposition| told.value("flyover_switch_port_peer_connected{port=\"b-net1\"}");
    assert_eq!(peer(&told), Some(1.0));
    drop(b);
    wait("the end of the peer", || peer(&read(&keeper)).filter(|connected| *connected == 0.0));
    assert!(told.of("flyover_switch_condition").count() > 8, "{told:?}");
    assert_eq!(told.of("flyover_switch_condition").find(|(_, holds)| *holds != 1.0), None);
}

#[test]
fn rounds_are_counted_by_how_they_ended() {
    let node = Node::new(Options::default());
    let _a = node.pod("a");
    let keeper = node.keep();
    let rounds = |result: &str| {
        read(&keeper).value(&format!("flyover_switch_reconciliations_total{{result=\"{result}\"}}")).unwrap()
    };
    wait("a quiet round", || (rounds("unchanged") > 0.0).then_some(()));
    assert_eq!((rounds("repaired"), rounds("failed")), (0.0, 0.0), "{}", node.log());
    node.rig.delete_port("br0", "a-net1").unwrap();
    wait("a repair", || (rounds("repaired") == 1.0).then_some(()));
    std::fs::remove_dir_all(node.path("run/flyover/cni")).unwrap();
    std::fs::write(node.path("run/flyover/cni"), "no directory").unwrap();
    wait("a failure", || (rounds("failed") > 0.0).then_some(()));
    assert_eq!(rounds("repaired"), 1.0);
}
