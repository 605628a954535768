//! What programs read: the fields of the JSON, the exit codes, the metrics.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::rig::{PATIENCE, Rig};

/// The paths of all fields, lists and counters by name taken as one.
fn fields(value: &serde_json::Value) -> String {
    fn walk(value: &serde_json::Value, path: &str, found: &mut BTreeSet<String>) {
        match value {
            serde_json::Value::Object(object) => object.iter().for_each(|(name, inner)| {
                let name = if path == "slow_packets" { "REASON" } else { name.as_str() };
                walk(inner, format!("{path}.{name}").trim_start_matches('.'), found);
            }),
            serde_json::Value::Array(list) if !list.is_empty() => {
                list.iter().for_each(|inner| walk(inner, &format!("{path}[]"), found));
            }
            _ => drop(found.insert(path.to_owned())),
        }
    }
    let mut found = BTreeSet::new();
    walk(value, "", &mut found);
    found.into_iter().collect::<Vec<_>>().join("\n")
}

#[test]
fn the_fields_of_the_json_are_a_promise() {
    let rig = Rig::fast("json", |spec| spec.rules = flyover_lab::RuleForm::Iptables, &[]);
    let flow = rig.udp(4700, 7700);
    let (_sender, _echo) = rig.stream(flow);
    rig.wait_fast_all(flow);
    insta::assert_snapshot!(fields(&rig.ask(1, &["status"])), @"
    attached_by
    backend
    bypassing
    bytes_saved
    conntrack.be_liberal
    conntrack.be_liberal_was
    conntrack.can_be_asked
    conntrack.in_use
    deadman_ms
    expedited.allowed
    expedited.times
    expedited.total_ms
    flows_open
    hertz
    jiffies_at_zero
    judges
    lease_ms
    name
    packets_saved
    paused
    pid
    pods[].forgoes
    pods[].ifindex
    pods[].name
    pods[].out_because
    running
    slow_packets.REASON
    tunnels[].ifindex
    tunnels[].kind
    tunnels[].name
    tunnels[].port
    tunnels[].vni
    uplinks[].forgoes
    uplinks[].ifindex
    uplinks[].name
    uplinks[].out_because
    version
    ");
    insta::assert_snapshot!(fields(&rig.ask(1, &["flows"])), @"
    [].action
    [].age_ms
    [].bytes
    [].conntrack
    [].flow.dst
    [].flow.proto
    [].flow.src
    [].from
    [].lease_left_ms
    [].packets
    [].renewals
    [].state
    [].to
    [].translated
    [].vni
    ");
    insta::assert_snapshot!(fields(&rig.ask(1, &["why", &flow.to_string()])), @"
    accelerated
    because[]
    forgoes
    subject
    ");
    assert_eq!(rig.ask(1, &["why", &flow.to_string()])["accelerated"], true);
}

#[test]
fn off_can_be_repeated_and_status_tells_when_there_is_nothing() {
    let rig = Rig::fast("again", |_| {}, &[]);
    let name = rig.instance(1).name().to_owned();
    let off = || rig.netns("n1").run(|| rig.flyover(&["fastpath", "off", "--name", &name])).unwrap();
    for _ in 0..3 {
        let ran = off();
        assert_eq!((ran.status.code(), ran.stderr), (Some(0), vec![]));
    }
    let ran = rig.flyover(&["fastpath", "status", "--name", &name]);
    assert_eq!(ran.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&ran.stderr).contains("hint:  start one with `flyover fastpath run"));
}

/// The metrics of the first node, as a scraper gets them.
pub(super) fn scrape(rig: &Rig) -> String {
    let mut stream = rig.netns("n1").run(|| TcpStream::connect("127.0.0.1:9475")).unwrap().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(head.to_lowercase().contains("content-type: application/openmetrics-text"), "{head}");
    body.to_owned()
}

/// Whether each line is a sample of a family that was declared, and the text ends as it must.
fn is_openmetrics(text: &str) -> bool {
    let families: BTreeSet<_> =
        text.lines().filter_map(|l| l.strip_prefix("# TYPE ")).filter_map(|l| l.split(' ').next()).collect();
    let sound = |line: &str| {
        let (name, value) = (line.split(['{', ' ']).next().unwrap(), line.rsplit(' ').next().unwrap());
        let family = name.strip_suffix("_total").unwrap_or(name);
        families.contains(family) && value.parse::<f64>().is_ok()
    };
    text.ends_with("# EOF\n") && text.lines().filter(|l| !l.starts_with('#')).all(sound)
}

fn sum(text: &str, name: &str) -> f64 {
    let samples = text.lines().filter(|l| l.starts_with(name) && !l.starts_with('#'));
    samples.map(|l| l.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
}

#[test]
fn metrics_grow_while_packets_are_bypassed() {
    let rig = Rig::fast("metr", |_| {}, &["--metrics", "127.0.0.1:9475"]);
    let flow = rig.udp(4701, 7701);
    let (_sender, _echo) = rig.stream(flow);
    rig.wait_fast_all(flow);
    let first = scrape(&rig);
    std::thread::sleep(Duration::from_millis(500));
    let second = scrape(&rig);
    assert!(is_openmetrics(&first), "{first}");
    assert!(is_openmetrics(&second), "{second}");
    for name in ["flyover_fastpath_bypassed_packets_total", "flyover_fastpath_bypassed_bytes_total"] {
        assert!(sum(&second, name) > sum(&first, name) + 100.0, "{name}\n{first}\n{second}");
    }
    assert_eq!(sum(&second, "flyover_fastpath_bypassing"), 1.0);
}
