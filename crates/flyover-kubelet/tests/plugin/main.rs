//! A plugin against a small kubelet that does what the real one does, and what the real one cannot be made to do: it
//! answers late, refuses, hangs up, or is killed in the middle. Kubelet itself is met in `tests/kubelet.rs`.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod kubelet;
mod life;
mod pods;
mod restart;
mod stage;
mod takeover;
