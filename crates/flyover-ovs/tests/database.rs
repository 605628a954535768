//! Conversations with Debian's ovsdb-server.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod rig;

use std::time::{Duration, Instant};

use flyover_ovs::tables::{Bridge, Interface, OpenVswitch, Port};
use flyover_ovs::transaction::row;
use flyover_ovs::{Client, Condition, Datum, Mutation, OPEN_VSWITCH, OvsError, Rows, Schema, Transaction};
use rig::{Database, add_bridge, add_port, interface, strings};

fn with_bridge() -> (Database, Client) {
    let database = Database::start();
    let mut client = database.client();
    let mut transaction = Transaction::default();
    add_bridge(&mut transaction, "br0");
    client.transact(&transaction).unwrap();
    (database, client)
}

fn named(name: &str) -> [Condition; 1] {
    [Condition::equals("name", name)]
}

#[test]
fn a_port_that_was_added_is_read_back_whole() {
    let (_database, mut client) = with_bridge();
    let mut transaction = Transaction::default();
    let mut columns = interface("vhu0", "dpdkvhostuserclient");
    columns.insert("options".to_owned(), strings([("vhost-server-path", "/run/a \"b\"\\c\n{[\u{e9}.sock")]));
    columns.insert("mtu_request".to_owned(), 9000.into());
    add_port(&mut transaction, "br0", &columns);
    let port = [Condition::equals("name", "vhu0")];
    let tagged = row([("tag", 42.into()), ("trunks", Datum::empty())]);
    transaction.update("Port", &port, &tagged, Rows::Exactly(1));
    let found = transaction.select::<Port>(&named("vhu0"));
    let committed = client.transact(&transaction).unwrap();
    let [port] = <[Port; 1]>::try_from(committed.rows::<Port>(found).unwrap()).unwrap();
    let [vhu] = <[Interface; 1]>::try_from(client.rows::<Interface>(&named("vhu0")).unwrap()).unwrap();
    assert_eq!((port.tag, &port.interfaces), (Some(42), &[vhu.uuid.clone()].into()));
    assert_eq!(vhu.options["vhost-server-path"], "/run/a \"b\"\\c\n{[\u{e9}.sock");
    assert_eq!((vhu.kind.as_str(), vhu.mtu_request, vhu.ofport), ("dpdkvhostuserclient", Some(9000), None));
    let [bridge] = <[Bridge; 1]>::try_from(client.rows::<Bridge>(&[]).unwrap()).unwrap();
    assert!(bridge.ports.contains(&port.uuid) && bridge.ports.len() == 2, "{bridge:?}");
    assert_eq!(committed.inserted(), [vhu.uuid, port.uuid]);
}

#[test]
fn a_port_for_a_bridge_that_is_not_there_is_an_error_though_the_server_finds_nothing_wrong() {
    let (_database, mut client) = with_bridge();
    let mut transaction = Transaction::default();
    add_port(&mut transaction, "br1", &interface("p0", "internal"));
    let error = client.transact(&transaction).unwrap_err();
    assert_eq!(error.to_string(), "mutation of Bridge name == \"br1\" touched 0 rows, not 1");
    assert_eq!(client.rows::<Interface>(&named("p0")).unwrap(), []);
}

#[test]
fn a_name_that_is_taken_is_seen_although_every_operation_went_well() {
    let (_database, mut client) = with_bridge();
    let mut transaction = Transaction::default();
    add_port(&mut transaction, "br0", &interface("p0", "internal"));
    client.transact(&transaction).unwrap();
    let error = client.transact(&transaction).unwrap_err();
    let OvsError::Refused { request, error, details } = error else { panic!("{error}") };
    assert_eq!((request.as_str(), error.as_str()), ("commit", "constraint violation"));
    assert!(details.unwrap().contains("index on column \"name\""));
}

#[test]
fn an_operation_that_is_refused_is_named() {
    let (_database, mut client) = with_bridge();
    let mut transaction = Transaction::default();
    transaction.update("Port", &named("br0"), &row([("tag", 5000.into())]), Rows::Exactly(1));
    let error = client.transact(&transaction).unwrap_err().to_string();
    assert!(
        error.starts_with("update of Port name == \"br0\" was refused: constraint violation ("),
        "{error}"
    );
    let error = client.call("get_schema", serde_json::json!(["Nowhere"])).unwrap_err().to_string();
    assert!(error.starts_with("get_schema was refused: unknown database"), "{error}");
}

