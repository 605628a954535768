//! What is ours on a host now, and what was there before.

use flyover_core::{Action, Subject};
use serde::Serialize;

use crate::store::{Store, StoreError};

/// What is ours, by kind, in the order in which it was first changed.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Receipt {
    /// Files.
    pub files: Vec<Mine>,
    /// Units of systemd.
    pub units: Vec<Mine>,
    /// Drivers of PCI functions.
    pub drivers: Vec<Mine>,
    /// The kernel's command line.
    pub kernel_args: Vec<Mine>,
    /// All else: hugepages, mounts, sysctls, modules.
    pub others: Vec<Mine>,
}

/// A subject that is ours.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Mine {
    /// Which.
    pub subject: Subject,
    /// What was asked for last.
    pub wished: Action,
    /// What was there before us.
    pub found: Action,
    /// The generation that changed it last.
    pub generation: u64,
    /// When that generation began.
    pub since: String,
}

/// What is ours on a host now.
pub fn receipt(store: &Store) -> Result<Receipt, StoreError> {
    let mut all: Vec<(Mine, Option<Action>)> = Vec::new();
    for generation in store.generations()? {
        for entry in generation.standing() {
            let Some(found) = entry.origin() else { continue };
            let (wished, left) = (entry.step.action.clone(), entry.left.clone());
            let (number, since) = (generation.number, generation.started.clone());
            match all.iter_mut().find(|(mine, _)| mine.subject == entry.subject()) {
                Some((mine, last)) => {
                    *mine = Mine { wished, generation: number, since, ..mine.clone() };
                    *last = left;
                }
                None => all.push((
                    Mine { subject: entry.subject(), wished, found, generation: number, since },
                    left,
                )),
            }
        }
    }
    let mut receipt = Receipt::default();
    for (mine, left) in all {
        if left.is_some_and(|left| left.same_state(&mine.found)) {
            continue;
        }
        let list = match mine.found {
            Action::File(_) => &mut receipt.files,
            Action::Unit(_) => &mut receipt.units,
            Action::Driver(_) => &mut receipt.drivers,
            Action::BootArgs(_) => &mut receipt.kernel_args,
            _ => &mut receipt.others,
        };
        list.push(mine);
    }
    Ok(receipt)
}
