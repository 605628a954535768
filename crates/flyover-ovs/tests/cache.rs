//! A cache has the rows that the server has, in whichever way it was told of them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod rig;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use flyover_ovs::cache::{Cache, Change, Reply, Synced};
use flyover_ovs::session::{Event, Session};
use flyover_ovs::tables::{Bridge, Interface, OpenVswitch, Port};
use flyover_ovs::transaction::row;
use flyover_ovs::{Client, Condition, Datum, Mutation, OPEN_VSWITCH, OvsError, Rows, Schema, Transaction};
use rig::{Database, add_bridge, add_port, interface, strings};
use serde_json::{Value, json};

fn cache() -> Cache {
    Cache::of(OPEN_VSWITCH)
        .watching::<OpenVswitch>()
        .watching::<Bridge>()
        .watching::<Port>()
        .watching::<Interface>()
}

/// A connection whose server does not know some methods.
struct Follower {
    stream: UnixStream,
    session: Session,
    cache: Cache,
    schema: Schema,
    unknown: &'static [&'static str],
}

impl Follower {
    fn of(database: &Database, cache: Cache, unknown: &'static [&'static str]) -> Self {
        let schema = database.client().schema(OPEN_VSWITCH).unwrap();
        let stream = connect(&database.socket());
        Self { stream, session: Session::default(), cache, schema, unknown }
    }

    fn again(&mut self, database: &Database) {
        self.stream = connect(&database.socket());
        self.session = Session::default();
        self.cache.reconnected();
    }

    fn sync(&mut self) -> Synced {
        loop {
            let (method, params) = self.cache.request(&self.schema);
            let outcome = if self.unknown.contains(&method) {
                Err(json!({"error": "unknown method"}))
            } else {
                self.ask(method, params).0
            };
            if let Reply::Synced(synced) = self.cache.replied(outcome).unwrap() {
                return synced;
            }
        }
    }

    /// All changes of transactions that are done.
    fn catch_up(&mut self) -> Vec<Change> {
        self.ask("echo", json!([])).1
    }

    /// What comes before an answer is older than it.
    fn ask(&mut self, method: &str, params: Value) -> (Result<Value, Value>, Vec<Change>) {
        let wanted = self.session.request(method, params);
        self.stream.write_all(&self.session.outgoing()).unwrap();
        let mut changes = Vec::new();
        loop {
            while let Some(event) = self.session.event() {
                match event {
                    Event::Reply { id, outcome } if id == wanted => return (outcome, changes),
                    Event::Notification { method, params } => {
                        changes.extend(self.cache.notified(&method, &params).unwrap().unwrap());
                    }
                    Event::Reply { .. } => {}
                }
            }
            let mut bytes = [0; 4096];
            let count = self.stream.read(&mut bytes).unwrap();
            self.session.receive(&bytes[..count]).unwrap();
        }
    }

    fn holds_what_the_server_has(&self, client: &mut Client) {
        let of = |name: &String| name.clone();
        let mut bridges = client.rows::<Bridge>(&[]).unwrap();
        bridges.sort_by_key(|row| of(&row.uuid.0));
        assert_eq!(self.cache.rows::<Bridge>().unwrap(), bridges);
        let mut ports = client.rows::<Port>(&[]).unwrap();
        ports.sort_by_key(|row| of(&row.uuid.0));
        assert_eq!(self.cache.rows::<Port>().unwrap(), ports);
        let mut interfaces = client.rows::<Interface>(&[]).unwrap();
        interfaces.sort_by_key(|row| of(&row.uuid.0));
        assert_eq!(self.cache.rows::<Interface>().unwrap(), interfaces);
        assert_eq!(self.cache.rows::<OpenVswitch>().unwrap(), client.rows::<OpenVswitch>(&[]).unwrap());
    }
}

fn connect(socket: &Path) -> UnixStream {
    let stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(rig::LIMIT)).unwrap();
    stream
}

