//! One option of a switch, and no other.

use flyover_core::{Action, CpuMask, HostPath, OvsOption};
use flyover_ovs::transaction::row;
use flyover_ovs::{Datum, Mutation, Rows, Transaction};

use super::restart::start_again;
use super::{Change, QUICK, SLOW, no_row, refused};
use crate::hands::Hand;
use crate::ovs::{PENDING, Snapshot, connect, moment, needs_restart, snapshot};
use crate::root::{HostError, HostRoot};

fn found(wish: &OvsOption, host: &HostRoot) -> Result<OvsOption, HostError> {
    let found = snapshot(&mut connect(host, &wish.switch, QUICK)?)?;
    let row = found.switch.ok_or_else(|| no_row(&wish.switch))?;
    Ok(OvsOption { value: row.other_config.get(&wish.key).cloned(), ..wish.clone() })
}

fn set(wish: &OvsOption, host: &HostRoot) -> Result<(), HostError> {
    let what = match &wish.value {
        Some(value) => format!("set {}={value}", wish.key),
        None => format!("take {} out", wish.key),
    };
    // DPDK takes its memory, page by page.
    let limit = if wish.key.starts_with("dpdk-") { SLOW } else { QUICK };
    Change { host, at: &wish.switch, what, limit }.make(|found| transaction(wish, host, found))
}

fn transaction(wish: &OvsOption, host: &HostRoot, found: &Snapshot) -> Result<Transaction, HostError> {
    let found = found.switch.as_ref().ok_or_else(|| no_row(&wish.switch))?;
    let mut transaction = Transaction::default();
    if found.other_config.get(&wish.key) == wish.value.as_ref() {
        return Ok(transaction);
    }
    // Whether a restart is needed depends on both.
    let as_found = row([
        ("other_config", Datum::map(found.other_config.clone())),
        ("dpdk_initialized", found.dpdk_initialized.into()),
    ]);
    transaction.only_if("Open_vSwitch", &[], &[as_found], "its options changed meanwhile");
    let mut mutations = Mutation::set_key("other_config", &wish.key, wish.value.as_deref());
    if needs_restart(found, &wish.key, wish.value.as_deref()) {
        mutations.extend(Mutation::set_key("external_ids", PENDING, Some(&moment(host))));
    }
    transaction.mutate("Open_vSwitch", &[], &mutations, Rows::Exactly(1));
    Ok(transaction)
}

/// A mask that names no processor of this machine makes `ovs-vswitchd` do something else without a word.
fn check_mask(wish: &OvsOption, host: &HostRoot) -> Result<(), HostError> {
    let Some(value) = wish.value.as_ref().filter(|_| wish.key.ends_with("cpu-mask")) else {
        return Ok(());
    };
    let mask =
        value.parse::<CpuMask>().map_err(|bad| refused(bad.to_string(), "a mask is like 0xc00000c"))?;
    let online = host.text(&HostPath::fixed("/sys/devices/system/cpu/online"));
    let Some(online) = online.and_then(|text| text.parse::<flyover_core::CpuSet>().ok()) else {
        return Ok(());
    };
    if mask.cpus().is_empty() || !mask.cpus().is_subset(&online) {
        return Err(refused(
            format!("{} {value} names CPUs {}, and online are {online}", wish.key, mask.cpus()),
            "name processors of this machine",
        ));
    }
    Ok(())
}

impl Hand for OvsOption {
    fn check(&self, host: &HostRoot) -> Result<(), HostError> {
        if self.key.is_empty() || self.key.contains(char::is_whitespace) {
            return Err(refused(format!("`{}` is no name of an option", self.key), "a name has no blanks"));
        }
        check_mask(self, host)?;
        found(self, host).map(drop)
    }

    fn observe(&self, host: &HostRoot) -> Result<Action, HostError> {
        Ok(Action::OvsOption(found(self, host)?))
    }

    fn holds(&self, host: &HostRoot) -> Result<bool, HostError> {
        Ok(found(self, host)?.value == self.value)
    }

    fn act(&self, host: &HostRoot) -> Result<(), HostError> {
        let before = found(self, host)?;
        let done = set(self, host);
        // `dpdk-init=true` ends a daemon that cannot start DPDK. What it was before brings it back.
        if let Err(HostError::Daemon(_)) = &done
            && before.value != self.value
        {
            let mended = set(&before, host).and_then(|()| start_again(host, &self.switch));
            if let Err(error) = mended {
                tracing::warn!(%error, "ovs-vswitchd ended over an option and could not be started again");
            }
        }
        done
    }
}
