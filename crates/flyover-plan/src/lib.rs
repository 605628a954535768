//! Thinks: from a spec and the facts of a host to what is to be done on it; no I/O.
