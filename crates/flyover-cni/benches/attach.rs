//! How long an attachment takes, beside the switch's own work and beside the same by `ovs-vsctl`, in the same run.
//!
//! Each round adds and removes one port three times: by a bare transaction (the floor: what the switch itself takes, from a
//! connection to `cur_cfg`), by the plugin as a process, and by `ovs-vsctl` as the plugins before us do. Their order changes
//! from round to round. Then a hundred plugins attach at once.
//!
//! What stands below `/run` on a node is in memory here too. `FLYOVER_CNI` names the executable to measure, e.g. the one that
//! is shipped; `ROUNDS` says how many.

use std::path::Path;
use std::time::{Duration, Instant};

use flyover_host::cmd::Cmd;
use flyover_testkit::ovs::{NewPort, Options, Rig};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};

const AT_ONCE: usize = 100;
const NONE: Option<&str> = None;

/// What one way took.
#[derive(Debug, Default)]
struct Times {
    add: Vec<Duration>,
    delete: Vec<Duration>,
}

fn main() -> anyhow::Result<()> {
    let rounds = std::env::var("ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(500);
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)?;
    let rig = Rig::start(Options::default())?;
    let node = rig.folder().join("node");
    let memory = node.join("run");
    std::fs::create_dir_all(node.join("etc/flyover"))?;
    std::fs::create_dir_all(&memory)?;
    mount(Some("run"), &memory, Some("tmpfs"), MsFlags::empty(), NONE)?;
    let measured = measure(&rig, &node, rounds);
    umount2(&memory, MntFlags::MNT_DETACH)?;
    measured
}

fn measure(rig: &Rig, node: &Path, rounds: usize) -> anyhow::Result<()> {
    rig.add_bridge("br0")?;
    let sockets = node.join("run/v");
    let config = serde_json::json!({
        "database": rig.database(), "rundir": rig.folder(), "socketRoot": sockets,
    });
    std::fs::write(node.join("etc/flyover/cni.json"), config.to_string())?;
    let (mut floor, mut plugin, mut vsctl) = (Times::default(), Times::default(), Times::default());
    for round in 0..rounds {
        for way in 0..3 {
            match (round + way) % 3 {
                0 => bare(rig, &mut floor)?,
                1 => by_plugin(node, &mut plugin)?,
                _ => by_vsctl(rig, &mut vsctl)?,
            }
        }
    }
    let start = start_alone(node, rounds.min(100))?;
    let all = at_once(node)?;
    say(&format!("{rounds} rounds; median / p99 in ms"));
    for (name, times) in [("floor", &mut floor), ("flyover-cni", &mut plugin), ("ovs-vsctl", &mut vsctl)] {
        times.add.sort();
        times.delete.sort();
        say(&format!("{name:12} ADD {}   DEL {}", told(&times.add), told(&times.delete)));
    }
    for (name, times) in [("flyover-cni", &plugin), ("ovs-vsctl", &vsctl)] {
        // The floor has exchanges of its own with the database, so one can be a little below it.
        let [middle, late] =
            [0.5, 0.99].map(|at| millis(quantile(&times.add, at)) - millis(quantile(&floor.add, at)));
        say(&format!("{name:12} ADD beyond the floor {middle:6.2} / {late:6.2}"));
    }
    let both = |times: &Times| millis(quantile(&times.add, 0.5) + quantile(&times.delete, 0.5));
    say(&format!(
        "ovs-vsctl / flyover-cni, ADD + DEL with the switch's own work: {:.2} x",
        both(&vsctl) / both(&plugin)
    ));
    say(&format!("start and end of the executable (VERSION): {:.2} ms", millis(start)));
    say(&format!("{AT_ONCE} ADDs at once: {:.0} ms", millis(all)));
    Ok(())
}

fn bare(rig: &Rig, times: &mut Times) -> anyhow::Result<()> {
    let port = NewPort::vhost("floor", &rig.folder().join("v/floor"));
    times.add.push(timed(|| rig.add_port("br0", &port))?);
    times.delete.push(timed(|| rig.delete_port("br0", "floor"))?);
    Ok(())
}