#[test]
fn a_guard_holds_a_transaction_back_if_rows_are_other_than_they_were() {
    let (_database, mut client) = with_bridge();
    let tag = |client: &mut Client| client.rows::<Port>(&named("br0")).unwrap().remove(0).tag;
    let mut guarded = |was: Datum, tag: Datum| {
        let mut transaction = Transaction::default();
        transaction.only_if("Port", &named("br0"), &[row([("tag", was)])], "somebody set the tag of br0");
        transaction.update("Port", &named("br0"), &row([("tag", tag)]), Rows::Exactly(1));
        client.transact(&transaction).map(drop)
    };
    guarded(Datum::empty(), 7.into()).unwrap();
    let error = guarded(Datum::empty(), 8.into()).unwrap_err();
    assert!(matches!(&error, OvsError::Changed(what) if what == "somebody set the tag of br0"), "{error}");
    guarded(7.into(), Datum::empty()).unwrap();
    assert_eq!(tag(&mut client), None);
}

#[test]
fn a_guard_of_several_rows_compares_all_columns_that_any_of_them_names() {
    let (_database, mut client) = with_bridge();
    let mut transaction = Transaction::default();
    add_port(&mut transaction, "br0", &interface("p0", "internal"));
    transaction.update("Port", &named("p0"), &row([("tag", 7.into())]), Rows::Exactly(1));
    client.transact(&transaction).unwrap();
    let mut guarded = |tag: i64| {
        let mut transaction = Transaction::default();
        let rows = [row([("name", "br0".into())]), row([("name", "p0".into()), ("tag", tag.into())])];
        transaction.only_if("Port", &[], &rows, "other ports");
        client.transact(&transaction).map(drop)
    };
    guarded(7).unwrap();
    assert!(matches!(guarded(8), Err(OvsError::Changed(_))));
}

#[test]
fn a_guard_against_rows_lets_pass_if_there_is_none() {
    let (_database, mut client) = with_bridge();
    let mut guarded = |name: &str| {
        let mut transaction = Transaction::default();
        transaction.only_if_none("Bridge", &named(name), format!("there is a bridge {name}"));
        transaction.comment("looks only");
        client.transact(&transaction).map(drop)
    };
    guarded("br1").unwrap();
    let error = guarded("br0").unwrap_err();
    assert!(matches!(&error, OvsError::Changed(what) if what == "there is a bridge br0"), "{error}");
}

#[test]
fn a_key_of_a_map_is_set_changed_and_taken_away_without_touching_the_others() {
    let (_database, mut client) = with_bridge();
    let mut set = |key: &str, value: Option<&str>| {
        let mut transaction = Transaction::default();
        let mutations = Mutation::set_key("other_config", key, value);
        transaction.mutate("Open_vSwitch", &[], &mutations, Rows::Exactly(1));
        client.transact(&transaction).unwrap();
        client.rows::<OpenVswitch>(&[]).unwrap().remove(0).other_config.into_iter().collect::<Vec<_>>()
    };
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    assert_eq!(set("theirs", Some("1")), [pair("theirs", "1")]);
    assert_eq!(set("ours", Some("a")), [pair("ours", "a"), pair("theirs", "1")]);
    assert_eq!(set("ours", Some("b")), [pair("ours", "b"), pair("theirs", "1")]);
    assert_eq!(set("ours", None), [pair("theirs", "1")]);
    assert_eq!(set("ours", None), [pair("theirs", "1")]);
}

#[test]
fn rows_are_found_by_what_a_map_includes() {
    let (_database, mut client) = with_bridge();
    let mut transaction = Transaction::default();
    for (name, owner) in [("p0", "flyover"), ("p1", "somebody")] {
        let mut columns = interface(name, "internal");
        columns.insert("external_ids".to_owned(), strings([("owner", owner), ("more", "x")]));
        add_port(&mut transaction, "br0", &columns);
    }
    client.transact(&transaction).unwrap();
    let ours = Condition::includes("external_ids", strings([("owner", "flyover")]));
    let found: Vec<String> =
        client.rows::<Interface>(&[ours]).unwrap().into_iter().map(|row| row.name).collect();
    assert_eq!(found, ["p0"]);
}

