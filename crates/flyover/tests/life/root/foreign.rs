//! Neighbours on the hooks: other people's programs and filters, and a second instance.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};

use flyover_core::Flow;
use flyover_net::tcx::{self, Side};
use libbpf_sys as sys;

use super::rig::{Rig, eventually, measured};
use super::udp::{Echo, Sender};

const EACH: Duration = Duration::from_millis(1);
const SILENCE: Duration = Duration::from_millis(500);
/// `TC_ACT_UNSPEC` and `TC_ACT_SHOT`.
pub(super) const PASS: i32 = -1;
const DROP: i32 = 2;

/// A program of somebody else on a device's ingress; detached when dropped.
pub(super) struct Foreign {
    _link: OwnedFd,
}

/// A program that answers every packet with that verdict.
fn program(verdict: i32) -> OwnedFd {
    // r0 = verdict; exit
    let code = [u64::from(0xb7_u8) | u64::from(verdict.cast_unsigned()) << 32, 0x95];
    // SAFETY: the strings end with zero, and two instructions are behind the pointer; all outlive the call.
    let program = unsafe {
        sys::bpf_prog_load(
            sys::BPF_PROG_TYPE_SCHED_CLS,
            c"life_foreign".as_ptr(),
            c"GPL".as_ptr(),
            code.as_ptr().cast(),
            2,
            std::ptr::null_mut(),
        )
    };
    assert!(program >= 0, "{program}");
    // SAFETY: the result is a descriptor that nobody else owns.
    unsafe { OwnedFd::from_raw_fd(program) }
}

/// The kernel's number of the map or link that is pinned there.
pub(super) fn number(pin: &Path) -> String {
    let name = std::ffi::CString::new(pin.as_os_str().as_bytes()).unwrap();
    // SAFETY: the string ends with zero and outlives the call.
    let object = unsafe { sys::bpf_obj_get(name.as_ptr()) };
    assert!(object >= 0, "{}: {object}", pin.display());
    // SAFETY: the result is a descriptor that nobody else owns.
    let object = unsafe { OwnedFd::from_raw_fd(object) };
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", object.as_raw_fd())).unwrap();
    let line = info.lines().find(|l| l.starts_with("map_id:") || l.starts_with("link_id:"));
    line.unwrap().to_owned()
}

impl Foreign {
    pub(super) fn attach(rig: &Rig, node: &str, device: u32, verdict: i32) -> Self {
        let (program, device) = (program(verdict), i32::try_from(device).unwrap());
        // SAFETY: the descriptors are plain numbers to the call, and null options are allowed.
        let create = || unsafe {
            sys::bpf_link_create(program.as_raw_fd(), device, sys::BPF_TCX_INGRESS, std::ptr::null())
        };
        let link = rig.netns(node).run(create).unwrap();
        assert!(link >= 0, "{link}");
        // SAFETY: the result is a descriptor that nobody else owns.
        Self { _link: unsafe { OwnedFd::from_raw_fd(link) } }
    }
}

fn uplink(rig: &Rig, node: &str) -> u32 {
    let shown = rig.at(node, "ip -o link show eth0");
    shown.split(':').next().unwrap().parse().unwrap()
}

fn programs_there(rig: &Rig, node: &str, device: u32) -> Vec<u32> {
    rig.netns(node).run(|| tcx::programs(device, Side::Ingress)).unwrap().unwrap()
}

#[test]
fn ours_run_behind_other_programs_of_the_uplink_and_leave_them_alone() {
    let rig = Rig::slow("tcx", |_| {});
    let device = uplink(&rig, "n2");
    let before = Foreign::attach(&rig, "n2", device, PASS);
    let first = programs_there(&rig, "n2", device);
    rig.on(&[]);
    let flow = rig.udp(4600, 7600);
    let (_sender, echo) = rig.stream(flow);
    rig.wait_fast_all(flow);
    let with_ours = programs_there(&rig, "n2", device);
    assert_eq!((with_ours.len(), with_ours[0]), (2, first[0]));
    let ours = with_ours[1];
    let behind = Foreign::attach(&rig, "n2", device, DROP);
    let took = echo.wait_silent(Instant::now(), SILENCE);
    measured("from a foreign program behind ours to its say", took, Duration::from_secs(3));
    eventually("ours are last again", || programs_there(&rig, "n2", device).last() == Some(&ours));
    assert_eq!(programs_there(&rig, "n2", device).len(), 3);
    drop(behind);
    echo.wait_alive();
    rig.wait_fast_all(flow);
    rig.off();
    assert_eq!(programs_there(&rig, "n2", device), first);
    drop(before);
}

