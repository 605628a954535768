//! Requests of vhost-user that may pass between a pod and a switch, and how long each is.
//!
//! Invariant: the list is short, and what is not on it does not pass. Left out on purpose are in-flight buffers (a way to make
//! a switch keep files open), logs of dirty memory, IOTLB and the switch's own requests: none is needed by a pod, and each
//! is a way into the switch or state that would be lost at its restart.

use std::ops::RangeInclusive;

/// The most files that come with a message, and regions of memory.
pub const MOST_FILES: usize = 8;
/// How long the description of a region of memory is.
pub(super) const REGION: usize = 32;
const MOST_PAYLOAD: usize = 8 + REGION * MOST_FILES;

macro_rules! requests {
    ($($(#[$doc:meta])* $name:ident = $number:literal: $payload:expr, $files:expr, $answers:literal;)*) => {
        /// What a front end asks for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Request {
            $($(#[$doc])* $name = $number,)*
        }

        impl Request {
            /// All that may pass.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The request of that number, if it may pass.
            #[must_use]
            pub fn of(number: u32) -> Option<Self> {
                Self::ALL.iter().copied().find(|known| *known as u32 == number)
            }

            /// How long its payload may be.
            pub(super) fn payload(self) -> RangeInclusive<usize> {
                match self { $(Self::$name => $payload,)* }
            }

            /// How many files may come with it.
            pub(super) fn files(self) -> RangeInclusive<usize> {
                match self { $(Self::$name => $files,)* }
            }

            /// Whether it is answered with a value, asked to or not.
            #[must_use]
            pub fn answers(self) -> bool {
                match self { $(Self::$name => $answers,)* }
            }
        }
    };
}

requests! {
    /// What can you do?
    GetFeatures = 1: 0..=0, 0..=0, true;
    /// This is used of it.
    SetFeatures = 2: 8..=8, 0..=0, false;
    /// It begins.
    SetOwner = 3: 0..=0, 0..=0, false;
    /// It ends.
    ResetOwner = 4: 0..=0, 0..=0, false;
    /// This memory is shared.
    SetMemory = 5: (8 + REGION)..=MOST_PAYLOAD, 1..=MOST_FILES, false;
    /// A ring has so many entries.
    SetSize = 8: 8..=8, 0..=0, false;
    /// A ring is there.
    SetRing = 9: 40..=40, 0..=0, false;
    /// A ring begins there.
    SetBase = 10: 8..=8, 0..=0, false;
    /// Stop a ring: where is it?
    GetBase = 11: 8..=8, 0..=0, true;
    /// This tells that buffers are offered.
    SetKick = 12: 8..=8, 0..=1, false;
    /// This tells that buffers are used.
    SetCall = 13: 8..=8, 0..=1, false;
    /// This tells of errors.
    SetError = 14: 8..=8, 0..=1, false;
    /// Which of the protocol's own features do you have?
    GetProtocol = 15: 0..=0, 0..=0, true;
    /// These are used.
    SetProtocol = 16: 8..=8, 0..=0, false;
    /// How many queues can you have?
    GetQueues = 17: 0..=0, 0..=0, true;
    /// A ring may be used, or not.
    SetEnabled = 18: 8..=8, 0..=0, false;
    /// Announce this address.
    SendRarp = 19: 8..=8, 0..=0, false;
    /// This is the MTU.
    SetMtu = 20: 8..=8, 0..=0, false;
    /// This is how far the driver has come.
    SetStatus = 39: 8..=8, 0..=0, false;
    /// How far have you come?
    GetStatus = 40: 0..=0, 0..=0, true;
}

/// Why a message does not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadMessage {
    /// Not on the list.
    #[error("request {0} may not pass")]
    Request(u32),
    /// Not of the version, or with flags that mean nothing.
    #[error("flags {0:#x} mean nothing")]
    Flags(u32),
    /// Not as long as such messages are.
    #[error("{request:?} with {length} bytes")]
    Length {
        /// What it asks.
        request: Request,
        /// How long it is.
        length: u32,
    },
    /// Not with as many files as such messages have.
    #[error("{request:?} with {count} files")]
    Files {
        /// What it asks.
        request: Request,
        /// How many came.
        count: usize,
    },
    /// A number in it is out of its range.
    #[error("{request:?} with {what} out of range")]
    Value {
        /// What it asks.
        request: Request,
        /// Which number.
        what: &'static str,
    },
    /// An answer that nobody asked for.
    #[error("an answer to {0:?}, which was not asked")]
    Unasked(Request),
    /// Features that were not offered.
    #[error("features {0:#x}, which were not offered")]
    Features(u64),
    /// The switch lost features that are in use.
    #[error("the switch came back without features {0:#x}, which are in use")]
    Lost(u64),
}
