//! tuned: a profile upon its own `cpu-partitioning`, which moves threads and interrupts off the polling CPUs.
//!
//! Source: profiles/cpu-partitioning of redhat-performance/tuned.

use flyover_api::When;
use flyover_plan::{CpuChoice, Settled, units};

use crate::unsaid::{self, Part};
use crate::{Document, Rendered, args};

/// One line of an ini file; `${` would begin one of tuned's variables.
fn setting(key: &str, value: &str) -> String {
    let value: String = value.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    format!("{key}={}\n", value.replace("${", r"\${"))
}

pub(crate) fn render(settled: &Settled) -> Rendered {
    let own = |name: &str, text: String| Document { name: name.to_owned(), text };
    let variables = settled.cpu.as_ref().map(|cpu| own("cpu-partitioning-variables.conf", variables(cpu)));
    let files = [own("tuned.conf", profile(settled))].into_iter().chain(variables).collect();
    Rendered { files, notes: notes(settled) }
}

fn variables(cpu: &CpuChoice) -> String {
    let isolated = cpu.isolated.to_string();
    format!(
        "{}\n# For /etc/tuned/cpu-partitioning-variables.conf.\n\
         # isolated_cores: no tick, no RCU callbacks, no interrupts; polling threads are pinned there.\n{}\
         # no_balance_cores: the scheduler moves nothing there or away, as polling threads want it.\n{}",
        units::HEADER,
        setting("isolated_cores", &isolated),
        setting("no_balance_cores", &isolated),
    )
}

fn profile(settled: &Settled) -> String {
    let include = if settled.cpu.is_some() { "include=cpu-partitioning\n" } else { "" };
    let cmdline = args::line(settled);
    let cmdline =
        if cmdline.is_empty() { String::new() } else { setting("cmdline_flyover", &format!("+{cmdline}")) };
    let sysctls: String =
        settled.sysctls.iter().map(|(key, value)| setting(&key.to_string(), value)).collect();
    let runtime = settled.pools.iter().filter(|pool| pool.when == When::Runtime);
    let pages: String =
        runtime.map(|pool| setting(pool.size.pool(pool.node).as_str(), &pool.count.to_string())).collect();
    let section =
        |name: &str, body: &str| if body.is_empty() { String::new() } else { format!("\n[{name}]\n{body}") };
    format!(
        "{}\n# For /etc/tuned/flyover/tuned.conf; then `tuned-adm profile flyover`, and a reboot for the command line.\n\
         [main]\nsummary=A node with polling threads, prepared by Flyover\n{include}{}{}{}",
        units::HEADER,
        section("bootloader", &cmdline),
        section("sysctl", &sysctls),
        section("sysfs", &pages),
    )
}

fn notes(settled: &Settled) -> Vec<String> {
    let mut notes = Vec::new();
    if settled.cpu.is_none() {
        notes.push("the profile says nothing of processors, so cpu-partitioning is not included".to_owned());
    }
    notes.extend(
        args::unset(settled)
            .into_iter()
            .map(|arg| format!("tuned cannot remove `{arg}` from the command line")),
    );
    let parts = [Part::Cpu, Part::Drivers, Part::Modules, Part::Services, Part::Files, Part::Mounts];
    notes.extend(unsaid::note(settled, "tuned", &parts, "use `--for kubelet` or `--for shell` beside it"));
    notes
}
