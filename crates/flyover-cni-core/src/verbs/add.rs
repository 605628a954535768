//! ADD: all that can be refused is refused, then the state is written, then each part is made; a failure takes away
//! what was made.

use flyover_ovs::Client;
use serde_json::Value;

use crate::error::{CniError, Code};
use crate::ipam::{self, For};
use crate::log::Log;
use crate::lot::{self, Call};
use crate::names::AttachmentId;
use crate::result::{CniResult, Interface};
use crate::state::{Found, Lock, Phase, State, Store};
use crate::teardown::{How, Record, Switch, teardown};
use crate::version::Version;
use crate::{devinfo, legacy, sockets, switch};

/// The MTU of a port that was asked for none. The switch tells it only once a pod is connected.
const DEFAULT_MTU: u32 = 1500;

/// Attaches, or finds that it is attached.
pub(super) fn add(call: Call<'_>) -> Result<CniResult, CniError> {
    let mut wanted = lot::planned(call)?;
    let id = wanted.id();
    let previous = call.network.previous()?.unwrap_or_default();
    let mut client = switch::connect(&wanted.database, call.node)?;
    let store = Store::open(call.node)?;
    let lock = store.lock(&id)?;
    if let Some(attached) = again(call, (&store, &lock), &mut client, &wanted)? {
        return Ok(attached);
    }
    store.begin(&wanted).map_err(|error| error.and(&Vec::from_iter(store.remove(&id).err())))?;
    let mut touched = false;
    match attach(call, (&store, &lock), &mut client, &mut wanted, (&mut touched, previous)) {
        Ok(result) => Ok(result),
        Err(error) => {
            let switch = if touched { Switch::Ask } else { Switch::Untouched };
            Err(error.and(&teardown(call.node, &store, &mut wanted, How::read(&lock, switch))))
        }
    }
}

/// The same ADD once more gets the same answer. One that did not come to its end is undone first.
fn again(
    call: Call<'_>,
    (store, lock): (&Store, &Lock),
    client: &mut Client,
    wanted: &State,
) -> Result<Option<CniResult>, CniError> {
    let mut known = match store.look(&wanted.id()) {
        None => return Ok(None),
        Some(Found::State(known)) => *known,
        Some(Found::Unreadable(error)) => return Err(error),
        // What there may be of it is what there will be.
        Some(Found::Cut) => {
            Log::open(call.node).cut(&wanted.id());
            let how =
                How { lock, record: Record::Unreadable, switch: Switch::Connected(client), second: None };
            let errors = teardown(call.node, store, &mut wanted.clone(), how);
            return CniError::all(&errors).map_or(Ok(None), Err);
        }
    };
    if known.phase != Phase::Attached || known.is_of_another_boot() {
        if let Some(ipam) = &mut known.ipam {
            ipam.look_in(&call.request.path);
        }
        let errors = teardown(call.node, store, &mut known, How::read(lock, Switch::Connected(client)));
        return CniError::all(&errors).map_or(Ok(None), Err);
    }
    if known.port != wanted.port || known.netns != wanted.netns {
        return Err(CniError::new(
            Code::Config,
            format!("{} is attached already, and otherwise", known.attachment),
        )
        .details("hint: DEL comes before another ADD"));
    }
    sockets::make(&mut known)?;
    sockets::serve(&mut known)?;
    if let Some(port) = &known.port {
        switch::attach(client, call.node, &known, port)?;
    }
    store.save(&known)?;
    known.result.as_ref().map(CniResult::parse).transpose()
}

fn attach(
    call: Call<'_>,
    (store, lock): (&Store, &Lock),
    client: &mut Client,
    state: &mut State,
    (touched, mut result): (&mut bool, CniResult),
) -> Result<CniResult, CniError> {
    let id = state.id();
    sockets::make(state)?;
    if state.sockets.broker.is_some() {
        sockets::serve(state)?;
        store.save(state)?;
    }
    result.interfaces.push(interface(state, &id));
    if let Some(ipam) = &mut state.ipam {
        let of = For { attachment: &state.attachment, netns: state.netns.as_deref(), lock };
        result.take_addresses(ipam::add(ipam, of)?);
    }
    if let Some(port) = &state.port {
        *touched = true;
        let made = switch::attach(client, call.node, state, port)?;
        if let Some(last) = result.interfaces.last_mut() {
            let seen = made.mtu.and_then(|mtu| u32::try_from(mtu).ok()).filter(|mtu| *mtu > 0);
            last.mtu = Some(last.mtu.or(seen).unwrap_or(DEFAULT_MTU));
        }
    }
    devinfo::write(&call.node.device_info_dir, state)?;
    let newest: Value = result.render(Version::NEWEST);
    if let Some(publication) = &mut state.publish {
        legacy::complete(publication, &newest);
    }
    state.phase = Phase::Attached;
    state.result = Some(newest);
    store.save(state)?;
    Ok(result)
}

fn interface(state: &State, id: &AttachmentId) -> Interface {
    let socket = state.sockets.file.as_ref().map(|file| state.sockets.front(id).join(file.as_str()));
    let mac = state.port.as_ref().map(|port| switch::mac(state, port).to_string());
    Interface {
        name: state.attachment.ifname.to_string(),
        mac: mac.unwrap_or_default(),
        mtu: state.port.as_ref().and_then(|port| port.wish.mtu).map(u32::from),
        sandbox: state.netns.as_ref().map(|path| path.display().to_string()).unwrap_or_default(),
        socket_path: socket.map(|path| path.display().to_string()).unwrap_or_default(),
        pci_id: String::new(),
    }
}
