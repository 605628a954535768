//! Finds attachments that nobody has any more, and takes them away.
//!
//! Why: a runtime that died forgets to call DEL, and Multus never hands GC to a second network. Three sources are held against
//! each other: our own states (with rows and directories that no state tells of), the runtime's cache, the kubelet's pods.
//!
//! Invariants: an ADD under way is left alone: directories are listed first, then rows, then states, and each is looked
//! at again under its lock; where nothing can be known, nothing is removed.

mod verdict;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;

pub use verdict::Verdict;

use crate::error::CniError;
use crate::names::{Attachment, AttachmentId, PodUid};
use crate::node::Node;
use crate::state::{Found, Phase, State, Store, is_another_boot};
use crate::switch::{self, Owned};
use crate::teardown::{How, Switch, teardown};
use crate::{broker, sockets};
use verdict::{Sight, verdict};

/// How it is done.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Only look.
    pub dry_run: bool,
    /// How long an ADD may take before its attachment counts as left behind.
    pub grace: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { dry_run: false, grace: Duration::from_secs(60) }
    }
}

/// An attachment of which something is there.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Its short name.
    pub id: AttachmentId,
    /// Who it is, where that is known.
    #[serde(flatten)]
    pub attachment: Option<Attachment>,
    /// What is to become of it, and why.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// What is there of it: `state`, `port`, `directory`.
    pub traces: BTreeSet<&'static str>,
    /// Whether it was taken away.
    pub removed: bool,
    /// What could not be.
    pub errors: Vec<String>,
}

/// Where Multus keeps the results of its delegates, beside the runtime's.
const MULTUS: &str = "multus/results";

/// What is there of an attachment.
#[derive(Debug, Default)]
struct Traces {
    directory: bool,
    row: Option<Owned>,
    state: Option<Found>,
    file: bool,
}

/// Removes what a deep CHECK that was killed left in the switch.
pub fn sweep(node: &Node) -> Result<(), CniError> {
    switch::collect(node)
}

/// Looks at every attachment of the node, and takes away those that nobody has any more.
pub fn reconcile(node: &Node, options: Options) -> Result<Vec<Finding>, CniError> {
    if !options.dry_run {
        // What cannot be removed now is by the next.
        let _swept = sweep(node);
    }
    among(node, options, |_| true)
}

/// The same, but looks only at some: those that were found to be left behind before.
pub fn among(
    node: &Node,
    options: Options,
    is_meant: impl Fn(&AttachmentId) -> bool,
) -> Result<Vec<Finding>, CniError> {
    let store = if options.dry_run { Store::of(node) } else { Store::open(node)? };
    let mut all: BTreeMap<AttachmentId, Traces> = BTreeMap::new();
    for id in sockets::list(&node.socket_root) {
        all.entry(id).or_default().directory = true;
    }
    let rows = switch::connect(&node.database, node).and_then(|mut client| switch::all(&mut client));
    for owned in rows.into_iter().flatten() {
        let traces = all.entry(owned.id.clone()).or_default();
        traces.row = Some(owned);
    }
    for id in store.list()? {
        all.entry(id).or_default().file = true;
    }
    let meant = all.into_iter().filter(|(id, _)| is_meant(id));
    Ok(meant.map(|(id, traces)| judge(node, options, &store, id, traces)).collect())
}

