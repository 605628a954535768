//! A connection that stays, through what happens to servers.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod rig;

use std::time::Duration;

use flyover_host::cmd::Cmd;
use flyover_ovs::cache::Cache;
use flyover_ovs::live::{Link, Live, News, Patience, Remote, TlsFiles};
use flyover_ovs::tables::{Bridge, Interface, OpenVswitch, Port};
use flyover_ovs::{OPEN_VSWITCH, OvsError, Transaction};
use nix::sys::signal::Signal;
use rig::{Database, LIMIT, add_bridge, add_port, interface};

const PATIENCE: Patience = Patience {
    limit: LIMIT,
    probe: LIMIT,
    shortest_pause: Duration::from_millis(20),
    longest_pause: Duration::from_millis(100),
};

const PROBING: Patience = Patience { probe: Duration::from_millis(500), ..PATIENCE };

fn to(remote: Remote) -> Live {
    with(remote, PATIENCE)
}

fn with(remote: Remote, patience: Patience) -> Live {
    let cache = Cache::of(OPEN_VSWITCH).watching::<Bridge>().watching::<Port>().watching::<Interface>();
    Live::start(remote, cache, patience).0
}

fn live(database: &Database) -> Live {
    to(Remote::Unix(database.socket()))
}

fn bridge(name: &str) -> Transaction {
    let mut transaction = Transaction::default();
    add_bridge(&mut transaction, name);
    transaction
}

fn names(live: &Live) -> Vec<String> {
    let mut names: Vec<String> = live.rows::<Bridge>().unwrap().into_iter().map(|row| row.name).collect();
    names.sort();
    names
}

/// News, put together, until something is among them.
async fn news_until(live: &Live, what: &str, found: impl Fn(&News) -> bool) -> News {
    let mut all: Option<News> = None;
    let gather = async {
        loop {
            let mut news = live.news().await;
            if let Some(before) = all.take() {
                news.restarted |= before.restarted;
                news.replaced |= before.replaced;
                news.changes.splice(0..0, before.changes);
            }
            if found(&news) {
                return news;
            }
            all = Some(news);
        }
    };
    tokio::time::timeout(LIMIT, gather).await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

#[tokio::test]
async fn changes_of_others_are_told_and_ones_own_are_seen_at_once() {
    let database = Database::start();
    let live = live(&database);
    live.ready().await.unwrap();
    live.transact(&bridge("br0")).await.unwrap();
    assert_eq!(names(&live), ["br0"]);
    let theirs = database.socket();
    tokio::task::spawn_blocking(move || {
        flyover_ovs::Client::connect(&theirs, LIMIT).unwrap().transact(&bridge("br1")).unwrap();
    })
    .await
    .unwrap();
    let told = |name: &'static str| {
        move |news: &News| {
            let bridges = news.changes.iter().filter_map(|change| change.is::<Bridge>().unwrap());
            bridges.into_iter().any(|bridge| bridge.name == name)
        }
    };
    let news = news_until(&live, "the new bridge", told("br1")).await;
    assert_eq!((news.link, news.restarted, news.replaced), (Link::Up, false, false));
    assert_eq!(names(&live), ["br0", "br1"]);
}

#[tokio::test]
async fn a_server_that_restarts_is_followed_and_the_tables_stay() {
    let mut database = Database::start();
    let live = live(&database);
    live.ready().await.unwrap();
    live.transact(&bridge("br0")).await.unwrap();
    news_until(&live, "the connection", |news| news.link == Link::Up).await;
    database.kill();
    news_until(&live, "the connection to break", |news| news.link != Link::Up).await;
    let error = live.transact(&bridge("br1")).await.unwrap_err();
    assert!(matches!(error, OvsError::Down { .. }), "{error}");
    assert_eq!(names(&live), ["br0"], "what is known is kept");
    database.run();
    let news = news_until(&live, "the connection", |news| news.link == Link::Up).await;
    assert_eq!((news.restarted, news.replaced, news.changes), (true, false, Vec::new()));
    live.transact(&bridge("br1")).await.unwrap();
    assert_eq!(names(&live), ["br0", "br1"]);
}

