//! The lines above a result that say where it comes from, as sfnt-pingpong writes them.
//!
//! Invariant: they are gathered before a measurement has threads. Such a thread takes a copy of the descriptor table,
//! and if it does so while a tool runs, it holds that tool's pipe open, whose end would then never be read.

use std::fmt::{self, Write};
use std::time::SystemTime;

use flyover_host::cmd::Cmd;
use flyover_latency::clock::Clock;
use flyover_latency::host;

/// Now, as RFC 3339 writes it.
pub(crate) fn now() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}

/// What was typed.
pub(crate) fn command_line() -> String {
    std::env::args().collect::<Vec<_>>().join(" ")
}

/// Facts about this run and this machine.
pub(crate) fn gather() -> anyhow::Result<String> {
    let mut lines = String::new();
    write(&mut lines)?;
    Ok(lines)
}

fn write(out: &mut impl Write) -> fmt::Result {
    writeln!(out, "# cmdline: {}", command_line())?;
    writeln!(out, "# version: {}", env!("CARGO_PKG_VERSION"))?;
    writeln!(out, "# src: {}", env!("CARGO_PKG_NAME"))?;
    writeln!(out, "# date: {}", now())?;
    for line in lines_of("uname", &["-a"], "") {
        writeln!(out, "# uname: {line}")?;
    }
    writeln!(out, "# cpu: {}", host::cpu())?;
    for line in lines_of("lspci", &[], "net") {
        writeln!(out, "# lspci: {line}")?;
    }
    writeln!(out, "# ram: {}", host::memory())?;
    writeln!(out, "# tsc_hz: {}", Clock::get().hz())?;
    preload(out)
}

/// The library that accelerates us, and how it is set up.
fn preload(out: &mut impl Write) -> fmt::Result {
    let Ok(library) = std::env::var("LD_PRELOAD") else { return Ok(()) };
    writeln!(out, "# LD_PRELOAD={library}")?;
    if library.contains("onload") {
        for line in lines_of("onload", &["--version"], "onload") {
            writeln!(out, "# onload_version={line}")?;
        }
        for (name, value) in std::env::vars().filter(|(name, _)| name.starts_with("EF_")) {
            writeln!(out, "# {name}={value}")?;
        }
    }
    Ok(())
}

/// Lines a tool prints that contain a word; none if it is not installed: the header is only information.
fn lines_of(tool: &str, arguments: &[&str], word: &str) -> Vec<String> {
    let text = Cmd::new(tool).args(arguments).run().unwrap_or_default();
    text.lines().filter(|line| line.to_ascii_lowercase().contains(word)).map(str::to_owned).collect()
}
