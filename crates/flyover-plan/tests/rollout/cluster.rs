//! A cluster small enough to be looked at in all its states: what the API server holds, and what is so on the nodes.
//!
//! Time is two words: a deadline is ahead or past.

/// Seconds since the epoch, always.
pub(crate) const NOW: i64 = 1_000_000;
/// What agents may disturb, by its place in `Disturbance`.
pub(crate) const WORKLOADS: u8 = 3;

/// A spec: 0 is what all have at the start.
pub(crate) type Spec = u8;
/// Nodes as bits.
pub(crate) type Set = u8;

/// What does not change in a run.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) nodes: usize,
    pub(crate) canary: u32,
    pub(crate) max: u32,
    pub(crate) stay: bool,
    /// What a change disturbs, by node.
    pub(crate) needs: Vec<u8>,
    /// The change may fail.
    pub(crate) fails: bool,
    /// Nodes have pods.
    pub(crate) pods: bool,
    /// A pod of node 0 never leaves, whatever happens.
    pub(crate) forever: bool,
    /// The nodes have something of another resource at the start.
    pub(crate) takeover: bool,
    /// Acts of an old operator are done behind a new one's back.
    pub(crate) overlap: bool,
    /// Node 0 has no agent at the start, and nothing of what the others have.
    pub(crate) absent: bool,
    /// What may go wrong.
    pub(crate) faults: Faults,
}

/// How often something may happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Faults {
    /// A node goes down, an administrator cordons or lifts a cordon.
    pub(crate) nodes: u8,
    /// Somebody changes on a node what was ready.
    pub(crate) drift: u8,
    /// The spec changes.
    pub(crate) specs: u8,
    /// The resource is deleted.
    pub(crate) deletes: u8,
    /// A node is no more this resource's.
    pub(crate) places: u8,
    /// An agent comes to a node that has none.
    pub(crate) agents: u8,
    /// It is paused, and goes on.
    pub(crate) pauses: u8,
    /// The spec makes no sense, and is mended.
    pub(crate) nonsense: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Told {
    pub(crate) wanted: Option<Name>,
    pub(crate) previous: Option<Name>,
    pub(crate) allow: u8,
}

/// A spec with who wrote it; without its text it is a name only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Name {
    pub(crate) spec: Spec,
    pub(crate) ours: bool,
    pub(crate) text: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Word {
    pub(crate) spec: Option<Spec>,
    pub(crate) phase: Phase,
    pub(crate) needs: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Phase {
    Waiting,
    Working,
    Ready,
    Drifted,
    Failed,
    Clean,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Pods {
    Gone,
    Here,
    Leaving,
    Refused,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Whose {
    Own,
    Other,
    Contested,
    Free,
}

/// Whether an agent was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Hearing {
    Heard,
    NotYet,
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Node {
    pub(crate) agent: Hearing,
    pub(crate) exists: bool,
    pub(crate) ready: bool,
    pub(crate) unschedulable: bool,
    pub(crate) annotated: bool,
    pub(crate) whose: Whose,
    pub(crate) told: Option<Told>,
    pub(crate) word: Option<Word>,
    /// What it really has; 255 is something else.
    pub(crate) has: Option<Spec>,
    /// Specs that were begun here, as bits.
    pub(crate) begun: Set,
    pub(crate) pods: Pods,
    pub(crate) guarded: bool,
    /// The operator looks at its pods.
    pub(crate) looked: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub(crate) struct Written {
    pub(crate) hash: Option<Spec>,
    pub(crate) canaries: Set,
    pub(crate) claims: Set,
    pub(crate) deadlines_ahead: Set,
    pub(crate) deadlines_past: Set,
    pub(crate) blocked_ahead: Set,
    pub(crate) blocked_past: Set,
    pub(crate) halted: Option<Spec>,
}

/// All of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Cluster {
    pub(crate) spec: Spec,
    pub(crate) deleting: bool,
    pub(crate) released: bool,
    pub(crate) paused: bool,
    pub(crate) senseless: bool,
    pub(crate) written: Written,
    pub(crate) nodes: Vec<Node>,
    /// The canaries were ready with these specs at some time, as bits.
    pub(crate) opened: Set,
}

impl Cluster {
    /// All nodes are ready with the first spec, and the second has just been written.
    pub(crate) fn new(rules: &Rules) -> Self {
        let had = Name { spec: 0, ours: !rules.takeover, text: true };
        let told = Told { wanted: Some(had), previous: Some(Name { text: false, ..had }), allow: 2 };
        let node = Node {
            agent: Hearing::Heard,
            exists: true,
            ready: true,
            unschedulable: false,
            annotated: false,
            whose: Whose::Own,
            told: Some(told),
            word: Some(Word { spec: Some(0), phase: Phase::Ready, needs: 0 }),
            has: Some(0),
            begun: 1,
            pods: if rules.pods { Pods::Here } else { Pods::Gone },
            guarded: false,
            looked: false,
        };
        let mut nodes = vec![node; rules.nodes];
        nodes[0].guarded = rules.forever;
        if rules.absent {
            let agent = Hearing::NotYet;
            nodes[0] = Node { agent, told: None, word: None, has: None, begun: 0, ..nodes[0] };
        }
        let written = Written { hash: (!rules.takeover).then_some(0), ..Written::default() };
        let (deleting, released, paused, senseless) = (false, false, false, false);
        Self { spec: 1, deleting, released, paused, senseless, written, nodes, opened: 1 }
    }
}

impl Node {
    /// Taken down by us.
    pub(crate) fn down_by_us(&self) -> bool {
        self.exists
            && (self.annotated && self.unschedulable
                || self.told.is_some_and(|told| told.allow >= WORKLOADS && told.is_ours()))
    }
}

impl Told {
    pub(crate) fn wants(&self) -> Option<Spec> {
        self.wanted.map(|name| name.spec)
    }

    pub(crate) fn is_ours(&self) -> bool {
        self.wanted.or(self.previous).is_some_and(|name| name.ours)
    }
}
