//! Who leads: of several operators one writes, and a Lease of the cluster says which.
//!
//! Invariants: a holder that could not renew stops before anybody else may take over, by its own clock and counted from
//! before it asked; what others hold is judged by how long *we* saw it unchanged, so that clocks need not agree; a holder
//! that goes in peace lets go, and the next one need not wait.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, PostParams};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use crate::failure::is_conflict;

/// The Lease's name.
pub const LEASE: &str = "flyover-operator";
/// How long a lease holds that is not renewed.
const LASTS: Duration = Duration::from_secs(15);
/// After what of it a holder stops that could not renew. The rest is for requests that are under way.
const STOPS: Duration = Duration::from_secs(10);
/// How often it is renewed.
const RENEWED: Duration = Duration::from_secs(2);
/// How often others look whether it is free.
const LOOKED_AT: Duration = Duration::from_secs(1);
/// How long one request may take; less than what is between stopping and the lease's end.
pub(crate) const REQUEST: Duration = Duration::from_secs(4);

/// Until when this process leads, if it does.
#[derive(Clone, Debug)]
pub(crate) struct Leading(watch::Receiver<Option<Instant>>);

impl Leading {
    /// Whether it may write now.
    #[must_use]
    pub(crate) fn now(&self) -> bool {
        self.0.borrow().is_some_and(|until| Instant::now() < until)
    }

    /// Waits until it is said anew whether it leads.
    pub(crate) async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            // Whoever said it has ended, and will say nothing any more.
            std::future::pending::<()>().await;
        }
    }
}

/// One who wants to lead.
pub(crate) struct Candidate {
    api: Api<Lease>,
    identity: String,
    said: watch::Sender<Option<Instant>>,
    seen: Option<Seen>,
}

/// What another held, and since when we see that.
struct Seen {
    holder: Option<String>,
    renewed: Option<MicroTime>,
    since: Instant,
}

impl Candidate {
    pub(crate) fn new(api: Api<Lease>, identity: String) -> (Self, Leading) {
        let (said, leading) = watch::channel(None);
        (Self { api, identity, said, seen: None }, Leading(leading))
    }

    /// Takes the lease whenever it is free, and renews it.
    pub(crate) async fn run(&mut self) {
        loop {
            let asked = Instant::now();
            let led = self.said.borrow().is_some();
            match timeout(REQUEST, self.try_to_hold()).await {
                Ok(Ok(true)) => self.say(Some(asked + STOPS)),
                Ok(Ok(false)) => self.say(None),
                Ok(Err(error)) => tracing::warn!(%error, "the lease cannot be looked at"),
                Err(_) => tracing::warn!("the lease cannot be looked at in time"),
            }
            if led && self.said.borrow().is_some_and(|until| until < Instant::now()) {
                self.say(None);
            }
            let pause = if self.said.borrow().is_some() { RENEWED } else { LOOKED_AT };
            sleep(pause.saturating_sub(asked.elapsed())).await;
        }
    }

    /// Lets go of it, if it is held.
    pub(crate) async fn release(&mut self) {
        if self.said.borrow().is_none() {
            return;
        }
        self.say(None);
        let released = timeout(REQUEST, async {
            let Some(lease) = self.api.get_opt(LEASE).await? else { return Ok(()) };
            if holder(&lease) != Some(self.identity.as_str()) {
                return Ok(());
            }
            let free = LeaseSpec { holder_identity: None, ..lease.spec.clone().unwrap_or_default() };
            self.write(Some(lease.metadata), free).await.map(drop)
        });
        match released.await {
            Ok(Ok(())) => tracing::info!("the lease is let go"),
            Ok(Err(error)) => tracing::warn!(%error, "the lease cannot be let go"),
            Err(_) => tracing::warn!("the lease cannot be let go in time"),
        }
    }

    fn say(&self, until: Option<Instant>) {
        let before = self.said.send_replace(until);
        match (before, until) {
            (None, Some(_)) => tracing::info!(identity = self.identity, "this operator leads"),
            (Some(_), None) => tracing::info!(identity = self.identity, "this operator leads no more"),
            _ => {}
        }
    }

    /// Whether it is ours now. A conflict says that somebody else was quicker.
    async fn try_to_hold(&mut self) -> Result<bool, kube::Error> {
        let lease = self.api.get_opt(LEASE).await?;
        if lease.as_ref().is_some_and(|lease| !self.may_take(lease)) {
            return Ok(false);
        }
        let (metadata, before) = lease.map_or((None, None), |lease| (Some(lease.metadata), lease.spec));
        let spec = self.renewed(before.unwrap_or_default());
        match self.write(metadata, spec).await {
            Ok(_) => Ok(true),
            Err(error) if is_conflict(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn may_take(&mut self, lease: &Lease) -> bool {
        let holder = holder(lease);
        if holder.is_none() || holder == Some(self.identity.as_str()) {
            return true;
        }
        let renewed = lease.spec.as_ref().and_then(|spec| spec.renew_time.clone());
        if let Some(seen) = &self.seen
            && seen.holder.as_deref() == holder
            && seen.renewed == renewed
        {
            return seen.since.elapsed() > LASTS;
        }
        self.seen = Some(Seen { holder: holder.map(str::to_owned), renewed, since: Instant::now() });
        false
    }

    fn renewed(&self, before: LeaseSpec) -> LeaseSpec {
        let now = MicroTime(Timestamp::now());
        let ours = before.holder_identity.as_ref() == Some(&self.identity);
        let taken = before.lease_transitions.unwrap_or_default() + i32::from(!ours);
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(LASTS.as_secs()).ok(),
            acquire_time: before.acquire_time.filter(|_| ours).or_else(|| Some(now.clone())),
            lease_transitions: Some(taken),
            renew_time: Some(now),
            ..LeaseSpec::default()
        }
    }

    /// Written with the version that was read, so only one of two who try has it.
    async fn write(&self, metadata: Option<ObjectMeta>, spec: LeaseSpec) -> Result<Lease, kube::Error> {
        let how = PostParams { field_manager: Some(crate::MANAGER.into()), ..PostParams::default() };
        match metadata {
            Some(metadata) => self.api.replace(LEASE, &how, &Lease { metadata, spec: Some(spec) }).await,
            None => {
                let metadata = ObjectMeta { name: Some(LEASE.into()), ..ObjectMeta::default() };
                self.api.create(&how, &Lease { metadata, spec: Some(spec) }).await
            }
        }
    }
}

fn holder(lease: &Lease) -> Option<&str> {
    lease.spec.as_ref()?.holder_identity.as_deref().filter(|holder| !holder.is_empty())
}
