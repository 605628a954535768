//! The node's process with the nft back end: keeps the table as the tunnels' peers are.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use flyover_net::watch::{Event, Watch};

use super::{NodeError, SETTLE, Settings, system};
use crate::instance::Instance;
use crate::inventory::{self, Device, Kind};
use crate::notrack::{self, Peers};
use crate::report::{Report, ReportedConntrack, ReportedExpedite};
use crate::{conntrack, node};

/// Runs until `stop` is done; the table stays, as pinned programs would.
pub(super) async fn run(
    instance: Instance,
    settings: Settings,
    handle: &rtnetlink::Handle,
    mut watch: Watch,
    stop: impl Future<Output = ()>,
) -> Result<(), NodeError> {
    if settings.metrics.is_some() {
        tracing::warn!("the nft back end keeps no books, and serves no metrics");
    }
    let mut restore = instance.restore()?;
    restore.nft_table = true;
    instance.remember(&restore)?;
    let mut applied = None;
    tokio::pin!(stop);
    loop {
        let devices = node::devices(handle, &settings).await?;
        let peers = peers(handle, &devices).await?;
        let text = notrack::render(instance.name(), &settings.uplinks, &peers);
        if applied.as_ref() != Some(&text) {
            notrack::apply(&text).map_err(|source| NodeError::Notrack { source })?;
            let evicted = notrack::evict(&peers)
                .map_err(|e| system("remove conntrack's entries of the tunnel")(io::Error::other(e)))?;
            tracing::info!(evicted, "the tunnel's packets are left untracked");
            report(&instance, &settings, &devices)?;
            applied = Some(text);
        }
        // Our own table's generation is an event too; only what may change the peers is waited for.
        loop {
            tokio::select! {
                () = &mut stop => return Ok(()),
                heard = watch.next() => {
                    let rules = matches!(heard.event, Event::RulesetGeneration(_));
                    if heard.nsid.is_none() && rules && !notrack::is_there(instance.name()) {
                        applied = None;
                        break;
                    }
                    if heard.nsid.is_none() && !matches!(heard.event, Event::RulesetGeneration(_) | Event::ConntrackGone { .. }) {
                        break;
                    }
                }
            }
        }
        tokio::time::sleep(SETTLE).await;
        while watch.take_pending().is_some() {}
    }
}

/// The tunnels' own addresses, and the peers their forwarding entries name.
pub(super) async fn peers(handle: &rtnetlink::Handle, devices: &[Device]) -> Result<Vec<Peers>, NodeError> {
    let mut found = BTreeMap::new();
    for device in devices {
        if let (Kind::Tunnel(tunnel), Some(local)) = (device.kind, device.local) {
            let peers = Peers { local, port: tunnel.port, remote: device.remote.into_iter().collect() };
            found.insert(device.ifindex, peers);
        }
    }
    let entries = inventory::forwarding(handle)
        .await
        .map_err(|e| system("list forwarding entries")(io::Error::other(e)))?;
    for (ifindex, remote) in entries {
        if let Some(peers) = found.get_mut(&ifindex).filter(|p| p.local.is_ipv4() == remote.is_ipv4()) {
            peers.remote.insert(remote);
        }
    }
    Ok(found.into_values().collect())
}

fn report(instance: &Instance, settings: &Settings, devices: &[Device]) -> Result<(), NodeError> {
    let millis = |t: Duration| u64::try_from(t.as_millis()).unwrap_or(u64::MAX);
    let report = Report {
        name: instance.name().into(),
        version: env!("CARGO_PKG_VERSION").into(),
        pid: std::process::id(),
        backend: "nft".into(),
        attached_by: "nftables".into(),
        lease_ms: millis(settings.lease),
        deadman_ms: millis(settings.deadman),
        hertz: 0,
        jiffies_at_zero: 0,
        uplinks: node::reported(devices.iter().filter(|d| settings.uplinks.contains(&d.name)), |_| {
            Vec::new()
        }),
        pods: Vec::new(),
        tunnels: node::reported_tunnels(devices),
        conntrack: ReportedConntrack {
            in_use: conntrack::has_entries(),
            can_be_asked: false,
            be_liberal: conntrack::be_liberal().is_some_and(|v| v != "0"),
            be_liberal_was: None,
        },
        expedited: ReportedExpedite::default(),
        judges: Vec::new(),
        paused: Vec::new(),
    };
    Ok(report.write(instance)?)
}