/// Transactions that change every kind of column in every way.
fn history() -> Vec<Transaction> {
    let mut all: Vec<Transaction> = Vec::new();
    let mut next = |build: &dyn Fn(&mut Transaction)| {
        let mut transaction = Transaction::default();
        build(&mut transaction);
        all.push(transaction);
    };
    let p0 = [Condition::equals("name", "p0")];
    let one = Rows::Exactly(1);
    next(&|t| add_bridge(t, "br0"));
    next(&|t| add_port(t, "br0", &interface("p0", "internal")));
    next(&|t| add_port(t, "br0", &interface("p1", "internal")));
    let trunks =
        |vlans: &[i64]| Datum::Set(vlans.iter().map(|vlan| flyover_ovs::Atom::Integer(*vlan)).collect());
    for vlans in [&[1, 2, 3][..], &[3], &[3, 4], &[5], &[]] {
        next(&|t| t.update("Port", &p0, &row([("trunks", trunks(vlans))]), one));
    }
    for tag in [7.into(), 8.into(), Datum::empty()] {
        next(&|t| t.update("Port", &p0, &row([("tag", tag.clone())]), one));
    }
    let maps = [strings([("a", "1"), ("b", "2")]), strings([("a", "1"), ("b", "3"), ("c", "4")])];
    for options in [&maps[0], &maps[1], &maps[0], &strings([("a", "2")]), &strings([])] {
        next(&|t| t.update("Interface", &p0, &row([("options", options.clone())]), one));
    }
    next(&|t| t.mutate("Open_vSwitch", &[], &Mutation::set_key("other_config", "k", Some("v")), one));
    next(&|t| t.ask_to_apply());
    next(&|t| t.update("Interface", &p0, &row([("type", "".into())]), one));
    next(&|t| {
        t.update("Bridge", &[], &row([("ports", Datum::empty()), ("fail_mode", "secure".into())]), one)
    });
    next(&|t| t.update("Open_vSwitch", &[], &row([("bridges", Datum::empty())]), one));
    all
}

fn follows(unknown: &'static [&'static str]) {
    let database = Database::start();
    let mut client = database.client();
    let history = history();
    for joins in [0, 5, history.len()] {
        let mut follower = None;
        for (at, transaction) in history.iter().enumerate() {
            if at == joins {
                let mut new = Follower::of(&database, cache(), unknown);
                assert!(new.sync().whole);
                follower = Some(new);
            }
            client.transact(transaction).unwrap();
            if let Some(follower) = &mut follower {
                let changes = follower.catch_up();
                assert!(changes.iter().all(|change| change.was != change.is), "{changes:?}");
                follower.holds_what_the_server_has(&mut client);
            }
        }
    }
    let mut late = Follower::of(&database, cache(), unknown);
    late.sync();
    late.holds_what_the_server_has(&mut client);
}

#[test]
fn by_what_was_missed() {
    follows(&[]);
}

#[test]
fn by_differences() {
    follows(&["monitor_cond_since"]);
}

#[test]
fn by_whole_rows() {
    follows(&["monitor_cond_since", "monitor_cond"]);
}

#[test]
fn a_change_tells_what_was_and_what_is() {
    let database = Database::start();
    let mut follower = Follower::of(&database, cache(), &[]);
    follower.sync();
    let mut transaction = Transaction::default();
    add_bridge(&mut transaction, "br0");
    database.client().transact(&transaction).unwrap();
    let changes = follower.catch_up();
    let [bridge] = <[Bridge; 1]>::try_from(follower.cache.rows::<Bridge>().unwrap()).unwrap();
    let of_bridges: Vec<_> = changes.iter().filter(|change| change.table == "Bridge").collect();
    assert_eq!(of_bridges.len(), 1);
    assert_eq!(of_bridges[0].was::<Bridge>().unwrap(), None);
    assert_eq!(of_bridges[0].is::<Bridge>().unwrap().as_ref(), Some(&bridge));
    assert_eq!(of_bridges[0].is::<Port>().unwrap(), None);
    assert_eq!(follower.cache.row::<Bridge>(&bridge.uuid).unwrap(), Some(bridge));
}

