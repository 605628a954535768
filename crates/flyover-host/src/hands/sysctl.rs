//! Sysctls of the running kernel.

use flyover_core::{Action, HostPath, Sysctl};

use super::{Hand, refused};
use crate::root::{HostError, HostRoot};

fn attribute(sysctl: &Sysctl) -> HostPath {
    HostPath::fixed(&format!("/proc/sys/{}", sysctl.key.path()))
}

/// The kernel separates numbers by tabs, people by blanks.
fn normal(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn value(sysctl: &Sysctl, host: &HostRoot) -> Result<String, HostError> {
    host.text(&attribute(sysctl)).map(|text| normal(&text)).ok_or_else(|| {
        refused(
            format!("the kernel has no sysctl {} that can be read", sysctl.key),
            "check the spelling, or load the module that brings it first",
        )
    })
}

impl Hand for Sysctl {
    fn check(&self, host: &HostRoot) -> Result<(), HostError> {
        value(self, host).map(drop)
    }

    fn observe(&self, host: &HostRoot) -> Result<Action, HostError> {
        Ok(Action::Sysctl(Self { value: value(self, host)?, ..self.clone() }))
    }

    fn holds(&self, host: &HostRoot) -> Result<bool, HostError> {
        Ok(value(self, host)? == normal(&self.value))
    }

    fn act(&self, host: &HostRoot) -> Result<(), HostError> {
        host.write_attribute(&attribute(self), &self.value).map_err(|e| {
            let said = std::error::Error::source(&e).map(|said| format!(" ({said})")).unwrap_or_default();
            let what = format!("the kernel refuses `{}` as value of {}{said}", self.value, self.key);
            refused(what, "see Documentation/admin-guide/sysctl of the kernel for the values it takes")
        })?;
        match value(self, host)? {
            now if now == normal(&self.value) => Ok(()),
            now => Err(refused(
                format!("sysctl {} was set to `{}` and is `{now}`", self.key, self.value),
                "the kernel bounds it: ask for a value it takes",
            )),
        }
    }
}
