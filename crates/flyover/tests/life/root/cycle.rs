//! Agents that die, come back, and are replaced, while packets flow.

use nix::sys::signal::Signal;

use super::rig::{PATIENCE, Rig, eventually};

#[test]
fn an_agent_killed_under_load_loses_nothing_and_its_bypass_ends_by_itself() {
    let (rig, flow, mut sender, echo) = Rig::streaming("kill", 4002, &["--deadman", "1500ms"]);
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
    let (rig, flow, mut sender, echo) = Rig::streaming("upgr", 4003, &[]);
    for signal in [Signal::SIGTERM, Signal::SIGKILL, Signal::SIGTERM] {
        rig.signal(signal);
        rig.on(&[]);
        rig.wait_fast_all(flow);
    }
    assert_eq!(sender.lost(&[&echo]), (0, 0));
}

#[test]
fn off_and_on_again_in_the_middle_of_a_conversation_loses_nothing() {
    let rig = Rig::fast("offon", |_| {}, &[]);
    let flow = rig.udp(4005, 7005);
    let (mut sender, echo) = rig.stream(flow);
    let chat = rig.chat(4005, 7005);
    for _ in 0..3 {
        rig.wait_fast_all(flow);
        rig.wait_fast_all(chat.flow);
        rig.off();
        chat.wait_for(5_000, PATIENCE);
        rig.on(&[]);
    }
    chat.finish();
    assert_eq!(sender.lost(&[&echo]), (0, 0));
}

#[test]
fn tcp_stays_slow_where_conntrack_may_not_be_made_liberal() {
    let rig = Rig::fast("noli", |_| {}, &["--no-liberal"]);
    let chat = rig.chat(4006, 7006);
    let flow = rig.udp(4006, 7006);
    let (mut sender, echo) = rig.stream(flow);
    rig.wait_fast_all(flow);
    chat.wait_for(20_000, PATIENCE);
    assert_eq!(rig.bypassed(1, chat.flow) + rig.bypassed(2, chat.flow), 0);
    let why = rig.why(1, &chat.flow.to_string());
    assert!(why.contains("Flyover may not set nf_conntrack_tcp_be_liberal"), "{why}");
    let liberal = rig.at("n1", "cat /proc/sys/net/netfilter/nf_conntrack_tcp_be_liberal");
    assert_eq!(liberal.trim(), "0");
    chat.finish();
    assert_eq!(sender.lost(&[&echo]), (0, 0));
}
