//! Could anything be attached now?

use std::time::Duration;

use flyover_ovs::tables::{Bridge, OpenVswitch};
use flyover_ovs::{Condition, control, unixctl};

use super::connect;
use crate::error::{CniError, Code};
use crate::netconf::Wish;
use crate::node::Node;

/// How long the daemon may take to say that it lives.
const LIMIT: Duration = Duration::from_secs(2);

/// That a switch takes ports of pods, and has the bridge that a network names.
pub fn status(node: &Node, wish: Option<&Wish>) -> Result<(), CniError> {
    let unavailable = |why: &str| CniError::new(Code::Unavailable, format!("nothing can be attached: {why}"));
    let mut client = connect(&node.database, node)
        .map_err(|error| unavailable("the switch's database does not answer").details(error.details))?;
    daemon(node).map_err(|error| {
        CniError::new(
            Code::Limited,
            "nothing can be attached, and what is attached has no packets: ovs-vswitchd does not run",
        )
        .details(error.to_string())
    })?;
    let rows = client.rows::<OpenVswitch>(&[]);
    let rows = rows.map_err(|error| unavailable("the switch's database gives no answer").because(&error))?;
    let switch = rows.first().ok_or_else(|| unavailable("the switch's database is empty"))?;
    if !switch.dpdk_initialized {
        return Err(unavailable("DPDK does not run in the switch")
            .details("hint: other_config:dpdk-init=true, and `flyover switch verify` says what it lacks"));
    }
    if !switch.iface_types.contains("dpdkvhostuserclient") {
        return Err(unavailable("this switch has no ports of type dpdkvhostuserclient"));
    }
    let Some(wish) = wish.filter(|_| !node.create_bridges) else { return Ok(()) };
    let bridges = client.rows::<Bridge>(&[Condition::equals("name", wish.bridge.as_str())])?;
    match bridges.first() {
        Some(bridge) if bridge.datapath_type == "netdev" => Ok(()),
        _ => Err(unavailable(&format!("there is no bridge `{}` in user space", wish.bridge))),
    }
}

/// That `ovs-vswitchd` lives and answers.
pub fn daemon(node: &Node) -> Result<(), CniError> {
    let said = control::socket(&node.rundir, "ovs-vswitchd")
        .and_then(|socket| unixctl::ask(&socket, "version", &[], LIMIT));
    said.map(drop).map_err(|error| CniError::new(Code::TryAgain, "ovs-vswitchd does not run").because(&error))
}
