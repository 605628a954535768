//! The BPF programs as specifications: each test builds packets, runs the real programs on them with
//! `BPF_PROG_TEST_RUN`, and checks the verdict, every byte and the counters.
//!
//! Entries are never written by hand: a lane learns them as on a node, from the packets of a [`case::Case`] as they
//! enter and as the slow path would let them leave.

mod case;
mod lane;
mod packet;
mod root;
mod sum;
