//! The spine on a model host: journal, executor and hands together, with a crash or a failure at every change.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod crash;
mod drift;
mod failure;
mod journal;
mod person;
mod plans;
mod profile;
mod profiles;
mod random;
mod reboot;
mod refusal;
