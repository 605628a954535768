//! Renders a settled profile for systems that manage the node's image themselves; cannot fail.
