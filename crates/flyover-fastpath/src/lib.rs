//! The FastPath lane: BPF programs, their loader and the node's process.
