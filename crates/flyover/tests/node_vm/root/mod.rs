//! Tests on nodes: each boots its own.

mod boot;
mod devices;
mod itself;
mod power;
mod readme;
mod services;
