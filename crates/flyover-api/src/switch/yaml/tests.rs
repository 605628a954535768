//! What is written reads as the same again.

use std::fmt::Debug;
use std::str::FromStr;

use flyover_core::NumaNode;
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_assert_eq, prop_oneof, proptest};

use super::*;
use crate::{
    BondMode, BondSpec, BridgeSpec, DpdkInit, DpdkSpec, ExpectedPorts, Lacp, PmdSpec, ProcessesSpec,
    RuntimeSpec, RxqAssign, UplinkSpec,
};

const YAML: &str = "\
dpdk:
  socketMemory:
  - 1024
  - 1024
  perPortMemory: true
bridges:
- name: br-dpdk0
  uplinks:
  - name: dpdk0
    device: \"0000:06:00.0\"
  mtu: 9000
options:
  emc-insert-inv-prob: \"0\"
";

#[test]
fn only_what_is_not_as_usual_is_written() {
    let spec = SwitchSpec::from_yaml(YAML).unwrap();
    assert_eq!(spec.to_yaml(), YAML);
    assert_eq!(SwitchSpec::default().to_yaml(), "{}\n");
    assert_eq!(SwitchSpec::from_yaml("{}\n").unwrap(), SwitchSpec::default());
}

fn parsed<T: FromStr + Debug>(pattern: &'static str) -> impl Strategy<Value = T> {
    pattern.prop_filter_map("not a word", |text| text.parse().ok())
}

fn runtime() -> impl Strategy<Value = RuntimeSpec> {
    let processes =
        (option::of(parsed("/[a-z ]{1,9}")), option::of(parsed("/[a-z]{1,9}")), option::of("[a-z]{1,9}"))
            .prop_map(|(file, vswitchd, netns)| ProcessesSpec { file, vswitchd, netns });
    let paths = (option::of(parsed("/[a-z]{1,9}")), option::of(parsed("/[a-z]{1,9}/db.sock")));
    (paths, option::of(parsed("[a-z-]{1,9}")), option::of(processes)).prop_map(
        |((directory, database), service, processes)| RuntimeSpec { directory, database, service, processes },
    )
}

fn dpdk() -> impl Strategy<Value = DpdkSpec> {
    let init = prop_oneof![Just(DpdkInit::Required), Just(DpdkInit::Try)];
    let memory = (option::of(vec(any::<u32>(), 0..4)), option::of(vec(any::<u32>(), 0..4)));
    let extra = vec("[!-~]{0,9}", 0..3);
    let lcores = option::of(parsed("[0-9]{1,2}(,[0-9]{1,2}){0,2}"));
    (init, memory, option::of(parsed("/[a-z]{1,9}")), extra, lcores, any::<(bool, bool)>()).prop_map(
        |(
            init,
            (socket_memory, socket_limit),
            hugepage_dir,
            extra,
            lcores,
            (per_port_memory, vhost_iommu),
        )| {
            DpdkSpec {
                init,
                socket_memory,
                socket_limit,
                hugepage_dir,
                extra,
                lcores,
                per_port_memory,
                vhost_iommu,
            }
        },
    )
}

fn pmd() -> impl Strategy<Value = PmdSpec> {
    let assign = prop_oneof![Just(RxqAssign::Cycles), Just(RxqAssign::Roundrobin), Just(RxqAssign::Group)];
    let numbers = any::<(Option<u32>, Option<u32>, Option<bool>)>();
    (option::of(parsed("[0-9]{1,2}(,[0-9]{1,2}){0,2}")), numbers, option::of(assign)).prop_map(
        |(cpus, (cores_per_node, max_sleep_us, auto_balance), rxq_assign)| PmdSpec {
            cpus,
            cores_per_node,
            max_sleep_us,
            rxq_assign,
            auto_balance,
        },
    )
}

fn bridge() -> impl Strategy<Value = BridgeSpec> {
    let device = (option::of(parsed("0000:0[0-9]:1[0-9].[0-7]")), option::of(parsed("[a-z0-9]{1,8}")));
    let uplink = (
        parsed("[a-z0-9.]{1,9}"),
        device,
        option::of("[!-~]{0,9}"),
        any::<(Option<u32>, Option<(u32, u32)>)>(),
    );
    let uplink = uplink.prop_map(|(name, (device, netdev), devargs, (queues, descriptors))| UplinkSpec {
        name,
        device,
        netdev,
        devargs,
        queues,
        descriptors,
    });
    let mode =
        prop_oneof![Just(BondMode::ActiveBackup), Just(BondMode::BalanceSlb), Just(BondMode::BalanceTcp)];
    let lacp = prop_oneof![Just(Lacp::Off), Just(Lacp::Active), Just(Lacp::Passive)];
    let bond =
        (parsed("[a-z0-9.]{1,9}"), mode, lacp).prop_map(|(name, mode, lacp)| BondSpec { name, mode, lacp });
    let numbers = (any::<(Option<u32>, Option<u16>)>(), btree_set(any::<u16>(), 0..3));
    (parsed("[a-z0-9.]{1,9}"), vec(uplink, 0..3), option::of(bond), numbers).prop_map(
        |(name, uplinks, bond, ((mtu, vlan), trunks))| BridgeSpec { name, uplinks, bond, mtu, vlan, trunks },
    )
}

fn any_spec() -> impl Strategy<Value = SwitchSpec> {
    let ports = any::<(u32, u32, Option<u32>, u32)>().prop_map(|(count, mtu, node, queues)| ExpectedPorts {
        count,
        mtu,
        node: node.map(NumaNode),
        queues,
    });
    let options = btree_map("[a-z-]{1,9}", "[ -~]{0,9}", 0..3);
    (runtime(), dpdk(), pmd(), vec(bridge(), 0..3), vec(ports, 0..3), options).prop_map(
        |(runtime, dpdk, pmd, bridges, expected_ports, options)| SwitchSpec {
            runtime,
            dpdk,
            pmd,
            bridges,
            expected_ports,
            options,
        },
    )
}

proptest! {
    #[test]
    fn every_switch_survives_writing_and_reading(spec in any_spec()) {
        let text = spec.to_yaml();
        prop_assert_eq!(SwitchSpec::from_yaml(&text).unwrap(), spec, "{}", text);
    }
}
