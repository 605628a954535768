//! Which pods of the node are bypassed, by their labels: watches the pods of its own node, and no others.
//!
//! Invariants: nobody is watched as long as no label decides. While the API server cannot be asked, what was chosen last holds;
//! a pod whose labels are not known yet has not opted in, and has not opted out.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::pin::pin;

use flyover_api::resource::PodsSpec;
use flyover_fastpath::Choice;
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{Config, Event, watcher};
use kube::{Api, Client, ResourceExt as _};
use tokio::sync::watch;

/// What is wished of pods, and what is chosen by that.
pub(crate) struct Chooser {
    pub(crate) wishes: watch::Sender<Option<PodsSpec>>,
    pub(crate) choice: watch::Receiver<Choice>,
}

/// What matters of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    labels: BTreeMap<String, String>,
    addresses: BTreeSet<IpAddr>,
}

/// Chooses, as long as anybody wishes.
pub(crate) fn choose(client: Client, node: String) -> (Chooser, impl Future<Output = ()>) {
    let (wishes, mut wished) = watch::channel(None::<PodsSpec>);
    let (chosen, choice) = watch::channel(Choice::default());
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
    (Chooser { wishes, choice }, choosing)
}

async fn follow(client: &Client, node: &str, wish: Option<&PodsSpec>, chosen: &watch::Sender<Choice>) {
    let wish = match wish {
        Some(wish) if !wish.opt_in.is_empty() || !wish.opt_out.is_empty() => wish,
        _ => {
            chosen.send_if_modified(|now| std::mem::take(now) != Choice::default());
            return std::future::pending().await;
        }
    };
    if chosen.borrow().only.is_none() && !wish.opt_in.is_empty() {
        // Until it is known who opted in, nobody has.
        chosen.send_modify(|now| now.only = Some(BTreeSet::new()));
    }
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