fn by_plugin(node: &Path, times: &mut Times) -> anyhow::Result<()> {
    times.add.push(timed(|| done(call(node, "ADD", "0123456789abcdef")))?);
    times.delete.push(timed(|| done(call(node, "DEL", "0123456789abcdef")))?);
    Ok(())
}

fn by_vsctl(rig: &Rig, times: &mut Times) -> anyhow::Result<()> {
    let database = format!("--db=unix:{}", rig.database().display());
    let path = format!("options:vhost-server-path={}", rig.folder().join("v/by-hand").display());
    let add = ["add-port", "br0", "byhand", "--", "set", "Interface", "byhand", "type=dpdkvhostuserclient"];
    let add: Vec<&str> = [&[database.as_str()][..], &add, &[&path]].concat();
    times.add.push(timed(|| Cmd::new("ovs-vsctl").args(&add).run().map(drop))?);
    let delete = [database.as_str(), "--if-exists", "del-port", "br0", "byhand"];
    times.delete.push(timed(|| Cmd::new("ovs-vsctl").args(delete).run().map(drop))?);
    Ok(())
}

/// What the executable itself takes.
fn start_alone(node: &Path, rounds: usize) -> anyhow::Result<Duration> {
    let once = |_| timed(|| done(call(node, "VERSION", "0")));
    let mut times = (0..rounds.max(1)).map(once).collect::<anyhow::Result<Vec<_>>>()?;
    times.sort();
    Ok(quantile(&times, 0.5))
}

fn at_once(node: &Path) -> anyhow::Result<Duration> {
    let container = |number: usize| format!("{number:012x}{number:052x}");
    let all = |verb: &'static str| {
        std::thread::scope(|scope| {
            let calls: Vec<_> = (0..AT_ONCE)
                .map(|number| scope.spawn(move || done(call(node, verb, &container(number)))))
                .collect();
            calls.into_iter().try_for_each(|call| call.join().expect("a call does not panic"))
        })
    };
    let took = timed(|| all("ADD"))?;
    all("DEL")?;
    Ok(took)
}

fn call(node: &Path, verb: &str, container: &str) -> Cmd {
    let network = serde_json::json!({
        "cniVersion": "1.1.0", "name": "bench", "type": "flyover",
        "host": {"engine": "ovs-dpdk", "iftype": "vhostuser", "netType": "bridge",
            "vhost": {"mode": "client"}, "bridge": {"bridgeName": "br0"}},
        "container": {"engine": "ovs-dpdk", "iftype": "vhostuser", "netType": "interface", "vhost": {"mode": "server"}},
    });
    let usual = || env!("CARGO_BIN_EXE_flyover-cni").into();
    Cmd::new(std::env::var_os("FLYOVER_CNI").unwrap_or_else(usual))
        .stdin(network.to_string())
        .env("FLYOVER_ROOT", node)
        .env("CNI_COMMAND", verb)
        .env("CNI_CONTAINERID", container)
        .env("CNI_NETNS", "/proc/self/ns/net")
        .env("CNI_IFNAME", "net1")
        .env("CNI_PATH", "/usr/lib/cni")
}

/// Runs it to its end; a plugin says on standard output why it failed.
fn done(call: Cmd) -> anyhow::Result<()> {
    let ended = call.end()?;
    anyhow::ensure!(ended.status.success(), "{}{}", ended.stdout, ended.stderr);
    Ok(())
}

fn timed<E: Into<anyhow::Error>>(work: impl FnOnce() -> Result<(), E>) -> anyhow::Result<Duration> {
    let start = Instant::now();
    work().map_err(Into::into)?;
    Ok(start.elapsed())
}

fn quantile(sorted: &[Duration], at: f64) -> Duration {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is below the length")]
    let place = (sorted.len().saturating_sub(1) as f64 * at).round() as usize;
    sorted.get(place).copied().unwrap_or_default()
}

fn told(sorted: &[Duration]) -> String {
    format!("{:6.2} / {:6.2}", millis(quantile(sorted, 0.5)), millis(quantile(sorted, 0.99)))
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[expect(clippy::print_stdout, reason = "this is what the bench is for")]
fn say(line: &str) {
    println!("{line}");
}
