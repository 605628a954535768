//! Agents that die, come back, and are replaced, while packets flow.

use nix::sys::signal::Signal;

use super::rig::{Rig, eventually};

#[test]
fn an_agent_killed_under_load_loses_nothing_and_its_bypass_ends_by_itself() {
    let rig = Rig::fast("kill", |_| {}, &["--deadman", "1500ms"]);
    let flow = rig.udp(4002, 7002);
    let (mut sender, echo) = rig.stream(flow);
    rig.wait_fast_all(flow);
    rig.signal(Signal::SIGKILL);
    eventually("both nodes count packets without an agent", || {
        [1, 2].iter().all(|&node| rig.slow_for(node, "deadman") > 50)
    });
    let (before, answers) = (rig.bypassed(1, flow), sender.answers());
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(rig.bypassed(1, flow), before, "the bypass is off");
    assert!(sender.answers() > answers + 100, "the flow goes on");
    assert!(rig.why(1, &flow.to_string()).contains("the agent must be there, and it does not run"));
    rig.on(&[]);
    rig.wait_fast_all(flow);
    assert_eq!(sender.lost(&[&echo]), (0, 0));
}

#[test]
fn an_agent_replaced_under_load_loses_nothing() {
    let rig = Rig::fast("upgr", |_| {}, &[]);
    let flow = rig.udp(4003, 7003);
    let (mut sender, echo) = rig.stream(flow);
    rig.wait_fast_all(flow);
    for signal in [Signal::SIGTERM, Signal::SIGKILL, Signal::SIGTERM] {
        rig.signal(signal);
        rig.on(&[]);
        rig.wait_fast_all(flow);
    }
    assert_eq!(sender.lost(&[&echo]), (0, 0));
}
