//! The CNI plugin as a process: environment and standard input in, one JSON document out. It also is the broker of what it
//! attaches, when it is told so.

mod broker;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use flyover_cni_core::plugin;

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    if let Some(code) = broker::run(&words) {
        return code;
    }
    let root = std::env::var_os("FLYOVER_ROOT").map_or_else(|| PathBuf::from("/"), PathBuf::from);
    let answer = plugin::run(&root, |name| std::env::var(name).ok(), std::io::stdin().lock());
    // Who does not read the answer has its exit code.
    let _written = answer.text.map(|text| writeln!(std::io::stdout(), "{text}"));
    if answer.good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
