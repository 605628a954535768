//! The machine this process runs on.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::net::{IpAddr, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use flyover_core::HostPath;

use crate::cmd::{Cmd, CmdError};
use crate::root::{HostRoot, Outside};

/// The machine this process runs on.
#[derive(Clone, Copy, Debug)]
pub struct Live;

impl Live {
    /// The machine, from its root directory.
    #[must_use]
    pub fn host() -> HostRoot {
        HostRoot::new("/", Arc::new(Self))
    }
}

impl Outside for Live {
    fn write_attribute(&self, root: &Path, path: &HostPath, value: &str) -> io::Result<()> {
        // One write: the kernel takes each as a whole command.
        let at = root.join(path.as_str().trim_start_matches('/'));
        OpenOptions::new().write(true).open(at)?.write_all(value.as_bytes())
    }

    fn run(&self, _root: &Path, program: &str, args: &[&str], limit: Duration) -> Result<String, CmdError> {
        Cmd::new(program).args(args).timeout(limit).run()
    }

    fn resolve(&self, name: &str) -> Vec<IpAddr> {
        (name, 0).to_socket_addrs().map(|found| found.map(|a| a.ip()).collect()).unwrap_or_default()
    }
}
