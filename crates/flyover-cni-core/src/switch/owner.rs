//! Whose a row is.

use std::collections::BTreeMap;

use flyover_core::IfName;
use flyover_ovs::tables::{Port, Strings};
use flyover_ovs::{Client, Condition, Datum};

use crate::error::CniError;
use crate::names::{Attachment, AttachmentId, PodUid};
use crate::state::State;

/// Our name.
const OWNER: &str = "flyover-cni";

/// The keys of `external_ids`.
const KEY_OWNER: &str = "flyover-owner";
const KEY_ATTACHMENT: &str = "flyover-attachment";
const KEY_NETWORK: &str = "flyover-network";
const KEY_CONTAINER: &str = "flyover-container";
const KEY_IFNAME: &str = "flyover-ifname";
const KEY_POD: &str = "flyover-pod";
const KEY_POD_UID: &str = "flyover-pod-uid";
const KEY_BOOT: &str = "flyover-boot";

/// What a row says of its attachment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owned {
    /// The name of the port.
    pub port: String,
    /// The short name.
    pub id: AttachmentId,
    /// The three names, if they are there and make the short one.
    pub attachment: Option<Attachment>,
    /// The uid of the pod.
    pub pod_uid: Option<PodUid>,
    /// The start of the machine it is of.
    pub boot: Option<String>,
}

/// What a row of an attachment says.
pub(super) fn marks(state: &State) -> BTreeMap<String, String> {
    let Attachment { network, container, ifname } = &state.attachment;
    let mut marks = BTreeMap::from([
        (KEY_OWNER.to_owned(), OWNER.to_owned()),
        (KEY_ATTACHMENT.to_owned(), state.id().into()),
        (KEY_NETWORK.to_owned(), network.to_string()),
        (KEY_CONTAINER.to_owned(), container.to_string()),
        (KEY_IFNAME.to_owned(), ifname.to_string()),
    ]);
    marks.extend(state.boot.as_ref().map(|boot| (KEY_BOOT.to_owned(), boot.clone())));
    if let Some(pod) = &state.pod {
        marks.insert(KEY_POD.to_owned(), pod.name.clone());
        marks.extend(pod.uid.as_ref().map(|uid| (KEY_POD_UID.to_owned(), uid.to_string())));
    }
    marks
}

/// What finds the rows of an attachment, and no others.
pub(super) fn of(id: &AttachmentId) -> Condition {
    Condition::includes("external_ids", Datum::map([(KEY_OWNER, OWNER), (KEY_ATTACHMENT, id.as_str())]))
}

/// Whether a row is of an attachment.
pub(super) fn is_of(external_ids: &Strings, id: &AttachmentId) -> bool {
    owned("", external_ids).is_some_and(|owned| owned.id == *id)
}

/// Of which start of the machine a row is.
pub(super) fn boot(external_ids: &Strings) -> Option<&str> {
    external_ids.get(KEY_BOOT).map(String::as_str)
}

/// Every port that is ours.
pub fn all(client: &mut Client) -> Result<Vec<Owned>, CniError> {
    let ours = Condition::includes("external_ids", Datum::map([(KEY_OWNER, OWNER)]));
    let ports = client.rows::<Port>(&[ours])?;
    Ok(ports.iter().filter_map(|port| owned(&port.name, &port.external_ids)).collect())
}

/// What a row says, if it says that it is ours.
fn owned(port: &str, external_ids: &Strings) -> Option<Owned> {
    let said = |key: &str| external_ids.get(key).map(String::as_str);
    if said(KEY_OWNER) != Some(OWNER) {
        return None;
    }
    let id: AttachmentId = said(KEY_ATTACHMENT)?.parse().ok()?;
    let names = || {
        let ifname: IfName = said(KEY_IFNAME)?.parse().ok()?;
        let (network, container) = (said(KEY_NETWORK)?.parse().ok()?, said(KEY_CONTAINER)?.parse().ok()?);
        Some(Attachment { network, container, ifname })
    };
    let attachment = names().filter(|attachment| attachment.id() == id);
    let pod_uid = said(KEY_POD_UID).and_then(|uid| uid.parse().ok());
    let boot = boot(external_ids).map(str::to_owned);
    Some(Owned { port: port.to_owned(), id, attachment, pod_uid, boot })
}
