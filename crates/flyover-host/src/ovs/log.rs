//! What `ovs-vswitchd` wrote to its log since a moment: why DPDK did not start, why a port was not made.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

use flyover_core::{HostPath, Keeper, SwitchAt};

use crate::root::HostRoot;

/// A place in the log.
#[derive(Clone, Debug)]
pub struct LogMark {
    path: PathBuf,
    offset: u64,
}

/// How much of the log is read at most.
const ENOUGH: u64 = 256 << 10;

/// How many lines are told. A device that is not attached has four, and the first is the cause.
const LINES: usize = 5;

impl LogMark {
    /// The end of the log, as it is now.
    #[must_use]
    pub fn now(host: &HostRoot, at: &SwitchAt) -> Self {
        let directory = match at.keeper {
            Keeper::Flyover(_) => at.rundir.clone(),
            Keeper::Unit(_) | Keeper::Others => HostPath::fixed("/var/log/openvswitch"),
        };
        let path = host.path(&directory).join("ovs-vswitchd.log");
        let offset = path.metadata().map_or(0, |meta| meta.len());
        Self { path, offset }
    }

    /// The beginning of the log, as far back as is read.
    #[must_use]
    pub fn start(host: &HostRoot, at: &SwitchAt) -> Self {
        Self { offset: 0, ..Self::now(host, at) }
    }

    /// The messages since of errors and warnings that have one of the words in them, the oldest first.
    #[must_use]
    pub fn lines_with(&self, words: &[&str]) -> Vec<String> {
        let text = self.since().unwrap_or_default();
        let messages =
            text.lines().filter_map(parts).filter(|(_, level, _)| *level != "INFO" && *level != "DBG");
        messages
            .map(|(.., message)| message.to_owned())
            .filter(|message| words.iter().any(|word| message.contains(word)))
            .collect()
    }

    /// The last errors since, of DPDK if there are any of it, in one line; none where the log tells none.
    #[must_use]
    pub fn errors(&self) -> Option<String> {
        let text = self.since()?;
        let errors: Vec<(bool, &str)> = text.lines().filter_map(error).collect();
        let of_dpdk = errors.iter().any(|(dpdk, _)| *dpdk);
        let mut lines: Vec<&str> =
            errors.iter().filter(|(dpdk, _)| *dpdk || !of_dpdk).map(|(_, line)| *line).collect();
        lines.dedup();
        let last = lines.split_off(lines.len().saturating_sub(LINES));
        (!last.is_empty()).then(|| last.join("; "))
    }

    fn since(&self) -> Option<String> {
        let mut file = File::open(&self.path).ok()?;
        let length = file.metadata().ok()?.len();
        // A log that became shorter was begun anew.
        let from = if length < self.offset { 0 } else { self.offset };
        file.seek(SeekFrom::Start(from.max(length.saturating_sub(ENOUGH)))).ok()?;
        let mut bytes = Vec::new();
        file.take(ENOUGH).read_to_end(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// The message of a line that tells of an error, and whether it is DPDK's:
/// `2026-01-01T00:00:00.000Z|00012|dpdk|ERR|EAL: FATAL: Cannot init memory`.
fn error(line: &str) -> Option<(bool, &str)> {
    let (module, level, message) = parts(line)?;
    matches!(level, "ERR" | "EMER").then_some((matches!(module, "dpdk" | "netdev_dpdk"), message))
}

/// Module, level and message.
fn parts(line: &str) -> Option<(&str, &str, &str)> {
    let mut parts = line.splitn(5, '|').skip(2);
    let (module, level, message) = (parts.next()?, parts.next()?, parts.next()?);
    Some((module.split('(').next()?, level, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_of_a_device_that_is_not_attached_is_told_with_what_follows_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ovs-vswitchd.log");
        let told = [
            "net_af_packet0: ioctl failed (SIOCGIFINDEX):No such device",
            "EAL: Driver cannot attach the device (net_af_packet0)",
            "EAL: Failed to attach device on primary process",
            "Invalid port_id=32",
        ];
        let lines = told.map(|line| format!("2026-01-01T00:00:00.000Z|00001|dpdk|ERR|{line}\n"));
        std::fs::write(&path, lines.concat()).unwrap();
        assert_eq!(LogMark { path, offset: 0 }.errors(), Some(told.join("; ")));
    }

    #[test]
    fn errors_of_dpdk_are_told_before_those_of_others_and_warnings_never() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ovs-vswitchd.log");
        std::fs::write(&path, "2026-01-01T00:00:00.000Z|00001|dpdk|ERR|EAL: old\n").unwrap();
        let mark = LogMark { path: path.clone(), offset: path.metadata().unwrap().len() };
        assert_eq!(mark.errors(), None);
        let more = "2026-01-01T00:00:00.000Z|00001|dpdk|ERR|EAL: old\n\
            2026-01-01T00:00:01.000Z|00002|bridge|ERR|something else\n\
            2026-01-01T00:00:02.000Z|00003|dpdk|WARN|EAL: a warning\n\
            2026-01-01T00:00:03.000Z|00004|dpdk|ERR|EAL: no | memory\n\
            2026-01-01T00:00:04.000Z|00005|netdev_dpdk(pmd-c00/id:7)|ERR|no pool\n";
        std::fs::write(&path, more).unwrap();
        assert_eq!(mark.errors(), Some("EAL: no | memory; no pool".to_owned()));
    }
}
