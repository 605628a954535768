//! Changes that Debian's ovs-vswitchd carries out, in a network namespace of its own.

mod rig;

mod root {
    use flyover_ovs::tables::{Interface, OpenVswitch};
    use flyover_ovs::{Condition, OvsError, Rows, Transaction, unixctl};

    use crate::rig::{Database, LIMIT, add_bridge, add_port, interface, switch};

    #[test]
    fn a_bridge_and_its_ports_are_there_once_a_change_was_applied() {
        let database = Database::start();
        let mut client = database.client();
        let switch = switch(&database);
        let mut transaction = Transaction::default();
        add_bridge(&mut transaction, "br0");
        add_port(&mut transaction, "br0", &interface("p0", "internal"));
        add_port(&mut transaction, "br0", &interface("p1", "no-such-type"));
        let committed = client.apply(&transaction).unwrap();
        assert_eq!(committed.next_cfg(), Some(1));
        let [row] = <[OpenVswitch; 1]>::try_from(client.rows::<OpenVswitch>(&[]).unwrap()).unwrap();
        assert_eq!((row.next_cfg, row.cur_cfg, row.dpdk_initialized), (1, 1, false));
        let ports =
            |name: &str| client.rows::<Interface>(&[Condition::equals("name", name)]).unwrap().remove(0);
        let [p0, p1] = ["p0", "p1"].map(ports);
        assert!(p0.ofport.is_some_and(|port| port > 0) && p0.error.is_none(), "{p0:?}");
        assert_eq!(p1.ofport, Some(-1));
        assert!(p1.error.is_some(), "{p1:?}");
        let control = flyover_ovs::control::socket(database.dir(), "ovs-vswitchd").unwrap();
        assert_eq!(control, database.dir().join(format!("ovs-vswitchd.{}.ctl", switch.pid())));
        let shown = unixctl::ask(&control, "dpif/show", &[], LIMIT).unwrap();
        let datapath = flyover_ovs::appctl::Datapath::all(&shown).remove(0);
        assert_eq!((datapath.name.as_str(), datapath.bridges[0].name.as_str()), ("netdev@ovs-netdev", "br0"));
    }

    #[test]
    fn ports_come_and_go_and_each_change_is_waited_for() {
        let database = Database::start();
        let mut client = database.client();
        let _switch = switch(&database);
        let mut transaction = Transaction::default();
        add_bridge(&mut transaction, "br0");
        client.apply(&transaction).unwrap();
        for round in 2..12 {
            let mut transaction = Transaction::default();
            add_port(&mut transaction, "br0", &interface(&format!("p{round}"), "internal"));
            assert_eq!(client.apply(&transaction).unwrap().next_cfg(), Some(round));
        }
        let mut none = Transaction::default();
        none.delete("Bridge", &[Condition::equals("name", "br1")], Rows::Exactly(1));
        assert!(matches!(client.apply(&none), Err(OvsError::Count { count: 0, wanted: 1, .. })));
        let interfaces = client.rows::<Interface>(&[]).unwrap();
        assert!(interfaces.iter().all(|row| row.ofport.is_some_and(|port| port > 0)), "{interfaces:?}");
        assert_eq!(interfaces.len(), 11);
    }
}
