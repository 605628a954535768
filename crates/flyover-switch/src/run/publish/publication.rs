//! What a pod's annotations are to say, from the states of its attachments.

use std::collections::BTreeMap;
use std::fmt;

use flyover_cni_core::state::{Phase, State};
use serde_json::Value;

/// Which pod.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pod {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) uid: Option<String>,
}

/// What is to be published of a pod: of all its attachments together, for one annotation tells of all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Publication {
    pub(super) pod: Pod,
    pub(super) annotations: BTreeMap<&'static str, String>,
}

/// What an attachment has to say.
struct Part {
    began: u64,
    ifname: String,
    configuration: Value,
    directory: String,
}

impl fmt::Display for Pod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Of all pods whose network asked for it.
pub(super) fn of(states: impl Iterator<Item = State>) -> Vec<Publication> {
    let mut pods: BTreeMap<Pod, Vec<Part>> = BTreeMap::new();
    for (pod, part) in states.filter_map(part) {
        pods.entry(pod).or_default().push(part);
    }
    pods.into_iter().map(|(pod, parts)| Publication { pod, annotations: annotations(parts) }).collect()
}

/// What an attachment has to say, once ADD came to its end.
fn part(state: State) -> Option<(Pod, Part)> {
    let attached = Some(state).filter(|state| state.phase == Phase::Attached)?;
    let (mut publish, pod) = (attached.publish?, attached.pod?);
    let (namespace, name) = pod.name.split_once('/')?;
    if namespace.is_empty() || name.is_empty() {
        return None;
    }
    let directory = publish.get("mapped-dir")?.as_str()?.to_owned();
    let uid = pod.uid.map(|uid| uid.to_string());
    let part = Part {
        began: attached.began,
        ifname: attached.attachment.ifname.to_string(),
        configuration: publish.get_mut("configuration-data")?.take(),
        directory,
    };
    Some((Pod { namespace: namespace.to_owned(), name: name.to_owned(), uid }, part))
}

/// In the order in which they were attached, as the plugin before us had them.
fn annotations(mut parts: Vec<Part>) -> BTreeMap<&'static str, String> {
    parts.sort_by(|one, other| (one.began, &one.ifname).cmp(&(other.began, &other.ifname)));
    let directory = parts.last().map(|part| part.directory.clone()).unwrap_or_default();
    let all: Vec<Value> = parts.into_iter().map(|part| part.configuration).collect();
    let text = serde_json::to_string_pretty(&all).expect("what was read as JSON can be written as JSON");
    BTreeMap::from([("userspace/configuration-data", text), ("userspace/mapped-dir", directory)])
}
