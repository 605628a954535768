//! The switch's side and the pod's.

use flyover_api::Tree;

use super::Look;

impl Look<'_> {
    pub(super) fn bridge(&mut self) {
        let bridge = &["host", "bridge"];
        let number = |field: &str| match self.config.get(&["host", "bridge", field]) {
            Some(Tree::Number(number)) => number.as_u64(),
            _ => None,
        };
        match number("vlanId") {
            None | Some(0) => {}
            Some(vlan) if vlan > 4094 => {
                self.error(&[bridge[0], bridge[1], "vlanId"], format!("{vlan} is no VLAN"), "1 to 4094");
            }
            Some(vlan) => {
                let what = format!("the old plugin ignores it: the port carries all VLANs, not {vlan} alone");
                self.warning(
                    &[bridge[0], bridge[1], "vlanId"],
                    what,
                    "Flyover honours it: the port becomes an access port",
                );
            }
        }
        if self.config.get(&["host", "bridge", "bridgeId"]).is_some() {
            self.note(
                &[bridge[0], bridge[1], "bridgeId"],
                "it is VPP's",
                "name the bridge with `bridgeName`",
            );
        }
        match self.config.text(&["host", "bridge", "bridgeName"]) {
            None | Some("") => {
                self.note(
                    &[bridge[0], bridge[1], "bridgeName"],
                    "it is missing, so the bridge is br0",
                    "name it",
                );
            }
            Some(name) if name.parse::<flyover_core::OvsName>().is_err() => {
                self.error(
                    &[bridge[0], bridge[1], "bridgeName"],
                    format!("{name:?} is no name of a bridge"),
                    "letters and digits",
                );
            }
            Some(_) => {}
        }
    }

    /// Which side makes the socket. What is left out is the other side's opposite.
    pub(super) fn modes(&mut self) {
        let mode = |side: &str| self.config.text(&[side, "vhost", "mode"]).map(str::to_owned);
        let (host, container) = (mode("host"), mode("container"));
        for (side, mode) in [("host", &host), ("container", &container)] {
            if mode.as_deref().is_some_and(|mode| !matches!(mode, "client" | "server")) {
                self.error(
                    &[side, "vhost", "mode"],
                    "it is neither client nor server",
                    "client in host, server in container",
                );
            }
        }
        if host.is_some() && host == container {
            let what = "both sides are the same: one must make the socket and the other open it";
            self.error(&["container", "vhost", "mode"], what, "client in host, server in container");
        }
        self.group(
            host.as_deref() == Some("server") || (host.is_none() && container.as_deref() == Some("client")),
        );
    }

    /// What the node has to say for the switch and the pod to reach one socket.
    fn group(&mut self, switch_serves: bool) {
        let field = &["host", "vhost", "group"];
        match self.config.text(field) {
            Some(group) => {
                let hint = format!("`\"groups\": [{group:?}]` in /etc/flyover/cni.json of each node");
                self.note(field, "Flyover's plugin refuses a group that the node does not allow", hint);
            }
            None if !switch_serves => {
                let what = "QEMU or the application makes the socket, and the switch opens it only as one of its group: the \
                            node's, where none is named here";
                let hint = "`\"group\": \"hugetlbfs\"` in /etc/flyover/cni.json, or what the switch runs as";
                self.note(field, what, hint);
            }
            None => {}
        }
    }
}
