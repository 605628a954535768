//! A cluster network of network namespaces on one machine.
