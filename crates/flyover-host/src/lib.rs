//! The hands of the house on the host itself.
//!
//! [`root`] is the host, [`facts`] reads it, [`tree`] carries it to other machines. [`hands`] change it, one for each kind
//! of action; [`executor`] moves them, [`journal`] and [`store`] keep what they did, [`past`] and [`receipt`] tell of it. [`node`] is
//! all of that for one profile. [`ovs`] finds a switch's daemons and reads its database. [`cmd`] is the only place that starts
//! processes, [`pidfd`] holds one, [`groups`] lets one outlive who started it.

pub mod cmd;
pub mod executor;
pub mod facts;
pub mod groups;
pub mod hands;
pub mod journal;
pub mod live;
pub mod node;
pub mod ovs;
pub mod past;
pub mod pidfd;
pub mod receipt;
pub mod root;
pub mod store;
pub mod traces;
pub mod tree;
