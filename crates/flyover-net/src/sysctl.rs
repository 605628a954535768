//! Kernel settings of a network namespace.
//!
//! `/proc/sys/net` shows each thread the settings of the namespace it is in, so they are written from inside.

use std::fs;
use std::io;
use std::path::PathBuf;

/// Why a setting was not written or read.
#[derive(Debug, thiserror::Error)]
pub enum SysctlError {
    /// The kernel has none of that name, perhaps because a module is not loaded.
    #[error("this kernel has no setting `{key}`")]
    Missing {
        /// The setting.
        key: String,
    },
    /// The kernel said no.
    #[error("failed to {verb} the kernel setting `{key}`")]
    Refused {
        /// What was attempted.
        verb: &'static str,
        /// The setting.
        key: String,
        /// What the kernel said.
        source: io::Error,
    },
}

/// Writes a setting such as `net.ipv4.ip_forward` in the namespace of the calling thread.
pub fn write(key: &str, value: &str) -> Result<(), SysctlError> {
    // Not `fs::write`: that would try to create what is not there, and hide the reason.
    let written = fs::File::options().write(true).open(path_of(key));
    written
        .and_then(|mut file| io::Write::write_all(&mut file, value.as_bytes()))
        .map_err(failed("write", key))
}

/// Reads a setting in the namespace of the calling thread.
pub fn read(key: &str) -> Result<String, SysctlError> {
    fs::read_to_string(path_of(key)).map(|value| value.trim().to_owned()).map_err(failed("read", key))
}

fn path_of(key: &str) -> PathBuf {
    PathBuf::from("/proc/sys").join(key.replace('.', "/"))
}

fn failed(verb: &'static str, key: &str) -> impl FnOnce(io::Error) -> SysctlError {
    let key = key.to_owned();
    move |source| match source.kind() {
        io::ErrorKind::NotFound => SysctlError::Missing { key },
        _ => SysctlError::Refused { verb, key, source },
    }
}
