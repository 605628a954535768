//! The roll-out machine against a model of a cluster: every run of two and three nodes, and random runs of more.

mod agents;
mod cluster;
mod explore;
mod moves;
mod random;
mod rest;
mod rules;
mod seen;
mod summary;
mod table;
mod world;