#[tokio::test]
async fn another_database_is_told_apart_from_the_same_one_restarted() {
    let mut database = Database::start();
    let live = live(&database);
    live.ready().await.unwrap();
    live.transact(&bridge("br0")).await.unwrap();
    news_until(&live, "the connection", |news| news.link == Link::Up).await;
    database.replace();
    let news = news_until(&live, "the new database", |news| news.replaced && news.link == Link::Up).await;
    assert!(news.restarted);
    let gone = news.changes.iter().any(|change| change.table == "Bridge" && change.is.is_none());
    assert!(gone, "{news:?}");
    assert_eq!((names(&live), live.rows::<OpenVswitch>().unwrap().len()), (Vec::new(), 1));
}

#[tokio::test]
async fn a_server_that_falls_silent_is_left_and_taken_up_again_when_it_wakes() {
    let database = Database::start();
    let live = with(Remote::Unix(database.socket()), PROBING);
    live.ready().await.unwrap();
    database.server().signal(Signal::SIGSTOP);
    let down = news_until(&live, "the silence to be noticed", |news| news.link != Link::Up).await;
    let why = format!("`unix:{}` did not answer echo within 500ms", database.socket().display());
    assert_eq!(down.link, Link::Down { why });
    database.server().signal(Signal::SIGCONT);
    live.ready().await.unwrap();
    live.transact(&bridge("br0")).await.unwrap();
    assert!(!news_until(&live, "the connection", |news| news.link == Link::Up).await.restarted);
}

#[tokio::test]
async fn a_quiet_connection_is_kept() {
    let database = Database::start();
    let live = with(Remote::Unix(database.socket()), PROBING);
    live.ready().await.unwrap();
    news_until(&live, "the connection", |news| news.link == Link::Up).await;
    let quiet = tokio::time::timeout(Duration::from_millis(1600), live.news()).await;
    assert!(quiet.is_err(), "{quiet:?}");
    assert_eq!(live.link(), Link::Up);
}

#[tokio::test]
async fn a_lock_is_one_connections_only_and_is_asked_for_again_after_a_restart() {
    let mut database = Database::start();
    let (first, second) = (live(&database), live(&database));
    first.ready().await.unwrap();
    second.ready().await.unwrap();
    assert!(first.lock("flyover").await.unwrap());
    assert!(!second.lock("flyover").await.unwrap());
    let mut guarded = bridge("br0");
    guarded.only_with_lock("flyover");
    let error = second.transact(&guarded).await.unwrap_err();
    assert_eq!(error.to_string(), "the lock flyover is not held");
    first.transact(&guarded).await.unwrap();
    second.steal("flyover").await.unwrap();
    news_until(&first, "the theft", |news| !news.locks["flyover"]).await;
    assert!(!first.lock("flyover").await.unwrap());
    second.unlock("flyover").await.unwrap();
    news_until(&first, "the lock to come back", |news| news.locks["flyover"]).await;
    assert!(first.lock("flyover").await.unwrap());
    database.kill();
    database.run();
    news_until(&first, "the lock on the new connection", |news| news.restarted && news.locks["flyover"])
        .await;
}

