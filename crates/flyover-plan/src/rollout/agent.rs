//! What is known of a node's agent, which is all that can be known of what goes on there.
//!
//! Invariant: no clock. For how long nothing was heard is told by who looks, by the clock there: that of the node may be wrong.

/// Seconds after which an agent that never said anything is taken to be none.
const COMES_WITHIN: u64 = 120;
/// Seconds after which an agent that says nothing any more may be gone: thrice as long as one is quiet where nothing changes.
pub(super) const SPEAKS_WITHIN: u64 = 900;

/// What is known of a node's agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agent {
    /// It has ever said anything.
    pub spoke: bool,
    /// For how many seconds nothing was heard of it.
    pub silent: u64,
}

impl Agent {
    /// There is none, as far as anybody can tell. Nothing was ever begun there: an agent says so before it begins.
    pub(super) fn is_absent(self) -> bool {
        !self.spoke && self.silent >= COMES_WITHIN
    }

    /// What it said last may be so no more.
    pub(super) fn is_silent(self) -> bool {
        self.spoke && self.silent >= SPEAKS_WITHIN
    }

    /// Whether it has been waited for long enough.
    #[must_use]
    pub fn is_missed(self) -> bool {
        self.is_absent() || self.is_silent()
    }

    /// In how many seconds it will be missed, if it goes on to say nothing.
    pub(super) fn missed_in(self) -> Option<u64> {
        let within = if self.spoke { SPEAKS_WITHIN } else { COMES_WITHIN };
        within.checked_sub(self.silent).filter(|seconds| *seconds > 0)
    }
}
