//! What the operator shows of itself: how long it thinks, what it does, how its nodes are, and whether it is alive.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

use flyover_api::resource::Lane;
use flyover_plan::rollout::{Act, View};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::store::Key;

/// A loop that did not turn for so long hangs.
const HANGS: Duration = Duration::from_secs(120);

/// A label and its value, in a row.
type Labels = Vec<(&'static str, String)>;

/// All of it.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    turns: Family<Labels, Histogram>,
    rounds: Histogram,
    acts: Family<Labels, Counter>,
    errors: Counter,
    conflicts: Counter,
    nodes: Family<Labels, Gauge>,
    leader: Gauge<i64, AtomicI64>,
    beat: Mutex<Instant>,
    complete: AtomicBool,
}

impl Default for Metrics {
    fn default() -> Self {
        let seconds: fn() -> Histogram = || Histogram::new(exponential_buckets(0.001, 4.0, 9));
        let mut metrics = Self {
            registry: Registry::with_prefix("flyover_operator"),
            turns: Family::new_with_constructor(seconds),
            rounds: seconds(),
            acts: Family::default(),
            errors: Counter::default(),
            conflicts: Counter::default(),
            nodes: Family::default(),
            leader: Gauge::default(),
            beat: Mutex::new(Instant::now()),
            complete: AtomicBool::new(false),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let all = &mut self.registry;
        all.register("turn_seconds", "How long one resource's turn took, by lane", self.turns.clone());
        all.register(
            "reconcile_seconds",
            "How long one look at all that had changed took",
            self.rounds.clone(),
        );
        all.register("acts", "What was done, by act", self.acts.clone());
        all.register("errors", "Writes that failed, but for conflicts", self.errors.clone());
        all.register("conflicts", "Writes of what had changed meanwhile", self.conflicts.clone());
        all.register("nodes", "Nodes of a resource, by phase", self.nodes.clone());
        all.register("leader", "Whether this operator leads", self.leader.clone());
    }

    /// All of it as text.
    pub(crate) fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }

    pub(crate) fn turned(&self, lane: Lane, took: Duration) {
        self.turns.get_or_create(&vec![("lane", lane.to_string())]).observe(took.as_secs_f64());
    }

    pub(crate) fn reconciled(&self, took: Duration) {
        self.rounds.observe(took.as_secs_f64());
    }

    pub(crate) fn act(&self, act: &Act) {
        let name = match act {
            Act::Note(_) => "note",
            Act::Assign { .. } => "assign",
            Act::Cordon { .. } => "cordon",
            Act::LookAtPods { .. } => "look_at_pods",
            Act::Evict { .. } => "evict",
            Act::Uncordon { .. } => "uncordon",
            Act::Release => "release",
        };
        self.acts.get_or_create(&vec![("act", name.to_owned())]).inc();
    }

    pub(crate) fn error(&self) {
        self.errors.inc();
    }

    pub(crate) fn conflict(&self) {
        self.conflicts.inc();
    }

    pub(crate) fn leader(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// How a resource's nodes are.
    pub(crate) fn nodes(&self, key: &Key, view: &View) {
        for phase in PHASES {
            let of_phase = view.nodes.iter().filter(|node| phase_of(node) == phase).count();
            let count = i64::try_from(of_phase).unwrap_or(i64::MAX);
            self.nodes.get_or_create(&labels(key, phase)).set(count);
        }
    }

    /// A resource that is no more.
    pub(crate) fn forget(&self, key: &Key) {
        for phase in PHASES {
            self.nodes.remove(&labels(key, phase));
        }
    }

    /// The loop turned.
    pub(crate) fn beat(&self) {
        *self.beat.lock().expect("nobody panics who holds it") = Instant::now();
    }

    /// Whether everything was told once.
    pub(crate) fn complete(&self, complete: bool) {
        self.complete.store(complete, Ordering::Relaxed);
    }

    /// Whether the loop turns.
    pub(crate) fn is_alive(&self) -> bool {
        self.beat.lock().expect("nobody panics who holds it").elapsed() < HANGS
    }

    /// Whether it could decide something.
    pub(crate) fn is_ready(&self) -> bool {
        self.complete.load(Ordering::Relaxed)
    }
}

/// What nodes are counted by: the phases of a lane, and that nothing is known.
const PHASES: [&str; 9] =
    ["Waiting", "Applying", "Ready", "Drifted", "Failed", "Refused", "Removing", "Clean", "Unknown"];

fn phase_of(node: &flyover_plan::rollout::NodeView) -> &'static str {
    let Some(said) = &node.status else { return "Unknown" };
    let name = format!("{:?}", said.phase);
    PHASES.into_iter().find(|phase| *phase == name).unwrap_or("Unknown")
}

fn labels(key: &Key, phase: &str) -> Labels {
    vec![("kind", key.lane.kind().to_owned()), ("name", key.name.clone()), ("phase", phase.to_owned())]
}