#[test]
fn an_uplink_with_a_filter_on_its_ingress_is_left_alone() {
    let rig = Rig::fast("cls", |_| {}, &[]);
    let flow = rig.udp(4601, 7601);
    let (_sender, echo) = rig.stream(flow);
    rig.wait_fast_all(flow);
    let pin = format!("/sys/fs/bpf/{}-filter", rig.lab.name());
    let program = program(DROP);
    let name = std::ffi::CString::new(pin.clone()).unwrap();
    // SAFETY: the string ends with zero and outlives the call.
    assert_eq!(unsafe { sys::bpf_obj_pin(program.as_raw_fd(), name.as_ptr()) }, 0);
    rig.at("n2", "tc qdisc add dev eth0 clsact");
    rig.at("n2", &format!("tc filter add dev eth0 ingress prio 7 bpf da pinned {pin}"));
    std::fs::remove_file(pin).unwrap();
    let took = echo.wait_silent(Instant::now(), SILENCE);
    measured("from a foreign filter to its say", took, Duration::from_secs(4));
    eventually("status names it", || {
        rig.ask(2, &["status"])["uplinks"][0]["out_because"].to_string().contains("on ingress of eth0")
    });
    rig.off();
    let filters = rig.at("n2", "tc filter show dev eth0 ingress");
    assert!(filters.contains("pref 7 bpf"), "{filters}");
    rig.at("n2", "tc filter del dev eth0 ingress prio 7");
    rig.on(&[]);
    echo.wait_alive();
    rig.wait_fast(1, flow.reversed());
}

#[test]
fn two_instances_share_a_node_and_one_ends_without_the_other() {
    let rig = Rig::slow("two", |spec| spec.pods = 3);
    rig.at("n1", "ip link add eth1 type veth peer name eth1x");
    rig.at("n1", "ip link set eth1 up");
    rig.on(&["--pods", "veth1"]);
    let second = format!("{}-b", rig.lab.name());
    let mut agent = rig.agent("n1", &["--name", &second, "--uplink", "eth1", "--pods", "veth2", "veth3"]);
    let local =
        Flow { src: (rig.pod_ip(1, 2), 4602).into(), dst: (rig.pod_ip(1, 3), 7602).into(), ..rig.udp(1, 1) };
    let local_echo = Echo::on(&rig.netns("n1/p3"), local.dst);
    let mut local_sender = Sender::start(&rig.netns("n1/p2"), local.src, local.dst, 64, EACH);
    let flow = rig.udp(4603, 7603);
    let (mut sender, echo) = rig.stream(flow);
    rig.wait_fast_all(flow);
    let packets = || {
        let ran = rig.flyover(&["fastpath", "flows", "--name", &second, "-o", "json"]);
        let flows: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap_or_default();
        flows.as_array().map_or(0, |flows| flows.iter().filter_map(|f| f["packets"].as_u64()).sum::<u64>())
    };
    eventually("the second carries its pods' flow", || packets() > 500);
    rig.off();
    let before = packets();
    eventually("the second goes on", || packets() > before + 500);
    let liberal =
        || rig.at("n1", "cat /proc/sys/net/netfilter/nf_conntrack_tcp_be_liberal").trim().to_owned();
    eventually("conntrack is liberal for the second", || liberal() == "1");
    rig.netns("n1")
        .run(|| assert!(rig.flyover(&["fastpath", "off", "--name", &second]).status.success()))
        .unwrap();
    eventually("the second has ended", || agent.try_wait().unwrap().is_some());
    assert_eq!(liberal(), "0");
    assert_eq!(local_sender.lost(&[&local_echo]), (0, 0));
    assert_eq!(sender.lost(&[&echo]), (0, 0));
}
