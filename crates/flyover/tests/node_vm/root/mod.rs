//! Tests on nodes: each boots its own.

mod itself;
