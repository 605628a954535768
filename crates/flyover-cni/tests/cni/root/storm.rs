//! Not here yet, but soon written.
