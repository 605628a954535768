//! The dry run: it tells what a run would do, and does nothing.

use std::process::{Command, Output};

use serde_json::json;

use super::off::face;
use super::rig::Rig;

fn dry(rig: &Rig, options: &[&str]) -> Output {
    let mut flyover = Command::new(env!("CARGO_BIN_EXE_flyover"));
    let name = rig.instance(1).name().to_owned();
    flyover.args(["fastpath", "run", "--dry-run", "--uplink", "eth0", "--name", &name]).args(options);
    flyover.env("FLYOVER_ROOT", rig.root());
    rig.netns("n1").run(|| flyover.output()).unwrap().unwrap()
}

fn said(rig: &Rig, options: &[&str]) -> String {
    let ran = dry(rig, options);
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let text = String::from_utf8(ran.stdout).unwrap();
    let text = text.replace(rig.instance(1).name(), "NAME").replace(rig.root().to_str().unwrap(), "ROOT");
    text.lines().map(str::trim).collect::<Vec<_>>().join("\n")
}

fn shaped(name: &str) -> (Rig, String) {
    let rig = Rig::slow(name, |_| {});
    let device = rig.lab.pod(1, 2).unwrap().host_veth().to_string();
    rig.at("n1", &format!("tc qdisc add dev {device} root tbf rate 100mbit burst 64kb latency 50ms"));
    (rig, device)
}

#[test]
fn a_dry_run_tells_what_a_run_would_do_and_does_nothing() {
    let (rig, device) = shaped("dry");
    let before = face(&rig, "n1");
    insta::assert_snapshot!(said(&rig, &[]), @"
    instance      NAME (flyover 0.1.0), not started: this is a dry run
    back end      ebpf, since the kernel can
    probe         BTF: there
    probe         BPF: programs for traffic control can be loaded
    probe         BPF file system: mounted
    probe         programs: accepted by the verifier
    probe         hooks: tcx
    uplink        eth0
    tunnel        flannel.1 (vxlan 1, port 8472)
    pod           veth1
    pod           veth2: left alone: tbf on egress of veth2
    else its established flows would go past netfilter and the bridge, and to other nodes past flannel.1; `flyover bench compare` measures what that is worth
    would set     /proc/sys/net/netfilter/nf_conntrack_tcp_be_liberal from 0 to 1 until `fastpath off`
    would attach  from_wire to eth0 by tcx
    would attach  to_wire to eth0 by tcx
    would attach  from_pod to veth1 by tcx
    would attach  to_pod to veth1 by tcx
    would make    pins of 4 programs and their maps below /sys/fs/bpf/flyover/NAME
    would make    files below ROOT/run/flyover/fastpath/NAME
    would bypass  established flows of 1 of 2 pods
    would gain    through flannel.1 by eth0, past netfilter, the bridge and the tunnel device
    would gain    plainly routed by eth0, past netfilter and the bridge
    but           the first packets of each flow, and all that begin or end a connection, stay slow
    measured      nothing here yet; `flyover bench compare` does, and --measured REPORT shows it in this place
    ");
    let status: serde_json::Value = serde_json::from_str(&said(&rig, &["-o", "json"])).unwrap();
    assert_eq!(face(&rig, "n1"), before);
    assert!(!rig.instance(1).exists(), "neither pins nor files");
    // What it said is what a run then does.
    rig.on(&[]);
    let real = rig.ask(1, &["status"]);
    for field in ["version", "backend", "attached_by", "uplinks", "pods", "tunnels", "judges", "paused"] {
        assert_eq!(status[field], real[field], "{field}");
    }
    assert_eq!(status["gain"]["pods"], 2);
    assert_eq!(status["gain"]["pods_bypassed"], 1);
    assert_eq!(real["conntrack"]["be_liberal_was"], status["settings"][0]["now"]);
    let links = rig.instance(1).map_pin("ways").parent().unwrap().parent().unwrap().join("links");
    let attached = std::fs::read_dir(links).unwrap().count();
    assert_eq!(status["attach"].as_array().unwrap().len(), attached);
    let ran = dry(&rig, &[]);
    assert_eq!(ran.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&ran.stderr).contains("is run by process"));
    // The pod that is left alone is told what it forgoes by those who ask later, too.
    let why = rig.flyover(&["fastpath", "why", &device, "--name", rig.instance(1).name()]);
    let why = String::from_utf8(why.stdout).unwrap();
    insta::assert_snapshot!(why.lines().map(str::trim).collect::<Vec<_>>().join("\n"), @"
    veth2: not accelerated
    tbf on egress of veth2
    else its established flows would go past netfilter and the bridge, and to other nodes past flannel.1; `flyover bench compare` measures what that is worth
    ");
}

#[test]
fn a_dry_run_shows_a_gain_that_was_measured_and_names_the_measurement() {
    let rig = Rig::slow("drym", |_| {});
    let path = rig.root().join("report.json");
    let at = |p50: f64| json!({"p50": p50, "p99": p50 * 2.0, "n": 1000});
    let report = json!({
        "cases": [{
            "name": "tcp-64", "unit": "ns", "overlay": at(6000.0), "fastpath": at(3000.0), "notrack": at(5700.0),
            "disturbed": 0, "repeated": 0, "cdf": {},
        }],
        "kernel": "6.18.1", "cpu": "some", "versions": {}, "command_line": "flyover bench compare",
        "date": "2026-11-21T12:00:00Z", "rounds": 3, "cpus": [0, 0],
    });
    std::fs::write(&path, report.to_string()).unwrap();
    let with = ["--measured", path.to_str().unwrap()];
    let measured = |backend: &str| {
        let text = said(&rig, &[&with[..], &["--backend", backend]].concat());
        text.lines().filter(|l| l.starts_with("measured")).collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!(measured("ebpf"), @"
    measured      by ROOT/report.json, 2026-11-21T12:00:00Z, Linux 6.18.1
    measured      tcp-64: 0.50 x the overlay's ns (3000 against 6000)
    ");
    insta::assert_snapshot!(measured("nft"), @"
    measured    by ROOT/report.json, 2026-11-21T12:00:00Z, Linux 6.18.1
    measured    tcp-64: 0.95 x the overlay's ns (5700 against 6000)
    ");
    std::fs::write(&path, "{}").unwrap();
    let ran = dry(&rig, &with);
    assert_eq!(ran.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&ran.stderr).contains("`flyover bench compare -o json` writes one"));
    let mut wrong = rig.agent("n1", &["--uplink", "eth0", "--name", rig.instance(1).name(), "-o", "json"]);
    assert_eq!(wrong.wait().unwrap().code(), Some(2), "only a dry run prints");
    assert!(!rig.instance(1).exists());
}
