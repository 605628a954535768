//! Why a port of the switch does not take or give frames.

use std::io;
use std::path::PathBuf;

/// Why a port of the switch does not take or give frames.
#[derive(Debug, thiserror::Error)]
pub enum VhostError {
    /// The socket cannot be made, or connected to.
    #[error("failed to {verb} `{path}`")]
    Socket {
        /// What was attempted.
        verb: &'static str,
        /// Which socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The memory that is shared with the switch cannot be made.
    #[error("failed to make {bytes} bytes of shared memory: {reason}")]
    Memory {
        /// How many.
        bytes: usize,
        /// What the system said.
        reason: String,
    },
    /// The switch did not go along with the set-up.
    #[error("the switch at `{path}` did not {step}: {reason}")]
    Setup {
        /// Which socket.
        path: PathBuf,
        /// What it was asked for.
        step: &'static str,
        /// What came of it.
        reason: String,
    },
    /// Nobody is at the other end.
    #[error("no switch is connected to `{path}`")]
    NotConnected {
        /// Which socket.
        path: PathBuf,
    },
    /// The switch has taken none of the frames that wait.
    #[error("the switch at `{path}` does not take frames: {waiting} wait")]
    Full {
        /// Which socket.
        path: PathBuf,
        /// How many frames wait.
        waiting: u16,
    },
    /// The frame is no frame, or too long for the port's MTU.
    #[error("a frame of {length} bytes was to be sent: {least} to {most} fit")]
    Length {
        /// How long it is.
        length: usize,
        /// The shortest that fits.
        least: usize,
        /// The longest that fits.
        most: usize,
    },
    /// The switch wrote what no switch may into the rings; the connection is closed.
    #[error("the switch at `{path}` broke the rings: {what}")]
    Broken {
        /// Which socket.
        path: PathBuf,
        /// What it wrote.
        what: Nonsense,
    },
}

/// What no device may write into a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Nonsense {
    /// More buffers were used than were offered.
    #[error("{used} buffers used, and {offered} were offered")]
    Index {
        /// How many it says.
        used: u16,
        /// How many there were.
        offered: u16,
    },
    /// A buffer was used that was not offered.
    #[error("buffer {0} used, which was not offered")]
    Buffer(u32),
    /// More was written than there was room for.
    #[error("{written} bytes in a buffer of {room}")]
    Written {
        /// How many it says.
        written: u32,
        /// How many there were.
        room: u32,
    },
    /// A frame is shorter than its header, or spread over buffers that are not there.
    #[error("a frame without its parts")]
    Parts,
}
