//! What needs network namespaces: a loopback that is slow on purpose, and labs.

use std::collections::BTreeSet;
use std::io::Read;
use std::net::IpAddr;
use std::process::{Command, Output, Stdio};

use flyover_fastpath::{Books, FlowEntry, Instance};
use flyover_host::cmd::Cmd;
use flyover_lab::{Family, IpMode, LabGuard, LabSpec, Labs};
use flyover_net::netns::Netns;
use nix::pty::openpty;
use tempfile::TempDir;

use super::{Running, bench, printed};

/// A namespace whose loopback carries a message each 8 ms, and that is gone with this value.
struct Slow(Netns);

/// With its headers it is 1000 bytes, which is 8 ms of a megabit a second.
const MESSAGE: &str = "958";

impl Slow {
    fn new() -> Self {
        let netns = Netns::create(&format!("be-slow-{}", std::process::id())).unwrap();
        let slow = Self(netns);
        slow.run("ip link set lo up");
        slow.run("tc qdisc add dev lo root tbf rate 1mbit burst 1000 latency 1s");
        slow
    }

    fn run(&self, line: &str) {
        let mut words = line.split(' ');
        let command = Cmd::new(words.next().unwrap()).args(words);
        self.0.run(|| command.run()).unwrap().unwrap();
    }

    /// The median of a second of ping-pong, in milliseconds.
    fn median(&self, option: Option<&str>) -> f64 {
        let mut command =
            bench(&["pingpong", "-o", "json", "--forkboth", "--sizes", MESSAGE, "--warmupms=50"]);
        command.args(["--warmupiter=10", "--minms=1000", "--maxms=1000", "--miniter=1"]);
        command.args(option).args(["udp", "127.0.0.1"]);
        let rows: serde_json::Value =
            serde_json::from_str(&self.0.run(|| printed(&mut command)).unwrap()).unwrap();
        rows[0]["median"].as_f64().unwrap() / 1e6
    }
}

impl Drop for Slow {
    fn drop(&mut self) {
        Netns::delete(self.0.name()).unwrap();
    }
}

#[test]
fn values_are_half_round_trips_and_rtt_doubles_them() {
    let slow = Slow::new();
    let (half, whole) = (slow.median(None), slow.median(Some("--rtt")));
    // Who comes late finds the way free, and is answered sooner; on a busy machine that, or the opposite, is common.
    assert!((5.0..13.0).contains(&half), "half a round trip takes {half} ms");
    assert!((13.0..30.0).contains(&whole), "a round trip takes {whole} ms");
}

/// A lab to compare, and the root its record is below.
struct Rig {
    lab: LabGuard,
    root: TempDir,
}

impl Rig {
    fn new(name: &str) -> Self {
        let name = format!("be-{name}-{}", std::process::id()).parse().unwrap();
        let root = tempfile::tempdir().unwrap();
        let spec = LabSpec { services: 3, ip: IpMode::Dual, ..LabSpec::new(name) };
        Self { lab: Labs::below(root.path()).up(&spec).unwrap().guarded(), root }
    }

    fn compare(&self, words: &[&str]) -> Command {
        let mut command = bench(&["compare", "--quick", "--rounds=1", "--lab", self.lab.name().as_str()]);
        command.args(words).env("FLYOVER_ROOT", self.root.path());
        command
    }

    /// Whether the companion with the bypass spares its first node packets to that address.
    fn bypasses(&self, to: IpAddr) -> bool {
        let name = format!("{}-fp-n1", self.lab.name());
        let instance = Instance::new(self.root.path(), &name).unwrap();
        let flows = Books::open(&instance).ok().and_then(|books| books.flows().ok()).unwrap_or_default();
        let there = |f: &FlowEntry| f.flow().is_some_and(|flow| flow.dst.ip() == to) && f.way.packets > 20;
        flows.iter().any(there)
    }
}

impl Drop for Rig {
    /// A comparison that was killed leaves its companions, which are labs like any other.
    fn drop(&mut self) {
        for companion in ["bare", "nt", "fp"] {
            let name = format!("{}-{companion}", self.lab.name());
            let mut down = Command::new(env!("CARGO_BIN_EXE_flyover"));
            down.args(["lab", "down", "--name", &name]).env("FLYOVER_ROOT", self.root.path());
            assert!(down.output().unwrap().status.success(), "{name} is left behind");
        }
    }
}

