//! How much memory a thousand ports take.

use flyover_cni_core::node::Node as Configuration;
use flyover_cni_core::state::{State, Store};
use flyover_ovs::tables::{Bridge, Interface, Port, Table};
use flyover_ovs::transaction::row;
use flyover_ovs::{Atom, Condition, Datum, Mutation, Row, Rows, Transaction};
use flyover_testkit::ovs::{Daemon, Options};
use nix::sys::signal::Signal;

use super::node::Node;

/// The first rounds, of which one is at all rows.
const SETTLES: std::time::Duration = std::time::Duration::from_secs(5);
/// Of its own, where a round and a scrape meet: each takes 6 beside the 9 of what is known of the ports. The pages of the
/// program come on top: 9 of a release.
const MOST_MIB: f64 = 24.0;

#[test]
fn a_thousand_attachments_take_little_memory() {
    let mut node = Node::new(Options::default());
    let _pod = node.pod("seed");
    // So many ports are much for a switch that is not what is tested here.
    node.rig.end(Daemon::Switch, Signal::SIGTERM).unwrap();
    multiply(&node, 999);
    let keeper = node.keep();
    let begun = keeper.peak_while(|| std::thread::sleep(SETTLES));
    let rounds = keeper.peak_while(|| std::thread::sleep(SETTLES));
    let scraped = keeper.peak_while(|| {
        let scrape = keeper.scrape().unwrap();
        assert_eq!(scrape.matches("flyover_switch_port_peer_connected{").count(), 1000);
    });
    let after = keeper.peak_while(|| ());
    eprintln!(
        "own: {begun:.1} MiB at the begin, {rounds:.1} in rounds, {scraped:.1} in a scrape, {after:.1} after it"
    );
    eprintln!("with pages of the program: {:.1} MiB at most", keeper.memory("VmHWM"));
    assert!(begun.max(rounds).max(scraped) < MOST_MIB);
}

/// Copies of an attachment: its state and its rows, as the switch has filled them.
fn multiply(node: &Node, copies: usize) {
    let store = Store::open(&Configuration::load(&node.path("")).unwrap()).unwrap();
    let id = store.list().unwrap().remove(0);
    let state = store.load(&id).unwrap().unwrap();
    let mut transaction = Transaction::default();
    let seed = [Condition::equals("name", "seed-net1")];
    let interface = transaction.select::<Interface>(&seed);
    let mut client = node.rig.client().unwrap();
    let interface = client.transact(&transaction).unwrap().raw_rows(interface).remove(0);
    let mut transaction = Transaction::default();
    let ports = (0..copies).map(|number| {
        let copy = copy(&state, &format!("c{number}"));
        // The runtime knows it.
        std::fs::write(node.path(&format!("var/lib/cni/results/net-c{number}-net1")), "{}").unwrap();
        store.save(&copy).unwrap();
        insert(&mut transaction, &interface, &copy)
    });
    let ports = Datum::Set(ports.collect());
    let bridge = [Condition::equals("name", "br0")];
    transaction.mutate(Bridge::NAME, &bridge, &[Mutation::insert("ports", ports)], Rows::Exactly(1));
    client.transact(&transaction).unwrap();
}

fn copy(state: &State, container: &str) -> State {
    let mut copy = state.clone();
    copy.attachment.container = container.parse().unwrap();
    let id = copy.id();
    let port = copy.port.as_mut().unwrap();
    port.name = format!("{container}-net1").parse().unwrap();
    port.server_path = copy.sockets.root.join(id.as_str()).join(port.name.as_str());
    copy
}

fn insert(transaction: &mut Transaction, like: &Row, state: &State) -> Atom {
    let port = state.port.as_ref().unwrap();
    let columns = ["type", "statistics", "status", "mtu_request", "link_state", "admin_state"];
    let kept = like.iter().filter(|(column, _)| columns.contains(&column.as_str()));
    let mut interface: Row = kept.map(|(column, datum)| (column.clone(), datum.clone())).collect();
    let marks = || {
        Datum::map([
            ("flyover-owner", "flyover-cni"),
            ("flyover-attachment", state.id().as_str()),
            ("flyover-network", state.attachment.network.as_str()),
            ("flyover-container", state.attachment.container.as_str()),
            ("flyover-ifname", state.attachment.ifname.as_str()),
        ])
    };
    interface.insert("name".to_owned(), port.name.as_str().into());
    interface.insert("external_ids".to_owned(), marks());
    let path = port.server_path.display().to_string();
    interface.insert("options".to_owned(), Datum::map([("vhost-server-path", path)]));
    let interface = transaction.insert(Interface::NAME, &interface);
    let columns = [("name", port.name.as_str().into()), ("interfaces", Datum::from(interface))];
    let mut new = row(columns);
    new.insert("external_ids".to_owned(), marks());
    transaction.insert(Port::NAME, &new)
}
