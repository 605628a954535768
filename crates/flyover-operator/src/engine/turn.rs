//! One resource's turn: what is known of it is looked at, what can be done is done, what became of it is said.

use std::time::Duration;

use flyover_plan::rollout::{Act, View, step, wake};
use k8s_openapi::jiff::Timestamp;
use tokio::time::Instant;

use super::Engine;
use crate::hands::NotDone;
use crate::store::Key;

/// How often at most the same resource's status is written, but for its roll-out's notes.
const SAID: Duration = Duration::from_secs(1);

impl Engine {
    /// Takes a resource's turn, and says how long it thought.
    pub(super) async fn turn(&mut self, key: &Key) -> Duration {
        let began = Instant::now();
        let mut thought = Duration::ZERO;
        let done = self.try_turn(key, &mut thought).await;
        self.metrics.turned(key.lane, began.elapsed());
        match done {
            Ok(()) => self.rests.over(key),
            Err(NotDone::NotLeading) => drop(self.dirty.insert(key.clone())),
            Err(NotDone::Changed(what)) => {
                tracing::debug!(%key, what, "it is looked at again");
                self.metrics.conflict();
                self.refresh(key).await;
                match self.rests.changed(key) {
                    Some(rest) => self.look_again(key, Instant::now() + rest),
                    None => drop(self.dirty.insert(key.clone())),
                }
            }
            Err(error) => {
                self.metrics.error();
                tracing::warn!(%key, error = crate::failure::chain(&error), "a step failed");
                let rest = self.rests.failed(key);
                self.look_again(key, Instant::now() + rest);
            }
        }
        thought
    }

    async fn try_turn(&mut self, key: &Key, thought: &mut Duration) -> Result<(), NotDone> {
        if !self.hold(key).await? {
            return Ok(());
        }
        let began = Instant::now();
        let Some(view) = self.store.view(key, now()) else { return Ok(()) };
        let acts = step(&view);
        if let Some(at) = wake(&view) {
            let seconds = u64::try_from(at - view.now).unwrap_or_default();
            self.look_again(key, Instant::now() + Duration::from_secs(seconds));
        }
        *thought += began.elapsed();
        self.carry_out(key, &view, acts).await?;
        self.forget_pods();
        let began = Instant::now();
        let said = self.say(key).await;
        *thought += began.elapsed().min(GLANCE);
        said
    }

    /// Whether there is anything to be done for it: it is there, and cannot go without us. For what makes no sense nothing is begun, and
    /// it need not be held for that.
    async fn hold(&mut self, key: &Key) -> Result<bool, NotDone> {
        let Some(held) = self.store.resource(key) else {
            self.forget(key);
            return Ok(false);
        };
        let resource = &held.value;
        if resource.deleting {
            return Ok(resource.is_held());
        }
        if !resource.is_held() && resource.senseless.is_none() {
            let held = self.hands.hold(key, &resource.uid.clone()).await?;
            self.put_resource(key, held);
        }
        Ok(true)
    }

    /// Carries the acts out in their order. Assignments that follow each other are of different nodes, and go out together.
    async fn carry_out(&mut self, key: &Key, view: &View, acts: Vec<Act>) -> Result<(), NotDone> {
        let mut acts = acts.into_iter().peekable();
        while let Some(act) = acts.next() {
            self.metrics.act(&act);
            match act {
                Act::Assign { node, assignment } => {
                    let mut many = vec![(node, assignment)];
                    while let Some(Act::Assign { node, assignment }) =
                        acts.next_if(|act| matches!(act, Act::Assign { .. }))
                    {
                        many.push((node, assignment));
                    }
                    self.assign(key, view, many).await?;
                }
                act => self.act(key, view, act).await?,
            }
        }
        Ok(())
    }

    /// Whether enough time has passed to write what is said of it.
    pub(super) fn may_say(&mut self, key: &Key) -> bool {
        let now = Instant::now();
        if let Some(said) = self.said.get(key)
            && *said + SAID > now
        {
            let at = *said + SAID;
            self.look_again(key, at);
            return false;
        }
        self.said.insert(key.clone(), now);
        true
    }

    fn forget(&mut self, key: &Key) {
        self.due.remove(key);
        self.rests.over(key);
        self.said.remove(key);
        self.ready.remove(key);
        self.metrics.forget(key);
    }

    /// Pods are known of nodes only that are being emptied.
    fn forget_pods(&mut self) {
        if self.store.pods.is_empty() {
            return;
        }
        let claimed: Vec<String> = self
            .store
            .keys()
            .iter()
            .filter_map(|key| self.store.resource(key))
            .flat_map(|held| held.value.status.rollout.claims.clone())
            .collect();
        self.store.pods.retain(|node, _| claimed.contains(node));
    }
}

/// What thinking about what to say takes at most; the rest of it is waiting for the server.
const GLANCE: Duration = Duration::from_millis(20);

/// Seconds since the epoch.
pub(super) fn now() -> i64 {
    Timestamp::now().as_second()
}
