//! What a user of a namespace must not choose for root, and what does not fit.

use super::Look;

/// What `sun_path` holds beside its end.
const LONGEST_SOCKET: usize = 107;

/// `0123456789ab-` and the shortest name Multus gives, `net1`.
const SOCKET_NAME: usize = 12 + 1 + 4;

/// `/var/lib/vhost_sockets/`, a pod's UID and a slash.
const SHORT_DIRECTORY: usize = 23 + 36 + 1;

impl Look<'_> {
    /// What a user of a namespace must not choose for root.
    pub(super) fn node_decides(&mut self) {
        if let Some(file) = self.config.text(&["logFile"]) {
            let what = format!("root would write to {file}, which whoever may make an attachment chooses");
            self.warning(&["logFile"], what, "leave it out: the node's configuration says where logs go");
        } else if self.config.get(&["logLevel"]).is_some() {
            self.note(&["logLevel"], "there is no log it is for", "leave it out");
        }
        if let Some(file) = self.config.text(&["kubeconfig"]) {
            let what = format!(
                "root would read {file} and act with its rights, Multus' most likely: all pods of all nodes"
            );
            self.warning(&["kubeconfig"], what, "leave it out: the pod's UID comes with CNI_ARGS");
        }
        if let Some(dir) = self.config.text(&["sharedDir"]) {
            let what = format!(
                "root would make and remove files in {dir}, which whoever may make an attachment chooses"
            );
            self.warning(&["sharedDir"], what, "leave it out: sockets are below the node's own directory");
            let longest = dir.len() + 1 + 12 + 1 + SOCKET_NAME;
            if longest > LONGEST_SOCKET {
                let what =
                    format!("sockets in it have paths of {longest} bytes, and DPDK uses {LONGEST_SOCKET}");
                self.error(&["sharedDir"], what, "a shorter directory, or none");
            }
        }
    }

    pub(super) fn sockets(&mut self) {
        for side in ["host", "container"] {
            let Some(file) = self.config.text(&[side, "vhost", "socketfile"]).map(str::to_owned) else {
                continue;
            };
            let path = [side, "vhost", "socketfile"];
            if file.is_empty() || file.contains('/') || file.contains("..") || file.starts_with('-') {
                let what =
                    format!("{file:?} is no plain file name: root would make and remove files elsewhere");
                self.error(
                    &path,
                    what,
                    "leave it out, and it is named after the container and its interface",
                );
            } else if SHORT_DIRECTORY + file.len() > LONGEST_SOCKET {
                let what = format!(
                    "its path has {} bytes, and DPDK uses {LONGEST_SOCKET}",
                    SHORT_DIRECTORY + file.len()
                );
                self.error(&path, what, "a name of 47 letters at most");
            } else if side == "host" {
                self.note(&path, "two pods of it would have sockets of one name", "leave it out");
            }
        }
    }
}
