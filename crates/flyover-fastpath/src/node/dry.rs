//! The dry run: asks and looks as the process would, and does nothing.
//!
//! Invariant: nothing is written, pinned, attached, mounted or set. The programs are loaded, since only the verifier
//! knows whether it accepts them, and are gone with the process.

use super::scene::Scene;
use super::{Backend, NodeError, Settings, devices, nft, probe, reported, reported_tunnels, system};
use crate::attach::{Attachments, Means};
use crate::expedite;
use crate::forecast::{Attaching, Forecast, Gain, Probe, Setting};
use crate::instance::{Instance, InstanceError};
use crate::inventory::Device;
use crate::programs::Programs;
use crate::report::{ReportedDevice, ReportedTunnel};
use crate::{conntrack, notrack};

/// What [`super::run`] would do with the same instance and settings.
pub async fn forecast(instance: &Instance, settings: Settings) -> Result<Forecast, NodeError> {
    if !nix::unistd::geteuid().is_root() {
        return Err(NodeError::NotRoot);
    }
    if let Some(pid) = instance.holder() {
        return Err(InstanceError::Taken { name: instance.name().to_owned(), pid }.into());
    }
    let (connection, handle, _) = rtnetlink::new_connection().map_err(system("open netlink"))?;
    tokio::spawn(connection);
    let devices = devices(&handle, &settings).await?;
    match (settings.backend, probe::lack(instance)) {
        (Backend::Ebpf, Some(lack)) => Err(lack),
        (backend, None)
            if backend == Backend::Ebpf || backend == Backend::Auto && !probe::conntrack_is_mute() =>
        {
            with_programs(instance, Scene::new(settings, devices))
        }
        (backend, lack) => {
            let because = match (backend, lack) {
                (Backend::Auto, Some(lack)) => lack.to_string(),
                (Backend::Auto, None) => probe::MUTE.into(),
                _ => asked_for(),
            };
            let peers = nft::peers(&handle, &devices).await?;
            let text = notrack::render(instance.name(), &settings.uplinks, &peers);
            Ok(with_table(instance, &settings, &devices, &peers, (because, text)))
        }
    }
}

fn asked_for() -> String {
    "it was asked for".into()
}

fn with_programs(instance: &Instance, mut scene: Scene) -> Result<Forecast, NodeError> {
    let attachments = Attachments::adopt(instance, scene.settings.clsact)?;
    let mut makes = Vec::new();
    let there = instance.bpffs_is_there()?;
    if !there {
        makes.push(format!("a BPF file system, mounted at {}", instance.bpffs().display()));
    }
    let programs = if conntrack::is_loaded() {
        Programs::load().map_err(|source| NodeError::Load { source })?;
        "accepted by the verifier"
    } else {
        makes.push("the module nf_conntrack, loaded where it is one".into());
        "not tried: conntrack is to be loaded before"
    };
    let tcx = attachments.means() == Means::Tcx;
    let probes = vec![
        Probe { what: "BTF", found: "there".into() },
        Probe { what: "BPF", found: "programs for traffic control can be loaded".into() },
        Probe { what: "BPF file system", found: if there { "mounted" } else { "to be mounted" }.into() },
        Probe { what: "programs", found: programs.into() },
        Probe { what: "hooks", found: if tcx { "tcx" } else { "clsact" }.into() },
    ];
    scene.survey = scene.look_around(&attachments);
    scene.look_into_pods();
    let wanted = scene.wanted();
    let attach: Vec<_> = wanted
        .iter()
        .map(|((_, hook), device)| Attaching { device: device.to_string(), program: hook.name() })
        .collect();
    makes.push(format!(
        "pins of {} programs and their maps below {}",
        attach.len(),
        instance.pins().display()
    ));
    makes.push(format!("files below {}", instance.run_dir().display()));
    let because = if scene.settings.backend == Backend::Ebpf { asked_for() } else { "the kernel can".into() };
    Ok(Forecast {
        name: instance.name().into(),
        version: env!("CARGO_PKG_VERSION").into(),
        backend: "ebpf".into(),
        backend_because: because,
        attached_by: if tcx { "tcx" } else { "clsact" }.into(),
        probes,
        uplinks: scene.reported_uplinks(),
        pods: scene.reported_pods(),
        tunnels: scene.reported_tunnels(),
        judges: scene.reported_judges(),
        paused: scene.survey.paused.clone(),
        settings: settings_to_change(&scene, attach.len()),
        gain: gain(&scene),
        attach,
        makes,
    })
}