#[test]
fn without_a_switch_a_change_is_late_and_says_that_it_is_committed() {
    let (database, _) = with_bridge();
    let mut client = Client::connect(&database.socket(), Duration::from_millis(300)).unwrap();
    let begun = Instant::now();
    for next in 1..=2 {
        let mut transaction = Transaction::default();
        add_port(&mut transaction, "br0", &interface(&format!("p{next}"), "internal"));
        let error = client.apply(&transaction).unwrap_err();
        let path = database.socket();
        assert_eq!(
            error.to_string(),
            format!(
                "`{}` did not apply configuration {next}, which is committed, within 300ms",
                path.display()
            )
        );
        assert_eq!(client.rows::<Port>(&named(&format!("p{next}"))).unwrap().len(), 1);
    }
    assert!(begun.elapsed() < rig::LIMIT, "{:?}", begun.elapsed());
}

#[test]
fn what_a_switch_writes_of_a_row_is_waited_for_in_the_same_breath() {
    let (database, mut client) = with_bridge();
    let mut addition = Transaction::default();
    addition.only_if_none("Port", &named("p0"), "port p0 is there");
    add_port(&mut addition, "br0", &interface("p0", "internal"));
    let writing = std::thread::spawn({
        let mut switch = database.client();
        move || {
            while switch.rows::<Interface>(&named("p0")).unwrap().is_empty() {
                std::thread::sleep(Duration::from_millis(5));
            }
            let mut writing = Transaction::default();
            writing.update("Interface", &named("p0"), &row([("ofport", 7.into())]), Rows::Exactly(1));
            switch.transact(&writing).unwrap();
        }
    });
    let until = |client: &mut Client, change: &Transaction| {
        client.transact_until::<Interface>(change, &named("p0"), "ofport")
    };
    let rows = until(&mut client, &addition).unwrap();
    writing.join().unwrap();
    assert_eq!(rows.iter().map(|row| row.ofport).collect::<Vec<_>>(), [Some(7)]);
    // What is held back is told as such, and the client goes on.
    let error = until(&mut client, &addition).unwrap_err();
    assert!(matches!(&error, OvsError::Changed(why) if why == "port p0 is there"), "{error:?}");
    assert_eq!(client.rows::<Interface>(&named("p0")).unwrap().len(), 1);
    // Nobody writes: it is late, and committed.
    let mut impatient = Client::connect(&database.socket(), Duration::from_millis(200)).unwrap();
    let mut other = Transaction::default();
    add_port(&mut other, "br0", &interface("p1", "internal"));
    let late = impatient.transact_until::<Interface>(&other, &named("p1"), "ofport").unwrap_err();
    assert!(matches!(&late, OvsError::Late { what, .. } if what == "apply what is committed"), "{late:?}");
    assert_eq!(client.rows::<Interface>(&named("p1")).unwrap().len(), 1);
}

#[test]
fn a_server_that_asks_whether_anybody_is_there_is_answered() {
    let (database, mut client) = with_bridge();
    let (socket, target) = (database.dir().join("probing.sock"), database.dir().join("probing.sock"));
    let mut transaction = Transaction::default();
    let target = format!("punix:{}", target.display());
    let manager = row([("target", target.into()), ("inactivity_probe", 1000.into())]);
    let manager = transaction.insert("Manager", &manager);
    let listens = Mutation::insert("manager_options", manager);
    transaction.mutate("Open_vSwitch", &[], &[listens], Rows::Exactly(1));
    client.transact(&transaction).unwrap();
    let control = database.dir().join("ovsdb.ctl");
    let remote = "db:Open_vSwitch,Open_vSwitch,manager_options";
    flyover_ovs::unixctl::ask(&control, "ovsdb-server/add-remote", &[remote], rig::LIMIT).unwrap();
    rig::wait_for("the manager's socket", || socket.exists());
    let mut probed = Client::connect(&socket, Duration::from_secs(4)).unwrap();
    // Nobody applies it, so this waits for four seconds, in which the server asks, and would hang up unanswered.
    assert!(matches!(probed.apply(&Transaction::default()), Err(OvsError::Late { .. })));
    assert_eq!(probed.rows::<Bridge>(&[]).unwrap().len(), 1);
}

#[test]
fn the_schema_of_the_installed_version_has_all_that_we_need() {
    let database = Database::start();
    let schema: Schema = database.client().schema(OPEN_VSWITCH).unwrap();
    schema.check().unwrap();
    assert_eq!(
        schema.columns::<Interface>().len() + 1,
        <Interface as flyover_ovs::tables::Table>::COLUMNS.len()
    );
}
