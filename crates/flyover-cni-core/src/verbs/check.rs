//! CHECK: is everything as ADD left it, and do those live on whom it depends? And, where that is asked for: do frames pass?

use crate::error::{CniError, Code};
use crate::ipam::{self, For};
use crate::lot::{self, Call};
use crate::result::{CniResult, Ip};
use crate::state::{Phase, State, Store};
use crate::version::Version;
use crate::{sockets, switch};

/// Fails with all that differs.
pub(super) fn check(call: Call<'_>) -> Result<(), CniError> {
    let version = call.network.version;
    if version < Version::V040 {
        return Err(CniError::new(Code::Version, format!("version {version} of CNI has no CHECK")));
    }
    let previous = call.network.previous()?;
    let previous = previous
        .ok_or_else(|| CniError::new(Code::Config, "CHECK was not told what ADD answered (prevResult)"))?;
    let presumed = lot::presumed(call, call.request.of()?);
    let store = Store::open(call.node)?;
    let lock = store.lock(&presumed.id())?;
    let attached = store.load(&presumed.id())?.filter(|state| state.phase == Phase::Attached);
    let Some(state) = attached else {
        return Err(differs(&[format!("{} is not attached", presumed.attachment)]));
    };
    let mut found = answered(&state, &previous)?;
    found.extend(sockets::differences(&state));
    switch::daemon(call.node)?;
    if let Some(port) = &state.port {
        let mut client = switch::reach(&state, call.node)?;
        found.extend(switch::differences(&mut client, &state, port)?);
    }
    if !found.is_empty() {
        return Err(differs(&found));
    }
    let of = For { attachment: &state.attachment, netns: state.netns.as_deref(), lock: &lock };
    presumed.ipam.map_or(Ok(()), |ipam| ipam::check(&ipam, of, &call.network.raw))?;
    let deep = call.node.check_deep || call.network.deep();
    let Some(port) = state.port.as_ref().filter(|_| deep) else { return Ok(()) };
    // It takes a while, and nothing of the attachment.
    drop(lock);
    switch::passes(call.node, &state, port)
}

/// What the runtime believes that ADD answered, held against what it did.
fn answered(state: &State, previous: &CniResult) -> Result<Vec<String>, CniError> {
    let ours = state.result.as_ref().map(CniResult::parse).transpose()?.unwrap_or_default();
    let ifname = &state.attachment.ifname;
    let mut found = addresses(&ours, previous);
    let (Some(ours), Some(theirs)) = (ours.interface(ifname), previous.interface(ifname)) else {
        return Ok(vec![format!("interface `{ifname}` is not in prevResult")]);
    };
    // A version without the field says nothing by leaving it out.
    let said = |text: &str| !text.is_empty();
    if theirs.mac != ours.mac {
        found.push(format!("prevResult has mac {:?}, and ADD answered {:?}", theirs.mac, ours.mac));
    }
    if theirs.sandbox != ours.sandbox {
        found.push(format!(
            "prevResult has sandbox {:?}, and ADD answered {:?}",
            theirs.sandbox, ours.sandbox
        ));
    }
    if said(&theirs.socket_path) && theirs.socket_path != ours.socket_path {
        found.push(format!(
            "prevResult has socketPath {:?}, and ADD answered {:?}",
            theirs.socket_path, ours.socket_path
        ));
    }
    Ok(found)
}

/// Plugins after us may have added some; none of ours may be another one.
fn addresses(ours: &CniResult, theirs: &CniResult) -> Vec<String> {
    let there = |ip: &&Ip| theirs.ips.iter().any(|other| other.address == ip.address);
    let gone = ours.ips.iter().filter(|ip| !there(ip));
    gone.map(|ip| format!("prevResult does not have the address {}, which ADD answered", ip.address))
        .collect()
}

fn differs(found: &[String]) -> CniError {
    CniError::new(Code::Differs, "the attachment is not as ADD left it").details(found.join("; "))
}
