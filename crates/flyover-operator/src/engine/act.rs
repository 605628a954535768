//! Carries out one act, and believes what the server answers.

use flyover_api::resource::{Assignment, RolloutStatus};
use flyover_plan::rollout::{Act, View};
use futures::StreamExt;
use futures::stream;

use super::{AT_A_TIME, Engine};
use crate::drain::Pods;
use crate::events::Reason;
use crate::hands::NotDone;
use crate::store::{Held, Key};
use crate::wire::{Node, Resource, State};

impl Engine {
    /// Carries out one act; `carry_out` puts assignments that follow each other together.
    pub(super) async fn act(&mut self, key: &Key, view: &View, act: Act) -> Result<(), NotDone> {
        match act {
            Act::Note(status) => self.note(key, &status).await,
            Act::Assign { node, assignment } => self.assign(key, view, vec![(node, assignment)]).await,
            Act::Cordon { node } => {
                let Some(held) = self.store.nodes.get(&node) else { return Ok(()) };
                let held = self.hands.cordon(&node, &held.version, &view.tag()).await?;
                self.put_node(node, held);
                Ok(())
            }
            Act::Uncordon { node } => {
                let Some(held) = self.store.nodes.get(&node) else { return Ok(()) };
                let held = self.hands.uncordon(&node, &held.version).await?;
                self.put_node(node, held);
                Ok(())
            }
            Act::LookAtPods { node } => self.look_at_pods(key, node).await,
            Act::Evict { node, namespace, pod } => self.evict(key, &node, &namespace, &pod).await,
            Act::Release => self.release(key, view).await,
        }
    }

    async fn note(&mut self, key: &Key, status: &RolloutStatus) -> Result<(), NotDone> {
        let Some(before) = self.store.resource(key).cloned() else { return Ok(()) };
        let held = self.hands.note(key, &before, status).await?;
        self.put_resource(key, held);
        self.tell_note(key, &before.value, status);
        Ok(())
    }

    /// Writes assignments of different nodes; all that were begun are ended, and the first failure is given back.
    pub(super) async fn assign(
        &mut self,
        key: &Key,
        view: &View,
        many: Vec<(String, Assignment)>,
    ) -> Result<(), NotDone> {
        let lane = key.lane;
        let requests: Vec<_> = many
            .into_iter()
            .map(|(node, assignment)| {
                let held = self.store.states.get(&node);
                let object = self.store.nodes.value(&node).cloned();
                let mut lanes = held.map(|held| held.value.lanes.clone()).unwrap_or_default();
                lanes.insert(lane, assignment);
                (node, object, held.map(|held| held.version.clone()), lanes)
            })
            .collect();
        let hands = &self.hands;
        let written = stream::iter(requests).map(|(node, object, version, lanes)| async move {
            let version = match (version, object) {
                (Some(version), _) => Ok(version),
                (None, Some(object)) => hands.begin_state(&node, &object).await.map(|held| held.version),
                (None, None) => Err(NotDone::Changed(format!("Node/{node}"))),
            };
            let written = match version {
                Ok(version) => hands.assign(&node, &version, &lanes).await,
                Err(error) => Err(error),
            };
            (node, written)
        });
        let written: Vec<_> = written.buffer_unordered(AT_A_TIME).collect().await;
        let mut failed = None;
        for (node, written) in written {
            match written {
                Ok(held) => {
                    self.tell_assigned(key, view, &node, held.value.lanes.get(&lane));
                    self.put_state(node, held);
                }
                Err(error) => {
                    if matches!(error, NotDone::Changed(_)) {
                        self.refresh_state(&node).await;
                    }
                    failed = failed.or(Some(error));
                }
            }
        }
        failed.map_or(Ok(()), Err)
    }

