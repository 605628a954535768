//! Which pods of the node are bypassed, by their labels: watches the pods of its own node, and no others.
//!
//! Invariants: nobody is watched as long as no label decides. While the API server cannot be asked, what was chosen last holds,
//! by an earlier process too; where nothing was, nobody is bypassed, for anybody may have opted out. A pod whose labels are not
//! known yet has not opted in, and has not opted out.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;
use std::pin::pin;

use flyover_api::resource::PodsSpec;
use flyover_fastpath::Choice;
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{Config, Event, watcher};
use kube::{Api, Client, ResourceExt as _};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// What is wished of pods, and what is chosen by that.
#[derive(Clone)]
pub(crate) struct Chooser {
    pub(crate) wishes: watch::Sender<Option<PodsSpec>>,
    pub(crate) chosen: watch::Sender<Choice>,
    /// Where it is kept for the next process. It goes with the directory that it is in.
    pub(crate) kept: PathBuf,
}

/// What was chosen, and by which wish.
#[derive(Serialize, Deserialize)]
struct Kept {
    wish: PodsSpec,
    only: Option<BTreeSet<IpAddr>>,
    not: BTreeSet<IpAddr>,
}

impl Chooser {
    /// For a look alone: nobody chooses, and nobody hears.
    pub(crate) fn unheard() -> Self {
        let (wishes, chosen) = (watch::Sender::new(None), watch::Sender::new(Choice::default()));
        Self { wishes, chosen, kept: PathBuf::new() }
    }

    /// Has pods chosen by a wish; what holds until they are known holds at once.
    pub(crate) fn wish(&self, wish: PodsSpec) {
        if self.wishes.borrow().as_ref() == Some(&wish) {
            return;
        }
        if decides(&wish) {
            self.chosen.send_if_modified(|now| {
                let unknown = *now == Choice::default();
                if unknown {
                    *now = self.before(&wish);
                }
                unknown
            });
        }
        self.wishes.send_replace(Some(wish));
    }

    fn before(&self, wish: &PodsSpec) -> Choice {
        let kept = std::fs::read(&self.kept).ok().and_then(|text| serde_json::from_slice::<Kept>(&text).ok());
        match kept.filter(|kept| kept.wish == *wish) {
            Some(kept) => Choice { only: kept.only, not: kept.not },
            None => Choice { only: Some(BTreeSet::new()), not: BTreeSet::new() },
        }
    }

    /// Writes down what is chosen now, if labels decide, for the next process.
    pub(crate) fn keep(&self) {
        let Some(wish) = self.wishes.borrow().clone().filter(decides) else { return };
        let choice = self.chosen.borrow().clone();
        let kept = Kept { wish, only: choice.only, not: choice.not };
        let text = serde_json::to_vec(&kept).expect("labels and addresses are JSON");
        let new = self.kept.with_extension("new");
        let written = std::fs::write(&new, text).and_then(|()| std::fs::rename(&new, &self.kept));
        if let Err(error) = written {
            tracing::warn!(%error, path = %self.kept.display(), "which pods were chosen cannot be kept");
        }
    }
}

/// Whether any label decides.
fn decides(wish: &PodsSpec) -> bool {
    !wish.opt_in.is_empty() || !wish.opt_out.is_empty()
}

/// What matters of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    labels: BTreeMap<String, String>,
    addresses: BTreeSet<IpAddr>,
}

/// Chooses, as long as anybody wishes.
pub(crate) fn choose(client: Client, node: String, kept: PathBuf) -> (Chooser, impl Future<Output = ()>) {
    let (wishes, mut wished) = watch::channel(None::<PodsSpec>);
    let chooser = Chooser { wishes, chosen: watch::Sender::new(Choice::default()), kept };
    let chosen = chooser.chosen.clone();
    let choosing = async move {
        loop {
            let wish = wished.borrow_and_update().clone();
            tokio::select! {
                // The lane ends with the process only.
                changed = wished.changed() => if changed.is_err() { return },
                () = follow(&client, &node, wish.as_ref(), &chosen) => {}
            }
        }
    };
    (chooser, choosing)
}

