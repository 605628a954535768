//! DPDK's own test program as a pod: a port of virtio-user that makes, takes or sends back packets, without hugepages.
//!
//! Its counters are read where it offers them to any program, not from what it prints: so they are of one moment.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use nix::sys::signal::Signal;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, setsockopt, socket, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};

use super::settings::allowed;
use crate::process::Process;

/// From its start until its port is there.
const START: Duration = Duration::from_secs(30);
const END: Duration = Duration::from_secs(10);
/// The longest answer it says it gives.
const ANSWER_BYTES: usize = 16 << 10;

/// What it does with packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Makes them as fast as it can.
    TxOnly,
    /// Takes them, and counts.
    RxOnly,
    /// Sends what comes back as it is.
    Io,
    /// Sends what comes back, to the peer's address.
    Mac,
    /// Answers ARP and pings, whichever address they are for.
    IcmpEcho,
}

/// What is to be started.
#[derive(Clone, Debug)]
pub struct Pod {
    /// The socket of its port.
    pub socket: PathBuf,
    /// Whether it makes the socket, and the switch connects; else it is the other way round.
    pub listens: bool,
    /// The MAC address of its port.
    pub mac: String,
    /// Where the packets go that it makes.
    pub peer: Option<String>,
    /// What it does.
    pub mode: Mode,
    /// How long the packets are that it makes, without the checksum.
    pub length: u16,
    /// Which of the allowed CPUs it polls on, counted from 0; there may be fewer.
    pub cpu: usize,
    /// How many packets wait in a ring. Who shares a CPU with others needs long ones: a ring is all it gets in its turn.
    pub ring: u16,
}

impl Pod {
    /// A pod on a socket that it makes itself.
    #[must_use]
    pub fn on(socket: &Path, mac: &str, mode: Mode) -> Self {
        let (socket, mac) = (socket.to_owned(), mac.to_owned());
        Self { socket, listens: true, mac, peer: None, mode, length: 60, cpu: 0, ring: 256 }
    }
}

/// Packets and bytes since it was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets that came.
    pub received: u64,
    /// Packets that went.
    pub sent: u64,
    /// Bytes that came.
    pub received_bytes: u64,
    /// Bytes that went.
    pub sent_bytes: u64,
}

/// Millions of packets a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// That came.
    pub received_mpps: f64,
    /// That went.
    pub sent_mpps: f64,
}

/// A running testpmd.
#[derive(Debug)]
pub struct Testpmd {
    process: Process,
    telemetry: PathBuf,
    path: PathBuf,
    listens: bool,
}

impl Testpmd {
    /// Starts it; `folder` is for its files. If it makes the socket, that is there when this returns.
    pub fn start(pod: &Pod, folder: &Path) -> anyhow::Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("pmd{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let telemetry = folder.join("dpdk").join(&name).join("dpdk_telemetry.v2");
        let command = command(pod, &name, folder);
        let mut process = Process::start("testpmd", &command, None, &folder.join(format!("{name}.log")))?;
        if pod.listens {
            process.until("made its socket", START, || Ok(pod.socket.exists()))?;
        }
        Ok(Self { process, telemetry, path: pod.socket.clone(), listens: pod.listens })
    }

    /// Waits until it forwards: one that listens has to be connected to first.
    pub fn ready(&mut self) -> anyhow::Result<()> {
        let telemetry = self.telemetry.clone();
        self.process.until("begun to forward", START, || Ok(counters(&telemetry).is_ok()))
    }

    /// What it counted.
    pub fn counters(&self) -> anyhow::Result<Counters> {
        counters(&self.telemetry)
    }

    /// How fast packets come and go during a period.
    pub fn rates(&self, period: Duration) -> anyhow::Result<Rates> {
        let (began, before) = (Instant::now(), self.counters()?);
        thread::sleep(period);
        let after = self.counters()?;
        let micros = began.elapsed().as_secs_f64() * 1e6;
        #[expect(clippy::cast_precision_loss, reason = "a rate needs no more digits than a float has")]
        let rate = |after: u64, before: u64| after.saturating_sub(before) as f64 / micros;
        Ok(Rates {
            received_mpps: rate(after.received, before.received),
            sent_mpps: rate(after.sent, before.sent),
        })
    }

    /// The process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Ends it as an orchestrator ends a pod.
    pub fn end(mut self) -> anyhow::Result<()> {
        self.process.end(Signal::SIGTERM, END)?;
        // One that is killed leaves its socket, one that ends by itself may.
        if self.listens && self.path.exists() {
            std::fs::remove_file(&self.path)?;
        }
        Ok(())
    }
}

fn command(pod: &Pod, name: &str, folder: &Path) -> Vec<String> {
    let cpus = allowed();
    let cpu = |at: usize| cpus.get(at % cpus.len().max(1)).copied().unwrap_or(0);
    let server = if pod.listens { ",server=1" } else { "" };
    let mode = match pod.mode {
        Mode::TxOnly => "txonly",
        Mode::RxOnly => "rxonly",
        Mode::Io => "io",
        Mode::Mac => "mac",
        Mode::IcmpEcho => "icmpecho",
    };
    let words = format!(
        "env RUNTIME_DIRECTORY={} dpdk-testpmd --lcores=0@{},1@{} --no-huge -m 128 --no-pci --file-prefix={name} \
         --vdev=net_virtio_user0,path={},mac={},queue_size={}{server} -- --total-num-mbufs={} --no-mlockall --rxd={} --txd={} \
         --stats-period=86400 --forward-mode={mode} --txpkts={}",
        folder.display(),
        cpu(pod.cpu),
        cpu(pod.cpu),
        pod.socket.display(),
        pod.mac,
        pod.ring,
        4096 + 4 * u32::from(pod.ring),
        pod.ring,
        pod.ring,
        pod.length
    );
    let peer = pod.peer.iter().map(|peer| format!("--eth-peer=0,{peer}"));
    words.split_whitespace().map(str::to_owned).chain(peer).collect()
}

fn counters(telemetry: &Path) -> anyhow::Result<Counters> {
    let answer = ask(telemetry, "/ethdev/stats,0")?;
    let number = |key: &str| {
        let number = answer.pointer(&format!("/~1ethdev~1stats/{key}")).and_then(serde_json::Value::as_u64);
        number.with_context(|| format!("testpmd tells no `{key}`: {answer}"))
    };
    Ok(Counters {
        received: number("ipackets")?,
        sent: number("opackets")?,
        received_bytes: number("ibytes")?,
        sent_bytes: number("obytes")?,
    })
}

/// Asks a DPDK program by its telemetry socket. It greets first.
fn ask(telemetry: &Path, question: &str) -> anyhow::Result<serde_json::Value> {
    let fd: OwnedFd = socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None)?;
    setsockopt(&fd, sockopt::ReceiveTimeout, &TimeVal::seconds(5))?;
    connect(fd.as_raw_fd(), &UnixAddr::new(telemetry)?)
        .with_context(|| format!("failed to connect to `{}`", telemetry.display()))?;
    let mut file = File::from(fd);
    let mut bytes = vec![0; ANSWER_BYTES];
    ensure!(file.read(&mut bytes)? > 0, "testpmd does not greet");
    file.write_all(question.as_bytes())?;
    let count = file.read(&mut bytes)?;
    serde_json::from_slice(&bytes[..count]).context("testpmd's answer is no JSON")
}