    async fn look_at_pods(&mut self, key: &Key, node: String) -> Result<(), NotDone> {
        let now = tokio::time::Instant::now();
        if let Some(pods) = self.store.pods.get(&node)
            && pods.look_at() > now
        {
            let at = pods.look_at();
            self.look_again(key, at);
            return Ok(());
        }
        let found = self.hands.pods(&node).await?;
        let before = self.store.pods.remove(&node);
        let seen = before.as_ref().map(Pods::seen);
        let pods = Pods::found(found, before);
        if seen.as_ref() != Some(&pods.seen()) {
            self.dirty.insert(key.clone());
        }
        let at = pods.look_at();
        self.store.pods.insert(node, pods);
        self.look_again(key, at);
        Ok(())
    }

    async fn evict(&mut self, key: &Key, node: &str, namespace: &str, pod: &str) -> Result<(), NotDone> {
        let uid = self.store.pods.get(node).and_then(|pods| pods.to_ask(namespace, pod)).map(str::to_owned);
        let Some(uid) = uid else { return Ok(()) };
        let refused = self.hands.evict(namespace, pod, &uid).await?;
        if let Some(why) = &refused {
            self.tell_blocked(key, node, &format!("pod {namespace}/{pod} may not leave {node} yet: {why}"));
        }
        if let Some(pods) = self.store.pods.get_mut(node) {
            pods.asked(namespace, pod, refused);
        }
        Ok(())
    }

    async fn release(&mut self, key: &Key, view: &View) -> Result<(), NotDone> {
        let abandoned = view.nodes.iter().filter(|node| {
            let left = node.assignment.as_ref().and_then(|a| a.wanted.as_ref().or(a.previous.as_ref()));
            let ours = left.is_some_and(|wanted| wanted.from == key.name);
            let clean = node
                .status
                .as_ref()
                .is_some_and(|said| said.phase == flyover_api::resource::LanePhase::Clean);
            ours && !clean && node.exists && view.resource.abandoned.names(&node.name)
        });
        let abandoned: Vec<String> = abandoned.map(|node| node.name.clone()).collect();
        let Some(before) = self.store.resource(key).cloned() else { return Ok(()) };
        let after = self.hands.release(key, &before).await?;
        let resource = before.value;
        for node in abandoned {
            let note = format!("{node} is not clean, and is not waited for: the annotation names it");
            self.teller.of_resource(key, &resource.uid, Reason::Abandoned, note);
        }
        let note = "no node has anything of it any more that is waited for".to_owned();
        self.teller.of_resource(key, &resource.uid, Reason::Released, note);
        self.put_resource(key, after);
        Ok(())
    }

    /// Reads anew what something was decided on that is not so any more.
    pub(super) async fn refresh(&mut self, key: &Key) {
        match self.hands.read_resource(key).await {
            Ok(Some(held)) => self.put_resource(key, held),
            Ok(None) => self.dirty.extend(self.store.put_resource(key, None)),
            Err(error) => tracing::debug!(%key, error = crate::failure::chain(&error), "it cannot be read"),
        }
        let claims = self.store.resource(key).map(|held| held.value.status.rollout.claims.clone());
        for node in claims.into_iter().flatten() {
            if let Ok(Some(held)) = self.hands.read_node(&node).await {
                self.put_node(node, held);
            }
        }
    }

    async fn refresh_state(&mut self, node: &str) {
        match self.hands.read_state(node).await {
            Ok(Some(held)) => self.put_state(node.to_owned(), held),
            Ok(None) => drop(self.store.states.drop(node.to_owned())),
            Err(error) => tracing::debug!(node, error = crate::failure::chain(&error), "it cannot be read"),
        }
    }

    pub(super) fn put_resource(&mut self, key: &Key, held: Held<Resource>) {
        let concerned = self.store.put_resource(key, Some(held));
        self.dirty.extend(concerned);
    }

    pub(super) fn put_state(&mut self, name: String, held: Held<State>) {
        let concerned = self.store.put_state(name, held);
        self.dirty.extend(concerned);
    }

    fn put_node(&mut self, name: String, held: Held<Node>) {
        let concerned = self.store.put_node(name, held);
        self.dirty.extend(concerned);
    }
}
