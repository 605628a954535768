//! Where the control socket of a daemon is.
//!
//! A daemon puts its process number into the socket's name, and next to the socket into a file. The file of a daemon
//! that was killed stays: then the socket named by it refuses whoever connects. Daemons that Flyover starts are told a
//! name without a number.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::OvsError;

/// Where the daemons of a machine put their sockets unless told otherwise.
pub const RUNDIR: &str = "/run/openvswitch";

/// The control socket of a daemon, for [`unixctl::ask`](crate::unixctl::ask).
pub fn socket(rundir: &Path, daemon: &str) -> Result<PathBuf, OvsError> {
    let pid = rundir.join(format!("{daemon}.pid"));
    let none = |what: String| OvsError::NoControl { daemon: daemon.to_owned(), what };
    let plain = || Some(rundir.join(format!("{daemon}.ctl"))).filter(|socket| socket.exists());
    let text = match fs::read_to_string(&pid) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            return only(rundir, daemon, None)
                .or_else(plain)
                .ok_or_else(|| none(format!("there is no `{}`", pid.display())));
        }
        Err(e) => return Err(none(format!("failed to read `{}`: {e}", pid.display()))),
    };
    let number: u32 =
        text.trim().parse().map_err(|_| none(format!("`{}` holds no process number", pid.display())))?;
    let named = only(rundir, daemon, Some(number)).or_else(plain);
    named.ok_or_else(|| {
        none(format!("there is no `{}`", rundir.join(format!("{daemon}.{number}.ctl")).display()))
    })
}

/// The one socket of a daemon, or of a build of it: `ovs-vswitchd-dpdk.7.ctl`, which is what the name of the program
/// makes it.
fn only(rundir: &Path, daemon: &str, pid: Option<u32>) -> Option<PathBuf> {
    let is_its = |name: &str| {
        let (program, number) = name.strip_suffix(".ctl")?.rsplit_once('.')?;
        let build = program.strip_prefix(daemon)?;
        let number: u32 = number.parse().ok()?;
        Some((build.is_empty() || build.starts_with('-')) && pid.is_none_or(|pid| pid == number))
    };
    let names = fs::read_dir(rundir).ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut its = names.filter(|name| is_its(name) == Some(true));
    let first = its.next()?;
    its.next().is_none().then(|| rundir.join(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rundir(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        files.iter().for_each(|(name, text)| fs::write(dir.path().join(name), text).unwrap());
        dir
    }

    #[test]
    fn the_file_with_the_process_number_leads_to_the_socket() {
        let dir = rundir(&[("v.pid", "42\n"), ("v.42.ctl", ""), ("v.7.ctl", "")]);
        assert_eq!(socket(dir.path(), "v").unwrap(), dir.path().join("v.42.ctl"));
    }

    #[test]
    fn a_build_of_the_daemon_puts_its_own_name_into_the_sockets() {
        let dir = rundir(&[("v.pid", "42\n"), ("v-dpdk.42.ctl", ""), ("vs.42.ctl", "")]);
        assert_eq!(socket(dir.path(), "v").unwrap(), dir.path().join("v-dpdk.42.ctl"));
    }

    #[test]
    fn a_daemon_of_flyover_s_has_a_socket_without_a_number() {
        let dir = rundir(&[("v.ctl", "")]);
        assert_eq!(socket(dir.path(), "v").unwrap(), dir.path().join("v.ctl"));
        let dir = rundir(&[("v.pid", "42\n"), ("v.ctl", ""), ("v.7.ctl", "")]);
        assert_eq!(socket(dir.path(), "v").unwrap(), dir.path().join("v.ctl"));
        let dir = rundir(&[("v.pid", "42\n"), ("v.ctl", ""), ("v.42.ctl", "")]);
        assert_eq!(socket(dir.path(), "v").unwrap(), dir.path().join("v.42.ctl"));
    }

    #[test]
    fn without_that_file_the_only_socket_is_the_one() {
        let dir = rundir(&[("v.42.ctl", ""), ("v.x.ctl", ""), ("w.7.ctl", "")]);
        assert_eq!(socket(dir.path(), "v").unwrap(), dir.path().join("v.42.ctl"));
        let dir = rundir(&[("v.42.ctl", ""), ("v.43.ctl", "")]);
        assert!(socket(dir.path(), "v").is_err());
    }

    #[test]
    fn a_daemon_that_does_not_run_is_named_with_what_is_missing() {
        let dir = rundir(&[("v.pid", "42\n"), ("w.pid", "-")]);
        let at = dir.path().display();
        let said = |daemon| socket(dir.path(), daemon).unwrap_err().to_string();
        let hint = "\n  hint: is it running, and is this its run directory?";
        assert_eq!(said("v"), format!("found no control socket of `v`: there is no `{at}/v.42.ctl`{hint}"));
        assert_eq!(
            said("w"),
            format!("found no control socket of `w`: `{at}/w.pid` holds no process number{hint}")
        );
        assert_eq!(said("x"), format!("found no control socket of `x`: there is no `{at}/x.pid`{hint}"));
    }
}
