//! Takes the ports of an attachment out of their bridges.

use flyover_ovs::tables::Port;
use flyover_ovs::{Atom, Client, Condition, Datum, Mutation, OvsError, Rows, Transaction};

use super::owner;
use crate::error::{CniError, Code};
use crate::failpoint;
use crate::names::AttachmentId;

/// How often another process may get in our way.
const PATIENCE: usize = 5;

/// Removes what is of an attachment; nothing is no error. It returns when it is committed: that the switch carries it out
/// is watched by others.
pub fn remove(client: &mut Client, id: &AttachmentId) -> Result<(), CniError> {
    for _ in 0..PATIENCE {
        let ports = client.rows::<Port>(&[owner::of(id)])?;
        if ports.is_empty() {
            return Ok(());
        }
        failpoint::before("take a port out of the bridge");
        match client.transact(&removal(id, &ports)) {
            Ok(_) => return Ok(()),
            Err(OvsError::Changed(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(CniError::new(Code::TryAgain, format!("the ports of {id} are changed by others all the time")))
}

/// A port goes when no bridge holds it any more, and its interfaces with it.
fn removal(id: &AttachmentId, ports: &[Port]) -> Transaction {
    let mut transaction = Transaction::default();
    for port in ports {
        let uuid = || Atom::Uuid(port.uuid.clone());
        let same = [Condition::is(&port.uuid), owner::of(id)];
        let as_is = flyover_ovs::transaction::row([("name", port.name.as_str().into())]);
        transaction.only_if("Port", &same, &[as_is], format!("port `{}` is no longer ours", port.name));
        let holds = [Condition::includes("ports", Datum::from(uuid()))];
        let without = [Mutation::delete("ports", Datum::from(uuid()))];
        transaction.mutate("Bridge", &holds, &without, Rows::Any);
    }
    transaction.comment(&format!("flyover-cni: detach {id}"));
    transaction
}
