//! Rigs that tests are built on: labs, packets, captures, virtual machines.