#[test]
fn what_was_missed_while_the_server_was_away_comes_as_changes() {
    let mut database = Database::start();
    let mut follower = Follower::of(&database, cache(), &[]);
    follower.sync();
    database.kill();
    database.run();
    let mut transaction = Transaction::default();
    add_bridge(&mut transaction, "br0");
    database.client().transact(&transaction).unwrap();
    follower.again(&database);
    let synced = follower.sync();
    assert!(!synced.replaced);
    let tables: Vec<&str> = synced.changes.iter().map(|change| change.table.as_str()).collect();
    assert_eq!(tables, ["Open_vSwitch", "Bridge", "Interface", "Port"]);
    follower.holds_what_the_server_has(&mut database.client());
}

#[test]
fn another_database_in_the_same_place_is_noticed() {
    let mut database = Database::start();
    let mut follower = Follower::of(&database, cache(), &[]);
    follower.sync();
    database.replace();
    follower.again(&database);
    let synced = follower.sync();
    assert!(synced.whole && synced.replaced);
    assert_eq!(synced.changes.len(), 2, "the row of the old switch went, that of the new one came");
    follower.holds_what_the_server_has(&mut database.client());
}

/// What a clustered server answers, which can say what was missed.
#[test]
fn a_server_that_remembers_is_asked_for_what_came_after_and_nothing_else_changes() {
    let schema = Database::start().client().schema(OPEN_VSWITCH).unwrap();
    let mut cache = Cache::of(OPEN_VSWITCH).watching::<Port>();
    let (_, first) = cache.request(&schema);
    assert_eq!(first[3], json!("00000000-0000-0000-0000-000000000000"));
    let all = json!({"Port": {"p": {"initial": {"name": "p0", "tag": 7}}, "q": {"initial": {"name": "q0"}}}});
    cache.replied(Ok(json!([false, "one", all]))).unwrap();
    assert_eq!(cache.request(&schema).1[3], json!("one"));
    let name = json!(["flyover", "Open_vSwitch"]);
    let update = json!([name, "two", {"Port": {"p": {"modify": {"tag": ["set", []]}}}}]);
    assert_eq!(cache.notified("update3", &update).unwrap().unwrap().len(), 1);
    cache.reconnected();
    assert_eq!(cache.request(&schema).1[3], json!("two"));
    let missed = json!([true, "three", {"Port": {"q": {"delete": null}}}]);
    let Reply::Synced(synced) = cache.replied(Ok(missed)).unwrap() else { panic!("the way is known") };
    assert_eq!((synced.whole, synced.replaced, synced.changes.len()), (false, false, 1));
    let ports: Vec<_> = cache.rows::<Port>().unwrap().into_iter().map(|row| (row.name, row.tag)).collect();
    assert_eq!(ports, [("p0".to_owned(), None)]);
}

#[test]
fn after_what_cannot_be_applied_everything_is_asked_for() {
    let schema = Database::start().client().schema(OPEN_VSWITCH).unwrap();
    let mut cache = Cache::of(OPEN_VSWITCH).watching::<Port>();
    cache.request(&schema);
    cache.replied(Ok(json!([true, "one", {}]))).unwrap();
    let name = json!(["flyover", "Open_vSwitch"]);
    let mut told =
        |what: Value| cache.notified("update3", &json!([name, "two", what])).unwrap_err().to_string();
    assert_eq!(
        told(json!({"Port": {"p": {"modify": {"tag": 1}}}})),
        "the server sent an update that changes a row that was never told of"
    );
    assert_eq!(
        told(json!({"QoS": {"p": {"delete": null}}})),
        "the server sent an update that is of a table that was not asked for"
    );
    assert_eq!(
        told(json!({"Port": {"p": {}}})),
        "the server sent an update that does something unknown to a row"
    );
    assert_eq!(told(json!({"Port": []})), "the server sent an update that is no object of objects");
    assert_eq!(cache.request(&schema).1[3], json!("00000000-0000-0000-0000-000000000000"));
    assert_eq!(cache.notified("update3", &json!(["theirs", "x", {}])).unwrap(), None);
    let canceled = cache.notified("monitor_canceled", &json!([name])).unwrap_err();
    assert!(matches!(canceled, OvsError::Update(_)));
}
