//! What holds for a bridge.

use flyover_host::ovs::Snapshot;
use flyover_ovs::tables::Bridge;

use super::condition::ConditionType::BridgeInUserspace;
use super::{BridgeTruth, Condition, Evidence, port};

pub(super) fn judge(evidence: &Evidence, found: &Snapshot, row: &Bridge) -> BridgeTruth {
    let mut ports: Vec<_> = found
        .ports_of(row)
        .flat_map(|port| found.interfaces_of(port).map(|interface| port::judge(evidence, port, interface)))
        .collect();
    ports.sort_by(|one, other| one.name.cmp(&other.name));
    BridgeTruth { name: row.name.clone(), conditions: vec![in_userspace(evidence, row)], ports }
}

fn in_userspace(evidence: &Evidence, row: &Bridge) -> Condition {
    if row.datapath_type != "netdev" {
        let kind = if row.datapath_type.is_empty() { "system" } else { &row.datapath_type };
        let message = format!("its datapath type is `{kind}`, so the kernel forwards for it");
        return Condition::is_not(BridgeInUserspace, "InKernel", message);
    }
    let Some(datapaths) = &evidence.datapaths else {
        return Condition::unknown(BridgeInUserspace, "NotAnswered", "");
    };
    let is_there = |datapath: &&flyover_ovs::appctl::Datapath| {
        datapath.bridges.iter().any(|bridge| bridge.name == row.name)
    };
    match datapaths.iter().find(is_there) {
        Some(datapath) if datapath.name.starts_with("netdev@") => Condition::is(BridgeInUserspace, "Listed"),
        Some(datapath) => {
            let message = format!("it is in the datapath {}", datapath.name);
            Condition::is_not(BridgeInUserspace, "InKernel", message)
        }
        None => Condition::is_not(BridgeInUserspace, "NotMade", "no datapath lists it"),
    }
}
