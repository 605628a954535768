//! How the operator does with thousands of nodes: the operator as a process against a real API server, the nodes and their agents
//! simulated here.
//!
//! `simulate KUBECONFIG OPERATOR NODES`: a kubeconfig that may do anything, the operator's program, and how many nodes. The server
//! must have the namespace `flyover-system`, and no controller-manager beside it: that one would find that no kubelet is heard and
//! call the nodes dead. Prints what was measured as one JSON document.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use flyover_api::resource::{Lane, LanePhase, LaneStatus, NodeState};
use flyover_core::Disturbance;
use flyover_host::cmd::Cmd;
use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::Node;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::{ApiResource, GroupVersionKind};
use kube::runtime::watcher::{Config as How, Event, watcher};
use kube::{Client, Config, ResourceExt};
use serde_json::{Value, json};

/// How many requests of the simulation are under way at a time.
const AT_A_TIME: usize = 64;
/// How long nothing happens while the steady state is measured.
const STEADY: Duration = Duration::from_secs(60);
/// How often a node's kubelet and its agent say that they are alive.
const HEARTBEAT: Duration = Duration::from_secs(300);
/// How often is looked.
const LOOK: Duration = Duration::from_millis(200);

#[tokio::main(worker_threads = 2)]
async fn main() -> anyhow::Result<ExitCode> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [kubeconfig, program, nodes] = words.as_slice() else {
        anyhow::bail!("usage: simulate KUBECONFIG OPERATOR NODES");
    };
    let nodes: usize = nodes.parse().context("NODES is a number")?;
    let read = Kubeconfig::read_from(kubeconfig)?;
    let client =
        Client::try_from(Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await?)?;
    define(&client).await?;
    let began = Instant::now();
    make_nodes(&client, nodes).await?;
    let created = began.elapsed();
    let written = Arc::new(AtomicUsize::new(0));
    let agents = tokio::spawn(agents(client.clone(), Arc::clone(&written)));
    write(&client, 1000).await?;

    let operator = Running::start(program, kubeconfig)?;
    let first = until_ready(&client, nodes).await?;
    let busiest = operator.usage()?;
    operator.end()?;
    let operator = Running::start(program, kubeconfig)?;
    write(&client, 1000).await?;
    let restarted = until_looked(operator.port).await?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let before = operator.usage()?;
    heartbeats(&client, nodes).await?;
    let after = operator.usage()?;
    operator.end()?;
    agents.abort();
    let cpu = (after.seconds - before.seconds) / STEADY.as_secs_f64() * 100.0;
    let told = json!({
        "nodes": nodes,
        "nodesCreatedSeconds": created.as_secs_f64(),
        "firstRolloutSeconds": first.as_secs_f64(),
        "firstRolloutCpuSeconds": busiest.seconds,
        "firstRolloutPeakMiB": busiest.peak_mib,
        "reconcileAfterRestartSeconds": restarted.as_secs_f64(),
        "steadyCpuPercent": cpu,
        "steadyMiB": after.mib,
        "peakAfterRestartMiB": after.peak_mib,
        "agentsWrote": written.load(Ordering::Relaxed),
    });
    std::io::Write::write_all(&mut std::io::stdout(), format!("{told:#}\n").as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// The operator as a process.
struct Running {
    child: std::process::Child,
    port: u16,
}

/// What a process took.
struct Usage {
    seconds: f64,
    mib: u64,
    peak_mib: u64,
}

impl Running {
    fn start(program: &str, kubeconfig: &str) -> anyhow::Result<Self> {
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(std::env::temp_dir().join("simulate.log"))?;
        let child = Cmd::new(program)
            .args(["--kubeconfig", kubeconfig, "--identity", "simulated", "--listen"])
            .args([format!("127.0.0.1:{port}")])
            .daemon(log)?;
        Ok(Self { child, port })
    }

    fn usage(&self) -> anyhow::Result<Usage> {
        let of = |file: &str| {
            std::fs::read_to_string(Path::new("/proc").join(self.child.id().to_string()).join(file))
        };
        let stat = of("stat")?;
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks: f64 = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
        let status = of("status")?;
        let kib = |name: &str| -> u64 {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap_or_default();
            line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or_default()
        };
        Ok(Usage { seconds: ticks / 100.0, mib: kib("VmRSS:") / 1024, peak_mib: kib("VmHWM:") / 1024 })
    }

    fn end(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

/// Our definitions, as they are installed.
async fn define(client: &Client) -> anyhow::Result<()> {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    for crd in flyover_api::resource::crds() {
        let how = PatchParams::apply("simulate").force();
        api.patch(&crd.name_any(), &how, &Patch::Apply(&crd)).await?;
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    Ok(())
}

async fn make_nodes(client: &Client, nodes: usize) -> anyhow::Result<()> {
    let api: Api<Node> = Api::all(client.clone());
    let made = stream::iter(0..nodes).map(|n| {
        let api = api.clone();
        async move {
            let name = format!("node-{n:05}");
            let labels: BTreeMap<String, String> =
                (0..12).map(|n| (format!("label.example.com/number-{n}"), format!("value-{n}"))).collect();
            let node: Node = serde_json::from_value(json!({"metadata": {"name": name, "labels": labels}}))?;
            match api.create(&PostParams::default(), &node).await {
                Err(kube::Error::Api(said)) if said.code == 409 => {}
                made => drop(made?),
            }
            let images: Vec<Value> = (0..30)
                .map(|n| json!({"names": [format!("registry.example.com/image-{n}:1")], "sizeBytes": n}))
                .collect();
            let status =
                json!({"status": {"images": images, "conditions": [{"type": "Ready", "status": "True"}]}});
            api.patch_status(&name, &PatchParams::default(), &Patch::Merge(&status)).await?;
            anyhow::Ok(())
        }
    });
    let made: Vec<_> = made.buffer_unordered(AT_A_TIME).collect().await;
    made.into_iter().collect()
}

async fn write(client: &Client, lease: u32) -> anyhow::Result<()> {
    let body = json!({"apiVersion": "flyover.dev/v1alpha1", "kind": "FastPath", "metadata": {"name": "all"},
        "spec": {"leaseMs": lease, "rollout": {"maxUnavailable": "100%"}}});
    paths(client).patch("all", &PatchParams::apply("simulate").force(), &Patch::Apply(&body)).await?;
    Ok(())
}

fn paths(client: &Client) -> Api<DynamicObject> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("flyover.dev", "v1alpha1", "FastPath"));
    Api::all_with(client.clone(), &resource)
}

/// Until all nodes are ready, and no longer than a quarter of an hour.
async fn until_ready(client: &Client, nodes: usize) -> anyhow::Result<Duration> {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(900) {
        let status = paths(client).get("all").await?.data["status"].clone();
        if status["summary"] == format!("{nodes}/{nodes}") {
            return Ok(began.elapsed());
        }
        tokio::time::sleep(LOOK).await;
    }
    anyhow::bail!("the nodes are not ready in time")
}

/// Until the operator leads and has looked at everything.
async fn until_looked(port: u16) -> anyhow::Result<Duration> {
    let began = Instant::now();
    loop {
        anyhow::ensure!(began.elapsed() < Duration::from_secs(300), "the operator does not look at anything");
        if metrics(port).await.unwrap_or_default().contains("reconcile_seconds_count 1") {
            return Ok(began.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn metrics(port: u16) -> anyhow::Result<String> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    Ok(text)
}

/// What nodes do when nothing happens: kubelets and agents say from time to time that they are there.
async fn heartbeats(client: &Client, nodes: usize) -> anyhow::Result<()> {
    let began = Instant::now();
    let pause = HEARTBEAT.as_secs_f64() / f64::from(u32::try_from(nodes)?);
    let api: Api<Node> = Api::all(client.clone());
    let states: Api<NodeState> = Api::all(client.clone());
    let mut n = 0;
    while began.elapsed() < STEADY {
        let name = format!("node-{:05}", n % nodes);
        let beat = json!({"status": {"conditions": [
            {"type": "Ready", "status": "True", "lastHeartbeatTime": k8s_openapi::jiff::Timestamp::now().to_string()}]}});
        api.patch_status(&name, &PatchParams::default(), &Patch::Merge(&beat)).await?;
        let said = json!({"status": {"reported": k8s_openapi::jiff::Timestamp::now().to_string()}});
        states.patch_status(&name, &PatchParams::default(), &Patch::Merge(&said)).await?;
        n += 1;
        let due = Duration::from_secs_f64(pause * f64::from(u32::try_from(n)?));
        tokio::time::sleep(due.saturating_sub(began.elapsed())).await;
    }
    Ok(())
}

/// Every agent does at once what it is told.
async fn agents(client: Client, written: Arc<AtomicUsize>) -> anyhow::Result<()> {
    let api: Api<NodeState> = Api::all(client);
    let how = How::default().streaming_lists();
    let states = watcher(api.clone(), how).filter_map(|event| async move {
        match event {
            Ok(Event::Apply(state) | Event::InitApply(state)) => Some(state),
            _ => None,
        }
    });
    states
        .for_each_concurrent(AT_A_TIME, |state| {
            let (api, written) = (api.clone(), Arc::clone(&written));
            async move {
                if let Some(body) = answer(&state) {
                    let how = PatchParams::default();
                    if api.patch_status(&state.name_any(), &how, &Patch::Merge(&body)).await.is_ok() {
                        written.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        })
        .await;
    Ok(())
}

/// `Ready` with what it is to have, unless it says that already. With the facts and the journal that an agent tells.
fn answer(state: &NodeState) -> Option<Value> {
    let wanted = state.spec.lanes.get(&Lane::FastPath)?.wanted.as_ref()?;
    let said = state.status.as_ref().and_then(|status| status.lanes.get(&Lane::FastPath));
    if said.is_some_and(|said| said.hash.as_ref() == Some(&wanted.hash)) {
        return None;
    }
    let status = LaneStatus {
        hash: Some(wanted.hash.clone()),
        phase: LanePhase::Ready,
        needs: Disturbance::None,
        reason: "Ready".into(),
        message: "all is as it was asked for".into(),
        plan: None,
        journal: (0..10)
            .map(|n| format!("2026-01-01T00:00:{n:02}Z attached a program to a device"))
            .collect(),
        drift: Vec::new(),
        receipt: Vec::new(),
    };
    Some(json!({
        "metadata": {"resourceVersion": state.resource_version()},
        "status": {"version": "0.1.0", "reported": "2026-01-01T00:00:00Z", "lanes": {"fastPath": status}},
    }))
}
