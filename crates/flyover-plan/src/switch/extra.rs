//! More arguments for DPDK: what they say of memory and devices, and those that contradict the spec.
//!
//! Invariant: only arguments that the sizing or the spec depends on are understood; all others pass as they are.

use flyover_api::BridgeSpec;
use flyover_core::Refusal;

use super::settle::Draft;
use super::uplinks::{carries, function_in};

/// What the arguments say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Extra {
    /// `--no-huge`: ordinary memory.
    pub(super) no_huge: bool,
    /// `--legacy-mem`.
    pub(super) legacy: bool,
    /// `-m`: MiB of all nodes together.
    pub(super) mib: Option<u64>,
    /// `--no-pci`.
    pub(super) no_pci: bool,
}

const FIELD: &str = "dpdk.extra";

/// What the arguments say, whether or not it fits.
pub(super) fn read(args: &[String]) -> Extra {
    let mib = |i: usize, arg: &str| match &arg["-m".len()..] {
        "" => args.get(i + 1).and_then(|next| next.parse().ok()),
        joined => joined.parse().ok(),
    };
    let mut extra = Extra::default();
    for (i, arg) in args.iter().enumerate() {
        match arg.as_str() {
            "--no-huge" => extra.no_huge = true,
            "--legacy-mem" => extra.legacy = true,
            "--no-pci" => extra.no_pci = true,
            arg if is_short(arg, 'm') => extra.mib = mib(i, arg),
            _ => {}
        }
    }
    extra
}

/// Refuses arguments that contradict the spec, or that no DPDK starts with.
pub(super) fn check(draft: &mut Draft<'_>) {
    let args = draft.spec.dpdk.extra.clone();
    for arg in &args {
        if arg.is_empty() || arg.chars().any(|c| c.is_whitespace() || c.is_control()) {
            let what = format!("{arg:?} is not one argument");
            draft.refuse(Refusal::invalid(FIELD, what).hint("make an item of the list of each word"));
        }
        let device = arg.trim_start_matches("-a").trim_start_matches("-w").trim_start_matches("--allow=");
        if let Some(carries) = function_in(draft.host, device).and_then(|at| carries(draft.host, at)) {
            draft.refuse(Refusal::impossible(FIELD, carries).hint("leave it out"));
        }
        if let Some(hint) = has_field(draft, arg) {
            let what = format!("`{arg}` contradicts what Flyover sets itself");
            draft.refuse(Refusal::invalid(FIELD, what).hint(hint));
        }
    }
    let extra = read(&args);
    let wants_bus = |spec: &BridgeSpec| {
        spec.uplinks.iter().any(|uplink| uplink.device.is_some() || uplink.netdev.is_some())
    };
    if extra.no_pci && draft.spec.bridges.iter().any(wants_bus) {
        let what = "with `--no-pci` DPDK sees no device of an uplink";
        draft.refuse(Refusal::invalid(FIELD, what).hint("leave it out, or name uplinks by `devargs`"));
    }
    check_memory(draft, extra);
}

/// The field that says what an argument would.
fn has_field(draft: &Draft<'_>, arg: &str) -> Option<String> {
    let name = arg.split('=').next().unwrap_or(arg);
    match name {
        "--socket-mem" => Some("say it with `dpdk.socketMemory`".to_owned()),
        "--socket-limit" => Some("say it with `dpdk.socketLimit`".to_owned()),
        "--huge-dir" if draft.spec.dpdk.hugepage_dir.is_some() => Some("keep `dpdk.hugepageDir`".to_owned()),
        "--lcores" | "--coremask" => lcores(draft),
        _ if is_short(arg, 'c') || is_short(arg, 'l') => lcores(draft),
        _ => None,
    }
}

fn lcores(draft: &Draft<'_>) -> Option<String> {
    draft.spec.dpdk.lcores.as_ref().map(|cpus| format!("keep `dpdk.lcores`, which says {cpus}"))
}

fn check_memory(draft: &mut Draft<'_>, extra: Extra) {
    let socket_memory = draft.spec.dpdk.socket_memory.is_some();
    if !extra.no_huge {
        if extra.mib.is_some() {
            let what = "`-m` without `--no-huge` contradicts the memory of each NUMA node";
            draft.refuse(Refusal::invalid(FIELD, what).hint("say it with `dpdk.socketMemory`"));
        }
        return;
    }
    if !extra.legacy {
        let what =
            "`--no-huge` needs `--legacy-mem`: Open vSwitch adds `--in-memory`, and DPDK refuses the two";
        draft.refuse(Refusal::invalid(FIELD, what).hint("add `--legacy-mem`"));
    }
    if extra.mib.is_none() {
        let what = "`--no-huge` needs `-m` with the MiB that DPDK takes";
        draft.refuse(Refusal::invalid(FIELD, what).hint("add `-m` and a number, as two items"));
    }
    if draft.spec.dpdk.socket_limit.is_some() {
        let what = "there are no hugepages with `--no-huge`, and so no limit for a node";
        draft.refuse(Refusal::invalid("dpdk.socketLimit", what).hint("leave it out"));
    }
    if socket_memory {
        let what = "there are no hugepages with `--no-huge`, and `-m` in `dpdk.extra` is the memory";
        draft.refuse(Refusal::invalid("dpdk.socketMemory", what).hint("leave it out"));
    }
}

/// Whether it is that option of one letter, with its value or without.
fn is_short(arg: &str, letter: char) -> bool {
    let mut chars = arg.chars();
    let rest_is_value = |rest: &str| rest.is_empty() || rest.starts_with(|c: char| c.is_ascii_hexdigit());
    chars.next() == Some('-') && chars.next() == Some(letter) && rest_is_value(chars.as_str())
}
