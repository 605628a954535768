//! What the daemons of Open vSwitch print, as types. No I/O: [`unixctl`](crate::unixctl) asks.
//!
//! The texts are made for people and change with the versions; these readers know 2.17 to 4.0. Invariant: no text is an
//! error. A line that is not known is passed over, a number that is not there is `None`, never nought.

mod datapath;
mod dpctl;
mod heap;
mod mempool;
mod pmd;
mod scan;
mod version;
mod work;

pub use datapath::{Datapath, DatapathBridge, DatapathPort};
pub use dpctl::{Counters, Traffic, TrafficPort};
pub use heap::Heap;
pub use mempool::Mempool;
pub use pmd::{Pmd, Queue};
pub use scan::Kind;
pub use version::{Version, commands};
pub use work::{Thread, Work};

/// The commands whose answers are read here, each as it is asked for.
pub mod command {
    /// For [`Mempool::all`](super::Mempool::all); without an argument it is about all pools.
    pub const MEMPOOLS: &str = "netdev-dpdk/get-mempool-info";
    /// For [`Pmd::all`](super::Pmd::all).
    pub const RXQ: &str = "dpif-netdev/pmd-rxq-show";
    /// For [`Work::of_stats`](super::Work::of_stats); not in every version.
    pub const STATS: &str = "dpif-netdev/pmd-stats-show";
    /// For [`Work::of_perf`](super::Work::of_perf).
    pub const PERF: &str = "dpif-netdev/pmd-perf-show";
    /// For [`Traffic::all`](super::Traffic::all), with the argument `-s`.
    pub const TRAFFIC: &str = "dpctl/show";
    /// For [`Datapath::all`](super::Datapath::all).
    pub const DATAPATHS: &str = "dpif/show";
    /// For [`Heap::all`](super::Heap::all).
    pub const HEAPS: &str = "dpdk/get-malloc-stats";
    /// For [`Version::of`](super::Version::of).
    pub const VERSION: &str = "version";
    /// For [`commands`](super::commands()).
    pub const COMMANDS: &str = "list-commands";
}