/// Its state is read here: those of a thousand attachments together take megabytes.
fn judge(node: &Node, options: Options, store: &Store, id: AttachmentId, traces: Traces) -> Finding {
    let traces = &Traces { state: traces.file.then(|| store.look(&id)).flatten(), ..traces };
    let state = traces.state();
    let attachment =
        state.map(|state| &state.attachment).or(traces.row.as_ref().and_then(|row| row.attachment.as_ref()));
    let seen = [("directory", traces.directory), ("port", traces.row.is_some()), ("state", traces.file)];
    let mut finding = Finding {
        attachment: attachment.cloned(),
        verdict: verdict(&sight(node, attachment, traces), options.grace),
        traces: seen.into_iter().filter_map(|(name, there)| there.then_some(name)).collect(),
        id,
        removed: false,
        errors: Vec::new(),
    };
    if matches!(finding.verdict, Verdict::Stale { .. }) && !options.dry_run {
        match remove(node, store, &finding.id, traces, options.grace) {
            Ok(None) => finding.verdict = Verdict::Keep { because: "it changed while it was looked at" },
            Ok(Some(errors)) => {
                finding.removed = errors.is_empty();
                finding.errors = errors.iter().map(ToString::to_string).collect();
            }
            Err(error) => finding.errors = vec![error.to_string()],
        }
    }
    finding
}

/// Takes it away, unless it is not what it was any more.
fn remove(
    node: &Node,
    store: &Store,
    id: &AttachmentId,
    traces: &Traces,
    grace: Duration,
) -> Result<Option<Vec<CniError>>, CniError> {
    let lock = store.lock_soon(id)?;
    // What cannot be read is judged by its port, and goes by its short name.
    if let Some(mut state) = store.load(id).unwrap_or_default() {
        let now = Traces { state: Some(Found::State(Box::new(state.clone()))), ..Traces::default() };
        let still =
            matches!(verdict(&sight(node, Some(&state.attachment), &now), grace), Verdict::Stale { .. });
        return Ok(still.then(|| teardown(node, store, &mut state, How::read(&lock, Switch::Ask))));
    }
    let mut errors = Vec::new();
    if let Some(row) = &traces.row {
        errors.extend(
            switch::connect(&node.database, node)
                .and_then(|mut client| switch::remove(&mut client, &row.id))
                .err(),
        );
    }
    errors.extend(broker::end(&node.socket_root.join(id.as_str()), None).err());
    errors.extend(sockets::clear(&node.socket_root, id));
    errors.extend(store.remove(id).err());
    Ok(Some(errors))
}

impl Traces {
    fn state(&self) -> Option<&State> {
        match &self.state {
            Some(Found::State(state)) => Some(state),
            _ => None,
        }
    }

    fn rebooted(&self) -> bool {
        let of_row = || self.row.as_ref().is_some_and(|row| is_another_boot(row.boot.as_deref()));
        self.state().map_or_else(of_row, State::is_of_another_boot)
    }

    fn pod_uid(&self) -> Option<&PodUid> {
        let of_state = self.state().and_then(|state| state.pod.as_ref()?.uid.as_ref());
        of_state.or_else(|| self.row.as_ref()?.pod_uid.as_ref())
    }
}

fn sight(node: &Node, attachment: Option<&Attachment>, traces: &Traces) -> Sight {
    let file = |of: &Attachment| format!("{}-{}-{}", of.network, of.container, of.ifname);
    let caches = [Some(node.runtime_cache.clone()), node.runtime_cache.parent().map(|cni| cni.join(MULTUS))];
    let cached = |of: &Attachment| caches.iter().flatten().any(|cache| cache.join(file(of)).exists());
    let pods = node.kubelet_root.join("pods");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Sight {
        unreadable: matches!(traces.state, Some(Found::Unreadable(_))),
        // A port without a state was attached, and lost its state.
        rebooted: traces.rebooted(),
        phase: traces
            .state()
            .map(|state| state.phase)
            .or_else(|| traces.row.as_ref().map(|_| Phase::Attached)),
        age: traces.state().map(|state| now.saturating_sub(Duration::from_secs(state.began))),
        cached: attachment.filter(|_| caches.iter().flatten().any(|cache| cache.is_dir())).map(cached),
        netns: traces.state().and_then(|state| state.netns.as_ref()).is_some_and(|netns| netns.exists()),
        pod: traces.pod_uid().filter(|_| pods.is_dir()).map(|uid| pods.join(uid.as_str()).exists()),
    }
}