async fn follow(client: &Client, node: &str, wish: Option<&PodsSpec>, chosen: &watch::Sender<Choice>) {
    let Some(wish) = wish.filter(|wish| decides(wish)) else {
        chosen.send_if_modified(|now| std::mem::take(now) != Choice::default());
        return std::future::pending().await;
    };
    let config = Config::default().fields(&format!("spec.nodeName={node}"));
    let mut events = pin!(watcher(Api::<Pod>::all(client.clone()), config).default_backoff());
    let (mut pods, mut complete) = (BTreeMap::new(), false);
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => (pods, complete) = (BTreeMap::new(), false),
            Ok(Event::InitApply(pod) | Event::Apply(pod)) => drop(pods.insert(key(&pod), known(&pod))),
            Ok(Event::Delete(pod)) => drop(pods.remove(&key(&pod))),
            Ok(Event::InitDone) => complete = true,
            Err(error) => tracing::debug!(%error, "the node's pods cannot be asked for"),
        }
        if complete {
            let now = of(wish, pods.values());
            chosen.send_if_modified(|before| std::mem::replace(before, now.clone()) != now);
        }
    }
}

fn key(pod: &Pod) -> String {
    pod.uid().unwrap_or_default()
}

fn known(pod: &Pod) -> Known {
    let status = pod.status.as_ref();
    let ended = status.is_some_and(|s| matches!(s.phase.as_deref(), Some("Succeeded" | "Failed")));
    let ips = status.and_then(|status| status.pod_ips.as_ref()).into_iter().flatten();
    // The address of one that ended may be another's.
    let addresses = ips.filter(|_| !ended).filter_map(|ip| ip.ip.parse().ok()).collect();
    Known { labels: pod.labels().clone(), addresses }
}

fn of<'a>(wish: &PodsSpec, pods: impl Iterator<Item = &'a Known>) -> Choice {
    let has = |pod: &Known, labels: &BTreeMap<String, String>| {
        !labels.is_empty() && labels.iter().all(|(name, value)| pod.labels.get(name) == Some(value))
    };
    let mut choice = Choice { only: (!wish.opt_in.is_empty()).then(BTreeSet::new), not: BTreeSet::new() };
    for pod in pods {
        if let Some(only) = choice.only.as_mut().filter(|_| has(pod, &wish.opt_in)) {
            only.extend(&pod.addresses);
        }
        if has(pod, &wish.opt_out) {
            choice.not.extend(&pod.addresses);
        }
    }
    choice
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn until_pods_are_known_the_last_choice_holds_or_nobody_is_bypassed() {
        let folder = tempfile::tempdir().unwrap();
        let chooser = || Chooser {
            wishes: watch::Sender::new(None),
            chosen: watch::Sender::new(Choice::default()),
            kept: folder.path().join("choice.json"),
        };
        let wish =
            PodsSpec { opt_out: [("bypass".to_owned(), "off".to_owned())].into(), ..PodsSpec::default() };
        let nobody = Choice { only: Some(BTreeSet::new()), not: BTreeSet::new() };
        let first = chooser();
        first.wish(wish.clone());
        assert_eq!(*first.chosen.borrow(), nobody);
        let known = Choice { only: None, not: ["10.0.0.3".parse().unwrap()].into() };
        first.chosen.send_replace(known.clone());
        first.keep();
        let second = chooser();
        second.wish(wish);
        assert_eq!(*second.chosen.borrow(), known);
        // By other labels others may have opted out.
        let other =
            PodsSpec { opt_out: [("fast".to_owned(), "no".to_owned())].into(), ..PodsSpec::default() };
        let third = chooser();
        third.wish(other);
        assert_eq!(*third.chosen.borrow(), nobody);
        let fourth = chooser();
        fourth.wish(PodsSpec::default());
        assert_eq!(*fourth.chosen.borrow(), Choice::default());
    }

    #[test]
    fn labels_decide_and_all_of_them_must_be_there() {
        let labels = |text: &str| -> BTreeMap<String, String> {
            text.split_whitespace()
                .map(|pair| pair.split_once('=').unwrap())
                .map(|(k, v)| (k.into(), v.into()))
                .collect()
        };
        let pod = |text: &str, address: &str| Known {
            labels: labels(text),
            addresses: [address.parse().unwrap()].into(),
        };
        let pods = [pod("a=1 b=2", "10.0.0.1"), pod("a=1", "10.0.0.2"), pod("a=1 b=2 slow=yes", "10.0.0.3")];
        let wish = PodsSpec { opt_in: labels("a=1 b=2"), opt_out: labels("slow=yes") };
        let set = |text: &str| -> BTreeSet<IpAddr> {
            text.split_whitespace().map(|a| a.parse().unwrap()).collect()
        };
        let choice = Choice { only: Some(set("10.0.0.1 10.0.0.3")), not: set("10.0.0.3") };
        assert_eq!(of(&wish, pods.iter()), choice);
        assert_eq!(of(&PodsSpec::default(), pods.iter()), Choice::default());
    }
}
