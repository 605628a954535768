//! Hugepages of a running kernel.
//!
//! The kernel takes as many as it finds in one piece, answers that all is well, and tells the truth only when the
//! number is read back. With fragmented memory a compaction first may help; once is enough to know.

use flyover_core::{Action, HostPath, Hugepages};

use super::{Hand, refused};
use crate::root::{HostError, HostRoot};

fn count(pages: &Hugepages, host: &HostRoot) -> Result<u64, HostError> {
    let path = pages.size.pool(pages.node);
    let text = host.text(&path).ok_or_else(|| {
        refused(
            format!("the kernel offers no hugepages of {} at `{path}`", pages.size),
            "look in /sys/kernel/mm/hugepages for the sizes it has; 1G needs the CPU flag pdpe1gb",
        )
    })?;
    text.parse().map_err(|_| HostError::Malformed {
        path: path.to_string(),
        text,
        expected: "a number of pages",
    })
}

impl Hand for Hugepages {
    fn check(&self, host: &HostRoot) -> Result<(), HostError> {
        count(self, host).map(drop)
    }

    fn observe(&self, host: &HostRoot) -> Result<Action, HostError> {
        Ok(Action::Hugepages(Self { count: count(self, host)?, ..self.clone() }))
    }

    fn holds(&self, host: &HostRoot) -> Result<bool, HostError> {
        Ok(count(self, host)? == self.count)
    }

    fn act(&self, host: &HostRoot) -> Result<(), HostError> {
        let (path, wanted) = (self.size.pool(self.node), self.count.to_string());
        host.write_attribute(&path, &wanted)?;
        let compact = HostPath::fixed("/proc/sys/vm/compact_memory");
        if count(self, host)? < self.count && host.exists(&compact) {
            host.write_attribute(&compact, "1")?;
            host.write_attribute(&path, &wanted)?;
        }
        let place = self.node.map_or_else(|| "the host".to_owned(), |node| format!("node {node}"));
        match count(self, host)? {
            got if got < self.count => Err(refused(
                format!("wanted {} hugepages of {} on {place}, the kernel took {got}", self.count, self.size),
                "memory is short or in pieces: ask for fewer, or for `when: boot`",
            )),
            got if got > self.count => Err(refused(
                format!("wanted {} hugepages of {} on {place}, {got} stay in use", self.count, self.size),
                "stop what uses them (grep -l hugepages /proc/*/maps) and try again",
            )),
            _ => Ok(()),
        }
    }
}
