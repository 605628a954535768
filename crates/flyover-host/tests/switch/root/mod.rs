//! Daemons, bridges and ports, in a network namespace of each test.

mod crash;
mod rows;
mod stage;