#[test]
fn five_paths_of_a_lab_are_compared_and_what_goes_to_a_service_is_bypassed_too() {
    let rig = Rig::new("five");
    let report = rig.root.path().join("report");
    let cases = "--cases=tcp-64,tcp-64-clusterip,udp-64-v6,tcp-64-samenode";
    let mut running = Running(
        rig.compare(&[cases, "--report", report.to_str().unwrap()])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let service = rig.lab.service_for(2, 1).unwrap().address(Family::V4);
    running.eventually("a fast flow to the service", |_| rig.bypasses(service));
    assert!(running.0.wait().unwrap().success());
    let mut talk = String::new();
    running.0.stderr.take().unwrap().read_to_string(&mut talk).unwrap();
    assert!(!talk.contains("round"), "a pipe gets no progress line: {talk}");

    let json = std::fs::read_to_string(report.join("report.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let measured: Vec<_> = json["cases"]
        .as_array()
        .unwrap()
        .iter()
        .map(|case| {
            let paths = ["overlay", "notrack", "fastpath", "wire", "bare"];
            let there =
                paths.into_iter().filter(|path| case[path]["p50"].as_f64() > Some(0.0)).collect::<Vec<_>>();
            format!("{}: {}", case["name"].as_str().unwrap(), there.join(" "))
        })
        .collect();
    insta::assert_snapshot!(measured.join("\n"), @"
    tcp-64: overlay notrack fastpath wire bare
    tcp-64-clusterip: overlay notrack fastpath wire bare
    udp-64-v6: overlay notrack fastpath wire bare
    tcp-64-samenode: overlay notrack fastpath bare
    ");
    assert!(std::fs::read_to_string(report.join("report.html")).unwrap().contains("tcp-64-clusterip"));
    assert_eq!(
        Labs::below(rig.root.path()).spec(&format!("{}-fp", rig.lab.name()).parse().unwrap()).unwrap(),
        None
    );
}

#[test]
fn both_ends_share_the_first_cpu_unless_the_case_says_two() {
    let rig = Rig::new("pin");
    for (case, cpus) in [("--cases=tcp-64", &["1"][..]), ("--cases=tcp-64-2cpu", &["0", "1"])] {
        let mut running = Running::start(rig.compare(&[case, "--cpus", "1", "0"]).stderr(Stdio::null()));
        let mut seen = BTreeSet::new();
        while !running.is_over() {
            // A thread that is on no processor of its own may use more than one.
            seen.extend(running.allowed().into_iter().filter(|list| list.parse::<u8>().is_ok()));
            std::thread::sleep(std::time::Duration::from_millis(3));
        }
        assert_eq!(seen.iter().map(String::as_str).collect::<Vec<_>>(), cpus, "{case}");
    }
}

/// Runs a command whose standard error is a terminal; what it wrote there, and the rest.
fn on_a_terminal(command: &mut Command) -> (String, Output) {
    let terminal = openpty(None, None).unwrap();
    let mut screen = std::fs::File::from(terminal.master);
    let child = command.env("TERM", "xterm").stdout(Stdio::piped()).stderr(terminal.slave).spawn().unwrap();
    // The command holds the terminal's other end.
    command.stderr(Stdio::null());
    let reader = std::thread::spawn(move || {
        let (mut shown, mut buffer) = (Vec::new(), [0; 4096]);
        // A terminal whose other end is closed answers with an error.
        while let Ok(n @ 1..) = screen.read(&mut buffer) {
            shown.extend_from_slice(&buffer[..n]);
        }
        shown
    });
    let output = child.wait_with_output().unwrap();
    (String::from_utf8(reader.join().unwrap()).unwrap(), output)
}

#[test]
fn a_terminal_shows_progress_and_the_output_is_what_was_asked_for() {
    let rig = Rig::new("out");
    let html = ["--cases=tcp-64", "-o", "html"];
    let (shown, ran) = on_a_terminal(&mut rig.compare(&html));
    assert!(shown.contains("round 1: tcp-64 on fastpath"), "{shown}");
    let page = String::from_utf8(ran.stdout).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"), "{page}");
    let table = printed(&mut rig.compare(&["--cases=tcp-64", "-o", "table"]));
    assert!(table.contains("p50 / p99") && table.contains("\nTCP, 64 B: "), "{table}");
    let json = printed(&mut rig.compare(&["--cases=tcp-64", "-o", "json"]));
    assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap()["cases"][0]["name"], "tcp-64");
}