fn settings_to_change(scene: &Scene, attaching: usize) -> Vec<Setting> {
    let liberal = conntrack::be_liberal().filter(|now| now == "0" && scene.conntrack_in_use());
    let liberal = liberal.filter(|_| scene.settings.may_set_liberal).map(|now| Setting {
        path: conntrack::BE_LIBERAL,
        now,
        to: "1",
        until: "`fastpath off`",
    });
    let expedite = expedite::is_worth_it(attaching) && scene.settings.may_expedite && expedite::is_off();
    let expedite = expedite.then(|| Setting {
        path: expedite::SWITCH,
        now: "0".into(),
        to: "1",
        until: "all programs are attached",
    });
    liberal.into_iter().chain(expedite).collect()
}

fn gain(scene: &Scene) -> Gain {
    let (uplinks, pods) = (scene.reported_uplinks(), scene.reported_pods());
    let on = |devices: &[ReportedDevice]| devices.iter().filter(|d| d.out_because.is_empty()).count();
    let pods_bypassed = if scene.survey.paused.is_empty() { on(&pods) } else { 0 };
    let mut gain = Gain { pods: pods.len(), pods_bypassed, ..Gain::default() };
    if pods_bypassed > 1 {
        gain.paths.push("pod to pod on this node, past netfilter and the bridge".into());
    }
    for uplink in uplinks.iter().filter(|u| pods_bypassed > 0 && u.out_because.is_empty()) {
        let through = |t: &ReportedTunnel| {
            format!("through {} by {}, past netfilter, the bridge and the tunnel device", t.name, uplink.name)
        };
        gain.paths.extend(scene.reported_tunnels().iter().map(through));
        gain.paths.push(format!("plainly routed by {}, past netfilter and the bridge", uplink.name));
    }
    let liberal = conntrack::be_liberal().is_none_or(|v| v != "0") || scene.settings.may_set_liberal;
    if scene.conntrack_in_use() && !liberal {
        gain.but.push("TCP flows that conntrack tracks stay slow, since it may not be made liberal".into());
    }
    if !scene.survey.judges.is_empty() {
        gain.but.push("flows that a judge above sees stay slow".into());
    }
    gain.but.push("the first packets of each flow, and all that begin or end a connection, stay slow".into());
    gain
}

fn with_table(
    instance: &Instance,
    settings: &Settings,
    devices: &[Device],
    peers: &[notrack::Peers],
    (because, text): (String, String),
) -> Forecast {
    let uplinks = devices.iter().filter(|d| settings.uplinks.contains(&d.name));
    let ends =
        |p: &notrack::Peers| format!("the tunnel's packets between {} and {} peers", p.local, p.remote.len());
    Forecast {
        name: instance.name().into(),
        version: env!("CARGO_PKG_VERSION").into(),
        backend: "nft".into(),
        backend_because: because,
        attached_by: "nftables".into(),
        probes: Vec::new(),
        uplinks: reported(uplinks, |_| Vec::new()),
        pods: Vec::new(),
        tunnels: reported_tunnels(devices),
        judges: Vec::new(),
        paused: Vec::new(),
        attach: Vec::new(),
        settings: Vec::new(),
        makes: vec![
            format!("the nftables table {}:\n{}", notrack::table(instance.name()), text.trim_end()),
            format!("files below {}", instance.run_dir().display()),
        ],
        gain: Gain {
            paths: peers.iter().map(|p| format!("{}, past conntrack", ends(p))).collect(),
            but: vec!["everything else takes the way it takes now".into()],
            ..Gain::default()
        },
    }
}
