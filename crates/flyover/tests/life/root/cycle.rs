//! Agents that die, come back, and are replaced, while packets flow.

use std::collections::BTreeMap;

use flyover_core::Flow;
use nix::sys::signal::Signal;

use super::foreign::number;
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

/// The kernel's numbers of everything the instance of a node pinned in that directory.
fn pinned(rig: &Rig, what: &str, node: u8) -> BTreeMap<String, String> {
    let maps = rig.instance(node).map_pin("ways").parent().unwrap().to_owned();
    let entries = std::fs::read_dir(maps.with_file_name(what)).unwrap();
    entries
        .map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            (name, number(&entry.path()))
        })
        .collect()
}

/// When the entry of that direction was made, by the jiffies of the kernel, and what it has saved since.
fn entry(rig: &Rig, flow: Flow) -> (u64, u64) {
    let flows = rig.books(1).flows().unwrap();
    let entry = flows.iter().find(|f| f.flow() == Some(flow)).unwrap();
    (entry.way.born, entry.way.packets)
}

#[test]
fn who_comes_back_keeps_links_maps_and_flows() {
    let rig = Rig::fast("adopt", |_| {}, &[]);
    let flow = rig.udp(4007, 7007);
    let (mut sender, echo) = rig.stream(flow);
    rig.wait_fast_all(flow);
    let kept = || ["links", "maps"].map(|what| [1, 2].map(|node| pinned(&rig, what, node)));
    let before = kept();
    assert_eq!(before[0].each_ref().map(BTreeMap::len), [6, 6], "an uplink and two pods, two hooks each");
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        let (born, packets) = entry(&rig, flow);
        rig.signal(signal);
        rig.on(&[]);
        assert_eq!(kept(), before);
        rig.wait_fast_all(flow);
        let now = entry(&rig, flow);
        assert_eq!(now.0, born, "the flow was not learnt anew");
        assert!(now.1 > packets, "{} packets, {packets} before", now.1);
    }
    assert_eq!(sender.lost(&[&echo]), (0, 0));
}

#[test]
fn maps_of_another_layout_are_replaced_whole_and_lose_nothing() {
    let rig = Rig::fast("layout", |_| {}, &[]);
    let flow = rig.udp(4008, 7008);
    let (mut sender, echo) = rig.stream(flow);
    let chat = rig.chat(4008, 7008);
    let numbers = |what| [1, 2].map(|node| pinned(&rig, what, node));
    // The last record says that the devices of the links are another namespace's.
    let others = [("\"layout\": 2", "\"layout\": 0"), ("{", "no record"), ("\"netns\": ", "\"netns\": 1")];
    for (is, becomes) in others {
        rig.wait_fast_all(flow);
        rig.wait_fast_all(chat.flow);
        let (links, maps) = (numbers("links"), numbers("maps"));
        rig.signal(Signal::SIGKILL);
        for node in [1, 2] {
            let file = rig.instance(node).report().with_file_name("maps.json");
            let record = std::fs::read_to_string(&file).unwrap();
            assert!(record.contains(is), "{record}");
            std::fs::write(file, record.replace(is, becomes)).unwrap();
        }
        rig.on(&[]);
        let kept = numbers("links") == links;
        assert_eq!(kept, !is.contains("netns"), "programs are replaced where they are, if that is here");
        for (now, then) in numbers("maps").iter().zip(&maps) {
            assert_eq!(now.keys().collect::<Vec<_>>(), then.keys().collect::<Vec<_>>());
            assert!(now.iter().all(|(name, number)| then[name] != *number), "{now:?}\n{then:?}");
        }
    }
    rig.wait_fast_all(flow);
    rig.wait_fast_all(chat.flow);
    chat.finish();
    assert_eq!(sender.lost(&[&echo]), (0, 0));
}

#[test]
fn a_drop_that_came_while_no_agent_ran_holds_when_one_comes_back() {
    // The entry's lease goes on while the dead-man's time does not.
    let rig = Rig::fast("deaf", |_| {}, &["--lease", "30s", "--deadman", "1s"]);
    let flow = rig.udp(4009, 7009);
    let (_sender, echo) = rig.stream(flow);
    rig.wait_fast_all(flow);
    rig.signal(Signal::SIGKILL);
    eventually("the bypass is off", || [1, 2].iter().all(|&node| rig.slow_for(node, "deadman") > 50));
    rig.at("n1", "nft add table ip life");
    rig.at("n1", "nft add chain ip life forward { type filter hook forward priority 0 ; }");
    rig.at("n1", "nft add rule ip life forward udp dport 7009 drop");
    std::thread::sleep(std::time::Duration::from_millis(100));
    let heard = echo.count();
    rig.on(&["--lease", "30s", "--deadman", "1s"]);
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert_eq!(echo.count(), heard, "no packet by an entry from before");
}