#[tokio::test]
async fn what_was_asked_of_a_server_that_dies_is_an_error_and_is_not_asked_again() {
    let mut database = Database::start();
    let live = live(&database);
    live.ready().await.unwrap();
    database.server().signal(Signal::SIGSTOP);
    let asking = live.clone();
    let asked = tokio::spawn(async move { asking.transact(&bridge("br0")).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    database.kill();
    let error = asked.await.unwrap().unwrap_err();
    assert!(matches!(error, OvsError::Lost { .. }), "{error}");
    database.run();
    news_until(&live, "the connection", |news| news.restarted && news.link == Link::Up).await;
    assert_eq!(names(&live), Vec::<String>::new());
}

#[tokio::test]
async fn without_a_server_the_reason_is_told_and_the_task_ends_with_the_last_copy() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db.sock");
    let patience = Patience { limit: Duration::from_millis(200), ..PATIENCE };
    let (live, task) = Live::start(Remote::Unix(path.clone()), Cache::of(OPEN_VSWITCH), patience);
    let error = live.ready().await.unwrap_err().to_string();
    let at = path.display();
    let wanted = format!("not connected to `unix:{at}`: failed to connect to `unix:{at}`: No such file");
    assert!(error.starts_with(&wanted), "{error}");
    drop(live);
    tokio::time::timeout(LIMIT, task).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_thousand_ports_come_over_tcp_in_one_piece() {
    let database = Database::listening(&["--remote=ptcp:0:127.0.0.1"]);
    let port = database.port();
    let live = to(Remote::of(&format!("tcp:127.0.0.1:{port}"), None).unwrap());
    live.ready().await.unwrap();
    let mut transaction = bridge("br0");
    (0..1000).for_each(|i| add_port(&mut transaction, "br0", &interface(&format!("p{i}"), "internal")));
    live.transact(&transaction).await.unwrap();
    assert_eq!(live.rows::<Interface>().unwrap().len(), 1001);
    let other = to(Remote::of(&format!("tcp:127.0.0.1:{port}"), None).unwrap());
    other.ready().await.unwrap();
    assert_eq!(other.rows::<Port>().unwrap().len(), 1001);
}

/// Open vSwitch's own way to make certificates: two CAs, and one certificate of each.
fn certificates(dir: &std::path::Path) -> [TlsFiles; 2] {
    let at = dir.display().to_string();
    let pki = |args: &[&str]| {
        let options = [format!("--dir={at}/pki"), format!("--log={at}/pki.log")];
        let command = Cmd::new("env").args(["-C", &at, "ovs-pki"]).args(options);
        command.args(args).timeout(Duration::from_secs(60)).run().unwrap();
    };
    pki(&["init"]);
    pki(&["req+sign", "one", "switch"]);
    pki(&["req+sign", "other", "controller"]);
    [("one", "switch"), ("other", "controller")].map(|(name, ca)| TlsFiles {
        key: dir.join(format!("{name}-privkey.pem")),
        certificate: dir.join(format!("{name}-cert.pem")),
        ca: dir.join(format!("pki/{ca}ca/cacert.pem")),
    })
}

#[tokio::test]
async fn over_tls_both_sides_show_who_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let [ours, theirs] = certificates(dir.path());
    let path = |path: &std::path::Path| path.display().to_string();
    let database = Database::listening(&[
        "--remote=pssl:0:127.0.0.1",
        &format!("--private-key={}", path(&ours.key)),
        &format!("--certificate={}", path(&ours.certificate)),
        &format!("--ca-cert={}", path(&ours.ca)),
    ]);
    let remote = |files: &TlsFiles| {
        Remote::of(&format!("ssl:127.0.0.1:{}", database.port()), Some(files.clone())).unwrap()
    };
    let live = to(remote(&ours));
    live.ready().await.unwrap();
    live.transact(&bridge("br0")).await.unwrap();
    assert_eq!(names(&live), ["br0"]);

    let why = |files: TlsFiles| {
        let remote = remote(&files);
        async move {
            let patience = Patience { limit: Duration::from_secs(1), ..PATIENCE };
            let (live, _) = Live::start(remote, Cache::of(OPEN_VSWITCH), patience);
            live.ready().await.unwrap_err().to_string()
        }
    };
    let trusting_others = why(TlsFiles { ca: theirs.ca.clone(), ..ours.clone() }).await;
    assert!(trusting_others.contains("invalid peer certificate: "), "{trusting_others}");
    let stranger = why(TlsFiles { ca: ours.ca.clone(), ..theirs }).await;
    assert!(stranger.contains("alert") || stranger.contains("lost the connection"), "{stranger}");
    let missing = why(TlsFiles { key: dir.path().join("nowhere.pem"), ..ours }).await;
    assert!(missing.contains("nowhere.pem` for TLS: "), "{missing}");
}

mod root {
    use super::*;

    #[tokio::test]
    async fn a_change_is_done_when_the_switch_has_done_it() {
        let database = Database::start();
        let live = live(&database);
        live.ready().await.unwrap();
        let hasty = Patience { limit: Duration::from_millis(300), ..PATIENCE };
        let (hasty, _) = Live::start(Remote::Unix(database.socket()), Cache::of(OPEN_VSWITCH), hasty);
        hasty.ready().await.unwrap();
        let error = hasty.apply(&bridge("br0")).await.unwrap_err();
        let at = database.socket();
        assert_eq!(
            error.to_string(),
            format!(
                "`unix:{}` did not apply configuration 1, which is committed, within 300ms",
                at.display()
            )
        );
        let _switch = rig::switch(&database);
        let mut transaction = Transaction::default();
        add_port(&mut transaction, "br0", &interface("p0", "internal"));
        assert_eq!(live.apply(&transaction).await.unwrap().next_cfg(), Some(2));
        let interfaces = live.rows::<Interface>().unwrap();
        assert!(interfaces.iter().all(|row| row.ofport.is_some_and(|port| port > 0)), "{interfaces:?}");
    }
}
